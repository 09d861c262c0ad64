//! The head: samples in memory, by group. Recent rows as they came, older ones in compressed pages.

pub(crate) mod cut;
pub(crate) mod group;
pub(crate) mod page;
pub(crate) mod read;
pub(crate) mod rows;
pub(crate) mod slots;
pub(crate) mod writer;
