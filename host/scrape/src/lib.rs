//! Finds targets, fetches them on time, hands samples to storage.
//!
//! Start at [`Scraper`]; [`ScrapeConfig`] is what it works by. The way of a sample: `discovery` and `pool` make targets,
//! `scrape_loop` wakes on time, `fetch` gets the text, `commit` turns it into rows.
//!
//! This crate does not know which discovery mechanisms exist, WebAssembly, how samples are stored, or HTTP beyond
//! `http-client`.

mod config;
mod json;
pub mod relabel;
mod target;
mod discovery;
mod egress;
mod pool;
mod scraper;
mod schedule;
mod scrape_loop;
mod fetch;
mod commit;
mod layout;
mod sample_labels;
mod report;
mod timed;
mod stats;
pub mod snapshot;
#[doc(hidden)]
pub mod bench;

pub use config::{Discovery, Exporter, GlobalConfig, JobConfig, Limits, ScrapeConfig};
pub use scraper::{Deps, ReloadError, Scraper};
pub use stats::{PoolStats, Stats};
