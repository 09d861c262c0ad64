//! In the steady state a scrape allocates as often for many lines as for few: nothing per line.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use std::sync::Arc;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // Threads that end have no counter any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[path = "common/nothing.rs"]
mod nothing;

use nothing::Nothing;

/// A third of the lines have times of their own, each container its own, if `stamps`.
fn body(lines: usize, round: usize, stamps: bool) -> String {
    let mut text = String::new();
    for line in 0..lines {
        if line % 20 == 0 {
            let _ = write!(text, "# HELP m_{0} Something.\n# TYPE m_{0} counter\n", line / 20);
        }
        let _ = write!(text, "m_{}{{container=\"{}\",path=\"/{line}\"}} {}", line / 20, line % 30, (line * 31 + round) as f64 * 0.25);
        if stamps && line % 3 == 0 {
            let _ = write!(text, " {}", 1_700_000_000_000 + round * 15_000 + line % 30);
        }
        text.push('\n');
    }
    text
}

/// Allocations of a commit once all lines are known.
fn of_a_scrape(lines: usize, stamps: bool) -> u64 {
    let mut commits = scrape::bench::Commits::new(Arc::new(Nothing));
    let bodies: Vec<String> = (0..40).map(|round| body(lines, round, stamps)).collect();
    let mut last = 0;
    for (round, body) in bodies.iter().enumerate() {
        let before = COUNT.get();
        assert_eq!(commits.commit(body.as_bytes(), 1_700_000_000_000 + round as i64 * 15_000), Ok(lines as u64));
        last = COUNT.get() - before;
    }
    last
}

#[test]
fn nothing_is_allocated_per_line() {
    assert!(of_a_scrape(1, false) < of_a_scrape(100, false) + 100, "it counts");
    for stamps in [false, true] {
        let (few, many) = (of_a_scrape(100, stamps), of_a_scrape(10_000, stamps));
        println!("stamps {stamps}: {few} allocations for 100 lines, {many} for 10,000");
        assert!(many <= few.max(4), "{many} allocations for 10,000 lines, {few} for 100");
    }
}
