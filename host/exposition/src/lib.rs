//! Reads and writes the formats that targets speak.
