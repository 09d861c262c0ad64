//! Skopos as promtool.
