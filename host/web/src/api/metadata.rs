//! What targets say of their metrics: kind, help, unit.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{RawQuery, State as Shared};
use axum::response::Response;
use model::{LabelSet, METRIC_NAME, Matcher};
use scrape::FamilyMetadata;
use serde::Serialize;

use crate::encode::{json, success_within};
use crate::error::ApiError;
use crate::params::{Params, selector};
use crate::router::App;

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

/// Bytes that an entry of a target has at least, written: more entries than fit are not listed first.
const ENTRY_BYTES_MIN: usize = 40;

/// `/api/v1/metadata`
pub(crate) async fn metadata(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let (limit, per_metric) = (limit(&params, "limit")?, limit(&params, "limit_per_metric")?.filter(|limit| *limit > 0));
    let limits = app.state.limits.clone();
    let body = app.runner.run(&limits, limits.query_timeout, move |_| {
        let targets = (app.state.metadata)();
        let mut found: BTreeMap<&str, BTreeSet<Description<'_>>> = BTreeMap::new();
        for family in targets.iter().flat_map(|target| families(target, params.first("metric"))) {
            let descriptions = found.entry(&family.name).or_default();
            if per_metric.is_none_or(|limit| descriptions.len() < limit) {
                descriptions.insert(Description::of(family));
            }
        }
        let kept: BTreeMap<_, _> = found.into_iter().take(limit.unwrap_or(usize::MAX)).collect();
        success_within(&kept, app.state.limits.answer_bytes)
    });
    Ok(json(body.await?))
}

/// `/api/v1/targets/metadata`
pub(crate) async fn of_targets(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let limit = limit(&params, "limit")?;
    let matchers = target_matchers(params.first("match_target")).map_err(|error| ApiError::parameter("match_target", error))?;
    let limits = app.state.limits.clone();
    let body = app.runner.run(&limits, limits.query_timeout, move |_| {
        let (metric, answer_bytes) = (params.first("metric"), app.state.limits.answer_bytes);
        let targets = (app.state.metadata)();
        let mut found = Vec::new();
        for target in &targets {
            // Whole targets are left out, as upstream: the last one may bring more than the limit.
            if limit.is_some_and(|limit| found.len() >= limit) || found.len() > answer_bytes / ENTRY_BYTES_MIN {
                break;
            }
            if matchers.iter().all(|matcher| matcher.matches_labels(&target.labels)) {
                found.extend(families(target, metric).map(|family| OfTarget {
                    target: &target.labels,
                    metric: if metric.is_empty() { &family.name } else { "" },
                    description: Description::of(family),
                }));
            }
        }
        // What was not listed any more would not have fitted either.
        success_within(&found, answer_bytes)
    });
    Ok(json(body.await?))
}
