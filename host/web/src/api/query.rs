//! `query`, `query_range`, `format_query`.

use std::time::{Duration, Instant};

use axum::extract::{Request, State as Shared};
use axum::response::Response;
use promql::{QueryResult, Value};

use crate::encode::{Writer, json, success};
use crate::error::ApiError;
use crate::params::{Params, TIME_MS_MAX, timeout_of};
use crate::router::App;

/// Most points of a series in an answer.
const POINTS_MAX: i64 = 11_000;

/// `/api/v1/query`
pub(crate) async fn instant(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let at = params.time_or("time", app.state.clock.now())?;
    run(&app, params, move |expr, select, limits| promql::instant(expr, at, select, limits)).await
}

/// `/api/v1/query_range`
pub(crate) async fn range(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let (start, end) = (params.time("start")?, params.time("end")?);
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = crate::params::duration(params.first("step")).map_err(|reason| ApiError::parameter("step", reason))?;
    if step <= 0 {
        return Err(ApiError::parameter("step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
    }
    if (end - start) / step > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    run(&app, params, move |expr, select, limits| promql::range(expr, start, end, step, select, limits)).await
}

/// What both have in common: parsing, limits, the answer.
async fn run(
    app: &App,
    params: Params,
    evaluate: impl FnOnce(&promql::ast::Expr, &dyn model::seams::Select, &promql::Limits) -> Result<QueryResult, promql::EvalError>
    + Send
    + 'static,
) -> Result<Response, ApiError> {
    let limit = params.limit()?;
    let timeout = timeout_of(params.duration("timeout")?, app.state.limits.query_timeout);
    let lookback = lookback(&params)?;
    let (asked, stats) = (Instant::now(), params.first("stats").to_owned());
    let (select, answer_bytes) = (std::sync::Arc::clone(&app.state.select), app.state.limits.answer_bytes);
    let body = app.runner.run(&app.state.limits, timeout, move |mut limits| {
        if let Some(lookback) = lookback {
            limits.lookback_ms = lookback;
        }
        let begun = Instant::now();
        let expr = promql::parse(params.first("query")).map_err(|error| ApiError::parameter("query", error))?;
        let parsed = Instant::now();
        let mut result = evaluate(&expr, &*select, &limits)?;
        let times = Times { queued: begun - asked, parsed: parsed - begun, evaluated: parsed.elapsed() };
        result.warnings.extend(warning_of(&stats));
        encode(result, limit, (!stats.is_empty()).then_some(times), answer_bytes)
    });
    body.await.map(json)
}

/// How long the parts of a query took.
struct Times {
    queued: Duration,
    parsed: Duration,
    evaluated: Duration,
}

impl Times {
    /// Under upstream's names, in seconds. Results come out of the evaluation sorted.
    fn json(&self) -> serde_json::Value {
        let eval = self.parsed + self.evaluated;
        serde_json::json!({
            "evalTotalTime": eval.as_secs_f64(), "resultSortTime": 0, "queryPreparationTime": self.parsed.as_secs_f64(),
            "innerEvalTime": self.evaluated.as_secs_f64(), "execQueueTime": self.queued.as_secs_f64(),
            "execTotalTime": (self.queued + eval).as_secs_f64(),
        })
    }
}

/// What to say about a value of `stats` that upstream will refuse some day; any value asks for them until then.
fn warning_of(stats: &str) -> Option<String> {
    let known = matches!(stats, "" | "true" | "all");
    (!known).then(|| {
        format!(
            r#"value {stats:?} for parameter "stats" is deprecated and will be rejected in the next major release, use "true" or "all""#
        )
    })
}

/// Zero and less mean the default, as upstream.
fn lookback(params: &Params) -> Result<Option<i64>, ApiError> {
    match params.first("lookback_delta") {
        "" => Ok(None),
        text => crate::params::duration(text)
            .map(|ms| (ms > 0).then_some(ms.min(TIME_MS_MAX)))
            .map_err(|reason| ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))),
    }
}

fn encode(mut result: QueryResult, limit: usize, times: Option<Times>, answer_bytes: usize) -> Result<Vec<u8>, ApiError> {
    if limit > 0 && truncate(&mut result.value, limit) {
        result.warnings.push("results truncated due to limit".to_owned());
    }
    let mut out = Writer::new(answer_bytes);
    out.raw(r#"{"status":"success","data":{"#);
    out.result(&result.value)?;
    if let Some(times) = times {
        let stats = serde_json::json!({"timings": times.json(), "samples": {
            "totalQueryableSamples": result.stats.samples_read, "peakSamples": result.stats.samples_peak, "samplesRead": result.stats.samples_read}});
        out.raw(r#","stats":"#);
        out.value(&stats)?;
    }
    out.raw("}");
    notes(&mut out, "warnings", &result.warnings)?;
    notes(&mut out, "infos", &result.infos)?;
    out.raw("}");
    Ok(out.into_bytes())
}

/// A list of the envelope, if it is not empty.
pub(super) fn notes(out: &mut Writer, name: &str, texts: &[String]) -> Result<(), ApiError> {
    if texts.is_empty() {
        return Ok(());
    }
    out.raw(&format!(",\"{name}\":"));
    out.value(&texts)
}

fn truncate(value: &mut Value, limit: usize) -> bool {
    let length = match value {
        Value::Vector(samples) => samples.len(),
        Value::Matrix(series) => series.len(),
        Value::Scalar(_) | Value::String(..) => 0,
    };
    match value {
        Value::Vector(samples) => samples.truncate(limit),
        Value::Matrix(series) => series.truncate(limit),
        Value::Scalar(_) | Value::String(..) => {}
    }
    length > limit
}

/// `/api/v1/format_query`
pub(crate) async fn format(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let timeout = app.state.limits.query_timeout;
    let text = app.runner.run(&app.state.limits, timeout, move |_| {
        let expr = promql::parse(params.first("query")).map_err(|error| ApiError::parameter("query", error))?;
        Ok(expr.pretty())
    });
    success(&text.await?)
}
