//! What targets say of their metrics: kind, help, unit.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{RawQuery, State as Shared};
use axum::response::Response;
use model::{LabelSet, METRIC_NAME, Matcher};
use scrape::FamilyMetadata;
use serde::Serialize;

use crate::error::ApiError;
use crate::params::{Params, selector};
use crate::router::App;
use crate::stream;

/// One description, in the order that makes answers the same each time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Description<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    help: &'a str,
    unit: &'a str,
}

impl<'a> Description<'a> {
    fn of(family: &'a FamilyMetadata) -> Self {
        Self { kind: family.kind.as_str(), help: &family.help, unit: &family.unit }
    }
}

#[derive(Serialize)]
struct OfTarget<'a> {
    target: &'a LabelSet,
    /// Left out where one metric was asked for, as upstream.
    #[serde(skip_serializing_if = "str::is_empty")]
    metric: &'a str,
    #[serde(flatten)]
    description: Description<'a>,
}

/// How many at most; None for all, which a negative number means too.
fn limit(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    match params.first(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(number) => Ok(usize::try_from(number).ok()),
            Err(_) => Err(ApiError::bad_data(format!("{name} must be a number"))),
        },
    }
}

/// The families of a target: all, or the one of that name.
fn families<'a>(target: &'a scrape::snapshot::TargetMetadata, metric: &str) -> impl Iterator<Item = &'a FamilyMetadata> {
    let families = &target.families;
    let found = match metric {
        "" => families.iter(),
        name => match families.binary_search_by(|family| (*family.name).cmp(name)) {
            Ok(at) => families[at..=at].iter(),
            Err(_) => [].iter(),
        },
    };
    found.map(AsRef::as_ref)
}

/// The matchers of `match_target`. Upstream takes here what it takes nowhere else: a selector that every target may satisfy.
fn target_matchers(text: &str) -> Result<Vec<Matcher>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // With a name in front the parser sees no selector of everything.
    if text.starts_with('{')
        && let Ok(mut matchers) = selector(&format!("target{text}"))
    {
        matchers.retain(|matcher| matcher.name() != METRIC_NAME);
        return Ok(matchers);
    }
    selector(text)
}

/// `/api/v1/metadata`
pub(crate) async fn metadata(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let (limit, per_metric) = (limit(&params, "limit")?, limit(&params, "limit_per_metric")?.filter(|limit| *limit > 0));
    let (limits, answer_bytes) = (app.state.limits.clone(), app.state.limits.answer_bytes);
    let runner = app.pages.clone();
    stream::answer(&runner, &limits, "application/json", move |_, sink| {
        let targets = (app.state.metadata)();
        // Names and descriptions are those of the targets: what is held beside them is where they are.
        let mut found: BTreeMap<&str, BTreeSet<Description<'_>>> = BTreeMap::new();
        for family in targets.iter().flat_map(|target| families(target, params.first("metric"))) {
            let descriptions = found.entry(&family.name).or_default();
            if per_metric.is_none_or(|limit| descriptions.len() < limit) {
                descriptions.insert(Description::of(family));
            }
        }
        sink.raw(r#"{"status":"success","data":{"#);
        for (at, (name, descriptions)) in found.into_iter().take(limit.unwrap_or(usize::MAX)).enumerate() {
            sink.raw(if at > 0 { "," } else { "" });
            sink.value(&name)?;
            sink.raw(":");
            sink.value(&descriptions)?;
            sink.flush_within(answer_bytes, "set limit, or ask for one metric")?;
        }
        sink.raw("}}");
        Ok(())
    })
    .await
}

/// `/api/v1/targets/metadata`
pub(crate) async fn of_targets(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let limit = limit(&params, "limit")?;
    let matchers = target_matchers(params.first("match_target")).map_err(|error| ApiError::parameter("match_target", error))?;
    let (limits, answer_bytes) = (app.state.limits.clone(), app.state.limits.answer_bytes);
    let runner = app.pages.clone();
    stream::answer(&runner, &limits, "application/json", move |_, sink| {
        let metric = params.first("metric");
        let mut written = 0;
        sink.raw(r#"{"status":"success","data":["#);
        for target in &(app.state.metadata)() {
            // Whole targets are left out, as upstream: the last one may bring more than the limit.
            if limit.is_some_and(|limit| written >= limit) {
                break;
            }
            if !matchers.iter().all(|matcher| matcher.matches_labels(&target.labels)) {
                continue;
            }
            for family in families(target, metric) {
                sink.raw(if written > 0 { "," } else { "" });
                let metric = if metric.is_empty() { &family.name } else { "" };
                sink.value(&OfTarget { target: &target.labels, metric, description: Description::of(family) })?;
                sink.flush_within(answer_bytes, "set limit, or ask for one metric")?;
                written += 1;
            }
        }
        sink.raw("]}");
        Ok(())
    })
    .await
}
