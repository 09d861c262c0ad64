//! Remote write 1.0 by hand: messages, and a connection that sends them.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(0))
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

pub(crate) fn sample(time: i64, value: f64) -> Vec<u8> {
    let mut message = vec![0x09];
    message.extend_from_slice(&value.to_le_bytes());
    message.push(0x10);
    varint(&mut message, time as u64);
    message
}

/// A series of `prometheus.WriteRequest`.
pub(crate) fn series(out: &mut Vec<u8>, labels: &[(&str, &str)], time: i64, value: f64) {
    let mut one = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        bytes(&mut label, 1, name.as_bytes());
        bytes(&mut label, 2, value.as_bytes());
        bytes(&mut one, 1, &label);
    }
    bytes(&mut one, 2, &sample(time, value));
    bytes(out, 1, &one);
}

/// Snappy's block format, of one literal.
pub(crate) fn snappy(message: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len() + 10);
    varint(&mut body, message.len() as u64);
    if !message.is_empty() {
        body.push(63 << 2);
        body.extend_from_slice(&(message.len() as u32 - 1).to_le_bytes());
        body.extend_from_slice(message);
    }
    body
}

/// An answer: status, headers in lower case, body.
pub(crate) type Answered = (u16, String, String);

/// A connection that is kept, the server's address, and what the sender calls itself.
pub(crate) struct Sender(pub(crate) TcpStream, String, String);

impl Sender {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        Self(stream, address.to_owned(), "test".to_owned())
    }

    /// The same with another name of the sender.
    pub(crate) fn called(self, agent: &str) -> Self {
        Self(self.0, self.1, agent.to_owned())
    }

    pub(crate) fn head(&mut self, content_type: &str, length: usize) {
        let head = self.head_text(content_type, length);
        self.0.write_all(head.as_bytes()).expect("it reads");
    }

    fn head_text(&self, content_type: &str, length: usize) -> String {
        format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Encoding: snappy\r\n\
             User-Agent: {}\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {length}\r\n\r\n",
            self.1, self.2
        )
    }

    /// A server may end a kept connection between two requests, and this one does so after five minutes: then the request is sent
    /// once more, on a new one.
    pub(crate) fn post(&mut self, content_type: &str, message: &[u8]) -> Answered {
        let body = snappy(message);
        let request = [self.head_text(content_type, body.len()).as_bytes(), &body].concat();
        if self.0.write_all(&request).is_ok()
            && let Some(answered) = self.try_answer()
        {
            return answered;
        }
        *self = Self::connect(&self.1).called(&self.2);
        self.0.write_all(&request).expect("it reads");
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answered {
        self.try_answer().expect("it answers")
    }

    /// None if the connection was closed before an answer began.
    fn try_answer(&mut self) -> Option<Answered> {
        let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = match self.0.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if got.is_empty() && error.kind() == std::io::ErrorKind::ConnectionReset => 0,
                Err(error) => panic!("no answer: {error}"),
            };
            if read == 0 && got.is_empty() {
                return None;
            }
            assert!(read > 0, "it closed the connection after {:?}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&got).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0_usize);
            if body.len() >= length {
                let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
                return Some((status, head, body.to_owned()));
            }
        }
    }
}

pub(crate) fn header<'a>(answered: &'a Answered, name: &str) -> Option<&'a str> {
    answered.1.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
