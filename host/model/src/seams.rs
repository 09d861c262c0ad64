//! The traits the rooms meet at: storage ([`Append`], [`Select`], [`Tail`]), plugins ([`Plugins`] and what it hands out)
//! and alerts ([`AlertSink`]). What crosses them is plain data.

use std::future::Future;
use std::pin::Pin;

use crate::Alert;

mod append;
mod plugins;
mod select;
mod tail;

pub use append::*;
pub use plugins::*;
pub use select::*;
pub use tail::*;

/// A future that can be moved between threads, boxed so that traits stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where rules hand their alerts over. Implemented by `alerting`, and by a sender to outside Alertmanagers.
pub trait AlertSink: Send + Sync {
    /// Takes alerts that fire or are resolved. The same alert comes again while it lasts; the last one counts. Must not
    /// block.
    fn submit(&self, alerts: Vec<Alert>);
}
