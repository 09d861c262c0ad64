//! Tests of grouping on simulated time, of configurations, and of the whole with a channel that fails.

mod conformance;
mod running;
mod timelines;
mod world;
