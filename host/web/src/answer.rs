//! The answer to a query as it goes out: written piece by piece as the client takes it. What is written is freed; what nobody
//! takes is dropped after a while, and a query that is stopped drops the rest at once.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec::IntoIter;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use model::LabelSet;
use promql::json::TimeTexts;
use promql::{HistogramPoint, Hold, Point, Sample, Series, Value};
use tokio::runtime::Handle;

use crate::encode::{float_plain, json, seconds_short, write_histogram};
use crate::error::ApiError;
use crate::queries::Ticket;

/// About so many bytes are written at once. Small enough to be done on the connection's own task: less than a millisecond.
const PIECE_BYTES: usize = 64 << 10;
/// What a client must take within the limit of time, so that one that reads byte by byte does not count as reading.
const PROGRESS_BYTES: usize = 64 << 10;

/// So many series are freed where one is, in less than a tenth of a millisecond.
const FREED_AT_ONCE: usize = 1024;

const CANCELED: &str = "it was canceled";

/// What is left to be written of an answer.
pub(crate) struct Unsent {
    rest: Rest,
    /// Behind the result: statistics, warnings, the end of the envelope.
    tail: Vec<u8>,
    /// Memory that is left.
    hold: Hold,
    /// Keeps the query listed while it is sent.
    ticket: Ticket,
}

enum Rest {
    Nothing,
    Vector { samples: IntoIter<Sample>, first: bool, times: TimeTexts },
    Matrix { series: IntoIter<Series>, open: Option<Open>, first: bool, times: TimeTexts },
}

