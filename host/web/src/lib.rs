//! HTTP: the Prometheus API, our API, dashboards, the ui's files.
