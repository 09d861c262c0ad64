//! Loads components, limits them, grants capabilities, speaks WIT.
