//! Entries of the fuzz targets: decompressed messages, of anybody.

use std::sync::Arc;

use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, GroupAppend, Row};
use model::{LabelSet, ManualClock};

use crate::{Options, OtlpOptions, Receiver, Request, Translation};

/// Storage that takes everything and checks what it relies on.
struct Sink;

struct Group(u32);

impl Append for Sink {
    fn open_group(&self, _: &str) -> Result<Box<dyn GroupAppend>, AppendError> {
        Ok(Box::new(Group(0)))
    }
}

impl GroupAppend for Group {
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        assert!(labels.metric_name().is_some(), "a series has a name");
        self.0 += 1;
        Ok(ColumnId(self.0))
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        let mut columns: Vec<u32> = row.columns.iter().map(|c| c.0).chain(row.histograms.iter().map(|(c, _)| c.0)).collect();
        let len = columns.len();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns.len(), len, "no column comes twice");
        Ok(AppendReport { accepted: len as u64, ..AppendReport::default() })
    }
}

fn run(content_type: &str, message: &[u8]) {
    let receiver = Receiver::new(Arc::new(Sink), Arc::new(ManualClock::at(1_700_000_000_000)), Options::default());
    let request = Request { content_type: Some(content_type), ..Request::default() };
    // As a body, and as what a body holds.
    let _ = receiver.write(&request, message);
    if let Ok(body) = snap::raw::Encoder::new().compress_vec(message) {
        let first = receiver.write(&request, &body);
        let again = receiver.write(&request, &body);
        assert!(first.status == again.status || first.status == 204, "{first:?} {again:?}");
    }
}

/// `prometheus.WriteRequest`.
pub fn v1(message: &[u8]) {
    run("application/x-protobuf", message);
}

/// `io.prometheus.write.v2.Request`.
pub fn v2(message: &[u8]) {
    run("application/x-protobuf;proto=io.prometheus.write.v2.Request", message);
}

/// `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`, twice, with both ways that names go.
pub fn otlp(message: &[u8]) {
    let receiver = Receiver::new(Arc::new(Sink), Arc::new(ManualClock::at(1_700_000_000_000)), Options::default());
    let request = Request { content_type: Some("application/x-protobuf"), ..Request::default() };
    let first = receiver.write_otlp(&request, message);
    let options = OtlpOptions {
        strategy: Translation::NoTranslation,
        custom_buckets: true,
        promote_all: true,
        promote_scope: true,
        ..OtlpOptions::default()
    };
    receiver.set_otlp(options);
    let again = receiver.write_otlp(&request, message);
    // What is no message stays none. What one makes of labels may be too much with one way of names and not with the other.
    assert!(matches!(first.status, 200 | 400) && matches!(again.status, 200 | 400), "{first:?} {again:?}");
    let gzip = Request { content_encoding: Some("gzip"), ..request };
    let _ = receiver.write_otlp(&gzip, message);
}
