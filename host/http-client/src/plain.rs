//! Plain HTTP/1.1 without a proxy, straight from the socket into the caller's buffer: how almost everything is scraped.
//!
//! hyper hands a body over in pieces, through a task of its own for each connection, and each piece is copied once more.
//! Here a response is read by whoever asked for it, in reads as large as what is still to come, and an idle connection is
//! a socket and nothing else. What is accepted and refused is the same.

mod chunks;
mod head;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BufMut;
use http::header::CONTENT_ENCODING;
use http::{Method, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::HttpError;
use crate::client::{BUFFER_BYTES_MAX, BodyLimits, IDLE_KEPT, IDLE_PER_HOST_MAX};
use crate::connect::PlainConnector;
use crate::decode::{BodySink, Progress, is_gzip};
use chunks::Chunks;
use head::{Framing, read_head};

pub(crate) use head::Head;

/// The first read, which brings the head: what else it brings is moved once more.
const FIRST_READ_BYTES: usize = 4 << 10;

/// Room for one read of a body whose length is not known, and the most that is made at once because a response says that so
/// much will come.
const READ_BYTES: usize = 64 << 10;
const TRUSTED_BYTES: u64 = 1 << 20;

/// Provisional responses (1xx) before the one that counts. Without a limit they keep a thread busy for as long as they come.
const PROVISIONAL_MAX: usize = 32;

/// A head that has come so far is looked at as a whole only when its end may have come.
const HEAD_READ_AGAIN_BYTES: usize = 8 << 10;

/// Time between two looks for connections that nobody has used for long.
const SWEEP: Duration = Duration::from_secs(30);

/// Idle connections by `host:port`.
#[derive(Default)]
pub(crate) struct Plain(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    by_authority: HashMap<String, Vec<Kept>>,
    swept: Option<Instant>,
}

struct Kept {
    stream: TcpStream,
    remote: SocketAddr,
    since: Instant,
}

/// What is asked for, in its final form.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// `host:port`.
    pub(crate) authority: String,
    /// For the connection.
    pub(crate) uri: Uri,
    /// Request line and headers.
    pub(crate) head: Vec<u8>,
}

/// A response of which the head was read; the first bytes of its body are in the caller's buffer.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) remote: SocketAddr,
    stream: TcpStream,
}

/// The connection ended before a response began, so the request may be sent once more.
enum Failed {
    Closed,
    Error(HttpError),
}

impl From<HttpError> for Failed {
    fn from(error: HttpError) -> Self {
        Self::Error(error)
    }
}

