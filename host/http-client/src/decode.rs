use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use crate::HttpError;

/// How every member of a gzip body begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Receives a body piece by piece, decodes it and stops at the limit. What is held never exceeds the limit.
pub(crate) enum BodySink<'a> {
    Plain(Limited<'a>),
    Gzip(Box<MultiGzDecoder<Limited<'a>>>),
}

/// A buffer that takes so many bytes and no more.
pub(crate) struct Limited<'a> {
    out: &'a mut Vec<u8>,
    limit: u64,
    /// Whether more came than the limit lets in.
    passed: bool,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.limit).unwrap_or(usize::MAX).saturating_sub(self.out.len());
        if bytes.len() > room {
            self.out.extend_from_slice(&bytes[..room]);
            self.passed = true;
            return Err(io::Error::other("limit"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What to do after a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Go on reading.
    More,
    /// The limit is reached; the buffer holds exactly so many bytes.
    LimitPassed,
}

/// Whether a body comes as gzip. `encoding` is the response's `content-encoding`, `decode` whether it is to be undone.
pub(crate) fn is_gzip(encoding: Option<&str>, decode: bool) -> Result<bool, HttpError> {
    match encoding.map(str::trim).filter(|_| decode) {
        None | Some("" | "identity") => Ok(false),
        Some(name) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Ok(true),
        Some(name) => Err(HttpError::Protocol(format!("the body is encoded as {name:?}, which was not asked for"))),
    }
}

impl<'a> BodySink<'a> {
    /// With what [`is_gzip`] wants.
    pub(crate) fn new(encoding: Option<&str>, decode: bool, limit: u64, out: &'a mut Vec<u8>) -> Result<Self, HttpError> {
        let limited = Limited { out, limit, passed: false };
        Ok(if is_gzip(encoding, decode)? { Self::Gzip(Box::new(MultiGzDecoder::new(limited))) } else { Self::Plain(limited) })
    }

    /// Takes the next bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Progress, HttpError> {
        let result = match self {
            Self::Plain(limited) => limited.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
        };
        let passed = match self {
            Self::Plain(limited) => limited.passed,
            Self::Gzip(decoder) => decoder.get_ref().passed,
        };
        match result {
            _ if passed => Ok(Progress::LimitPassed),
            Ok(()) => Ok(Progress::More),
            Err(error) => self.failed(bad_gzip(&error)),
        }
    }

    /// The body is damaged from here on. What the decoder still holds of the time before counts first, or the pieces that a body
    /// happens to come in would decide between the limit and the error.
    pub(crate) fn failed(&mut self, error: HttpError) -> Result<Progress, HttpError> {
        if let Self::Gzip(decoder) = self {
            // It fails, but hands out what it has before that.
            let _ = decoder.try_finish();
            if decoder.get_ref().passed {
                return Ok(Progress::LimitPassed);
            }
        }
        Err(error)
    }

    /// The body has ended.
    pub(crate) fn finish(self) -> Result<Progress, HttpError> {
        match self {
            Self::Plain(_) => Ok(Progress::More),
            Self::Gzip(mut decoder) => {
                if decoder.header().is_none() {
                    return Err(damaged_gzip("it is empty or cut off in its header"));
                }
                // The decoder's own end does not tell a body that is cut off from one with a wrong checksum. The first byte
                // of a further member does: after a whole member a new one begins, whose header is not there yet.
                let result = decoder.write(&GZIP_MAGIC[..1]);
                match result {
                    _ if decoder.get_ref().passed => Ok(Progress::LimitPassed),
                    Ok(_) if decoder.header().is_none() => Ok(Progress::More),
                    Err(error) if is_checksum(&error) => Err(bad_gzip(&error)),
                    // Whatever the decoder makes of the byte, it wanted more.
                    Ok(_) | Err(_) => Err(damaged_gzip("it is cut off")),
                }
            }
        }
    }
}

fn bad_gzip(error: &io::Error) -> HttpError {
    let text = error.to_string();
    damaged_gzip(match text.as_str() {
        "invalid gzip header" => "it does not begin as gzip does, or something else follows it",
        _ if is_checksum(error) => "its checksum does not match",
        _ => &text,
    })
}

/// flate2 has no other way to tell.
fn is_checksum(error: &io::Error) -> bool {
    error.to_string().ends_with("does not have a matching checksum")
}

fn damaged_gzip(what: &str) -> HttpError {
    HttpError::Protocol(format!("the gzip body is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    /// Feeds the body in pieces of `step` bytes.
    fn decode(body: &[u8], step: usize, limit: u64) -> (Result<Progress, HttpError>, Vec<u8>) {
        let mut out = Vec::new();
        let mut sink = BodySink::new(Some("gzip"), true, limit, &mut out).expect("gzip is known");
        let mut last = Ok(Progress::More);
        for piece in body.chunks(step) {
            last = sink.push(piece);
            if last != Ok(Progress::More) {
                break;
            }
        }
        let last = if last == Ok(Progress::More) {
            sink.finish()
        } else {
            drop(sink);
            last
        };
        (last, out)
    }

    #[test]
    fn a3_gzip_many_members() {
        let body = [gzip(b"one\n"), gzip(b"two\n"), gzip(b"")].concat();
        for step in [1, 7, 1000] {
            assert_eq!(decode(&body, step, 100), (Ok(Progress::More), b"one\ntwo\n".to_vec()), "step {step}");
        }
    }

    /// Whatever the pieces, the error names the cause.
    #[track_caller]
    fn damaged(body: &[u8], part: &str) {
        for step in [1, 7, 1 << 20] {
            let (result, _) = decode(body, step, 1 << 20);
            assert!(matches!(&result, Err(HttpError::Protocol(text)) if text.contains(part)), "step {step}: {result:?}");
        }
    }

    #[test]
    fn a3_gzip_truncated_and_bad_crc() {
        let body = gzip((0..300).map(|n| format!("up{{n=\"{n}\"}} {}\n", n * 7919 % 613)).collect::<String>().as_bytes());
        for length in 0..body.len() {
            damaged(&body[..length], "cut off");
            damaged(&[&body, &body[..length.max(1)]].concat(), "cut off");
        }
        for back in 1..=8 {
            let mut bad = body.clone();
            let at = bad.len() - back;
            bad[at] ^= 1;
            damaged(&bad, "its checksum does not match");
            damaged(&[bad.as_slice(), &body].concat(), "its checksum does not match");
        }
        damaged(b"not gzip at all", "it does not begin as gzip does");
        damaged(&[body.as_slice(), b"something else"].concat(), "something else follows it");
    }

    #[test]
    fn a3_gzip_damaged_behind_the_limit_is_the_limit_in_any_pieces() {
        let mut body = gzip((0..3000).map(|n| format!("up{{n=\"{n}\"}} {}\n", n * 7919 % 613)).collect::<String>().as_bytes());
        let damaged_at = body.len() / 2;
        body[damaged_at..].fill(0xff);
        for step in [1, 7, 1000, 1 << 20] {
            assert_eq!(decode(&body, step, 1000).0, Ok(Progress::LimitPassed), "step {step}");
            assert!(decode(&body, step, 1 << 20).0.is_err(), "step {step}");
        }
        for step in [1, 7, 1000, 1 << 20] {
            let mut out = Vec::new();
            let mut sink = BodySink::new(Some("gzip"), true, 1000, &mut out).expect("gzip is known");
            let mut last = Progress::More;
            for piece in body[..damaged_at].chunks(step) {
                last = sink.push(piece).expect("good so far");
                if last == Progress::LimitPassed {
                    break;
                }
            }
            if last == Progress::More {
                last = sink.failed(HttpError::Protocol("the connection broke".to_owned())).expect("enough came before");
            }
            assert_eq!(last, Progress::LimitPassed, "step {step}");
        }
    }

    #[test]
    fn a2_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b'a'; 64 << 20]);
        let (result, out) = decode(&bomb, 4096, 1 << 20);
        assert_eq!(result, Ok(Progress::LimitPassed));
        assert_eq!(out.len(), 1 << 20);
    }
}
