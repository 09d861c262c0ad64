use std::fmt::Write;

/// The NaN that a target's `NaN` becomes, whatever it was written like, so that none is taken for a stale marker.
pub(crate) const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Reads a float at the start of the bytes as upstream does, and tells how many bytes it took. None where no number
/// stands or where it is beyond what a float holds.
///
/// Decimal forms, `inf` and `infinity` with any sign, and `nan` without one, in any case. Neither hexadecimal floats nor
/// underscores: Prometheus' readers of both text formats refuse them.
#[inline]
pub(crate) fn read_float(bytes: &[u8]) -> Option<(f64, usize)> {
    let signed = matches!(bytes.first(), Some(b'+' | b'-'));
    let digits = &bytes[usize::from(signed)..];
    if !matches!(digits.first(), Some(b'0'..=b'9' | b'.')) {
        return read_word(bytes);
    }
    let (value, length) = fast_float2::parse_partial::<f64, _>(digits).ok()?;
    let value = if bytes[0] == b'-' { -value } else { value };
    value.is_finite().then_some((value, length + usize::from(signed)))
}

#[cold]
fn read_word(bytes: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let letters = bytes[sign..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let word = bytes[sign..sign + letters].to_ascii_lowercase();
    let value = match word.as_slice() {
        b"inf" | b"infinity" if bytes[0] == b'-' => f64::NEG_INFINITY,
        b"inf" | b"infinity" => f64::INFINITY,
        b"nan" if sign == 0 => NORMAL_NAN,
        _ => return None,
    };
    Some((value, sign + letters))
}

/// Reads a text that is a float as a whole, with the rules of sample values.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let (value, length) = read_float(text.as_bytes())?;
    (length == text.len()).then_some(value)
}

/// Writes a float as Go's `strconv` does with `'g'` and the shortest precision, which is how Prometheus' libraries write
/// expositions: `0.25`, `100000`, `1e+06`, `+Inf`, `NaN`.
pub fn format_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    let magnitude = value.abs();
    // Writing to a string cannot fail.
    let _ = if magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        write!(out, "{value}")
    } else {
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        write!(out, "{mantissa}e{sign}{digits:0>2}")
    };
}

/// A bound of a bucket or a quantile in the form that Prometheus 3 brings the labels `le` and `quantile` into, whichever way the
/// target wrote them.
pub(crate) fn canonical_bound(text: &str) -> Option<String> {
    parse_float(text).map(bound_text)
}

/// A bound or a quantile as OpenMetrics writes it: always with a point or an exponent.
pub(crate) fn bound_text(value: f64) -> String {
    let mut out = String::new();
    // Upstream writes no minus before nought.
    format_float(&mut out, if value == 0.0 { 0.0 } else { value });
    if value.is_finite() && !out.contains(['.', 'e']) {
        out.push_str(".0");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_numbers_that_upstream_reads() {
        let long = format!("0.{}", "1".repeat(400));
        for (text, expected) in [
            ("1", 1.0),
            ("-0", -0.0),
            ("+1.5", 1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("08", 8.0),
            ("-3e3", -3000.0),
            ("1E+5", 1e5),
            ("5e-324", 5e-324),
            ("1e-999", 0.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            (&long, 1.0 / 9.0),
        ] {
            assert_eq!(parse_float(text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert_eq!(parse_float(text).map(f64::to_bits), Some(NORMAL_NAN.to_bits()), "{text}");
        }
    }

    #[test]
    fn a9_numbers_that_upstream_refuses() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            "1e999",
            "-1e999",
            "1_000",
            "0x10",
            "0x1p-1074",
            "+NaN",
            "-nan",
            "1 ",
            "--1",
            "+-1",
            "infin",
            "1.2.3",
            "1,5",
            "Ⅷ",
        ] {
            assert_eq!(parse_float(text), None, "{text:?}");
        }
    }

    #[test]
    fn writes_like_go() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.25, "0.25"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (999_999.9, "999999.9"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            format_float(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn bounds_have_a_point() {
        for (text, expected) in [
            ("5", "5.0"),
            ("0.10", "0.1"),
            ("+Inf", "+Inf"),
            ("inf", "+Inf"),
            ("1000000", "1e+06"),
            ("-1", "-1.0"),
            ("-0", "0.0"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(canonical_bound(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(canonical_bound("fast"), None);
    }
}
