//! Finds targets, fetches them on time, hands samples to storage.
//!
//! Start at [`Scraper`]; [`ScrapeConfig`] is what it works by. The way of a sample: `discovery` and `pool` make targets,
//! `scrape_loop` wakes on time, `fetch` gets the text, `commit` turns it into rows.
//!
//! This crate does not know which discovery mechanisms exist, WebAssembly, how samples are stored, or HTTP beyond
//! `http-client`.

#[doc(hidden)]
pub mod bench;
mod commit;
mod config;
mod discovery;
mod egress;
mod examine;
mod exemplars;
mod failure_log;
mod fetch;
mod grid;
mod layout;
mod metadata;
mod native;
mod pool;
pub mod protocols;
mod punctuality;
mod refusal;
pub mod relabel;
mod report;
mod sample_labels;
mod schedule;
mod scrape_loop;
mod scraper;
pub mod snapshot;
mod stats;
mod target;
mod timed;

// The tests of targets use it too, from outside.
#[cfg(test)]
#[path = "../tests/common/store.rs"]
mod store;

pub use config::{Discovery, DiscoveryReader, Exporter, GlobalConfig, JobConfig, JobReader, Limits, ScrapeConfig, static_groups};
pub use examine::{Examined, examine};
pub use metadata::{Families, FamilyMetadata};
pub use refusal::RefusedSeries;
pub use scraper::{Deps, ReloadError, Scraper};
pub use stats::{PoolStats, RefusedNow, Stats};
