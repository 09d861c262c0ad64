//! Samples from other servers: the receiving side of Prometheus' remote write, 1.0
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/>) and 2.0
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>), and OTLP's metrics.
//!
//! [`Receiver::write`] takes the headers and the body of one request and says what to answer, and
//! [`Receiver::write_otlp`] likewise. They block, and know no HTTP server.
//!
//! How a request goes through: the body is decompressed into a buffer that is used again (`body`); series are found by a keyed hash
//! of their labels' bytes, most often as the one that followed the same series last time (`cache`); nothing is stored before the
//! whole message was read (`v1`, `v2`); samples become rows of groups, which are keyed by sender, job and instance (`sender`,
//! `lanes`, `rows`).
//!
//! The other way, [`read`] answers servers that ask for samples.

mod answer;
mod body;
mod cache;
mod commit;
mod content;
mod hash;
mod histogram;
mod labels;
mod lanes;
mod message;
mod metadata;
mod otlp;
pub mod put;
pub mod read;
mod receiver;
mod rows;
mod sender;
mod stats;
mod v1;
mod v2;

#[doc(hidden)]
pub mod fuzzing;

pub use answer::Answer;
pub use metadata::Family;
pub use otlp::{OtlpAnswer, OtlpOptions, OtlpStats, Translation};
pub use receiver::{Options, Receiver, Request};
pub use stats::{Ahead, SenderStats, Stats};
