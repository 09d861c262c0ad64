//! YAML text to a tree with positions ([`model::config::Node`]).
//!
//! Start at [`parse`]. Scalars keep the text as it was written, so that `1.10` in a label stays `1.10`; whoever reads a
//! field decides what it is. Bounded: anchors that multiply, deep nesting and huge files are errors, not memory.
//!
//! This crate does not know what a configuration means.

mod parse;

pub use parse::{ALIASED_MAX, BYTES_MAX, DEPTH_MAX, NODES_MAX, parse};
