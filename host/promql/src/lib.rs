//! Parses and evaluates queries in the language of Prometheus over anything that can select series.
//!
//! Start at [`parse`], [`instant`] and [`range`]; [`ast`] is what lies between them. Syntax and meaning are those of
//! Prometheus 3: ranges and lookback are open on the left, names may be any UTF-8. What upstream keeps
//! behind a flag is refused by name and position unless it is allowed ([`plan::supported`]).
//!
//! Pure: the same expression over the same data gives the same answer. Bounded: depth, samples and bytes in memory, a deadline and
//! a flag to cancel come in as [`Limits`]. Everything blocks; callers on the async side use a blocking thread.
//!
//! This crate does not know how samples are stored, HTTP, or the time of day.

pub mod ast;
mod check;
mod error;
mod eval;
mod features;
mod footprint;
mod functions;
pub mod fuzzing;
mod histogram;
pub mod json;
mod lex;
mod limits;
mod memory;
mod meter;
mod notes;
mod parse;
pub mod plan;
mod position;
mod pretty;
mod print;
pub mod script;
mod signatures;
mod text;
mod value;

pub use error::{EvalError, ParseError};
pub use eval::{instant, range};
pub use features::Features;
pub use histogram::{Bucket, BucketRange, FloatHistogram, HistogramPoint};
pub use limits::Limits;
pub use memory::Memory;
pub use meter::{Hold, Meter, Pool, Stats};
pub use parse::{parse, parse_series};
pub use signatures::functions;
pub use text::quote;
pub use value::{Point, QueryResult, Sample, Series, StepSamples, Value};
