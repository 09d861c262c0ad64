//! Reads and writes the formats that targets speak: the Prometheus text format 0.0.4 and 1.0.0, OpenMetrics 1.0, and protobuf.
//!
//! Start at [`Reader`], which walks a body line by line and borrows from it; [`encode`] writes. [`read_tail`] reads what
//! follows a line's labels alone, for a caller that has seen the same line before. [`protobuf::Reader`] walks over families.
//!
//! Reading accepts what Prometheus' scraper accepts and refuses what it refuses; [`check`] is stricter: the text format as
//! `promtool check metrics` has it, OpenMetrics as its specification has it. [`Exemplar`] reads what may follow a value,
//! [`family_lines`] what a body says of its families.
//!
//! This crate does not know where bytes come from or go to. It does not allocate per line and does not panic, whatever the
//! input.

mod check;
mod encode;
mod error;
mod exemplar;
mod families;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod line;
mod number;
pub mod protobuf;
mod reader;
mod tail;
mod text;
pub mod wire;

pub use check::{Summary, check};
pub use encode::encode;
pub use error::ParseError;
pub use exemplar::Exemplar;
pub use families::{FamilyLine, family_lines};
pub use format::{CONTENT_TYPE, Format, FormatError};
pub use number::{format_float, parse_float};
pub use reader::{LABELS_MAX, LINE_BYTES_MAX, Line, Reader, Sample};
pub use tail::{Tail, read_tail};