/// A series of which some points are written.
struct Open {
    points: IntoIter<Point>,
    /// How many of them are written.
    written: usize,
    histograms: IntoIter<HistogramPoint>,
    /// What is written in front of the next float, and of the next histogram.
    before: [&'static [u8]; 2],
    /// Its memory.
    bytes: usize,
}

impl Open {
    fn new(series: Series) -> Self {
        let bytes = series.bytes();
        let before: [&[u8]; 2] = [br#","values":["#, br#","histograms":["#];
        Self { points: series.points.into_iter(), written: 0, histograms: series.histograms.into_iter(), before, bytes }
    }

    /// Writes until there is enough for a piece. True once all of the series is written.
    fn write(&mut self, out: &mut Vec<u8>, times: &mut TimeTexts) -> bool {
        while out.len() < PIECE_BYTES {
            let Some(point) = self.points.next() else { return self.write_histograms(out) };
            out.extend_from_slice(std::mem::replace(&mut self.before[0], b","));
            times.write_point(self.written, point, out);
            self.written += 1;
        }
        false
    }

    fn write_histograms(&mut self, out: &mut Vec<u8>) -> bool {
        if self.before[0] == b"," {
            out.push(b']');
            self.before[0] = b"";
        }
        while out.len() < PIECE_BYTES {
            let Some(point) = self.histograms.next() else {
                out.extend_from_slice(if self.before[1] == b"," { b"]}" } else { b"}" });
                return true;
            };
            out.extend_from_slice(std::mem::replace(&mut self.before[1], b","));
            write_histogram(out, point.time, &point.histogram);
        }
        false
    }
}

impl Unsent {
    /// Begins an answer: the envelope's head and what of the result needs no list.
    pub(crate) fn new(value: Value, tail: Vec<u8>, hold: Hold, ticket: Ticket) -> Result<(Vec<u8>, Self), ApiError> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(br#"{"status":"success","data":{"#);
        let rest = match value {
            Value::Scalar(Point { time, value }) => {
                out.extend_from_slice(br#""resultType":"scalar","result":["#);
                out.extend_from_slice(seconds_short(time).as_bytes());
                out.extend_from_slice(b",\"");
                out.extend_from_slice(float_plain(value).as_bytes());
                out.extend_from_slice(b"\"]");
                Rest::Nothing
            }
            Value::String(time, text) => {
                out.extend_from_slice(br#""resultType":"string","result":["#);
                out.extend_from_slice(seconds_short(time).as_bytes());
                out.push(b',');
                serde_json::to_writer(&mut out, &text)
                    .map_err(|error| ApiError::internal(format!("the answer could not be written: {error}")))?;
                out.push(b']');
                Rest::Nothing
            }
            Value::Vector(samples) => {
                out.extend_from_slice(br#""resultType":"vector","result":["#);
                Rest::Vector { samples: samples.into_iter(), first: true, times: TimeTexts::default() }
            }
            Value::Matrix(series) => {
                out.extend_from_slice(br#""resultType":"matrix","result":["#);
                Rest::Matrix { series: series.into_iter(), open: None, first: true, times: TimeTexts::default() }
            }
        };
        Ok((out, Self { rest, tail, hold, ticket }))
    }

    /// Writes until there is enough for a piece. True once all is written.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let mut freed = 0;
        while out.len() < PIECE_BYTES {
            match &mut self.rest {
                Rest::Nothing => {
                    out.append(&mut self.tail);
                    return true;
                }
                Rest::Vector { samples, first, times } => match samples.next() {
                    Some(sample) => {
                        begin_item(out, first, &sample.labels);
                        match &sample.histogram {
                            None => {
                                out.extend_from_slice(br#","value":"#);
                                times.write_point(0, sample.point, out);
                            }
                            Some(histogram) => {
                                out.extend_from_slice(br#","histogram":"#);
                                write_histogram(out, sample.point.time, histogram);
                            }
                        }
                        out.push(b'}');
                        freed += sample.bytes();
                    }
                    None => self.end_list(out),
                },
                Rest::Matrix { series, open, first, times } => match open {
                    Some(part) => {
                        if part.write(out, times) {
                            freed += part.bytes;
                            *open = None;
                        }
                    }
                    None => match series.next() {
                        Some(one) => {
                            begin_item(out, first, &one.labels);
                            *open = Some(Open::new(one));
                        }
                        None => self.end_list(out),
                    },
                },
            }
        }
        self.hold.release(freed);
        false
    }

    /// Frees what is left, which nobody wants. Where that is much, on a thread that may block: each label set is a block of memory of
    /// its own, and a million of them take long enough that other connections would wait.
    fn free(self) {
        let series = match &self.rest {
            Rest::Nothing => 0,
            Rest::Vector { samples, .. } => samples.len(),
            Rest::Matrix { series, .. } => series.len(),
        };
        if series > FREED_AT_ONCE
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(self));
        }
    }

    fn end_list(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
        self.rest = Rest::Nothing;
    }

    /// The response that begins with `first`, which was written last. All of it if `done`; else the rest goes out as the client
    /// takes it, and is dropped if it takes less than 64 KiB in the time of `stall`.
    pub(crate) fn respond(self, first: Vec<u8>, done: bool, stall: Duration) -> Response {
        if done {
            return json(first);
        }
        let running = Arc::clone(&self.ticket.running);
        let shared = Arc::new(Mutex::new(Sending { unsent: Some(self), taken: 0, why: "" }));
        let weak = Arc::downgrade(&shared);
        running.sends(move || {
            if let Some(shared) = weak.upgrade() {
                let unsent = lock(&shared).cut(CANCELED);
                unsent.into_iter().for_each(Unsent::free);
            }
        });
        if running.cancel.load(Ordering::Relaxed) {
            // It was stopped before there was anything to drop.
            let unsent = lock(&shared).cut(CANCELED);
            unsent.into_iter().for_each(Unsent::free);
        }
        tokio::spawn(watch(Arc::downgrade(&shared), stall));
        let body = Body::new(Streamed { shared, first: Some(first.into()) });
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    }
}

/// An item of a list up to the end of its labels.
fn begin_item(out: &mut Vec<u8>, first: &mut bool, labels: &LabelSet) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    out.extend_from_slice(br#"{"metric":"#);
    labels.write_json(out);
}

/// An answer on its way, shared with whoever may end it.
struct Sending {
    unsent: Option<Unsent>,
    /// Bytes that the connection took.
    taken: usize,
    /// Why the rest is gone before it was sent.
    why: &'static str,
}

impl Sending {
    /// Takes what is left, to be freed without the lock.
    fn cut(&mut self, why: &'static str) -> Option<Unsent> {
        let unsent = self.unsent.take();
        if unsent.is_some() {
            self.why = why;
        }
        unsent
    }
}

impl Drop for Sending {
    /// The client hung up.
    fn drop(&mut self) {
        self.unsent.take().into_iter().for_each(Unsent::free);
    }
}

/// Drops the rest of an answer that nobody reads.
async fn watch(shared: std::sync::Weak<Mutex<Sending>>, stall: Duration) {
    let mut before = 0;
    loop {
        tokio::time::sleep(stall).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut sending = lock(&shared);
        if sending.unsent.is_none() {
            return;
        }
        if sending.taken - before < PROGRESS_BYTES {
            let unsent = sending.cut("the client reads too slowly");
            drop(sending);
            unsent.into_iter().for_each(Unsent::free);
            return;
        }
        before = sending.taken;
    }
}

struct Streamed {
    shared: Arc<Mutex<Sending>>,
    first: Option<Bytes>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        let first = self.first.take();
        let mut guard = lock(&self.shared);
        let sending = &mut *guard;
        let piece = match (first, &mut sending.unsent) {
            (Some(first), _) => first,
            (None, None) if sending.why.is_empty() => return Poll::Ready(None),
            // The connection breaks, so that nobody takes a part for the whole.
            (None, None) => {
                tracing::warn!(reason = sending.why, "the answer to a query was cut");
                return Poll::Ready(Some(Err(ApiError::unavailable(sending.why))));
            }
            (None, Some(unsent)) => {
                let mut out = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 16);
                if unsent.write(&mut out) {
                    sending.unsent = None;
                }
                out.into()
            }
        };
        sending.taken += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
