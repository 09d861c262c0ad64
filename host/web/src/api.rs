//! Handlers, one file for each noun.

pub(crate) mod admin;
pub(crate) mod boards;
pub(crate) mod exemplars;
pub(crate) mod features;
pub(crate) mod federate;
mod hints;
mod histograms;
pub(crate) mod lifecycle;
pub(crate) mod metadata;
pub(crate) mod notices;
pub(crate) mod openapi;
pub(crate) mod panel;
pub(crate) mod parse_query;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod receivers;
pub(crate) mod rules;
pub(crate) mod running;
pub(crate) mod series;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod targets;
pub(crate) mod tsdb_status;
mod variables;
pub(crate) mod write;
