//! The query of a request, as web forms encode it.

/// The last value of a parameter, decoded; the service that this stands in for takes the last, too.
#[must_use]
pub fn last(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true) == name).then_some(value)
        })
        .next_back()
        .map(|value| decode(value, true))
}

/// The address may be encoded twice: once by whoever built the link, once as a parameter.
#[must_use]
pub fn decode_once_more(text: &str) -> String {
    decode(text, false)
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, taken) = match (byte, tail) {
            (b'%', [high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 2),
                _ => (byte, 0),
            },
            (b'+', _) if plus_is_space => (b' ', 0),
            _ => (byte, 0),
        };
        bytes.push(byte);
        rest = &tail[taken..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        for (query, expected) in [
            ("url=https%3A%2F%2Fa.example%2F%3Fq%3D1%26r", Some("https://a.example/?q=1&r")),
            ("url=https://a.example/x", Some("https://a.example/x")),
            ("a=1&url=x&url=y", Some("y")),
            ("u%72l=x+y%2Bz", Some("x y+z")),
            ("url=%", Some("%")),
            ("url=%4", Some("%4")),
            ("url=%zz%+1", Some("%zz% 1")),
            ("url=%ff", Some("\u{fffd}")),
            ("url=한글", Some("한글")),
            ("url=", Some("")),
            ("url", Some("")),
            ("uri=x", None),
            ("", None),
        ] {
            assert_eq!(last(query, "url").as_deref(), expected, "{query}");
        }
        assert_eq!(decode_once_more("https%3A%2F%2Fa%2F?q=a+b%20c"), "https://a/?q=a+b c");
    }
}
