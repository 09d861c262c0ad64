//! The stat plugin.
