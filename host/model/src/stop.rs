//! Stopping work that nobody waits for any more, deep inside of rooms that do not know who asked.
//!
//! It belongs to a thread while that works for somebody, so that each trait between who asks and who works need not carry it:
//! storage looks at it in its long loops, whoever calls it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// When to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Set to true from outside.
    pub cancel: Arc<AtomicBool>,
    /// None is never. By the monotonic clock.
    pub deadline: Option<Instant>,
}

impl Stop {
    /// Whether it is time.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Stop>> = const { RefCell::new(None) };
}

/// Works under a stop. Threads that are started meanwhile do not inherit it.
pub fn within<T>(stop: &Stop, work: impl FnOnce() -> T) -> T {
    /// Puts back what was there, after a panic too.
    struct Back(Option<Stop>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _back = Back(CURRENT.replace(Some(stop.clone())));
    work()
}

/// Whether this thread's work is to stop. Some tens of nanoseconds: to be asked every thousand steps or so.
#[must_use]
pub fn is_due() -> bool {
    CURRENT.with_borrow(|stop| stop.as_ref().is_some_and(Stop::is_due))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_for_the_work_inside() {
        let (outer, inner) = (Stop::default(), Stop { deadline: Some(Instant::now()), ..Stop::default() });
        assert!(!is_due());
        within(&outer, || {
            assert!(!is_due());
            within(&inner, || assert!(is_due()));
            assert!(!is_due());
            outer.cancel.store(true, Ordering::Relaxed);
            assert!(is_due());
        });
        assert!(!is_due());
    }
}
