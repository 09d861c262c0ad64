//! Takes the framing of chunks out of a body (RFC 9112, 7.1), in the buffer that it was received in.

use http::header::{HeaderName, HeaderValue};

use crate::HttpError;

/// Most bytes of extensions of all chunks of a body, and of its trailers, which nobody asks for.
const EXTENSION_BYTES_MAX: u64 = 16 << 10;
const TRAILER_BYTES_MAX: usize = 128 << 10;

/// Most trailers.
const TRAILERS_MAX: usize = super::super::client::RESPONSE_HEADERS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Start,
    Size,
    /// Blanks after a size.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    EndCr,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// Where decoding stands.
pub(crate) struct Chunks {
    state: State,
    /// Of the chunk at hand, what is left of it.
    size: u64,
    extension_bytes: u64,
    /// The trailers' lines. Nobody asks for them, but a body with bad ones is not taken.
    trailer_lines: Vec<u8>,
    trailers: usize,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { state: State::Start, size: 0, extension_bytes: 0, trailer_lines: Vec::new(), trailers: 0 }
    }

    /// Whether the end of the body was read.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// Decodes what stands in the buffer from `from` on, in its place, and cuts the buffer off behind it, also where it finds an
    /// error: what came before that is good. Returns how many bytes came after the end of the body.
    pub(crate) fn decode(&mut self, buffer: &mut Vec<u8>, from: usize) -> Result<usize, HttpError> {
        let (mut at, mut out) = (from, from);
        while at < buffer.len() && self.state != State::End {
            if self.state == State::Data {
                let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(buffer.len() - at);
                if at != out {
                    buffer.copy_within(at..at + length, out);
                }
                (at, out) = (at + length, out + length);
                self.size -= length as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let byte = buffer[at];
            at += 1;
            match self.step(byte) {
                Ok(next) => self.state = next,
                Err(error) => {
                    buffer.truncate(out);
                    return Err(error);
                }
            }
        }
        let rest = buffer.len() - at;
        buffer.truncate(out);
        Ok(rest)
    }

    fn step(&mut self, byte: u8) -> Result<State, HttpError> {
        match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
                self.size = size.ok_or_else(|| bad("invalid chunk size: overflow"))?;
                Ok(State::Size)
            }
            (State::Start, _) => Err(bad("Invalid chunk size line: missing size digit")),
            (State::Size | State::Blank, b' ' | b'\t') => Ok(State::Blank),
            (State::Size | State::Blank, b';') => Ok(State::Extension),
            (State::Size | State::Blank | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Size, _) => Err(bad("Invalid chunk size line: Invalid Size")),
            (State::Blank, _) => Err(bad("Invalid chunk size linear white space")),
            (State::Extension, b'\n') => Err(bad("invalid chunk extension contains newline")),
            (State::Extension, _) => {
                self.extension_bytes += 1;
                if self.extension_bytes >= EXTENSION_BYTES_MAX {
                    return Err(bad("chunk extensions over limit"));
                }
                Ok(State::Extension)
            }
            (State::SizeLf, b'\n') => Ok(if self.size == 0 { State::EndCr } else { State::Data }),
            (State::SizeLf, _) => Err(bad("Invalid chunk size LF")),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataCr, _) => Err(bad("Invalid chunk body CR")),
            (State::DataLf, b'\n') => Ok(State::Start),
            (State::DataLf, _) => Err(bad("Invalid chunk body LF")),
            (State::EndCr, b'\r') => Ok(State::EndLf),
            (State::EndCr | State::Trailer, _) => self.trailer(byte),
            (State::TrailerLf, b'\n') => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(bad("chunk trailers count overflow"));
                }
                self.trailer_lines.push(byte);
                Ok(State::EndCr)
            }
            (State::TrailerLf, _) => Err(bad("Invalid trailer end LF")),
            (State::EndLf, b'\n') => self.check_trailers().map(|()| State::End),
            (State::EndLf, _) => Err(bad("Invalid chunk end LF")),
            (State::Data | State::End, _) => Ok(self.state),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, HttpError> {
        self.trailer_lines.push(byte);
        if self.trailer_lines.len() > TRAILER_BYTES_MAX {
            return Err(bad("chunk trailers bytes over limit"));
        }
        Ok(if byte == b'\r' { State::TrailerLf } else { State::Trailer })
    }
}

impl Chunks {
    fn check_trailers(&mut self) -> Result<(), HttpError> {
        if self.trailers == 0 {
            return Ok(());
        }
        self.trailer_lines.extend_from_slice(b"\r\n");
        let mut slots = [httparse::EMPTY_HEADER; TRAILERS_MAX];
        // As many as there were lines: one that a bare line feed cuts in two is refused.
        let parsed = httparse::parse_headers(&self.trailer_lines, &mut slots[..self.trailers]);
        let Ok(httparse::Status::Complete((_, headers))) = parsed else { return Err(bad("invalid trailers")) };
        let good = |header: &httparse::Header<'_>| {
            HeaderName::from_bytes(header.name.as_bytes()).is_ok() && HeaderValue::from_bytes(header.value).is_ok()
        };
        if headers.iter().all(good) { Ok(()) } else { Err(bad("invalid trailers")) }
    }
}

fn bad(text: &str) -> HttpError {
    HttpError::Protocol(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &[u8], step: usize) -> Result<(String, bool, usize), HttpError> {
        let (mut chunks, mut buffer, mut rest) = (Chunks::new(), b"before".to_vec(), 0);
        for piece in body.chunks(step) {
            let from = buffer.len();
            buffer.extend_from_slice(piece);
            rest += chunks.decode(&mut buffer, from)?;
        }
        Ok((String::from_utf8_lossy(&buffer).into_owned(), chunks.ended(), rest))
    }

    #[test]
    fn chunks_in_any_pieces() {
        let body = b"5\r\nhello\r\n00B ; a=\"b\"\r\n, the world\r\n0;x\r\nA: b\r\nC: d\r\n\r\nnext";
        for step in 1..=body.len() {
            assert_eq!(decode(body, step), Ok(("beforehello, the world".to_owned(), true, 4)), "step {step}");
            assert!(matches!(decode(&body[..body.len() - 5], step), Ok((_, false, 0))), "step {step}");
        }
    }

    #[test]
    fn a17_broken_chunks_are_errors() {
        for body in [
            &b"zz\r\n"[..],
            b"\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
            b"5\r\nhello\rX",
            b"5 5\r\n",
            b"5;a\nb\r\n",
            b"10000000000000000\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"0\r\nA: b\rX",
            b"0\r\n\rX",
            b"0\r\nA\xffB: c\r\n\r\n",
            b"0\r\nA: \x05\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\nA: b\nC: d\r\n\r\n",
        ] {
            for step in [1, 3, 100] {
                assert!(decode(body, step).is_err(), "{:?}", String::from_utf8_lossy(body));
            }
        }
        let mut good = b"5\r\nhello\r\nzz".to_vec();
        assert!(Chunks::new().decode(&mut good, 0).is_err());
        assert_eq!(good, b"hello", "what came before the error");
        let long = [&b"5;"[..], &vec![b'a'; 20_000]].concat();
        assert!(decode(&long, 1000).is_err(), "extensions are bounded");
        let long = [&b"0\r\n"[..], &vec![b'a'; 200_000]].concat();
        assert!(decode(&long, 1000).is_err(), "trailers are bounded");
    }
}
