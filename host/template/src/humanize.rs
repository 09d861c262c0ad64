//! Numbers for people, as Prometheus' functions of these names write them.

use crate::format::float;

fn four_digits(value: f64) -> String {
    float(value, 'g', Some(4), false)
}

fn special(value: f64) -> Option<String> {
    (!value.is_finite()).then(|| four_digits(value))
}

/// SI prefixes: `1.235M`, `120m`.
pub(crate) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    if value.abs() >= 1.0 {
        for p in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            prefix = p;
            value /= 1000.0;
        }
    } else {
        for p in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            prefix = p;
            value *= 1000.0;
        }
    }
    format!("{}{prefix}", four_digits(value))
}

/// Prefixes of powers of 1024: `1Mi`.
pub(crate) fn humanize1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    for p in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if value.abs() < 1024.0 {
            break;
        }
        prefix = p;
        value /= 1024.0;
    }
    format!("{}{prefix}", four_digits(value))
}

/// Seconds: `14d 6h 56m 7s`, `100ms`.
pub(crate) fn humanize_duration(value: f64) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    if value == 0.0 {
        return format!("{}s", four_digits(value));
    }
    if value.abs() >= 1.0 {
        let (sign, total) = (if value < 0.0 { "-" } else { "" }, value.abs());
        // A float beyond the range saturates; such a duration is nonsense either way.
        let whole = total as u64;
        let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
        if days != 0 {
            return format!("{sign}{days}d {hours}h {minutes}m {seconds}s");
        }
        if hours != 0 {
            return format!("{sign}{hours}h {minutes}m {seconds}s");
        }
        if minutes != 0 {
            return format!("{sign}{minutes}m {seconds}s");
        }
        // Below a minute, fractions count.
        return format!("{sign}{}s", four_digits(total));
    }
    let (mut value, mut prefix) = (value, "");
    for p in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = p;
        value *= 1000.0;
    }
    format!("{}{prefix}s", four_digits(value))
}

/// A ratio as percent: `12.35%`.
pub(crate) fn humanize_percentage(value: f64) -> String {
    format!("{}%", four_digits(value * 100.0))
}

/// Unix seconds to nanoseconds, refusing what a time cannot be.
pub(crate) fn seconds_to_nanos(value: f64) -> Result<i128, String> {
    let ms = value * 1000.0;
    if ms.is_nan() || ms.abs() >= 9_223_372_036_854_775_807.0 {
        return Err(format!("{value} cannot be represented as a nanoseconds timestamp since it overflows int64"));
    }
    Ok(i128::from(ms.round() as i64) * 1_000_000)
}
