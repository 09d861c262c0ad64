//! `targets` and `scrape_pools`.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State as Shared};
use axum::response::Response;
use model::{LabelSet, format_duration};
use scrape::RefusedSeries;
use scrape::snapshot::{ActiveTarget, DroppedTarget};
use serde::Serialize;
use serde_json::json;

use crate::encode::{rfc3339, success, success_within};
use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;
use crate::stream;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Active<'a> {
    discovered_labels: &'a LabelSet,
    labels: &'a LabelSet,
    scrape_pool: &'a str,
    scrape_url: &'a str,
    global_url: &'a str,
    last_error: &'a str,
    last_scrape: String,
    last_scrape_duration: f64,
    /// Not upstream's: seconds from its tick to its beginning, where that is worth telling.
    #[serde(skip_serializing_if = "is_punctual")]
    last_scrape_late: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
    /// Not upstream's: what storage did not take of a scrape that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    series: u64,
    reason: &'a str,
    limit: &'a str,
    label: &'a str,
    label_values: u64,
    example: &'a str,
    rule: &'a str,
}

impl<'a> Refused<'a> {
    fn of(refused: &'a RefusedSeries) -> Self {
        Self {
            series: refused.series,
            reason: &refused.reason,
            limit: &refused.limit,
            label: &refused.label,
            label_values: refused.label_values,
            example: &refused.example,
            rule: &refused.rule,
        }
    }
}

/// As `skopos_scrape_late_total` counts.
fn is_punctual(late_seconds: &f64) -> bool {
    *late_seconds <= 0.1
}

impl<'a> Active<'a> {
    fn of(target: &'a ActiveTarget) -> Self {
        Self {
            discovered_labels: &target.discovered_labels,
            labels: &target.labels,
            scrape_pool: &target.pool,
            scrape_url: &target.scrape_url,
            global_url: &target.global_url,
            last_error: &target.last_error,
            last_scrape: rfc3339(target.last_scrape),
            last_scrape_duration: target.last_scrape_duration_seconds,
            last_scrape_late: target.last_scrape_late_seconds,
            health: target.health.as_str(),
            scrape_interval: format_duration(target.interval_ms),
            scrape_timeout: format_duration(target.timeout_ms),
            refused: target.refused_series.as_deref().map(Refused::of),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dropped<'a> {
    discovered_labels: &'a LabelSet,
    scrape_pool: &'a str,
}

impl<'a> Dropped<'a> {
    fn of(target: &'a DroppedTarget) -> Self {
        Self { discovered_labels: &target.discovered_labels, scrape_pool: &target.pool }
    }
}

/// `/api/v1/targets`
pub(crate) async fn targets(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let (limits, answer_bytes) = (app.state.limits.clone(), app.state.limits.answer_bytes);
    let runner = app.pages.clone();
    stream::answer(&runner, &limits, "application/json", move |_, sink| {
        let (state, pool) = (params.first("state").to_lowercase(), params.first("scrapePool"));
        let mut snapshot = (app.state.targets)();
        let in_pool = |name: &str| pool.is_empty() || name == pool;
        let everything = matches!(state.as_str(), "" | "any");
        let (show_active, show_dropped) = (everything || state == "active", everything || state == "dropped");
        // By name of the pool, as upstream; inside a pool as they are.
        snapshot.active.sort_by(|a, b| a.pool.cmp(&b.pool));
        snapshot.dropped.sort_by(|a, b| a.pool.cmp(&b.pool));
        let hint = "ask for one scrapePool, or one state";
        sink.raw(r#"{"status":"success","data":{"activeTargets":["#);
        for (at, target) in snapshot.active.iter().filter(|t| show_active && in_pool(&t.pool)).enumerate() {
            sink.raw(if at > 0 { "," } else { "" });
            sink.value(&Active::of(target))?;
            sink.flush_within(answer_bytes, hint)?;
        }
        sink.raw(r#"],"droppedTargets":["#);
        for (at, target) in snapshot.dropped.iter().filter(|t| show_dropped && in_pool(&t.pool)).enumerate() {
            sink.raw(if at > 0 { "," } else { "" });
            sink.value(&Dropped::of(target))?;
            sink.flush_within(answer_bytes, hint)?;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        if show_dropped {
            // Of all pools, also where one is asked for.
            counts.extend(snapshot.pools.iter().map(|name| (name.as_str(), 0)));
            for target in &snapshot.dropped {
                *counts.entry(&target.pool).or_default() += 1;
            }
        }
        sink.raw(r#"],"droppedTargetCounts":"#);
        sink.value(&counts)?;
        sink.raw("}}");
        Ok(())
    })
    .await
}

/// `/api/v1/scrape_pools`
pub(crate) async fn pools(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let mut pools = (app.state.targets)().pools;
    pools.sort();
    success(&json!({"scrapePools": pools}))
}

/// A step of relabelling: a rule and what all rules up to it make of the labels.
#[derive(Serialize)]
struct Step {
    rule: serde_json::Value,
    output: LabelSet,
    keep: bool,
}

/// Labels of a target before relabelling, at most. Discovery sets some dozens.
const LABELS_MAX: usize = 10_000;

/// `/api/v1/targets/relabel_steps`: what becomes of a target's labels, rule by rule.
pub(crate) async fn relabel_steps(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let (pool, text) = (params.first("scrapePool"), params.first("labels"));
    if pool.is_empty() {
        return Err(ApiError::bad_data("no scrapePool parameter provided"));
    }
    if text.is_empty() || text == "{}" {
        return Err(ApiError::bad_data("no labels parameter provided"));
    }
    let labels: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| ApiError::bad_data(format!("failed to parse labels: {error}")))?;
    if labels.len() > LABELS_MAX {
        return Err(ApiError::bad_data(format!("failed to parse labels: more than {LABELS_MAX}")));
    }
    let rules = (app.state.relabel_rules)(pool).ok_or_else(|| no_pool(pool))?;
    let limits = app.state.limits.clone();
    let body = app.runner.run(&limits, limits.query_timeout, move |limits| {
        let (mut steps, mut kept) = (Vec::with_capacity(rules.len()), Some(LabelSet::from_pairs(labels)));
        for rule in &rules {
            if limits.deadline.is_some_and(|deadline| std::time::Instant::now() > deadline) {
                return Err(ApiError::timeout("the rules took too long"));
            }
            // Nothing is done to labels that were dropped.
            kept = kept.and_then(|labels| scrape::relabel::apply(std::slice::from_ref(rule), &labels));
            steps.push(Step { rule: rule.to_json(), output: kept.clone().unwrap_or_default(), keep: kept.is_some() });
        }
        success_within(&json!({"steps": steps}), app.state.limits.answer_bytes)
    });
    Ok(crate::encode::json(body.await?))
}

fn no_pool(pool: &str) -> ApiError {
    ApiError::bad_data(format!("error retrieving scrape config: unknown scrape pool {pool:?}"))
}

/// `/api/v1/scrape_pools/config`
pub(crate) async fn pool_config(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let pool = params.first("scrapePool");
    if pool.is_empty() {
        return Err(ApiError::bad_data("no scrapePool parameter provided"));
    }
    let yaml = (app.state.pool_config)(pool).ok_or_else(|| no_pool(pool))?;
    success(&json!({"yaml": yaml}))
}
