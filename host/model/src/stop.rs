//! Stopping work that nobody waits for any more, deep inside of rooms that do not know who asked.
//!
//! It belongs to a thread while that works for somebody, so that each trait between who asks and who works need not carry it:
//! storage looks at it in its long loops, whoever calls it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// When to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Set to true from outside.
    pub cancel: Arc<AtomicBool>,
    /// None is never. By the monotonic clock.
    pub deadline: Option<Instant>,
    /// Bytes that the work may take for its answer before anybody sees it; told by [`take`].
    pub bytes_max: usize,
}

impl Default for Stop {
    /// Never.
    fn default() -> Self {
        Self { cancel: Arc::default(), deadline: None, bytes_max: usize::MAX }
    }
}

impl Stop {
    /// Whether it is time.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

thread_local! {
    /// With the bytes that were taken.
    static CURRENT: RefCell<Option<(Stop, usize)>> = const { RefCell::new(None) };
}

/// Works under a stop. Threads that are started meanwhile do not inherit it.
pub fn within<T>(stop: &Stop, work: impl FnOnce() -> T) -> T {
    /// Puts back what was there, after a panic too.
    struct Back(Option<(Stop, usize)>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _back = Back(CURRENT.replace(Some((stop.clone(), 0))));
    work()
}

/// Whether this thread's work is to stop. Some tens of nanoseconds: to be asked every thousand steps or so.
#[must_use]
pub fn is_due() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|(stop, taken)| *taken > stop.bytes_max || stop.is_due()))
}

/// Says that the work is about to take memory for its answer. Once it is too much, it is due to stop.
pub fn take(bytes: usize) {
    CURRENT.with_borrow_mut(|current| {
        if let Some((_, taken)) = current {
            *taken = taken.saturating_add(bytes);
        }
    });
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
        within(&Stop { bytes_max: 100, ..Stop::default() }, || {
            take(100);
            assert!(!is_due());
            take(1);
            assert!(is_due());
            within(&Stop::default(), || {
                take(usize::MAX);
                assert!(!is_due());
            });
            assert!(is_due());
        });
        take(5);
        assert!(!is_due());
    }
}
