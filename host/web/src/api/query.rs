//! `query`, `query_range`, `format_query`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State as Shared};
use axum::response::Response;
use model::TimestampMs;
use model::seams::Select;
use promql::ast::Expr;
use promql::{QueryResult, StepSamples, Value};

use crate::answer::Unsent;
use crate::encode::{Writer, success};
use crate::error::ApiError;
use crate::params::{Params, TIME_MS_MAX, timeout_of};
use crate::queries::{Asker, Question, Ticket, Timings, samples};
use crate::router::App;
use crate::run::{AT_ONCE, AT_ONCE_MAX};

/// Most points of a series in an answer.
const POINTS_MAX: i64 = 11_000;

/// `/api/v1/query`
pub(crate) async fn instant(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let asker = Asker::of(&request);
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let at = params.time_or("time", app.state.clock.now())?;
    let question = Question { text: params.first("query").to_owned(), start: at, end: at, step: 0 };
    run(&app, params, question, asker, move |expr, select, limits| promql::instant(expr, at, select, limits)).await
}

/// `/api/v1/query_range`
pub(crate) async fn range(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let asker = Asker::of(&request);
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
    let question = Question { text: params.first("query").to_owned(), start, end, step };
    run(&app, params, question, asker, move |expr, select, limits| promql::range(expr, start, end, step, select, limits)).await
}

/// Longer texts are not even read on a thread that serves connections.
const TEXT_AT_ONCE: usize = 2048;

/// A question with all that an answer needs.
struct Asked<E> {
    params: Params,
    limit: usize,
    lookback: Option<i64>,
    select: Arc<dyn Select>,
    evaluate: E,
}

impl<E: Fn(&Expr, &dyn Select, &promql::Limits) -> Result<QueryResult, promql::EvalError>> Asked<E> {
    fn text(&self) -> &str {
        self.params.first("query")
    }

    /// Reads the expression.
    fn read(&self, timings: &mut Timings) -> Result<Expr, ApiError> {
        let begun = Instant::now();
        let expr = promql::parse(self.text()).map_err(|error| ApiError::parameter("query", error));
        timings.prepared = begun.elapsed();
        expr
    }

    fn evaluate(&self, expr: &Expr, mut limits: promql::Limits, timings: &mut Timings) -> Result<QueryResult, ApiError> {
        let begun = Instant::now();
        limits.lookback_ms = self.lookback.unwrap_or(limits.lookback_ms);
        limits.per_step &= self.params.first("stats") == "all";
        let result = (self.evaluate)(expr, &*self.select, &limits);
        timings.evaluated = begun.elapsed();
        Ok(result?)
    }

    /// Begins the answer: its first piece, whether that is all, and the rest.
    fn answer(&self, result: Result<QueryResult, ApiError>, timings: &Timings, mut ticket: Ticket) -> Result<Begun, ApiError> {
        ticket.ended(timings, result.as_ref().err().map(|error| error.message.as_str()));
        let mut result = result?;
        let stats = self.params.first("stats");
        result.warnings.extend(warning_of(stats));
        if self.limit > 0 && truncate(&mut result.value, self.limit) {
            result.warnings.push("results truncated due to limit".to_owned());
        }
        let tail = tail(&result, (!stats.is_empty()).then_some(timings))?;
        let hold = ticket.running.meter.hold(result.value.bytes());
        let (mut first, mut unsent) = Unsent::new(result.value, tail, hold, ticket)?;
        let done = unsent.write(&mut first);
        Ok((first, done, unsent))
    }
}

/// What goes out first, whether it is all, and what is left.
type Begun = (Vec<u8>, bool, Unsent);

/// What both have in common: parsing, limits, the answer.
///
/// What is expected to take less time than two threads need to tell each other of it is done here; all else on a thread for it.
async fn run(
    app: &App,
    params: Params,
    question: Question,
    asker: Asker,
    evaluate: impl Fn(&Expr, &dyn Select, &promql::Limits) -> Result<QueryResult, promql::EvalError> + Send + 'static,
) -> Result<Response, ApiError> {
    let limit = params.limit()?;
    let timeout = timeout_of(params.duration("timeout")?, app.state.limits.query_timeout);
    let lookback = lookback(&params)?;
    let asked = Asked { params, limit, lookback, select: Arc::clone(&app.state.select), evaluate };
    let steps = (question.start, question.end, question.step);
    let mut ticket = app.state.queries.begin(question, asker);
    let mut timings = Timings::default();
    let mut read = (asked.text().len() <= TEXT_AT_ONCE).then(|| asked.read(&mut timings));
    let result = match read.take() {
        Some(Ok(expr)) if timeout >= AT_ONCE_MAX && app.is_soon_done(&expr, steps, lookback) => {
            let running = Arc::clone(&ticket.running);
            ticket.starts_at_once();
            let shared = (Arc::clone(&running.cancel), Arc::clone(&running.meter));
            let result = app.runner.at_once(&app.state.limits, shared, |limits| asked.evaluate(&expr, limits, &mut timings));
            if result.is_none() {
                ticket.starts_anew();
                read = Some(Ok(expr));
            }
            result
        }
        Some(Err(error)) => Some(Err(error)),
        other => {
            read = other;
            None
        }
    };
    let (first, done, unsent) = match result {
        Some(result) => asked.answer(result, &timings, ticket)?,
        None => {
            let run = app.runner.run_query(&app.state.limits, timeout, ticket, move |limits, ticket, queued| {
                timings.queued = queued;
                let expr = read.unwrap_or_else(|| asked.read(&mut timings));
                let result = expr.and_then(|expr| asked.evaluate(&expr, limits, &mut timings));
                asked.answer(result, &timings, ticket)
            });
            run.await?
        }
    };
    Ok(unsent.respond(first, done, app.state.limits.answer_stall))
}

impl App {
    /// Whether it is worth while to evaluate an expression on the thread that serves the connection.
    fn is_soon_done(&self, expr: &Expr, steps: (TimestampMs, TimestampMs, i64), lookback: Option<i64>) -> bool {
        // Whoever writes lines to a file waits for the disk.
        if self.state.queries.has_log() {
            return false;
        }
        let lookback = lookback.unwrap_or(self.state.limits.lookback_ms);
        promql::plan::effort(expr, steps, lookback, &*self.state.select).is_some_and(|effort| effort <= AT_ONCE)
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

/// What comes behind the result: statistics, warnings, infos, the end of the envelope.
fn tail(result: &QueryResult, timings: Option<&Timings>) -> Result<Vec<u8>, ApiError> {
    let mut out = Writer::new(usize::MAX);
    if let Some(timings) = timings {
        out.raw(r#","stats":"#);
        let mut samples = samples(result.stats);
        if !result.samples_per_step.is_empty() {
            let by_step = |count: fn(&StepSamples) -> usize| {
                let pair = |step: &StepSamples| serde_json::json!([step.time as f64 / 1000.0, count(step)]);
                result.samples_per_step.iter().map(pair).collect::<serde_json::Value>()
            };
            samples["totalQueryableSamplesPerStep"] = by_step(|step| step.looked_at);
            samples["samplesReadPerStep"] = by_step(|step| step.fresh);
        }
        out.value(&serde_json::json!({"timings": timings.json(), "samples": samples}))?;
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

/// Leaves so many series. Whether there were more.
fn truncate(value: &mut Value, limit: usize) -> bool {
    match value {
        Value::Vector(samples) if samples.len() > limit => samples.truncate(limit),
        Value::Matrix(series) if series.len() > limit => series.truncate(limit),
        _ => return false,
    }
    true
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
