//! The files of the pages. Every page is the same document; its script looks at the address.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::compress::accepts_gzip;
use crate::error::ApiError;
use crate::params::Params;

/// The document of every page. Below a prefix its files are asked for there, too.
pub(crate) fn page(prefix: &str, headers: &HeaderMap) -> Response {
    let plain = file("index.html", headers);
    let Some(asset) = ui::asset("index.html").filter(|_| !prefix.is_empty()) else { return plain };
    let Ok(text) = std::str::from_utf8(asset.bytes) else { return plain };
    let safe = prefix.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let mut response = text.replace("=\"/", &format!("=\"{safe}/")).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A file below `assets/`, or the icon.
pub(crate) async fn asset(request: Request) -> Response {
    file(request.uri().path().trim_start_matches('/'), request.headers())
}

pub(crate) async fn favicon(headers: HeaderMap) -> Response {
    // Browsers ask for this one unasked; the page names its own.
    if ui::asset("favicon.ico").is_some() { file("favicon.ico", &headers) } else { StatusCode::NO_CONTENT.into_response() }
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ui::asset(path) else { return ApiError::not_found("there is no such file").into_response() };
    let packed = asset.gzip.filter(|_| accepts_gzip(headers));
    let mut response = packed.unwrap_or(asset.bytes).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let caching = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if asset.gzip.is_some() {
        out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if packed.is_some() {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Queries of an old link that are taken over.
const OLD_QUERIES_MAX: usize = 20;

/// Old links of Prometheus' graph page: `/graph?g0.expr=…&g0.range_input=1h&g1.expr=…` become the explorer's, all queries with
/// the first one's range. What the explorer calls by its own name stays as it is.
pub(crate) fn graph(prefix: &str, request: Request) -> Response {
    let params = Params::of_query(request.uri().query());
    let mut target = form_urlencoded::Serializer::new(String::new());
    let mut add = |to: &str, value: &str| {
        if !value.is_empty() {
            target.append_pair(to, value);
        }
    };
    for at in 0..OLD_QUERIES_MAX {
        add("expr", params.first(&format!("g{at}.expr")));
    }
    for (from, to) in
        [("g0.range_input", "range"), ("g0.end_input", "end"), ("g0.step_input", "step"), ("expr", "expr"), ("range", "range")]
    {
        add(to, params.first(from));
    }
    add("tab", if params.first("g0.tab") == "1" { "table" } else { "" });
    add("stack", if params.first("g0.stacked") == "1" { "1" } else { "" });
    let query = target.finish();
    let address = if query.is_empty() { format!("{prefix}/explore") } else { format!("{prefix}/explore?{query}") };
    redirect(&address)
}

pub(crate) fn redirect(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => ApiError::bad_data("the address to go on to cannot be written").into_response(),
    }
}
