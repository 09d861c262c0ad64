//! Write Skopos plugins: guest-side traits, one macro per kind, fakes of the host for native tests.
