//! Write Skopos plugins in Rust.
//!
//! A plugin is a component for `wasm32-wasip2` that exports one or more kinds. This crate has one module per kind, with
//! the trait to implement and a macro that exports it, and one module per capability of the host ([`http`], [`dns`],
//! [`kv`], [`metrics`], [`log`], …).
//!
//! ```
//! use skopos_sdk::discovery::{self, TargetGroup};
//! use skopos_sdk::types::Error;
//!
//! struct Fixed;
//!
//! impl discovery::Guest for Fixed {
//!     fn refresh(_config: String) -> Result<Vec<TargetGroup>, Error> {
//!         Ok(vec![TargetGroup { source: "fixed".into(), targets: vec!["db:9187".into()], labels: vec![] }])
//!     }
//! }
//!
//! discovery::export!(Fixed);
//! ```
//!
//! Natively the macros expand to nothing and the capabilities answer from [`fake`], so a plugin's tests are ordinary tests.
//!
//! Start reading at [`discovery`]; the contract itself, with what every call means, is in `wit/`. This crate does not know
//! the host, nor any configuration language: sections arrive as JSON, see [`config`].

mod bindings;
pub mod config;
pub mod delivery;
mod imports;
mod kinds;
pub mod reduce;
pub mod targets;

#[cfg(not(target_arch = "wasm32"))]
pub mod fake;

pub use imports::{dns, files, host_info, http, kv, log, metrics, net, types};
pub use kinds::{about, channel, datasource, discovery, exporter, http_handler, panel};
