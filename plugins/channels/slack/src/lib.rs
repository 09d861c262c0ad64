//! The slack plugin.
