//! The view of one panel: its queries, what happens to their results, and what its plugin makes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{Path, Request, State as Shared};
use axum::response::Response;
use dashboards::frames::{ResultSeries, frames};
use dashboards::{Dashboard, Panel, PanelKind, ResultFormat, Scope, Target, query_interval, resolve, transform};
use model::view::{Frame, PanelRequest, Rendering, Theme, View};
use model::{TimeRange, format_duration};
use promql::{HistogramPoint, Value};
use serde::Deserialize;

use super::boards::{builtins, find, renderer};
use super::hints::{Hint, missing};
use super::histograms::{buckets, totals};
use super::variables::{Asking, Wanted};
use crate::encode::{Writer, json};
use crate::error::ApiError;
use crate::params::{TIME_MS_MAX, body};
use crate::queries::{Asker, Question, Timings};
use crate::router::App;
use crate::state::State;

/// Pixels of a side.
const SIDE_MAX: u32 = 10_000;
/// Bytes of a request. Variables can be long.
const REQUEST_BYTES: usize = 1 << 20;

/// What a page asks.
#[derive(Clone, Debug, Deserialize)]
struct Asked {
    from: i64,
    to: i64,
    width: u32,
    height: u32,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    timezone: String,
    #[serde(default)]
    variables: Wanted,
}

