//! The bytes of the first-party plugins, compiled by the build script.
