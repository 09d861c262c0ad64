//! Parameters of a query string or a form, and the forms in which times and durations come.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, header};
use model::{Matcher, TimestampMs};

use crate::error::ApiError;

/// Names with values, in the order they came: those of the form first, then those of the address, as Go has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// What upstream's clients send for "as early as there is", in RFC 3339.
const EARLIEST: &str = "-292273086-05-16T16:47:06Z";
/// Likewise for "as late as there is".
const LATEST: &str = "292277025-08-18T07:12:54.999999999Z";
/// Times beyond are cut to these, so that arithmetic on them cannot overflow. About a million years.
pub(crate) const TIME_MS_MAX: i64 = 31_556_952_000_000_000;
const EMPTY_SELECTOR: &str = "match[] must contain at least one non-empty matcher";
/// Parameters of a request. More is no question.
const PARAMS_MAX: usize = 10_000;

impl Params {
    /// Of the address alone.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Self(pairs.take(PARAMS_MAX).collect())
    }

    /// Of the address and, for POST, of the form in the body.
    pub(crate) async fn read(request: Request, body_bytes: usize) -> Result<Self, ApiError> {
        let mut params = Self::of_query(request.uri().query());
        if request.method() != Method::POST {
            return Ok(params);
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_form = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        let body = body(request.into_body(), body_bytes).await?;
        if is_form {
            params.0.splice(..0, form_urlencoded::parse(&body).into_owned().take(PARAMS_MAX));
        } else if !body.is_empty() {
            return Err(ApiError::bad_data("the body of a POST must be application/x-www-form-urlencoded"));
        }
        Ok(params)
    }

    /// The first value of the name; the empty text if there is none, as upstream.
    pub(crate) fn first(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// All values of the name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All names with values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A time that must be there.
    pub(crate) fn time(&self, name: &str) -> Result<TimestampMs, ApiError> {
        time(self.first(name)).map_err(|reason| ApiError::parameter(name, reason))
    }

    /// A time, or `default` if it is not there. Upstream has more words for such a time than for one that must be there.
    pub(crate) fn time_or(&self, name: &str, default: TimestampMs) -> Result<TimestampMs, ApiError> {
        match self.first(name) {
            "" => Ok(default),
            text => time(text).map_err(|reason| ApiError::parameter(name, format!("invalid time value for '{name}': {reason}"))),
        }
    }

    /// A duration in milliseconds, None if it is not there.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.first(name) {
            "" => Ok(None),
            text => duration(text).map(Some).map_err(|reason| ApiError::parameter(name, reason)),
        }
    }

    /// `limit`: 0 for none.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        self.count("limit").map(Option::unwrap_or_default)
    }

    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let text = self.first(name);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<i64>() {
            Ok(number) => usize::try_from(number).map(Some).map_err(|_| ApiError::parameter(name, format!("{name} must be non-negative"))),
            Err(_) => Err(ApiError::parameter(name, format!("strconv.Atoi: parsing {text:?}: invalid syntax"))),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.first(name), "1" | "t" | "T" | "true" | "TRUE" | "True")
    }

    /// The selectors of `match[]`. Each must name something, or it would mean every series.
    pub(crate) fn matchers(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        self.all("match[]").map(|text| selector(text).map_err(ApiError::bad_data)).collect()
    }
}

/// The matchers of a plain selector.
pub(crate) fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    // The parser says the same of a selector in a query, in other words than the API.
    let in_words_of_api = |error: promql::ParseError| {
        if error.message.ends_with("at least one non-empty matcher") { EMPTY_SELECTOR.to_owned() } else { error.to_string() }
    };
    if text.trim().is_empty() {
        return Err("1:1: parse error: unexpected end of input".to_owned());
    }
    let expr = promql::parse(text).map_err(in_words_of_api)?;
    let promql::ast::ExprKind::Selector(selector) = &expr.kind else { return Err(more_than_a_selector(text, &expr)) };
    if selector.shift.at.is_some() || selector.shift.offset.is_some() || selector.edges.is_some() {
        return Err(more_than_a_selector(text, &expr));
    }
    let matchers = selector.all_matchers();
    if matchers.iter().all(Matcher::matches_empty) {
        return Err(EMPTY_SELECTOR.to_owned());
    }
    Ok(matchers)
}

/// What does not belong into a selector, in the words of upstream's parser, which reads nothing else here.
fn more_than_a_selector(text: &str, expr: &promql::ast::Expr) -> String {
    use promql::ast::ExprKind::{Number, Range, Selector, String, Subquery};
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        format!("{}:{}", before.matches('\n').count() + 1, at - line + 1)
    };
    let (at, what) = match &expr.kind {
        Range(_) | Subquery(_) => (outside(text, "["), "\"[\"".to_owned()),
        Selector(selector) if selector.shift.offset.is_some() => (outside(text, "offset"), "<offset>".to_owned()),
        Selector(selector) if selector.shift.at.is_some() => (outside(text, "@"), "<@>".to_owned()),
        Selector(_) => (text.len(), "modifier".to_owned()),
        Number(_) => (0, format!("number {:?}", text.trim())),
        String(_) => (0, format!("string {:?}", text.trim())),
        _ if text.contains('(') => (outside(text, "("), "\"(\"".to_owned()),
        _ => (0, "expression where a selector such as up{job=\"node\"} belongs".to_owned()),
    };
    format!("{}: parse error: unexpected {what}", place(at))
}