impl Question {
    /// What hyper would write for this request to a server.
    pub(crate) fn new<B>(request: &http::Request<B>) -> Option<Self> {
        let uri = request.uri();
        let (host, port) = (uri.host()?, uri.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.is_empty() { "/" } else { path };
        let mut head = Vec::with_capacity(512);
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
        put(&[request.method().as_str().as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\n"]);
        for (name, value) in request.headers() {
            put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        let authority = format!("{host}:{port}");
        if !request.headers().contains_key(http::header::HOST) {
            put(&[b"host: ", if port == 80 { host } else { &authority }.as_bytes(), b"\r\n"]);
        }
        put(&[b"\r\n"]);
        Some(Self { method: request.method().clone(), authority, uri: uri.clone(), head })
    }
}

impl Plain {
    /// Asks, and reads the head of the response; what came of the body by then is left in `body`.
    ///
    /// A kept connection may have been closed by the other side just as it was taken: one more attempt, on a fresh one.
    pub(crate) async fn ask(&self, connector: &PlainConnector, question: &Question, body: &mut Vec<u8>) -> Result<Answer, HttpError> {
        let kept = self.take(&question.authority);
        for attempt in [kept, None] {
            let (stream, remote) = match attempt {
                Some(kept) => (kept.stream, kept.remote),
                None => connector.connect(&question.uri).await?,
            };
            match exchange(stream, remote, question, body).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Closed) => {}
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        Err(HttpError::Protocol("connection closed before message completed".to_owned()))
    }

    /// Reads the rest of the body, and keeps the connection if it serves further requests. Says whether the body was cut off.
    pub(crate) async fn read_body(
        &self,
        question: &Question,
        mut answer: Answer,
        limits: BodyLimits,
        body: &mut Vec<u8>,
    ) -> Result<bool, HttpError> {
        let encoding = answer.head.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let mut rest = Rest::new(answer.head.framing);
        let progress = if is_gzip(encoding, limits.decode)? {
            let mut raw = Vec::with_capacity(READ_BYTES.max(body.len()));
            raw.append(body);
            let mut sink = BodySink::new(encoding, true, limits.bytes_max, body)?;
            let mut more = rest.take(&mut raw, 0);
            loop {
                // What came before an error first: what is found does not depend on how much one read brings.
                let progress = sink.push(&raw)?;
                if progress != Progress::More {
                    break progress;
                }
                match more {
                    Ok(true) => {}
                    Ok(false) => break sink.finish()?,
                    Err(error) => break sink.failed(error)?,
                }
                raw.clear();
                more = rest.read(&mut answer.stream, &mut raw, u64::MAX).await;
            }
        } else {
            let mut more = rest.take(body, 0);
            loop {
                if body.len() as u64 > limits.bytes_max {
                    body.truncate(usize::try_from(limits.bytes_max).unwrap_or(usize::MAX));
                    break Progress::LimitPassed;
                }
                if !more? {
                    break Progress::More;
                }
                // One byte past the limit tells that it is passed.
                let room = (limits.bytes_max - body.len() as u64).saturating_add(1);
                more = rest.read(&mut answer.stream, body, room).await;
            }
        };
        match progress {
            Progress::More => {
                if answer.head.keep && rest.ended_cleanly() {
                    self.keep(question, answer);
                }
                Ok(false)
            }
            Progress::LimitPassed if limits.truncate => Ok(true),
            Progress::LimitPassed => Err(HttpError::TooLarge { limit: limits.bytes_max }),
        }
    }

    /// Keeps the connection of a response whose body nobody reads, if there is none.
    pub(crate) fn skip_body(&self, question: &Question, answer: Answer, body: &mut Vec<u8>) {
        if answer.head.keep && answer.head.framing == Framing::Length(0) && body.is_empty() {
            self.keep(question, answer);
        }
        body.clear();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it is still good: it is silent, and the other side has not closed it.
    fn take(&self, authority: &str) -> Option<Kept> {
        loop {
            let kept = self.idle().by_authority.get_mut(authority)?.pop()?;
            let silent = matches!(kept.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if silent && kept.since.elapsed() < IDLE_KEPT {
                return Some(kept);
            }
        }
    }

    fn keep(&self, question: &Question, answer: Answer) {
        let now = Instant::now();
        let mut idle = self.idle();
        if idle.swept.is_none_or(|swept| now.duration_since(swept) > SWEEP) {
            idle.swept = Some(now);
            idle.by_authority.retain(|_, kept| {
                kept.retain(|kept| now.duration_since(kept.since) < IDLE_KEPT);
                !kept.is_empty()
            });
        }
        let kept = Kept { stream: answer.stream, remote: answer.remote, since: now };
        match idle.by_authority.get_mut(&question.authority) {
            Some(others) if others.len() >= IDLE_PER_HOST_MAX => {}
            Some(others) => others.push(kept),
            None => _ = idle.by_authority.insert(question.authority.clone(), vec![kept]),
        }
    }

    /// How many connections are idle.
    pub(crate) fn idle_count(&self) -> usize {
        self.idle().by_authority.values().map(Vec::len).sum()
    }
}

async fn exchange(mut stream: TcpStream, remote: SocketAddr, question: &Question, body: &mut Vec<u8>) -> Result<Answer, Failed> {
    body.clear();
    stream.write_all(&question.head).await.map_err(closed_or_failed)?;
    let (mut wanted, mut looked_at, mut provisional) = (FIRST_READ_BYTES, 0, 0);
    loop {
        if body.len() >= BUFFER_BYTES_MAX {
            return Err(HttpError::Protocol("message head is too large".to_owned()).into());
        }
        body.reserve(wanted);
        let length = stream.read_buf(&mut (&mut *body).limit(wanted)).await.map_err(closed_or_failed)?;
        if length == 0 {
            return Err(Failed::Closed);
        }
        wanted = READ_BYTES;
        loop {
            // A long head that trickles in is not parsed from its start for each of its bytes.
            if body.len() > HEAD_READ_AGAIN_BYTES && !ends_a_head(body.get(looked_at.max(3) - 3..).unwrap_or_default()) {
                looked_at = body.len();
                break;
            }
            looked_at = body.len();
            match read_head(body, &question.method)? {
                None => break,
                Some((length, head)) => {
                    body.drain(..length);
                    looked_at = 0;
                    if let Some(head) = head {
                        return Ok(Answer { head, remote, stream });
                    }
                    provisional += 1;
                    if provisional > PROVISIONAL_MAX {
                        return Err(HttpError::Protocol(format!("more than {PROVISIONAL_MAX} provisional responses (1xx)")).into());
                    }
                    if body.is_empty() {
                        break;
                    }
                }
            }
        }
    }
}

fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

fn closed_or_failed(error: io::Error) -> Failed {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Failed::Closed,
        _ => Failed::Error(broken(&error)),
    }
}

fn broken(error: &io::Error) -> HttpError {
    HttpError::Protocol(format!("the connection broke: {error}"))
}

/// What is still to come of a body.
enum Rest {
    Length { left: u64, excess: bool },
    Chunked { chunks: Chunks, excess: bool },
    Close,
}

impl Rest {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(left) => Self::Length { left, excess: false },
            Framing::Chunked => Self::Chunked { chunks: Chunks::new(), excess: false },
            Framing::Close => Self::Close,
        }
    }

    /// Whether the body came as a whole and nothing after it.
    fn ended_cleanly(&self) -> bool {
        match self {
            Self::Length { left, excess } => *left == 0 && !excess,
            Self::Chunked { chunks, excess } => chunks.ended() && !excess,
            Self::Close => false,
        }
    }

    /// Takes in what was received from `from` on: afterwards the buffer holds the body's bytes alone. False at its end.
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> Result<bool, HttpError> {
        match self {
            Self::Length { left, excess } => {
                let came = (buffer.len() - from) as u64;
                if came > *left {
                    *excess = true;
                    buffer.truncate(from + usize::try_from(*left).unwrap_or(usize::MAX));
                }
                *left = left.saturating_sub(came);
                Ok(*left > 0)
            }
            Self::Chunked { chunks, excess } => {
                *excess |= chunks.decode(buffer, from)? > 0;
                Ok(!chunks.ended())
            }
            Self::Close => Ok(true),
        }
    }

    /// Reads on, at most `room` bytes of the body where its length is known. False at its end.
    async fn read(&mut self, stream: &mut TcpStream, buffer: &mut Vec<u8>, room: u64) -> Result<bool, HttpError> {
        let from = buffer.len();
        let wanted = match self {
            Self::Length { left, .. } => {
                let wanted = (*left).min(room).min(TRUSTED_BYTES.max(from as u64));
                usize::try_from(wanted).unwrap_or(usize::MAX)
            }
            _ => READ_BYTES,
        };
        // A read that brings less than it might tells the runtime that the socket is empty now; one that is filled to the last
        // byte costs one more, which finds nothing.
        let wanted = wanted.saturating_add(1);
        buffer.reserve(wanted);
        let length = stream.read_buf(&mut (&mut *buffer).limit(wanted)).await.map_err(|error| broken(&error))?;
        if length > 0 {
            return self.take(buffer, from);
        }
        match self {
            Self::Close => Ok(false),
            Self::Length { .. } => Err(HttpError::Protocol("end of file before message length reached".to_owned())),
            Self::Chunked { .. } => Err(HttpError::Protocol("unexpected EOF during chunk size line or chunk".to_owned())),
        }
    }
}
