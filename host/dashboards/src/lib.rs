//! Dashboards without their surroundings: the model, Grafana's classic JSON, variables, frames, field configuration and
//! transformations.
//!
//! Start at [`import`], which turns a file's text into a [`Dashboard`], then [`Scope`], which fills in variables,
//! [`frames`], which turns query results into columns, [`transform()`] and [`resolve`], which end in what a panel gets.
//!
//! This crate does not know HTTP, storage, PromQL or how anything is drawn. It is pure and synchronous. Whatever a file
//! holds, the answer is a dashboard with warnings or one clear error.

mod error;
mod field;
pub mod frames;
mod grafana;
mod json;
mod matcher;
mod model;
mod names;
mod reduce;
mod time;
mod transform;
mod variable;

pub use error::ImportError;
pub use field::{Resolved, resolve};
pub use grafana::{DASHBOARD_BYTES_MAX, from_json_value, import};
pub use model::{Dashboard, FieldOptions, Grid, Panel, PanelKind, ResultFormat, Target, Transformation};
pub use reduce::reduce;
pub use time::{QueryInterval, parse_time, query_interval};
pub use transform::transform;
pub use variable::{ALL_VALUE, Scope, Variable, VariableKind, VariableOption, VariableQuery};
