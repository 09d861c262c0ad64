//! What the host offers to components, one file per interface. All of it is always there to link against: what is not granted
//! answers an error that is the line to write.

mod dns;
mod files;
mod host_info;
mod http;
mod kv;
mod log;
mod metrics;
pub(crate) mod net;
pub(crate) mod wasi;

use crate::state::CallState;
use crate::v0_1::{imports, unstable_types};

// Interfaces of types alone.
impl imports::types::Host for CallState {}
impl unstable_types::data::Host for CallState {}
