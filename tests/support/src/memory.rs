//! How much memory a test binary holds, by an allocator that counts.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

static HELD: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, counted: to be named as the `#[global_allocator]` of a test binary.
pub struct Counting;

fn change(bytes: isize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(size(layout));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        change(-size(layout));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        change(isize::try_from(new).unwrap_or(isize::MAX) - size(layout));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, new) }
    }
}

/// A stretch of work of which the memory is measured; one at a time, because all threads of the process count.
pub struct Measured(isize);

impl Measured {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        let before = HELD.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        Self(before)
    }

    /// Bytes that were held at most since then, beside what was held before.
    #[must_use]
    pub fn most(&self) -> usize {
        usize::try_from(MOST.load(Ordering::Relaxed) - self.0).unwrap_or(0)
    }
}
