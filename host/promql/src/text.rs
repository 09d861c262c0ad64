//! Strings and numbers as they are written in queries.

use std::fmt::Write as _;

/// Where a byte that is no UTF-8 stands in a string: at the end of a plane for private use.
const BYTES: u32 = 0x10_FE00;

/// The byte that such a character stands for.
fn held_byte(c: char) -> Option<u8> {
    u8::try_from(u32::from(c).checked_sub(BYTES)?).ok().filter(|byte| *byte >= 0x80)
}

/// Whether a string literal was not UTF-8 once its escapes were read.
pub(crate) fn has_held_bytes(text: &str) -> bool {
    text.chars().any(|c| held_byte(c).is_some())
}

/// With the replacement character in the place of such bytes.
pub(crate) fn without_held_bytes(text: String) -> String {
    if has_held_bytes(&text) { text.chars().map(|c| held_byte(c).map_or(c, |_| char::REPLACEMENT_CHARACTER)).collect() } else { text }
}

/// The value of a quoted string, in which bytes that are no UTF-8 are held as characters: upstream's strings may be
/// anything, and are refused where they are used.
pub(crate) fn unquote_any(quoted: &str) -> Result<String, String> {
    let bytes = unquote_bytes(quoted)?;
    let held = |bytes: &[u8]| bytes.iter().filter_map(|b| char::from_u32(BYTES + u32::from(*b))).collect::<String>();
    Ok(bytes.utf8_chunks().map(|chunk| format!("{}{}", chunk.valid(), held(chunk.invalid()))).collect())
}

/// The value of a quoted string: Go's escapes in `"` and `'`, none between backquotes. The error says what is wrong.
pub(crate) fn unquote(quoted: &str) -> Result<String, String> {
    let bytes = unquote_bytes(quoted)?;
    String::from_utf8(bytes).map_err(|_| format!("the string {quoted} is not valid UTF-8 once its escapes are read"))
}

fn unquote_bytes(quoted: &str) -> Result<Vec<u8>, String> {
    let quote = quoted.chars().next().unwrap_or('"');
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if quote == '`' {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c == '\\' {
            escape(&mut rest, quote, &mut out)?;
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(out)
}

fn escape(rest: &mut std::str::Chars<'_>, quote: char, out: &mut Vec<u8>) -> Result<(), String> {
    let kind = rest.next().ok_or("escape sequence not terminated")?;
    let simple = match kind {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        c if c == quote => Some(quote as u8),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Ok(());
    }
    let (first, digits, base, max) = match kind {
        '0'..='7' => (Some(kind), 3, 8, 255),
        'x' => (None, 2, 16, 255),
        'u' => (None, 4, 16, 0x10_FFFF),
        'U' => (None, 8, 16, 0x10_FFFF),
        c => return Err(format!("unknown escape sequence {}", unicode(c))),
    };
    let mut code = 0_u64;
    for at in 0..digits {
        let c = if at == 0 && first.is_some() { first } else { rest.next() }.ok_or("escape sequence not terminated")?;
        let digit = c.to_digit(base).ok_or_else(|| format!("illegal character {} in escape sequence", unicode(c)))?;
        code = code * u64::from(base) + u64::from(digit);
    }
    if code > max {
        return Err("escape sequence is an invalid Unicode code point".to_owned());
    }
    if max == 255 {
        out.push(code as u8);
        return Ok(());
    }
    let c = u32::try_from(code).ok().and_then(char::from_u32).ok_or("escape sequence is an invalid Unicode code point")?;
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// A character as Go's `%#U` writes it.
fn unicode(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

/// Quotes as Go's `strconv.Quote` does, which is what upstream prints and what the parser reads back.
#[must_use]
pub fn quote(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => push_code(&mut out, "x", 2, c),
            c if let Some(byte) = held_byte(c) => push_code(&mut out, "x", 2, char::from(byte)),
            // Rust's own debug form knows which characters have no shape.
            c if !c.is_ascii() && c.escape_debug().count() > 1 => {
                if u32::from(c) < 0x1_0000 {
                    push_code(&mut out, "u", 4, c)
                } else {
                    push_code(&mut out, "U", 8, c)
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn push_code(out: &mut String, kind: &str, width: usize, c: char) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\{kind}{:0width$x}", u32::from(c));
}

/// Reads a number token: Go's integers (hexadecimal, octal with a leading zero, underscores), else a float.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    let plain = lower.replace('_', "");
    // Upstream's words, which come from Go: it tries an integer first, then a float.
    let wrong = |reason: &str| format!("error parsing number: strconv.ParseFloat: parsing {text:?}: {reason}");
    if let Some(digits) = plain.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).map(|n| n as f64).map_err(|_| wrong("invalid syntax"));
    }
    let octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..b'8').contains(&b));
    if octal && let Ok(value) = i64::from_str_radix(&plain, 8) {
        return Ok(value as f64);
    }
    match plain.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(wrong("value out of range")),
        Err(_) => Err(wrong("invalid syntax")),
    }
}

