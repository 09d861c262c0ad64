//! `/federate`: the newest samples, for another server to scrape. Goes out while it is written.

mod protobuf;
mod text;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::seams::{Select, SelectRequest};
use model::{Histogram, LabelSet, METRIC_NAME, Matcher, ResetHint, TimeRange, TimestampMs, is_absent, is_stale};

use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;
use crate::stream;

const INSTANCE: &str = "instance";

/// What a series' newest sample is.
#[derive(Clone, Debug)]
enum Newest {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// What a series and its sample take while they are sorted, beside labels: their place in a tree and in a list.
const ENTRY_BYTES: usize = 100;

/// Answers the text format, or protobuf to whoever prefers it; errors are plain text, as upstream.
pub(crate) async fn federate(Shared(app): Shared<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    match answer(&app, &headers, query.as_deref()).await {
        Ok(response) => response,
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.message).into_response()
        }
    }
}

async fn answer(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Response, ApiError> {
    let sets = Params::of_query(query).matchers()?;
    let (select, now) = (Arc::clone(&app.state.select), app.state.clock.now());
    let (external, limit) = (app.state.external_labels.clone(), app.state.limits.answer_bytes);
    let protobuf = protobuf::is_preferred(headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    let content_type = if protobuf { protobuf::CONTENT_TYPE } else { text::CONTENT_TYPE };
    stream::answer(&app.runner, &app.state.limits, content_type, move |limits, sink| {
        let range = TimeRange { start: now - limits.lookback_ms + 1, end: now };
        let newest = newest(&*select, &sets, range, limits.bytes_max)?;
        // By name first, so that a family stands together.
        let mut order: Vec<(&LabelSet, &(TimestampMs, Newest))> = newest.iter().collect();
        order.sort_by(|a, b| a.0.metric_name().cmp(&b.0.metric_name()));
        let mut family = Family::default();
        for (labels, (time, newest)) in order {
            let begins = family.begins(labels.metric_name().unwrap_or_default(), newest);
            if protobuf {
                protobuf::write(&mut family, begins, (labels, &external), *time, newest, sink)?;
            } else {
                text::write(&mut family, begins, (labels, &external), *time, newest, sink);
            }
            sink.flush_within(limit, "ask for fewer series")?;
        }
        if protobuf {
            protobuf::finish(&mut family, sink);
        }
        Ok(())
    })
    .await
}

/// Metrics of one name and kind, which are written together.
#[derive(Debug, Default)]
struct Family {
    name: String,
    /// None for numbers; whether it is one of gauges.
    histogram: Option<bool>,
    begun: bool,
    /// What was written of it where it has to be written as a whole.
    message: Vec<u8>,
}

impl Family {
    /// Whether the sample is of another family than the one before.
    fn begins(&mut self, name: &str, newest: &Newest) -> bool {
        let histogram = match newest {
            Newest::Float(_) => None,
            Newest::Histogram(histogram) => Some(histogram.reset_hint == ResetHint::Gauge),
        };
        let same = self.begun && self.name == name && self.histogram == histogram;
        if !same {
            name.clone_into(&mut self.name);
            (self.histogram, self.begun) = (histogram, true);
        }
        !same
    }
}

/// The newest sample of each series, without those that have ended.
fn newest(
    select: &dyn Select,
    sets: &[Vec<Matcher>],
    range: TimeRange,
    bytes_max: usize,
) -> Result<BTreeMap<LabelSet, (TimestampMs, Newest)>, ApiError> {
    let mut newest: BTreeMap<LabelSet, (TimestampMs, Newest)> = BTreeMap::new();
    let mut bytes = 0_usize;
    for matchers in sets {
        for group in select.select(&SelectRequest { matchers, range })? {
            group.each_column(&mut |column| {
                let labels = &group.labels()[column.series];
                let histogram = |at: usize| column.histograms.get(at).and_then(Option::as_ref);
                let there = |at: &usize| !is_absent(column.floats[*at]) || histogram(*at).is_some();
                let in_range = |at: &usize| (range.start..=range.end).contains(&column.times[*at]);
                let last = (0..column.times.len()).rev().filter(in_range).find(there);
                let Some(at) = last.filter(|_| labels.metric_name().is_some()) else { return ControlFlow::Continue(()) };
                let found = match histogram(at) {
                    Some(histogram) if histogram.is_stale() => None,
                    Some(histogram) => Some(Newest::Histogram(Arc::clone(histogram))),
                    None => Some(Newest::Float(column.floats[at])).filter(|_| !is_stale(column.floats[at])),
                };
                if let Some(found) = found {
                    bytes += labels.bytes() + ENTRY_BYTES;
                    newest.insert(labels.clone(), (column.times[at], found));
                }
                if bytes > bytes_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if bytes > bytes_max {
                return Err(ApiError::execution("these series take more memory than a query may: ask for fewer series"));
            }
        }
    }
    Ok(newest)
}

/// The labels but the name, with external ones that the series does not have. As upstream, an empty `instance` keeps a server with
/// `honor_labels` from putting this server's address in its place.
fn pairs<'l>(labels: &'l LabelSet, external: &'l LabelSet) -> Vec<(&'l str, &'l str)> {
    let missing = external.iter().filter(|(label, _)| labels.get(label).is_none());
    let nowhere = labels.get(INSTANCE).is_none() && external.get(INSTANCE).is_none();
    let missing = missing.chain(nowhere.then_some((INSTANCE, "")));
    let mut pairs: Vec<(&str, &str)> = labels.iter().filter(|(label, _)| *label != METRIC_NAME).chain(missing).collect();
    pairs.sort_unstable();
    pairs
}

/// Upper bounds and cumulative counts of a histogram with custom buckets, without the one that has no bound.
fn cumulative(histogram: &Histogram) -> Vec<(f64, f64)> {
    let mut counts = vec![0.0; histogram.custom_bounds.len() + 1];
    let (mut at, mut values) = (0_usize, positive(histogram).into_iter());
    for span in &histogram.positive_spans {
        at = at.saturating_add(usize::try_from(span.offset).unwrap_or(0));
        for value in values.by_ref().take(span.length as usize) {
            if let Some(count) = counts.get_mut(at) {
                *count = value;
            }
            at += 1;
        }
    }
    let mut sum = 0.0;
    let add = |(bound, count): (&f64, f64)| {
        sum += count;
        (*bound, sum)
    };
    histogram.custom_bounds.iter().zip(counts).map(add).collect()
}

/// Counts of the positive buckets.
fn positive(histogram: &Histogram) -> Vec<f64> {
    match &histogram.counts {
        model::HistogramCounts::Integer { positive, .. } => positive.iter().map(|count| *count as f64).collect(),
        model::HistogramCounts::Float { positive, .. } => positive.clone(),
    }
}
