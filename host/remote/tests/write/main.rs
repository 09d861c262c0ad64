//! Requests into a real database.

mod faults;
mod lanes;
mod samples;
mod support;
