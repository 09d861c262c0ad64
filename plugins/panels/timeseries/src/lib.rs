//! The timeseries plugin.
