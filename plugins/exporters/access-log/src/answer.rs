//! Which request is which call, and what it is answered with.

use serde_json::{Value, json};
use skopos_sdk::http_handler::Response;
use skopos_sdk::types::Header;

use crate::store::StoreError;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /access-log`.
    Log,
    /// `GET /stats`.
    Stats,
}

/// Why a request is not answered as asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// No such path.
    NotFound(String),
    /// The path is there for another method only.
    Method { asked: String, allowed: &'static str },
    /// The body is not what it should be.
    Content(String),
    /// The store failed; the text is for the log, not for the visitor.
    Store(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// Finds the call. Paths are exact, as the service has them.
///
/// # Errors
/// [`Failure::NotFound`] and [`Failure::Method`].
pub fn route(method: &str, path: &str) -> Result<Call, Failure> {
    let (call, allowed) = match path {
        "/access-log" => (Call::Log, "POST"),
        "/stats" => (Call::Stats, "GET"),
        _ => return Err(Failure::NotFound(path.to_owned())),
    };
    if method == allowed { Ok(call) } else { Err(Failure::Method { asked: method.to_owned(), allowed }) }
}

/// The client a body names, as text. JSON without it is counted under `undefined`, as the service does.
///
/// # Errors
/// [`Failure::Content`] for a body that is not JSON, or is `null`.
pub fn client(body: &[u8]) -> Result<String, Failure> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Failure::Content(format!("Invalid JSON: {error}")))?;
    if value.is_null() {
        return Err(Failure::Content("Invalid JSON: an object such as {\"clientIp\": \"192.0.2.1\"} is needed".to_owned()));
    }
    Ok(match value.get("clientIp") {
        None => "undefined".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    })
}

/// 201 with the text `Created`, as a JSON string for whoever takes JSON (restify's rule, and its preference).
#[must_use]
pub fn created(headers: &[Header]) -> Response {
    if takes_json(headers) { json_response(201, &json!("Created")) } else { response(201, "text/plain", b"Created".to_vec()) }
}

/// The answer of `/stats`.
#[must_use]
pub fn stats(logs: u64) -> Response {
    json_response(200, &json!({ "logs": logs }))
}

/// The answer to a failure: restify's `{"code", "message"}`.
#[must_use]
pub fn failed(failure: &Failure) -> Response {
    let (status, code, message) = match failure {
        Failure::NotFound(path) => (404, "ResourceNotFound", format!("{path} does not exist")),
        Failure::Method { asked, .. } => (405, "MethodNotAllowed", format!("{asked} is not allowed")),
        Failure::Content(message) => (400, "InvalidContent", message.clone()),
        Failure::Store(_) => (500, "InternalError", "the store does not work; the log says why".to_owned()),
    };
    let mut response = json_response(status, &json!({ "code": code, "message": message }));
    if let Failure::Method { allowed, .. } = failure {
        response.headers.push(("allow".to_owned(), (*allowed).to_owned()));
    }
    response
}

fn takes_json(headers: &[Header]) -> bool {
    let mut accepted = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept")).peekable();
    if accepted.peek().is_none() {
        return true;
    }
    accepted.flat_map(|(_, value)| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| {
            parameter.strip_prefix("q=").is_some_and(|quality| quality.parse::<f32>().is_ok_and(|quality| quality <= 0.0))
        });
        !refused && matches!(media_type.as_str(), "*/*" | "application/*" | "application/json")
    })
}

fn json_response(status: u16, body: &Value) -> Response {
    response(status, "application/json", body.to_string().into_bytes())
}

fn response(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    Response { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], body }
}
