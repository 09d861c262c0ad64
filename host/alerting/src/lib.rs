//! Routes, groups and delivers alerts.
//!
//! Start at [`Alerting`], which runs what `core` decides. `core` is a pure state machine over alerts, groups and time: it is
//! where grouping, repeating and resolving are decided, and the whole of it runs on simulated time. `config` reads what an
//! `alertmanager.yml` says, `route` finds the receivers of an alert, `sent` says whether a message is due, `deliver` makes the
//! attempts, `ledger` remembers what arrived. `trial` sends test messages
//! past all of that.
//!
//! What this crate does not know: rules and queries, HTTP, what a channel does with a message.

mod alerting;
mod config;
mod core;
mod deliver;
mod expand;
mod group;
mod inhibit;
mod ledger;
mod matchers;
mod notification;
mod route;
mod sent;
mod services;
pub mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
mod trial;

pub use alerting::{Alerting, AlertingDeps, AlertingError};
pub use config::{AlertingConfig, TemplateFiles};
pub use stats::{ChannelStats, Stats};
pub use trial::{ReceiverSnapshot, TestError, TestResult, Trial};
