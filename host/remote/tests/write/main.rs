//! Requests into a real database.

mod distributions;
mod faults;
mod hostile;
mod lanes;
mod otlp;
mod reading;
mod samples;
mod support;
