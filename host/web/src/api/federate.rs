//! `/federate`: the newest samples, for another server to scrape.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::seams::{Select, SelectRequest};
use model::{LabelSet, METRIC_NAME, Matcher, TimeRange, TimestampMs, is_absent, is_classic_label_name, is_classic_metric_name, is_stale};

use crate::encode::float;
use crate::error::ApiError;
use crate::params::Params;
use crate::plugins::metrics_text;
use crate::router::App;

const INSTANCE: &str = "instance";

/// Answers the text format; errors are plain text, as upstream.
pub(crate) async fn federate(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Response {
    match text(&app, query.as_deref()).await {
        Ok(text) => metrics_text(text),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.message).into_response()
        }
    }
}

async fn text(app: &App, query: Option<&str>) -> Result<String, ApiError> {
    let sets = Params::of_query(query).matchers()?;
    let (select, now) = (Arc::clone(&app.state.select), app.state.clock.now());
    let (external, limit) = (app.state.external_labels.clone(), app.state.limits.answer_bytes);
    let run = app.runner.run(&app.state.limits, app.state.limits.query_timeout, move |limits| {
        let newest = newest(&*select, &sets, TimeRange { start: now - limits.lookback_ms + 1, end: now })?;
        write(&newest, &external, limit)
    });
    run.await
}

/// The newest sample of each series, without those that have ended.
fn newest(select: &dyn Select, sets: &[Vec<Matcher>], range: TimeRange) -> Result<BTreeMap<LabelSet, (TimestampMs, f64)>, ApiError> {
    let mut newest: BTreeMap<LabelSet, (TimestampMs, f64)> = BTreeMap::new();
    for matchers in sets {
        for group in select.select(&SelectRequest { matchers, range })? {
            let samples = group.read()?;
            for (labels, column) in group.labels().iter().zip(&samples.columns) {
                let values = column.floats();
                let in_range = samples.times.iter().zip(values).rev().filter(|(time, _)| (range.start..=range.end).contains(time));
                let Some((time, value)) = in_range.filter(|(_, value)| !is_absent(**value)).map(|(t, v)| (*t, *v)).next() else { continue };
                if !is_stale(value) && labels.metric_name().is_some() {
                    newest.insert(labels.clone(), (time, value));
                }
            }
        }
    }
    Ok(newest)
}

fn write(newest: &BTreeMap<LabelSet, (TimestampMs, f64)>, external: &LabelSet, limit: usize) -> Result<String, ApiError> {
    // By name first, so that a family stands together.
    let mut order: Vec<(&LabelSet, &(TimestampMs, f64))> = newest.iter().collect();
    order.sort_by_key(|(labels, _)| labels.metric_name().map(str::to_owned));
    let (mut out, mut family) = (String::new(), String::new());
    for (labels, (time, value)) in order {
        let name = labels.metric_name().unwrap_or_default();
        let quoted = !is_classic_metric_name(name);
        if family != name {
            name.clone_into(&mut family);
            let _ = writeln!(out, "# TYPE {} untyped", if quoted { quote(name) } else { name.to_owned() });
        }
        let missing = external.iter().filter(|(label, _)| labels.get(label).is_none());
        let mut parts: Vec<String> = if quoted { vec![quote(name)] } else { Vec::new() };
        // As upstream: an empty `instance` keeps a server with `honor_labels` from putting this server's address in its place.
        let nowhere = labels.get(INSTANCE).is_none() && external.get(INSTANCE).is_none();
        let missing = missing.chain(nowhere.then_some((INSTANCE, "")));
        let mut pairs: Vec<(&str, &str)> = labels.iter().filter(|(label, _)| *label != METRIC_NAME).chain(missing).collect();
        pairs.sort_unstable();
        parts.extend(pairs.into_iter().map(|(label, text)| {
            let label = if is_classic_label_name(label) { label.to_owned() } else { quote(label) };
            format!("{label}={}", quote(text))
        }));
        if !quoted {
            out.push_str(name);
        }
        let _ = writeln!(out, "{{{}}} {} {time}", parts.join(","), float(*value));
        if out.len() > limit {
            return Err(ApiError::execution(format!("the answer is larger than {} MiB: ask for fewer series", limit >> 20)));
        }
    }
    Ok(out)
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
