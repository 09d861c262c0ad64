//! Finds targets, fetches them on time, hands samples to storage.

pub mod snapshot;
