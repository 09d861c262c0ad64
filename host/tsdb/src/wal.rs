//! The write-ahead log. `FORMAT.md` describes every byte; reading and writing stand side by side in each file.

pub(crate) mod decode;
pub(crate) mod frame;
pub(crate) mod log;
pub(crate) mod payload;
pub(crate) mod row;
pub(crate) mod sections;
pub(crate) mod sync;
