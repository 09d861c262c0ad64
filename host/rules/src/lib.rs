//! Evaluates recording and alerting rules and keeps each alert's state.

pub mod snapshot;
