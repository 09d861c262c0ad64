//! The plugin's own metrics, by the names of prometheus-fastapi-instrumentator.

use std::time::Duration;

use skopos_sdk::metrics::{self, Kind};

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const DURATION_FINE: &str = "http_request_duration_highr_seconds";

const BUCKETS: [f64; 3] = [0.1, 0.5, 1.0];
const BUCKETS_FINE: [f64; 21] =
    [0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0];

/// Names all of them; costs next to nothing the second time.
pub(crate) fn declare() {
    metrics::declare(REQUESTS, Kind::Counter, "Total number of requests by method, status and handler.", "");
    metrics::declare_histogram(DURATION, "Duration of requests by handler.", "seconds", &BUCKETS);
    metrics::declare_histogram(DURATION_FINE, "Duration of all requests, in fine buckets.", "seconds", &BUCKETS_FINE);
}

/// One request that was answered.
pub(crate) fn observe(method: &str, handler: &str, status: u16, took: Duration) {
    // Whoever calls chooses the method: its label must not grow without end.
    let method = match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method,
        _ => "other",
    };
    let status = format!("{}xx", status / 100);
    metrics::counter_add(REQUESTS, &[("method", method), ("status", &status), ("handler", handler)], 1.0);
    metrics::histogram_observe(DURATION, &[("handler", handler)], took.as_secs_f64());
    metrics::histogram_observe(DURATION_FINE, &[], took.as_secs_f64());
}
