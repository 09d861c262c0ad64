//! Durations and numbers of scripts.

use model::parse_duration;

/// Milliseconds of `1m30s`, `-5s`, `+1m` or plain seconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(text)), |rest| (-1, rest));
    // Also plain seconds, as in queries.
    let ms = match text.parse::<u32>() {
        Ok(seconds) => u64::from(seconds) * 1000,
        Err(_) => parse_duration(text)?,
    };
    Ok(sign * i64::try_from(ms).map_err(|_| format!("{text:?} is too long"))?)
}

/// A number, also with a plus, and the names of those that are none.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    plain.parse::<f64>().map_err(|_| format!("{text:?} is no number"))
}
