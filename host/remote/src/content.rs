//! What the headers say that the body is.

use crate::answer::Answer;

/// The messages that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    V1,
    V2,
}

/// How the body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Snappy,
    Zstd,
}

const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";
const PROTOBUF: &str = "application/x-protobuf";

/// From `Content-Type`. Senders of 1.0 need not send one.
pub(crate) fn message(content_type: Option<&str>) -> Result<Message, Answer> {
    let text = content_type.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(Message::V1);
    }
    let refused = |reason: String| Err(Answer::refused(415, reason));
    let mut parts = text.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(PROTOBUF)) {
        return refused(format!("expected {PROTOBUF} as the first (media) part, got {text} content-type"));
    }
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return refused(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got {part} in {text} content-type"
            ));
        };
        if name.trim().eq_ignore_ascii_case("proto") {
            return match value.trim().trim_matches('"') {
                V1 => Ok(Message::V1),
                V2 => Ok(Message::V2),
                other => refused(format!("got {other} as the remote write message of the content-type; only {V1} and {V2} are accepted")),
            };
        }
    }
    Ok(Message::V1)
}

/// From `Content-Encoding`.
pub(crate) fn encoding(content_encoding: Option<&str>) -> Result<Encoding, Answer> {
    match content_encoding.unwrap_or_default().trim() {
        text if text.is_empty() || text.eq_ignore_ascii_case("snappy") => Ok(Encoding::Snappy),
        text if text.eq_ignore_ascii_case("zstd") => Ok(Encoding::Zstd),
        text => Err(Answer::refused(
            415,
            format!("{text} encoding (compression) is not accepted by this server; only snappy and zstd are acceptable"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_encodings() {
        for (text, expected) in [
            ("", Some(Message::V1)),
            ("application/x-protobuf", Some(Message::V1)),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Message::V1)),
            ("Application/X-Protobuf; proto=io.prometheus.write.v2.Request", Some(Message::V2)),
            ("application/x-protobuf;charset=x;proto=io.prometheus.write.v2.Request", Some(Message::V2)),
            ("application/x-protobuf;proto=io.prometheus.write.v3.Request", None),
            ("application/x-protobuf;proto", None),
            ("application/json", None),
            ("text/plain", None),
        ] {
            let found = message(Some(text));
            assert_eq!(found.as_ref().ok().copied(), expected, "{text}");
            assert!(found.is_ok() || found.is_err_and(|answer| answer.status == 415), "{text}");
        }
        assert_eq!(encoding(None), Ok(Encoding::Snappy));
        assert_eq!(encoding(Some("SNAPPY")), Ok(Encoding::Snappy));
        assert_eq!(encoding(Some("gzip")).map_err(|answer| answer.status), Err(415));
    }
}
