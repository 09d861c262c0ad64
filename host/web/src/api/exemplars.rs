//! Exemplars: single observations behind the numbers, with labels that lead to a trace.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::response::Response;
use model::TimeRange;
use model::seams::SeriesExemplars;

use crate::encode::{Writer, float, json, seconds};
use crate::error::ApiError;
use crate::params::{Params, TIME_MS_MAX};
use crate::router::App;

/// `/api/v1/query_exemplars`: the exemplars of all series that any selector of the query names.
pub(crate) async fn query(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let (start, end) = (params.time_or("start", -TIME_MS_MAX)?, params.time_or("end", TIME_MS_MAX)?);
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let limits = app.state.limits.clone();
    let select = Arc::clone(&app.state.select);
    let body = app.runner.run(&limits, limits.query_timeout, move |_| {
        let expr = promql::parse(params.first("query")).map_err(|error| ApiError::bad_data(error.to_string()))?;
        let selectors = promql::plan::selectors(&expr);
        // Without a selector there is nothing to look for; no matcher at all would mean every series.
        let found = if selectors.is_empty() { Vec::new() } else { select.exemplars(&selectors, TimeRange { start, end })? };
        encode(&found, app.state.limits.answer_bytes)
    });
    Ok(json(body.await?))
}

fn encode(found: &[SeriesExemplars], answer_bytes: usize) -> Result<Vec<u8>, ApiError> {
    let mut writer = Writer::new(answer_bytes);
    writer.raw(r#"{"status":"success","data":["#);
    for (at, series) in found.iter().enumerate() {
        writer.raw(if at == 0 { r#"{"seriesLabels":"# } else { r#",{"seriesLabels":"# });
        writer.value(&series.labels)?;
        writer.raw(r#","exemplars":["#);
        for (at, exemplar) in series.exemplars.iter().enumerate() {
            writer.raw(if at == 0 { r#"{"labels":"# } else { r#",{"labels":"# });
            writer.value(&exemplar.labels)?;
            writer.raw(r#","value":"#);
            writer.value(&float(exemplar.value))?;
            writer.raw(r#","timestamp":"#);
            writer.raw(&seconds(exemplar.time));
            writer.raw("}");
            writer.check()?;
        }
        writer.raw("]}");
    }
    writer.raw("]}");
    writer.check()?;
    Ok(writer.into_bytes())
}