/// `POST /api/v1/dashboards/<uid>/panels/<id>/view`
pub(crate) async fn view(
    Shared(app): Shared<App>,
    Path((uid, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let board = find(&app.state, &uid)?;
    let panel = id.parse().ok().and_then(|id| board.panel(id)).filter(|panel| panel.kind == PanelKind::Panel).cloned();
    let panel = panel.ok_or_else(|| ApiError::not_found(format!("the dashboard {uid:?} has no panel {id:?}")))?;
    let asker = Asker::of(&request);
    let body = body(request.into_body(), REQUEST_BYTES).await?;
    let asked: Asked =
        serde_json::from_slice(&body).map_err(|error| ApiError::bad_data(format!("the body is not what a panel needs: {error}")))?;
    let range = range_of(&panel, &asked)?;
    let (type_name, renderer) = renderer(&app.state, &panel).map_err(ApiError::not_found)?;

    let (state, work) = (app.state.clone(), asked.clone());
    let text: Vec<&str> = panel.targets.iter().filter(|target| !target.hide).map(|target| target.expr.as_str()).collect();
    let question = Question { text: text.join("; "), start: range.start, end: range.end, step: 0 };
    let ticket = app.state.queries.begin(question, asker);
    let gathered = app.runner.run_query(&app.state.limits, app.state.limits.query_timeout, ticket, move |limits, mut ticket, queued| {
        let begun = Instant::now();
        let result = gather(&state, &board, &panel, &type_name, &work, range, &limits);
        let timings = Timings { queued, evaluated: begun.elapsed(), ..Timings::default() };
        ticket.ended(&timings, result.as_ref().err().map(|error| error.message.as_str()));
        result
    });
    let Gathered { request, empty, warnings, asked } = gathered.await?;
    let hints = empty.clone().unwrap_or_default();
    let rendering = match empty {
        Some(hints) if hints.is_empty() => Rendering { view: View::Empty("no data in this time range".to_owned()), frames: Vec::new() },
        Some(hints) => {
            let texts: Vec<String> = hints.iter().map(Hint::text).collect();
            Rendering { view: View::Empty(texts.join("; ")), frames: Vec::new() }
        }
        None => draw(&app, renderer, &request).await?,
    };
    let limit = app.state.limits.answer_bytes;
    let bytes = tokio::task::spawn_blocking(move || encode(&request, &rendering, &hints, &warnings, &asked, limit)).await;
    bytes.map_err(|_| ApiError::internal("the view could not be written")).flatten().map(json)
}

async fn draw(app: &App, renderer: Arc<dyn model::seams::PanelRender>, request: &PanelRequest) -> Result<Rendering, ApiError> {
    let time = app.state.limits.panel_timeout;
    match tokio::time::timeout(time, renderer.render(request.clone())).await {
        Ok(Ok(rendering)) => Ok(rendering),
        Ok(Err(error)) => Err(ApiError::execution(error.to_string())),
        Err(_) => Err(ApiError::timeout(format!("the panel did not draw within {} s", time.as_secs()))),
    }
}

fn encode(
    request: &PanelRequest,
    rendering: &Rendering,
    hints: &[Hint],
    warnings: &[String],
    asked: &[String],
    limit: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut out = Writer::new(limit);
    out.raw(r#"{"status":"success","data":{"view":"#);
    out.value(&rendering.view)?;
    out.raw(r#","frames":["#);
    for (at, frame) in request.frames.iter().chain(&rendering.frames).enumerate() {
        if at > 0 {
            out.raw(",");
        }
        out.value(frame)?;
        out.check()?;
    }
    out.raw(r#"],"hints":"#);
    out.value(&hints.iter().map(Hint::json).collect::<Vec<_>>())?;
    out.raw(r#","configs":"#);
    out.value(&request.configs)?;
    out.raw(r#","warnings":"#);
    out.value(&warnings)?;
    out.raw(r#","queries":"#);
    out.value(&asked)?;
    out.raw("}}");
    Ok(out.into_bytes())
}

/// The page's range, or the panel's own.
fn range_of(panel: &Panel, asked: &Asked) -> Result<TimeRange, ApiError> {
    let good = |ms: i64| (-TIME_MS_MAX..=TIME_MS_MAX).contains(&ms);
    if asked.to < asked.from || !good(asked.from) || !good(asked.to) {
        return Err(ApiError::bad_data("the time range ends before it begins, or lies too far away"));
    }
    if asked.width == 0 || asked.height == 0 || asked.width > SIDE_MAX || asked.height > SIDE_MAX {
        return Err(ApiError::bad_data(format!("a panel is 1 to {SIDE_MAX} pixels wide and high")));
    }
    let (mut range, duration) = (TimeRange { start: asked.from, end: asked.to }, |text: &str| {
        model::parse_duration(text).ok().and_then(|ms| i64::try_from(ms).ok()).map(|ms| ms.min(TIME_MS_MAX))
    });
    if let Some(length) = duration(&panel.time_from) {
        range.start = range.end - length;
    }
    if let Some(shift) = duration(&panel.time_shift) {
        range = TimeRange { start: range.start - shift, end: range.end - shift };
    }
    Ok(range)
}

struct Gathered {
    request: PanelRequest,
    /// That there is nothing to draw, and what is known of why.
    empty: Option<Vec<Hint>>,
    warnings: Vec<String>,
    /// The queries as they were put, variables filled in.
    asked: Vec<String>,
}

/// Everything up to the plugin's call. Blocks.
fn gather(
    state: &State,
    board: &Dashboard,
    panel: &Panel,
    type_name: &str,
    asked: &Asked,
    range: TimeRange,
    limits: &promql::Limits,
) -> Result<Gathered, ApiError> {
    let scope = builtins(board, range, &asked.timezone);
    let asking = Asking { select: &*state.select, limits, range, wanted: &asked.variables, options: false };
    let variables = asking.resolve(board, scope);
    let mut queries = Queries {
        state,
        panel,
        range,
        points: panel.max_data_points.unwrap_or(asked.width),
        limits,
        warnings: variables.warnings,
        errors: Vec::new(),
        missing: Vec::new(),
        asked: Vec::new(),
    };
    let results = queries.all(&variables.scope)?;
    let (mut warnings, missing, put) = (queries.warnings, queries.missing, queries.asked);
    let found = results.iter().any(|frame| frame.fields.iter().any(|field| !field.values.is_empty()));

    let mut steps = panel.transformations.clone();
    steps.iter_mut().for_each(|step| variables.scope.fill_json(&mut step.options));
    let (shaped, unread) = transform(results, &steps);
    warnings.extend(unread);
    let mut fields = panel.fields.clone();
    let mut defaults = serde_json::Value::Object(fields.defaults);
    variables.scope.fill_json(&mut defaults);
    fields.defaults = if let serde_json::Value::Object(map) = defaults { map } else { serde_json::Map::new() };
    fields.overrides.iter_mut().for_each(|item| variables.scope.fill_json(item));
    let resolved = resolve(shaped, &fields, type_name);
    warnings.extend(resolved.warnings);

    let mut options = panel.options.clone();
    variables.scope.fill_json(&mut options);
    let asks = panel.targets.iter().any(|target| !target.hide);
    let empty = (asks && !found).then_some(missing);
    let request = PanelRequest {
        options: options.to_string(),
        width: asked.width,
        height: asked.height,
        theme: if asked.theme == "dark" { Theme::Dark } else { Theme::Light },
        from: range.start,
        to: range.end,
        time_zone: asked.timezone.clone(),
        frames: resolved.frames,
        configs: resolved.configs,
    };
    Ok(Gathered { request, empty, warnings, asked: put })
}

struct Queries<'a> {
    state: &'a State,
    panel: &'a Panel,
    range: TimeRange,
    points: u32,
    limits: &'a promql::Limits,
    warnings: Vec<String>,
    errors: Vec<ApiError>,
    missing: Vec<Hint>,
    asked: Vec<String>,
}

impl Queries<'_> {
    /// The frames of all queries. One that fails is a warning as long as another has an answer.
    fn all(&mut self, scope: &Scope) -> Result<Vec<Frame>, ApiError> {
        let panel = self.panel;
        let shown: Vec<&Target> = panel.targets.iter().filter(|target| !target.hide).collect();
        let mut out = Vec::new();
        let mut answered = false;
        for target in &shown {
            if !target.unsupported.is_empty() {
                let hint = Hint::Unsupported(target.unsupported.clone());
                if !self.missing.contains(&hint) {
                    self.missing.push(hint);
                }
                self.warnings.push(format!("query {}: {}", target.ref_id, target.unsupported));
                continue;
            }
            if target.expr.trim().is_empty() {
                continue;
            }
            match self.one(target, scope, shown.len() > 1) {
                Ok(frames) => {
                    answered = true;
                    out.extend(frames);
                }
                Err(error) if self.limits.cancel.load(Ordering::Relaxed) => return Err(error),
                Err(error) => {
                    self.warnings.push(format!("query {}: {error}", target.ref_id));
                    self.errors.push(error);
                }
            }
        }
        match self.errors.pop() {
            Some(error) if !answered => Err(error),
            _ => Ok(out),
        }
    }

    fn one(&mut self, target: &Target, scope: &Scope, several: bool) -> Result<Vec<Frame>, ApiError> {
        let least = if target.interval.is_empty() { &self.panel.interval } else { &target.interval };
        let least = scope.fill_text(least);
        let min_ms = model::parse_duration(least.trim_start_matches('>').trim()).ok().filter(|ms| *ms > 0);
        let range_ms = u64::try_from(self.range.end - self.range.start).unwrap_or(0);
        let interval = query_interval(range_ms, self.points, min_ms, target.interval_factor, (self.state.scrape_interval_ms)());
        let mut scope = scope.clone();
        scope.set_builtin("__interval", format_duration(interval.step_ms));
        scope.set_builtin("__interval_ms", interval.step_ms.to_string());
        scope.set_builtin("__rate_interval", format_duration(interval.rate_ms));
        let text = scope.fill_query(&target.expr);
        self.asked.push(text.clone());
        for name in scope.unknown_references(&text) {
            self.warnings.push(format!("query {}: there is no variable ${name}", target.ref_id));
        }
        let expr = promql::parse(&text).map_err(|error| ApiError::bad_data(error.to_string()))?;
        let step = i64::try_from(interval.step_ms).unwrap_or(i64::MAX);
        let select = &*self.state.select;
        let mut out = Vec::new();
        if target.range {
            // Aligned, so that the points of a graph stay where they are while time goes on.
            let align = |ms: i64| ms - ms.rem_euclid(step);
            let result = promql::range(&expr, align(self.range.start), align(self.range.end), step, select, self.limits)?;
            out.extend(self.frames_of(target, &text, result, Some(interval.step_ms), several));
        }
        if target.instant {
            let result = promql::instant(&expr, self.range.end, select, self.limits)?;
            out.extend(self.frames_of(target, &text, result, None, several));
        }
        if out.iter().all(|frame| frame.fields.iter().all(|field| field.values.is_empty())) {
            // Several queries may miss the same.
            let hint = missing(&expr, self.range, select, self.limits.lookback_ms).filter(|hint| !self.missing.contains(hint));
            self.missing.extend(hint);
        }
        Ok(out)
    }

    fn frames_of(&mut self, target: &Target, text: &str, result: promql::QueryResult, step: Option<u64>, several: bool) -> Vec<Frame> {
        let cells = target.format == ResultFormat::Heatmap || self.panel.type_name == "heatmap";
        let totals = (!cells && has_histograms(&result.value)).then(|| TOTALS_ONLY.to_owned());
        let notes = result.warnings.into_iter().chain(result.infos).chain(totals);
        self.warnings.extend(notes.map(|note| format!("query {}: {note}", target.ref_id)));
        if cells && has_histograms(&result.value) {
            let target = Target { format: ResultFormat::Heatmap, ..target.clone() };
            return frames(&target, text, cells_of(&result.value), step, several);
        }
        frames(target, text, series_of(result.value), step, several)
    }
}

/// Said where native histograms are drawn by their counts and sums.
const TOTALS_ONLY: &str = "native histograms are shown by their counts and sums: histogram_quantile(0.95, …) or histogram_avg(…) around them says more, and a query with \
     the format heatmap shows their buckets";

fn has_histograms(value: &Value) -> bool {
    match value {
        Value::Vector(samples) => samples.iter().any(|sample| sample.histogram.is_some()),
        Value::Matrix(series) => series.iter().any(|series| !series.histograms.is_empty()),
        Value::Scalar(_) | Value::String(..) => false,
    }
}

/// Buckets of all native histograms together, for a heatmap.
fn cells_of(value: &Value) -> Vec<ResultSeries> {
    match value {
        Value::Vector(samples) => {
            let point = |sample: &promql::Sample| {
                sample.histogram.as_ref().map(|histogram| HistogramPoint { time: sample.point.time, histogram: Arc::clone(histogram) })
            };
            let points: Vec<HistogramPoint> = samples.iter().filter_map(point).collect();
            buckets(points.iter())
        }
        Value::Matrix(series) => buckets(series.iter().flat_map(|series| &series.histograms)),
        Value::Scalar(_) | Value::String(..) => Vec::new(),
    }
}

fn series_of(value: Value) -> Vec<ResultSeries> {
    let single = |labels, point: promql::Point| ResultSeries { labels, times: vec![point.time], values: vec![point.value] };
    match value {
        Value::Scalar(point) => vec![single(model::LabelSet::empty(), point)],
        Value::Vector(samples) => samples
            .into_iter()
            .flat_map(|sample| match sample.histogram {
                None => vec![single(sample.labels, sample.point)],
                Some(histogram) => totals(&sample.labels, &[HistogramPoint { time: sample.point.time, histogram }]).into(),
            })
            .collect(),
        Value::Matrix(series) => series
            .into_iter()
            .flat_map(|series| {
                let totals = if series.histograms.is_empty() { Vec::new() } else { totals(&series.labels, &series.histograms).into() };
                let floats = (!series.points.is_empty()).then(|| ResultSeries {
                    times: series.points.iter().map(|point| point.time).collect(),
                    values: series.points.iter().map(|point| point.value).collect(),
                    labels: series.labels,
                });
                floats.into_iter().chain(totals)
            })
            .collect(),
        Value::String(..) => Vec::new(),
    }
}
