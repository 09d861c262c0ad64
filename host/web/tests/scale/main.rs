//! The server over the real storage, with as many series as are wanted: how soon work ends that nobody waits for any more, and what
//! it takes to list everything there is. `tests/README.md` has the long forms.

#![allow(clippy::print_stdout, reason = "what was measured is for whoever runs the tests")]

mod cancel;
mod everything;
mod stored;
#[path = "../http/support.rs"]
#[allow(dead_code, reason = "some of it is for the tests over fakes")]
mod support;

/// One measurement at a time: all threads of the process count.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[global_allocator]
static ALLOCATOR: test_support::Counting = test_support::Counting;
