//! The opengraph plugin.
