//! `/api/v1/write` and `/api/v1/otlp/v1/metrics`: samples from other servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use remote::{Answer, OtlpAnswer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::User;
use crate::encode::success;
use crate::error::ApiError;
use crate::router::App;

/// Longest body, compressed; the receiver has the same limit on what it holds.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Longest time in which a body must come.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of bodies that are here or on their way, of all requests.
const HELD_BYTES_MAX: usize = 96 << 20;
/// Room is taken in such pieces, as a body comes: what was only announced keeps nobody out.
const PIECE_BYTES: usize = 64 << 10;
/// Longest time for which a request waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(2);
/// When to come again.
const RETRY_AFTER_S: u32 = 5;

/// Requests that are written at once, and how much of them is held.
pub(crate) struct Writes {
    turns: Arc<Semaphore>,
    /// In pieces.
    room: Arc<Semaphore>,
}

impl Writes {
    /// Half of the processors, so that scrapes and queries keep theirs.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { turns: Arc::new(Semaphore::new((processors / 2).max(1))), room: Arc::new(Semaphore::new(HELD_BYTES_MAX / PIECE_BYTES)) }
    }
}

/// `/api/v1/senders` (ours): who writes, how much, and whose clock is wrong.
pub(crate) async fn senders(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let Some(receiver) = (app.state.remote_write)() else {
        return success(&serde_json::json!({"senders": []}));
    };
    let stats = tokio::task::spawn_blocking(move || receiver.stats()).await.map_err(|error| ApiError::internal(error.to_string()))?;
    let senders: Vec<serde_json::Value> = stats.senders.iter().map(shown).collect();
    success(&serde_json::json!({"senders": senders}))
}

fn shown(sender: &remote::SenderStats) -> serde_json::Value {
    let ahead = sender.ahead.as_ref().map(|ahead| {
        serde_json::json!({
            "at": ahead.at as f64 / 1000.0,
            "seconds": ahead.ahead_ms as f64 / 1000.0,
            "address": ahead.address,
            "job": ahead.job,
            "instance": ahead.instance,
        })
    });
    serde_json::json!({
        "name": sender.name,
        "series": sender.series,
        "samples": sender.samples,
        "histograms": sender.histograms,
        "exemplars": sender.exemplars,
        "rejected": {
            "out_of_order": sender.out_of_order,
            "duplicate": sender.duplicate,
            "too_old": sender.too_old,
            "too_new": sender.too_new,
            "invalid": sender.invalid,
            "refused": sender.refused,
        },
        "ahead": ahead,
    })
}

/// `/api/v1/write`
pub(crate) async fn write(Shared(app): Shared<App>, request: Request) -> Response {
    let Some(receiver) = (app.state.remote_write)() else {
        return plain(StatusCode::NOT_FOUND, "remote write receiver needs to be enabled with --web.enable-remote-write-receiver");
    };
    let drops = drops_429(&request);
    let later = |why: &str| {
        let answer = Answer::later(why, RETRY_AFTER_S);
        respond(if drops { Answer { status: 503, ..answer } } else { answer })
    };
    receive(&app, receiver, request, later, |receiver, request, body| respond(receiver.write(request, body))).await
}

