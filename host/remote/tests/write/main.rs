//! Requests into a real database.

mod distributions;
mod faults;
mod lanes;
mod samples;
mod support;
