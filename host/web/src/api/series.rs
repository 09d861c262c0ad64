//! `series`, `labels`, `label/<name>/values`: what there is.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::{Path, Request, State as Shared};
use axum::response::Response;
use model::seams::{Select, SelectError};
use model::stop::Stop;
use model::{LabelSet, Matcher, TimeRange};

use crate::error::ApiError;
use crate::params::{Params, TIME_MS_MAX};
use crate::router::App;
use crate::stream::{self, Sink};

fn range(params: &Params) -> Result<TimeRange, ApiError> {
    Ok(TimeRange { start: params.time_or("start", -TIME_MS_MAX)?, end: params.time_or("end", TIME_MS_MAX)? })
}

/// Asks for one more than the limit, to know whether there are more.
fn asked(limit: usize) -> usize {
    if limit == 0 { 0 } else { limit.saturating_add(1) }
}

/// Said where the limit of the request was reached.
const TRUNCATED: &str = "results truncated due to limit";

/// What lists are of.
trait Item {
    /// As JSON.
    fn write(&self, sink: &mut Sink) -> Result<(), ApiError>;
}

impl Item for str {
    fn write(&self, sink: &mut Sink) -> Result<(), ApiError> {
        sink.value(&self)
    }
}

impl Item for LabelSet {
    fn write(&self, sink: &mut Sink) -> Result<(), ApiError> {
        sink.labels(self);
        Ok(())
    }
}

/// Answers a list that `ask` hands on one by one. `items` is how many there are at most, if that is known.
async fn answer<T: Item + ?Sized + 'static>(
    app: &App,
    (range, limit, items): (TimeRange, usize, Option<usize>),
    ask: impl Fn(&dyn Select, &mut dyn FnMut(&T) -> ControlFlow<()>) -> Result<(), SelectError> + Send + Sync + 'static,
) -> Result<Response, ApiError> {
    let (select, bytes) = (Arc::clone(&app.state.select), app.state.limits.answer_bytes);
    let work = Arc::new(move |sink: &mut Sink| {
        sink.raw(r#"{"status":"success","data":["#);
        let (mut at, mut truncated, mut broken) = (0, None, None);
        let mut each = |item: &T| {
            if limit > 0 && at == limit {
                truncated = Some(TRUNCATED.to_owned());
                return ControlFlow::Break(());
            }
            // What is out already cannot become an error any more.
            if sink.bytes() > bytes {
                let why = format!("results truncated: the answer is larger than {} MiB; set limit, or ask for fewer series", bytes >> 20);
                truncated = Some(why);
                return ControlFlow::Break(());
            }
            if at > 0 {
                sink.raw(",");
            }
            at += 1;
            match item.write(sink).and_then(|()| sink.flush()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    broken = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        // As upstream, a range that ends before it begins is no error: there is nothing in it.
        let asked = if range.end < range.start { Ok(()) } else { ask(&*select, &mut each) };
        asked.map_err(|error| match error {
            SelectError::Stopped => ApiError::timeout("what was asked for was not found in time; ask for less, or set limit"),
            error => error.into(),
        })?;
        if let Some(error) = broken {
            return Err(error);
        }
        let mut warnings = select.warnings(range);
        warnings.extend(truncated);
        sink.raw("]");
        if !warnings.is_empty() {
            sink.raw(",\"warnings\":");
            sink.value(&warnings)?;
        }
        sink.raw("}");
        Ok(())
    });
    const JSON: &str = "application/json";
    if items.is_some_and(|items| items <= ITEMS_AT_ONCE)
        && let Some(answer) = stream::at_once(&app.runner, &app.state.limits, JSON, |_, sink| work(sink))
    {
        return answer;
    }
    stream::answer(&app.runner, &app.state.limits, JSON, move |limits, sink| {
        let stop = Stop { cancel: limits.cancel, deadline: limits.deadline, ..Stop::default() };
        model::stop::within(&stop, || work(sink))
    })
    .await
}

/// So many are found and written in less than [`crate::run::AT_ONCE`].
const ITEMS_AT_ONCE: usize = 1000;

/// `/api/v1/series`
pub(crate) async fn series(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    // Only here upstream names the parameter.
    let sets = params.matchers().map_err(|error| ApiError::parameter("match[]", error))?;
    if sets.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let (range, limit) = (range(&params)?, params.limit()?);
    let items = app.state.select.series_at_most(&sets, range);
    answer(&app, (range, limit, items), move |select, each| select.each_series(&sets, range, asked(limit), each)).await
}

/// `/api/v1/labels`
pub(crate) async fn names(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let (sets, range, limit) = (params.matchers()?, range(&params)?, params.limit()?);
    let items = app.state.select.series_at_most(&sets, range);
    answer(&app, (range, limit, items), move |select, each| {
        let names = select.label_names(&sets, range, asked(limit))?;
        let _ = names.iter().try_for_each(|name| each(name.as_str()));
        Ok(())
    })
    .await
}

/// `/api/v1/label/<name>/values`
pub(crate) async fn values(Shared(app): Shared<App>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    let params = Params::of_query(request.uri().query());
    let name = if name.starts_with("U__") { unescape(&name).unwrap_or(name) } else { name };
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: \"\""));
    }
    let (sets, range, limit) = (params.matchers()?, range(&params)?, params.limit()?);
    let select = &app.state.select;
    let items = if sets.is_empty() { select.values_at_most(&name, range) } else { select.series_at_most(&sets, range) };
    answer(&app, (range, limit, items), move |select, each| select.each_label_value(&name, &sets, range, asked(limit), each)).await
}

/// Reads upstream's escape of names outside the classic characters: `U__` in front, `_2e_` for a code point in hex, `__` for
/// an underscore. None if it is not well-formed: then the name is meant as it is.
fn unescape(name: &str) -> Option<String> {
    let (mut out, mut rest) = (String::new(), name.strip_prefix("U__")?);
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let end = rest.find('_').filter(|end| (1..=6).contains(end))?;
        out.push(char::from_u32(u32::from_str_radix(&rest[..end], 16).ok()?)?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}

/// The matchers of one selector over the names and values there are; for variables of dashboards.
pub(super) fn matcher_sets(selector: &str) -> Result<Vec<Vec<Matcher>>, String> {
    if selector.is_empty() { Ok(Vec::new()) } else { Ok(vec![crate::params::selector(selector)?]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names() {
        for (escaped, name) in [
            ("U__http_2e_status", Some("http.status")),
            ("U__a__b", Some("a_b")),
            ("U___d55c_", Some("한")),
            ("U__plain", Some("plain")),
            ("U__a_zz_", None),
            ("U__a_2e", None),
            ("U___d800_", None),
        ] {
            assert_eq!(unescape(escaped).as_deref(), name, "{escaped}");
        }
    }
}
