//! Keeps samples: write-ahead log, head, recovery.