/// Where a word stands first, quoted texts and what is in braces left out.
fn outside(text: &str, word: &str) -> usize {
    let (mut quote, mut braces, mut escaped) = (None, 0_usize, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) if c == '\\' && open != '`' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if braces == 0 && text[at..].starts_with(word) => return at,
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '{' => braces += 1,
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            },
        }
    }
    0
}

/// The bytes of a body, not more than the limit.
pub(crate) async fn body(body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => {
            let too_large = std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
            Err(if too_large {
                ApiError::too_large(format!("the body of the request is larger than {limit} bytes"))
            } else {
                ApiError::bad_data("the body of the request could not be read")
            })
        }
    }
}

/// Unix seconds with decimals, or RFC 3339, in milliseconds. The error is upstream's text.
pub(crate) fn time(text: &str) -> Result<TimestampMs, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds.is_nan() || text.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) {
            return Err(format!("cannot parse {text:?} to a valid timestamp"));
        }
        // The fraction is rounded by itself, as upstream does: together with many seconds it would be rounded twice.
        let ms = seconds.trunc() * 1000.0 + (seconds.fract() * 1000.0).round();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "cut to a range that fits first")]
        return Ok(ms.clamp(-(TIME_MS_MAX as f64), TIME_MS_MAX as f64) as i64);
    }
    match text {
        EARLIEST => Ok(-TIME_MS_MAX),
        LATEST => Ok(TIME_MS_MAX),
        _ => Some(text)
            .filter(|text| is_rfc3339(text))
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_millisecond)
            .ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp")),
    }
}

/// Whether a text has the shape `2023-11-14T22:13:20.5+01:00`. The parser takes more than upstream does: other separators,
/// offsets without a colon, leap seconds, names of time zones.
fn is_rfc3339(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len() && text.iter().zip(shape).all(|(c, s)| if *s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    let Some((time, rest)) = text.as_bytes().split_at_checked(SHAPE.len()) else { return false };
    let zone = match rest {
        // At least one digit behind the point.
        [b'.' | b',', c, ..] if c.is_ascii_digit() => {
            let end = rest[1..].iter().position(|c| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
            &rest[1 + end..]
        }
        rest => rest,
    };
    fits(time, SHAPE) && !time.ends_with(b"60") && (zone == b"Z" || matches!(zone, [b'+' | b'-', offset @ ..] if fits(offset, b"00:00")))
}

/// Seconds with decimals, or a duration such as `1h30m`, in milliseconds. The error is upstream's text.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "a bound; its last digits do not matter")]
        let bound = i64::MAX as f64 / 1_000_000.0;
        if ms.is_nan() || ms.abs() >= bound {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the size is checked above")]
        return Ok(ms as i64);
    }
    let parsed = model::parse_duration(text).ok().and_then(|ms| i64::try_from(ms).ok());
    parsed.ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))
}

/// How long a request may take: what it asks for, but not longer than `max`. A negative time is over before it began.
pub(crate) fn timeout_of(ms: Option<i64>, max: Duration) -> Duration {
    ms.map_or(max, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_all_forms() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            ("1700000000.1234", Some(1_700_000_000_123)),
            ("1.0005", Some(1_000)),
            ("-0.5", Some(-500)),
            ("1.7e9", Some(1_700_000_000_000)),
            ("-5", Some(-5_000)),
            ("2023-11-14T22:13:20.5Z", Some(1_700_000_000_500)),
            ("2023-11-15T07:13:20+09:00", Some(1_700_000_000_000)),
            (EARLIEST, Some(-TIME_MS_MAX)),
            (LATEST, Some(TIME_MS_MAX)),
            ("1e300", Some(TIME_MS_MAX)),
            ("NaN", None),
            ("Inf", None),
            ("", None),
            ("yesterday", None),
            ("300000-01-01T00:00:00Z", None),
            ("2023-11-14T22:13:20,5Z", Some(1_700_000_000_500)),
            ("2023-11-14 22:13:20Z", None),
            ("2023-11-14t22:13:20z", None),
            ("20231114T221320Z", None),
            ("2023-11-14T22:13Z", None),
            ("2023-11-14T22:13:20", None),
            ("2023-11-14T22:13:20.Z", None),
            ("2023-11-14T22:13:20+0900", None),
            ("2023-11-14T22:13:20Z[UTC]", None),
            ("2016-12-31T23:59:60Z", None),
        ] {
            assert_eq!(time(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_in_both_forms() {
        for (text, expected) in [
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("-1", Some(-1_000)),
            ("", None),
            ("x", None),
            ("1e300", None),
            ("NaN", None),
        ] {
            assert_eq!(duration(text).ok(), expected, "{text:?}");
        }
    }
}
