//! Routes, groups and delivers alerts.

pub mod snapshot;
