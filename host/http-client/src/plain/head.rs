//! The head of an HTTP/1 response: what it says, and how its body ends.
//!
//! The rules are those of RFC 9112, 6.3, as hyper has them, with its parser: what one of the two refuses, the other does.

use std::mem::MaybeUninit;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

use crate::HttpError;
use crate::client::RESPONSE_HEADERS_MAX;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// As its chunks say.
    Chunked,
    /// With the connection.
    Close,
}

/// The head of a response that is none of the provisional ones.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether the connection serves further requests.
    pub(crate) keep: bool,
}

/// Reads a head at the start of the bytes. None as long as its end is not there. What it took is told, and of a provisional
/// response (1xx) that alone.
pub(crate) fn read_head(bytes: &[u8], method: &Method) -> Result<Option<(usize, Option<Head>)>, HttpError> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; RESPONSE_HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut response, bytes, &mut slots) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(bad("message head is too large")),
        Err(error) => return Err(HttpError::Protocol(format!("the answer is not HTTP: {error}"))),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| bad("the answer has no valid status"))?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Some((length, None)));
    }
    let version = if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad("a header's name is not valid"))?;
        let value = HeaderValue::from_bytes(header.value).map_err(|_| bad("a header's value is not valid"))?;
        headers.append(name, value);
    }
    let framing = framing(status, version, &headers, method)?;
    let keep = keeps(version, &headers) && status != StatusCode::SWITCHING_PROTOCOLS && framing != Framing::Close;
    Ok(Some((length, Some(Head { status, version, headers, framing, keep }))))
}

fn framing(status: StatusCode, version: Version, headers: &HeaderMap, method: &Method) -> Result<Framing, HttpError> {
    if matches!(status.as_u16(), 101 | 204 | 304) || *method == Method::HEAD {
        return Ok(Framing::Length(0));
    }
    // Where both a length and an encoding are given, the encoding counts (RFC 9112, 6.3).
    if let Some(last) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        if version == Version::HTTP_10 {
            return Err(bad("a response of HTTP/1.0 has a Transfer-Encoding"));
        }
        let last = last.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default().trim();
        return Ok(if last.eq_ignore_ascii_case("chunked") { Framing::Chunked } else { Framing::Close });
    }
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for text in value.to_str().map_err(|_| bad_length())?.split(',').map(str::trim) {
            // Not what `parse` takes beyond digits.
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number: u64 = text.parse().ok().filter(|_| digits).ok_or_else(bad_length)?;
            if length.is_some_and(|known| known != number) {
                return Err(bad_length());
            }
            length = Some(number);
        }
    }
    match length {
        // The two highest mean something else to hyper.
        Some(length) if length > u64::MAX - 2 => Err(bad("message head is too large")),
        Some(length) => Ok(Framing::Length(length)),
        None => Ok(Framing::Close),
    }
}

fn keeps(version: Version, headers: &HeaderMap) -> bool {
    let has = |token: &str| {
        let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
    };
    !has("close") && (version == Version::HTTP_11 || has("keep-alive"))
}

fn bad_length() -> HttpError {
    bad("invalid content-length parsed")
}

fn bad(text: &str) -> HttpError {
    HttpError::Protocol(text.to_owned())
}
