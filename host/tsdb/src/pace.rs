//! How often long work looks at whether to stop.
//!
//! Whoever walks over many things says so here, in ticks: what takes some twenty nanoseconds, such as a number of a list. Every
//! so many of them there is a look, wherever in storage they were counted: nothing that is asked goes on for more than some
//! milliseconds once nobody waits for it. What finds that it is over may leave its work half done; whoever called it looks once more
//! before it believes the result.

use std::cell::Cell;

use model::stop;

/// Ticks between two looks: one to two milliseconds.
pub(crate) const EVERY: usize = 1 << 16;
/// Some numbers of a list.
pub(crate) const NUMBERS: usize = 16;
/// A series that is looked up: its entry, its places or a few of its labels' numbers.
pub(crate) const SERIES: usize = 4;
/// A value that a matcher looks at. A pattern may take microseconds.
pub(crate) const VALUE: usize = 64;
/// A label set that is made, compared or noted.
pub(crate) const LABELS: usize = 24;
/// A column that is decoded, beside its rows.
pub(crate) const COLUMN: usize = 16;

thread_local! {
    static SINCE: Cell<usize> = const { Cell::new(0) };
}

/// Counts ticks. Whether there was a look, and it is time to stop.
#[inline]
#[must_use]
pub(crate) fn over(ticks: usize) -> bool {
    #[cfg(test)]
    tests::count(ticks);
    let since = SINCE.get() + ticks;
    SINCE.set(since);
    since >= EVERY && look()
}

/// Looks, whatever was counted.
#[cold]
#[must_use]
pub(crate) fn look() -> bool {
    #[cfg(test)]
    tests::looked();
    let due = stop::is_due();
    // Once it is time, whoever counts next sees it at once.
    SINCE.set(if due { EVERY } else { 0 });
    due
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    /// What this thread counted.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Counted {
        /// In all.
        pub(crate) ticks: usize,
        /// Most between two looks.
        pub(crate) longest: usize,
        since: usize,
        /// Once so many were counted, this is set.
        cancel: Option<(usize, Arc<AtomicBool>)>,
        /// When that was.
        pub(crate) canceled: Option<Instant>,
    }

    thread_local! {
        static COUNTED: RefCell<Counted> = RefCell::default();
    }

    pub(super) fn count(ticks: usize) {
        COUNTED.with_borrow_mut(|counted| {
            counted.ticks += ticks;
            counted.since += ticks;
            counted.longest = counted.longest.max(counted.since);
            if let Some((at, cancel)) = &counted.cancel
                && counted.ticks >= *at
            {
                cancel.store(true, Ordering::Relaxed);
                counted.canceled.get_or_insert_with(Instant::now);
            }
        });
    }

    pub(super) fn looked() {
        COUNTED.with_borrow_mut(|counted| counted.since = 0);
    }

    /// What was counted meanwhile; `cancel` is set once so many ticks were.
    pub(crate) fn counted<T>(cancel: Option<(usize, Arc<AtomicBool>)>, work: impl FnOnce() -> T) -> (T, Counted) {
        super::SINCE.set(0);
        COUNTED.set(Counted { cancel, ..Counted::default() });
        let result = work();
        (result, COUNTED.take())
    }
}
