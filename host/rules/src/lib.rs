//! Evaluates recording and alerting rules and keeps each alert's state.
//!
//! Start at [`Rules`], which keeps the groups running, and [`RuleFile`], which reads what a file says. `group` is one
//! evaluation, `alert_state` the life of one alert as a pure function, `restore` what a restart needs to know.
//!
//! What this crate does not know: who is told of alerts, how samples are stored, HTTP.

mod alert_state;
mod deps;
mod expand;
mod file;
mod group;
mod known;
mod restore;
mod rules;
pub mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
pub mod unit_test;

pub use deps::{ListedQuery, QueryList, Rule, RulesDeps};
pub use file::{Problem, Recording, RuleFile};
pub use known::known_keys;
pub use rules::Rules;
pub use stats::Stats;
