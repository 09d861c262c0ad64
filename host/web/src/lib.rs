//! HTTP: the Prometheus API, our own API, dashboards, plugins that serve HTTP, and the files of the pages.
//!
//! Start at [`router`], the table of contents. Everything the handlers need comes in one [`State`] of closures and traits,
//! so that this crate knows neither storage nor plugins, and tests need neither. Handlers parse, call and encode.
//!
//! The only crate that names axum. [`serve`] accepts connections with limits that hold before a request is read.

mod access;
mod answer;
mod api;
mod compress;
mod encode;
mod error;
mod guard;
mod pages;
mod params;
mod plugins;
mod queries;
mod router;
mod run;
mod serve;
mod state;
mod stream;

pub use access::{Access, WebConfig};
pub use axum::Router;
pub use error::ApiError;
pub use plugins::{MountedHandler, listener_router};
pub use queries::{Queries, QueryLog, QueryStats, RuleQueries, Summary, Timings};
pub use router::router;
pub use serve::serve;
pub use state::{Admin, BuildInfo, Limits, ReloadFuture, RuntimeInfo, State, TestFuture};
