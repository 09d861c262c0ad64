//! The dns plugin.
