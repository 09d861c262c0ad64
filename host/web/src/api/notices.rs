//! `notifications` and `notifications/live`: what whoever runs this server should know now.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use model::TimestampMs;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};

use crate::encode::{rfc3339, success};
use crate::error::ApiError;
use crate::router::App;

/// Pages that listen at once; upstream's `--web.max-notifications-subscribers`. Others ask now and then.
pub(crate) const LISTENERS_MAX: usize = 16;
/// How often is looked for something new.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A comment goes out so often, in looks, so that proxies keep the connection and a client that is gone is noticed.
const ALIVE_EVERY: u32 = 15;

const RELOAD_FAILED: &str = "Configuration reload has failed.";
const STARTING: &str = "Prometheus is starting and replaying the write-ahead log (WAL).";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Notice {
    text: &'static str,
    date: String,
    active: bool,
}

impl Notice {
    fn of(text: &'static str, since: TimestampMs) -> Self {
        Self { text, date: rfc3339(Some(since)), active: true }
    }
}

/// What there is to say now, in upstream's words.
fn current(app: &App) -> Vec<Notice> {
    let runtime = (app.state.runtime)();
    let mut notices = Vec::new();
    if !(app.state.ready)() {
        notices.push(Notice::of(STARTING, runtime.started));
    }
    if !runtime.reload_ok {
        notices.push(Notice::of(RELOAD_FAILED, runtime.reload_failed.unwrap_or(runtime.config_read)));
    }
    notices
}

/// `/api/v1/notifications`
pub(crate) async fn now(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    success(&current(&app))
}

/// `/api/v1/notifications/live`: what is now, and then each change, as server-sent events.
pub(crate) async fn live(Shared(app): Shared<App>) -> Response {
    // As upstream: whoever is one too many gets no content and knows that asking is the other way.
    let Ok(seat) = Arc::clone(&app.listeners).try_acquire_owned() else { return StatusCode::NO_CONTENT.into_response() };
    let (events, taken) = mpsc::channel::<Bytes>(16);
    tokio::spawn(async move {
        let _seat = seat;
        let (mut known, mut looks) = (Vec::<Notice>::new(), 0_u32);
        loop {
            let now = current(&app);
            let gone = known.iter().filter(|notice| !now.contains(notice)).cloned().map(|notice| Notice { active: false, ..notice });
            let new = now.iter().filter(|notice| !known.contains(notice)).cloned();
            let mut text: String =
                gone.chain(new).filter_map(|notice| serde_json::to_string(&notice).ok()).fold(String::new(), |mut text, notice| {
                    text.push_str("data: ");
                    text.push_str(&notice);
                    text.push_str("\n\n");
                    text
                });
            known = now;
            if text.is_empty() && looks.is_multiple_of(ALIVE_EVERY) {
                text.push_str(":\n\n");
            }
            looks = looks.wrapping_add(1);
            let sent = if text.is_empty() { Ok(()) } else { events.send(text.into()).await };
            if sent.is_err() || events.is_closed() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::new(Events(taken))).into_response()
}

/// All seats for listeners.
pub(crate) fn seats() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LISTENERS_MAX))
}

struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let event = ready!(self.0.poll_recv(context));
        Poll::Ready(event.map(|bytes| Ok(Frame::data(bytes))))
    }
}
