//! The dashboard model: our files, imported Grafana JSON, variables, transformations, units.
