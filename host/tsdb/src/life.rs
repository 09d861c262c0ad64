//! What becomes of the head's rows: blocks, larger blocks, nothing.
//!
//! All of it runs under one lock ([`State`]) beside appends and queries: files are written first, then the list of blocks changes
//! in one step, and only then is anything removed.

pub(crate) mod blocks;
mod compact;
pub(crate) mod covered;
mod delete;
pub(crate) mod files;
mod first_written;
pub(crate) mod flush;
pub(crate) mod horizon;
mod merge_blocks;
pub(crate) mod plan;
mod read_only;
mod repair;
pub(crate) mod retention;
mod snapshot;
mod status;
mod tend;
pub(crate) mod time;
pub(crate) mod tombstones;

pub use blocks::BlockInfo;
pub use delete::DeleteReport;
pub use repair::{BlockCheck, RepairReport};
pub use status::Cardinality;
pub use tend::TendReport;
pub(crate) use tend::{Count, Limits, State};
