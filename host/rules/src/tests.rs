//! Rule files of others, and evaluation over a store in memory on simulated time.

mod evaluation;
mod files;
