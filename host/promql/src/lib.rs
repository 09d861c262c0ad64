//! Parses and evaluates queries over anything that can select series.
