//! Loads WebAssembly components, limits them, grants them what the operator wrote, and hands out what they do as the traits
//! of `model::seams`.
//!
//! Start at [`PluginHost`], then `loader.rs` (how a component comes in), `call.rs` (one call: a fresh instance and its
//! limits), `imports.rs` (what a component may ask of the host) and `grants.rs` (whether it may). The contract is in `wit/`;
//! types generated from it stay in here.
//!
//! This crate does not know what discovery, exporters, channels, handlers and panels are for. It is the only one that names
//! wasmtime.

mod access;
mod backoff;
mod cache;
mod call;
mod compile;
mod config;
mod engine;
mod files;
mod grants;
mod handle;
mod host;
mod imports;
mod inspect;
mod kv;
mod ledger;
mod limits;
mod loaded;
mod loader;
mod machine_facts;
mod metrics;
mod output;
mod schema;
mod section;
mod serve;
mod shared;
mod slot;
mod sources;
mod standing;
mod state;
mod status;
#[cfg(test)]
mod testing;
mod text;
mod v0_1;

pub use config::{PluginConfig, PluginsConfig, Serve, TargetRule};
pub use grants::{Grants, HttpGrant, UrlGrant};
pub use host::{HostError, Mount, Options, PluginHost};
pub use inspect::{Inspection, inspect as inspect_component};
pub use limits::LimitsConfig;
pub use status::{PluginStats, PluginStatus, RefusedGrant, Stats};