/// Prometheus throws away what is answered with 429, unless `retry_on_http_429` is set, which it is not by default; a 503 it sends
/// again. So samples would be lost for no more than that this server had too much to do for a moment.
fn drops_429(request: &Request) -> bool {
    let agent = request.headers().get(header::USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Prometheus/"))
}

/// `/api/v1/otlp/v1/metrics`
pub(crate) async fn otlp(Shared(app): Shared<App>, request: Request) -> Response {
    let Some(receiver) = (app.state.otlp)() else {
        return plain(StatusCode::NOT_FOUND, "otlp write receiver needs to be enabled with --web.enable-otlp-receiver");
    };
    let later = |why: &str| respond_otlp(OtlpAnswer::later(why, RETRY_AFTER_S));
    receive(&app, receiver, request, later, |receiver, request, body| respond_otlp(receiver.write_otlp(request, body))).await
}

/// Reads a body, waits for a turn and hands it on. `later` answers where there is too much to do.
async fn receive(
    app: &App,
    receiver: Arc<remote::Receiver>,
    request: Request,
    later: impl Fn(&str) -> Response,
    write: impl FnOnce(&remote::Receiver, &remote::Request<'_>, &[u8]) -> Response + Send + 'static,
) -> Response {
    let (content_type, content_encoding) = (text_of(&request, header::CONTENT_TYPE), text_of(&request, header::CONTENT_ENCODING));
    let user = request.extensions().get::<User>().map(|User(name)| name.clone());
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string()).unwrap_or_default();
    let later = |why: &str| {
        receiver.deferred();
        later(why)
    };

    let declared = request.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    if declared.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return too_large();
    }
    let reading = read(request.into_body(), declared.unwrap_or(0), &app.writes.room);
    let (body, room) = match tokio::time::timeout(BODY_TIME_MAX, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(Unread::NoRoom)) => return later("too much is being written: try again later"),
        Ok(Err(Unread::TooLarge)) => return too_large(),
        Ok(Err(Unread::Ended(reason))) => return plain(StatusCode::BAD_REQUEST, format!("the body ended early: {reason}")),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the body did not come within a minute"),
    };
    let turn = match tokio::time::timeout(TURN_TIME_MAX, Arc::clone(&app.writes.turns).acquire_owned()).await {
        Ok(Ok(turn)) => turn,
        _ => return later("too many requests wait to be written: try again later"),
    };
    let writing = Arc::clone(&receiver);
    let task = tokio::task::spawn_blocking(move || {
        let request = remote::Request {
            content_type: content_type.as_deref(),
            content_encoding: content_encoding.as_deref(),
            user: user.as_deref(),
            address: &address,
        };
        let answer = write(&writing, &request, &body);
        drop((turn, room));
        answer
    });
    match task.await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a request with samples broke");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the request broke; the log says where")
        }
    }
}

fn text_of(request: &Request, name: HeaderName) -> Option<String> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or("?").to_owned())
}

/// Why there is no body.
enum Unread {
    NoRoom,
    TooLarge,
    Ended(String),
}

/// The body as a whole, within the limit, with the room that it takes.
async fn read(mut body: Body, declared: usize, room: &Arc<Semaphore>) -> Result<(Vec<u8>, OwnedSemaphorePermit), Unread> {
    let take = || Arc::clone(room).try_acquire_owned().map_err(|_| Unread::NoRoom);
    let mut held = take()?;
    let mut bytes = Vec::with_capacity(declared.min(PIECE_BYTES));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unread::Ended(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        let len = bytes.len() + data.len();
        if len > BODY_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        while held.num_permits() * PIECE_BYTES < len {
            held.merge(take()?);
        }
        if len > bytes.capacity() {
            // Once, for a body that says how long it is; what it says was looked at.
            bytes.reserve_exact(declared.max(len * 3 / 2).min(BODY_BYTES_MAX) - bytes.len());
        }
        bytes.extend_from_slice(data);
    }
    Ok((bytes, held))
}

fn too_large() -> Response {
    plain(StatusCode::BAD_REQUEST, format!("the body is longer than the limit of {BODY_BYTES_MAX} bytes: send smaller requests"))
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if answer.text.is_empty() { status.into_response() } else { plain(status, answer.text) };
    let headers = response.headers_mut();
    for (name, count) in [
        ("x-prometheus-remote-write-samples-written", answer.samples),
        ("x-prometheus-remote-write-histograms-written", answer.histograms),
        ("x-prometheus-remote-write-exemplars-written", answer.exemplars),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
    if let Some(seconds) = answer.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Success with a message of protobuf, all else with a text.
fn respond_otlp(answer: OtlpAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() {
        return (status, [(header::CONTENT_TYPE, "application/x-protobuf")], answer.body()).into_response();
    }
    let mut response = plain(status, answer.text);
    if let Some(seconds) = answer.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// As Go's `http.Error` writes it.
fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, kind, text.into() + "\n").into_response()
}
