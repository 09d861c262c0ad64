//! Which request is which call, and the forms of the answers: those of the FastAPI service that this stands in for.

use serde::Serialize;
use serde_json::json;
use skopos_sdk::http_handler::{Request, Response};

use crate::tags::Scrap;

/// The code of any failure to read a page.
const FAILED: i64 = -20_000;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /api/v1/scrap`, with or without a slash at the end.
    Scrap,
    /// `GET /health_check`.
    Health,
    /// A browser asks whether another site's page may call.
    Preflight,
    /// A known path, asked by another method.
    Method,
    /// Anything else.
    Unknown,
}

impl Call {
    /// The route as the metrics name it, `none` where there is none.
    #[must_use]
    pub fn handler(self) -> &'static str {
        match self {
            Self::Scrap => "/api/v1/scrap",
            Self::Health => "/health_check",
            Self::Preflight | Self::Method | Self::Unknown => "none",
        }
    }
}

/// Finds the call.
#[must_use]
pub fn route(request: &Request) -> Call {
    let call = match request.path.as_str() {
        "/api/v1/scrap" | "/api/v1/scrap/" => Call::Scrap,
        "/health_check" | "/health_check/" => Call::Health,
        _ => Call::Unknown,
    };
    match (request.method.as_str(), call) {
        ("OPTIONS", _) if header(request, "origin").is_some() && header(request, "access-control-request-method").is_some() => {
            Call::Preflight
        }
        ("GET" | "HEAD", call) => call,
        (_, Call::Unknown) => Call::Unknown,
        _ => Call::Method,
    }
}

/// 200 with what the page says, in the service's order.
#[must_use]
pub fn scrap(scrap: &Scrap) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        scrap: &'a Scrap,
    }
    json_response(200, &Body { scrap })
}

/// 400: the page could not be read.
#[must_use]
pub fn failed(message: &str) -> Response {
    json_response(400, &json!({ "code": FAILED, "message": message }))
}

/// 422: FastAPI's answer to a parameter that is not there.
#[must_use]
pub fn url_missing() -> Response {
    let detail = json!({ "loc": ["query", "url"], "msg": "field required", "type": "value_error.missing" });
    json_response(422, &json!({ "detail": [detail] }))
}

/// The service is there.
#[must_use]
pub fn healthy() -> Response {
    json_response(200, &json!("OK"))
}

/// 404.
#[must_use]
pub fn not_found() -> Response {
    json_response(404, &json!({ "detail": "Not Found" }))
}

/// 405.
#[must_use]
pub fn method_not_allowed() -> Response {
    let mut response = json_response(405, &json!({ "detail": "Method Not Allowed" }));
    response.headers.push(("allow".to_owned(), "GET, HEAD".to_owned()));
    response
}

/// Any site's page may call, by any method and with any headers.
#[must_use]
pub fn preflight(request: &Request) -> Response {
    let mut response = Response { status: 200, headers: Vec::new(), body: b"OK".to_vec() };
    let mut add = |name: &str, value: &str| response.headers.push((name.to_owned(), value.to_owned()));
    add("content-type", "text/plain; charset=utf-8");
    add("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT");
    add("access-control-max-age", "600");
    if let Some(headers) = header(request, "access-control-request-headers") {
        add("access-control-allow-headers", headers);
    }
    response
}

/// Lets the pages of other sites read the answer. There are no cookies to protect: the host passes none on.
#[must_use]
pub fn with_cors(request: &Request, mut response: Response) -> Response {
    if let Some(origin) = header(request, "origin") {
        let mut add = |name: &str, value: &str| response.headers.push((name.to_owned(), value.to_owned()));
        add("access-control-allow-origin", origin);
        add("access-control-allow-credentials", "true");
        add("vary", "Origin");
    }
    response
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn json_response(status: u16, body: &impl Serialize) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        // Texts and numbers in objects with text keys: there is nothing that JSON could not say.
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}