/// Writes a number as Go's `strconv.FormatFloat(value, 'f', -1, 64)` does: no exponent, as few digits as tell it apart.
pub(crate) fn float_plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

/// Writes a number as Go's `%g` and `%v` do: an exponent below 1e-4 and from 1e6 on.
pub(crate) fn float_short(value: f64) -> String {
    general(value, 6)
}

/// Writes a number as Go's `%.2g` does: two significant digits, an exponent from 100 on.
pub(crate) fn float_two_digits(value: f64) -> String {
    // The exponent form rounds to the digits asked for; reading it back gives the number to write.
    format!("{value:.1e}").parse().map_or_else(|_| float_plain(value), |rounded| general(rounded, 2))
}

/// With an exponent if that is below -4, or `from` or above.
fn general(value: f64, from: i32) -> String {
    let text = format!("{value:e}");
    // Neither NaN nor the infinities have one.
    let Some((digits, Ok(exponent))) = text.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) else {
        return float_plain(value);
    };
    if (-4..from).contains(&exponent) {
        return float_plain(value);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Compares as people sort names with numbers in them: runs of digits by value, all else by text.
pub(crate) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let mut rests = (a, b);
    while !rests.0.is_empty() && !rests.1.is_empty() {
        let (left, right) = (run(rests.0), run(rests.1));
        rests = (&rests.0[left.len()..], &rests.1[right.len()..]);
        if left == right {
            continue;
        }
        let order = match (number_of(left), number_of(right)) {
            // Longer is larger; of the same value the one with fewer zeros in front comes first.
            (Some(l), Some(r)) => l.len().cmp(&r.len()).then_with(|| l.cmp(r)).then(left.len().cmp(&right.len())),
            _ => left.cmp(right),
        };
        return order;
    }
    rests.0.len().cmp(&rests.1.len())
}

/// Digits without the zeros in front, or None for other characters.
fn number_of(run: &str) -> Option<&str> {
    run.starts_with(|c: char| c.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

/// The digits or the other characters that a text begins with.
fn run(text: &str) -> &str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

/// Labels with the metric's name as one of them, as upstream's messages show series.
pub(crate) fn all_labels(labels: &model::LabelSet) -> String {
    let name = |name: &str| if model::is_classic_label_name(name) { name.to_owned() } else { quote(name) };
    let parts: Vec<String> = labels.iter().map(|(n, v)| format!("{}={}", name(n), quote(v))).collect();
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_reads_back() {
        for text in ["", "a", "\"\\\u{7}\n", "값\u{200b}\u{7f}\u{1}\u{10ffff}"] {
            assert_eq!(unquote(&quote(text)), Ok(text.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn escapes() {
        let ok = |quoted: &str| unquote(quoted).expect("good escapes");
        assert_eq!(ok(r#""\x41\101\u0041\U00000041""#), "AAAA");
        assert_eq!(ok(r#"'\'"'"#), "'\"");
        assert_eq!(ok(r"`\x41`"), r"\x41");
        for bad in [r#""\c""#, r#""\x.1""#, r#""\ud800""#, r#""\xff""#, r#""\400""#, r#""\'""#] {
            assert!(unquote(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_as_go_writes_them() {
        for (value, short, two) in [
            (0.0, "0", "0"),
            (1.5, "1.5", "1.5"),
            (-0.125, "-0.125", "-0.12"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_01, "1e-05", "1e-05"),
            (99.6, "99.6", "1e+02"),
            (123.0, "123", "1.2e+02"),
            (999_999.0, "999999", "1e+06"),
            (1e6, "1e+06", "1e+06"),
            (12_345_678.0, "1.2345678e+07", "1.2e+07"),
            (1e21, "1e+21", "1e+21"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!((float_short(value), float_two_digits(value)), (short.to_owned(), two.to_owned()));
        }
    }

    #[test]
    fn numbers() {
        let cases =
            [("0755", 493.0), ("0xA", 10.0), ("1_000", 1000.0), ("5.", 5.0), (".5", 0.5), ("089", 89.0), ("1e3", 1000.0), ("0", 0.0)];
        for (text, value) in cases {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for (text, reason) in [("1e999", "value out of range"), ("0x", "invalid syntax"), ("0xfffffffffffffffff", "invalid syntax")] {
            assert_eq!(number(text), Err(format!("error parsing number: strconv.ParseFloat: parsing {text:?}: {reason}")));
        }
    }
}
