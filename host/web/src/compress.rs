//! Answers in zstd or gzip, for whoever accepts it.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;

/// Shorter answers gain nothing.
const BYTES_MIN: u64 = 1024;
/// From here on compressing takes long enough to be kept off the threads that serve others.
const BYTES_INLINE: usize = 64 << 10;
/// Between speed and size: about gzip's size at a third of its time.
const ZSTD_LEVEL: i32 = 1;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Zstd,
}

impl Coding {
    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Compresses JSON and text, whether it is all there or still being written.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let coding = accepted(request.headers()).filter(|_| request.method() != Method::HEAD);
    let response = next.run(request).await;
    match coding.filter(|_| is_worth_it(&response)) {
        Some(coding) => encode(response, coding).await,
        None => response,
    }
}

/// What `Accept-Encoding` prefers: the greater weight counts, for equal ones zstd.
fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let (zstd, gzip) = (weight(headers, "zstd"), weight(headers, "gzip"));
    match (zstd > 0.0, gzip > 0.0) {
        (true, _) if zstd >= gzip => Some(Coding::Zstd),
        (_, true) => Some(Coding::Gzip),
        _ => None,
    }
}

/// Whether `Accept-Encoding` names gzip without refusing it.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    weight(headers, "gzip") > 0.0
}

/// The weight of a coding: that of its own name, or else that of `*`. Only gzip is meant by `*`, which every client reads.
fn weight(headers: &HeaderMap, coding: &str) -> f32 {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut own, mut any) = (None, None);
    for part in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok()).unwrap_or(0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(coding) => own = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    own.or(any.filter(|_| coding == "gzip")).unwrap_or(0.0)
}

fn is_worth_it(response: &Response) -> bool {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known =
        kind.starts_with("application/json") || kind.starts_with("application/openmetrics-text") || kind.starts_with("application/yaml");
    // Events go out one by one.
    let text = known || (kind.starts_with("text/") && !kind.starts_with("text/event-stream"));
    let length = HttpBody::size_hint(response.body()).exact();
    text && !headers.contains_key(header::CONTENT_ENCODING) && length.is_none_or(|length| length >= BYTES_MIN)
}

async fn encode(response: Response, coding: Coding) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if HttpBody::size_hint(&body).exact().is_none() {
        let Ok(encoder) = Encoder::new(coding, BYTES_INLINE) else { return Response::from_parts(parts, body) };
        parts.headers.insert(header::CONTENT_ENCODING, coding.name());
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::new(Packed { body, encoder: Some(encoder) }));
    }
    // The length is known and the body is in memory already, so no limit is needed.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let packed = if bytes.len() <= BYTES_INLINE {
        pack(coding, &bytes).ok()
    } else {
        let copy = bytes.clone();
        tokio::task::spawn_blocking(move || pack(coding, &copy).ok()).await.ok().flatten()
    };
    let Some(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.insert(header::CONTENT_ENCODING, coding.name());
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

fn pack(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, bytes.len() / 8)?;
    encoder.write(bytes)?;
    encoder.finish()
}

/// Compresses what comes piece by piece.
enum Encoder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    fn new(coding: Coding, room: usize) -> io::Result<Self> {
        let out = Vec::with_capacity(room);
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(out, Compression::fast()))),
            Coding::Zstd => Self::Zstd(Box::new(zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?)),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// What is ready to go out.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A body that is compressed as it goes out. Its pieces are small, so that this stays on the connection's own task.
struct Packed {
    body: Body,
    /// None once all is out.
    encoder: Option<Encoder>,
}

impl HttpBody for Packed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let Some(mut encoder) = self.encoder.take() else { return Poll::Ready(None) };
            let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(context) else {
                self.encoder = Some(encoder);
                return Poll::Pending;
            };
            let packed = match next {
                None => encoder.finish(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    // There are no trailers.
                    let written = frame.data_ref().map_or(Ok(()), |bytes| encoder.write(bytes));
                    let out = encoder.take();
                    self.encoder = Some(encoder);
                    written.map(|()| out)
                }
            };
            match packed {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                Err(error) => return Poll::Ready(Some(Err(axum::Error::new(error)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_accept() {
        for (text, expected) in [
            ("", None),
            ("gzip", Some(Coding::Gzip)),
            ("zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, zstd;q=0.5", Some(Coding::Gzip)),
            ("zstd;q=0, GZIP", Some(Coding::Gzip)),
            ("*", Some(Coding::Gzip)),
            ("*;q=0", None),
            ("gzip;q=0, *", None),
            ("br", None),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!(accepted(&headers), expected, "{text}");
        }
    }
}
