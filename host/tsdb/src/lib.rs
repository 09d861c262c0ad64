//! Keeps samples: a write-ahead log, the head in memory, recovery of the one from the other, and blocks on disk.
//!
//! Start at [`Db`]: it implements [`model::seams::Append`], [`model::seams::Select`] and [`model::seams::Tail`]. Then follow a row:
//! `head/writer.rs` checks it, `wal/log.rs` writes it, `head/group.rs` shows it, `select.rs` finds it. `FORMAT.md` has the
//! files byte by byte, `DESIGN.md` what was measured.
//!
//! **Durability:** a sample is acknowledged, and only then visible, once its record has been written to the log file. No
//! acknowledged sample is lost when the process dies. When the machine loses power, at most [`Options::wal_sync_ms`] is lost;
//! with 0 nothing, because the acknowledgement then waits for the sync.
//!
//! **Blocks** (`block`): what the head has of two hours goes into an immutable file, which `life` merges, cuts and removes.
//!
//! This crate does not know threads (the caller drives [`Db::maintain`] and [`Db::tend`]), wall time (it is passed in), PromQL or HTTP. All
//! access to files of ours goes through [`disk::Disk`].

pub mod backfill;
mod block;
mod column;
mod db;
pub mod disk;
mod error;
mod exemplars;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod index;
mod life;
mod maintain;
#[doc(hidden)]
pub mod measuring;
mod merge;
mod options;
mod pace;
pub mod prometheus;
mod recovery;
mod select;
mod stats;
mod tail;
mod wal;

pub use db::Db;
pub use error::{Damage, OpenError, RecoveryProgress, RecoveryReport};
pub use life::{BlockCheck, BlockInfo, Cardinality, DeleteReport, RepairReport, TendReport};
pub use maintain::MaintainReport;
pub use options::Options;
pub use stats::Stats;
