//! Answers that go out while they are written: a thread that may block writes, the connection takes piece by piece. What is short
//! is one piece with a known length, and an error before the first piece has gone out is an answer like any other.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use model::LabelSet;
use promql::EvalError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::ApiError;
use crate::run::{AT_ONCE_MAX, Runner};
use crate::state::Limits;

/// From here on what is written goes out.
const PIECE_BYTES: usize = 64 << 10;
/// What is written at once is no larger.
const AT_ONCE_BYTES: usize = 1 << 20;
/// Pieces between writer and connection.
const PIECES: usize = 2;
/// A connection that takes nothing for so long is cut: until then its query holds memory and its turn.
const STALL_TIME: Duration = Duration::from_secs(30);

/// Where the bytes of an answer are written to.
pub(crate) struct Sink {
    out: Vec<u8>,
    sent: usize,
    /// Where pieces go, and what waits for that; none if all is kept.
    pieces: Option<(mpsc::Sender<Bytes>, Handle)>,
    cancel: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Sink {
    pub(crate) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn bytes_of(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// JSON of something small.
    pub(crate) fn value(&mut self, value: &impl serde::Serialize) -> Result<(), ApiError> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| ApiError::internal(format!("the answer could not be written: {error}")))
    }

    /// A label set, in less time.
    pub(crate) fn labels(&mut self, labels: &LabelSet) {
        labels.write_json(&mut self.out);
    }

    /// All that was written so far.
    pub(crate) fn bytes(&self) -> usize {
        self.sent + self.out.len()
    }

    /// The same, of an answer that may have so many bytes in all. `hint` says how it becomes smaller.
    pub(crate) fn flush_within(&mut self, limit: usize, hint: &str) -> Result<(), ApiError> {
        if self.bytes() > limit {
            return Err(ApiError::execution(format!("the answer is larger than {} MiB: {hint}", limit >> 20)));
        }
        self.flush()
    }

    /// Sends what is there if it is worth it; waits for a slow connection. To be called between parts that are small.
    pub(crate) fn flush(&mut self) -> Result<(), ApiError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(EvalError::Canceled.into());
        }
        if self.out.len() < PIECE_BYTES {
            return Ok(());
        }
        let Some((pieces, runtime)) = &self.pieces else {
            // Whoever asked for the whole begins anew.
            return if self.out.len() < AT_ONCE_BYTES { Ok(()) } else { Err(ApiError::internal("the answer is no small one")) };
        };
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(EvalError::Timeout.into());
        }
        let piece = std::mem::replace(&mut self.out, Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8));
        self.sent += piece.len();
        let send = tokio::time::timeout(STALL_TIME, pieces.send(piece.into()));
        match runtime.block_on(send) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ApiError::unavailable("nobody reads the answer any more")),
            Err(_) => Err(ApiError::timeout("the answer was not read for too long")),
        }
    }
}

/// Runs `work` here and now, if that is possible, and answers what it writes; see [`Runner::at_once`].
pub(crate) fn at_once(
    runner: &Runner,
    limits: &Limits,
    content_type: &'static str,
    work: impl FnOnce(promql::Limits, &mut Sink) -> Result<(), ApiError>,
) -> Option<Result<Response, ApiError>> {
    if limits.query_timeout < AT_ONCE_MAX {
        return None;
    }
    let cancel: Arc<AtomicBool> = Arc::default();
    let mut sink = Sink { out: Vec::with_capacity(1024), sent: 0, pieces: None, cancel: Arc::clone(&cancel), deadline: None };
    let result = runner.at_once(limits, (cancel, Arc::default()), |limits| work(limits, &mut sink))?;
    if result.is_err() && sink.out.len() >= AT_ONCE_BYTES {
        return None;
    }
    Some(result.map(|()| ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], sink.out).into_response()))
}

/// Runs `work` when it is its turn and answers what it writes. A client that hangs up stops it.
pub(crate) async fn answer(
    runner: &Runner,
    limits: &Limits,
    content_type: &'static str,
    work: impl FnOnce(promql::Limits, &mut Sink) -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (pieces, mut taken) = mpsc::channel(PIECES);
    let (runner, limits, runtime) = (runner.clone(), limits.clone(), Handle::current());
    let timeout = limits.query_timeout;
    let task = tokio::spawn(async move {
        let work = move |limits: promql::Limits| {
            let (cancel, deadline) = (Arc::clone(&limits.cancel), limits.deadline);
            let mut sink = Sink { out: Vec::with_capacity(1024), sent: 0, pieces: Some((pieces, runtime)), cancel, deadline };
            work(limits, &mut sink)?;
            Ok(sink.out)
        };
        runner.run(&limits, timeout, work).await
    });
    let mut writer = Writer(task);
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    match taken.recv().await {
        Some(first) => Ok((headers, Body::new(Streamed { first: Some(first), taken, writer: Some(writer) })).into_response()),
        // All is written, or it failed.
        None => Ok((headers, joined((&mut writer.0).await)?).into_response()),
    }
}

fn joined(result: Result<Result<Vec<u8>, ApiError>, tokio::task::JoinError>) -> Result<Vec<u8>, ApiError> {
    result.map_err(|_| ApiError::internal("the answer broke; the log says where"))?
}

/// The task that writes; it ends with whoever waits for it, which tells the work to stop.
struct Writer(JoinHandle<Result<Vec<u8>, ApiError>>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pieces as a body. An error after the first piece cuts the connection, so that nobody takes a part for the whole.
struct Streamed {
    first: Option<Bytes>,
    taken: mpsc::Receiver<Bytes>,
    writer: Option<Writer>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(piece) = ready!(self.taken.poll_recv(context)) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(writer) = &mut self.writer else { return Poll::Ready(None) };
        let last = ready!(Pin::new(&mut writer.0).poll(context));
        self.writer = None;
        Poll::Ready(match joined(last) {
            Ok(last) if last.is_empty() => None,
            Ok(last) => Some(Ok(Frame::data(last.into()))),
            Err(error) => {
                tracing::warn!(%error, "an answer was cut");
                Some(Err(error))
            }
        })
    }
}
