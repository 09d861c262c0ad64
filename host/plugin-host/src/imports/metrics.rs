use model::TimestampMs;

use crate::metrics::MetricKind;
use crate::state::CallState;
use crate::v0_1::imports::metrics::{Host, Kind};

type Labels = Vec<(String, String)>;

impl CallState {
    /// Logs a use that was dropped, the first time.
    fn told(&self, dropped: Option<String>) -> wasmtime::Result<()> {
        if let Some(reason) = dropped {
            tracing::warn!(
                plugin = self.plugin.standing.name,
                "a metric was dropped: {}",
                crate::text::one_line(&self.access.secrets.redact(reason))
            );
        }
        Ok(())
    }

    /// Labels go to pages and to storage: no secret does.
    fn labels(&self, labels: Labels) -> Labels {
        labels.into_iter().map(|(name, value)| (name, self.access.secrets.redact(value))).collect()
    }

    fn now(&self) -> TimestampMs {
        self.plugin.clock.now()
    }
}

impl Host for CallState {
    async fn declare(&mut self, name: String, kind: Kind, help: String, unit: String) -> wasmtime::Result<()> {
        let kind = match kind {
            Kind::Counter => MetricKind::Counter,
            Kind::Gauge => MetricKind::Gauge,
        };
        self.told(self.plugin.metrics.declare(&name, kind, &help, &unit))
    }

    async fn declare_histogram(&mut self, name: String, help: String, unit: String, buckets: Vec<f64>) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.declare(&name, MetricKind::Histogram(buckets), &help, &unit))
    }

    async fn counter_add(&mut self, name: String, labels: Labels, by: f64) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.counter_add(&name, &self.labels(labels), by))
    }

    async fn gauge_set(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.gauge_set(&name, &self.labels(labels), value))
    }

    async fn gauge_add(&mut self, name: String, labels: Labels, by: f64) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.gauge_add(&name, &self.labels(labels), by))
    }

    async fn histogram_observe(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.observe(&name, &self.labels(labels), value, self.now()))
    }

    async fn histogram_add(&mut self, name: String, labels: Labels, counts: Vec<u64>, sum: f64, max: f64) -> wasmtime::Result<()> {
        self.told(self.plugin.metrics.observe_many(&name, &self.labels(labels), &counts, sum, max, self.now()))
    }

    async fn remove(&mut self, name: String, labels: Labels) -> wasmtime::Result<()> {
        self.plugin.metrics.remove(&name, &labels);
        Ok(())
    }
}
