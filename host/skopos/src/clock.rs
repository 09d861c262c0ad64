//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Clock, TimestampMs};

/// The system's clock. Everyone else is handed a [`Clock`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> TimestampMs {
        // A clock before 1970 reads as 1970.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| TimestampMs::try_from(d.as_millis()).unwrap_or(TimestampMs::MAX))
    }
}
