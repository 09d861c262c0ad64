//! Lines of series: labels, then points.

use model::{LabelSet, METRIC_NAME, stale};

use crate::memory::Memory;
use crate::parse::parse_series;

/// Most points that one line may give.
const POINTS_MAX: usize = 1_000_000;

/// Puts the series of one line into the store, or among those that are missing there.
pub(super) fn load(
    memory: &Memory,
    missing: &mut Vec<(LabelSet, &'static str)>,
    line: &str,
    step_ms: i64,
    with_native: bool,
) -> Result<(), String> {
    let (series, values) = split(line);
    if let Some(series) = series.strip_suffix("@st") {
        missing.push((parse_series(series).map_err(|e| e.to_string())?, "the series has start timestamps"));
        return Ok(());
    }
    let labels = parse_series(series).map_err(|e| e.to_string())?;
    if values.contains("{{") {
        missing.push((labels, "the series has native histograms"));
        return Ok(());
    }
    if let Some(base) = labels.metric_name().and_then(|name| name.strip_suffix("_bucket")).filter(|_| with_native) {
        missing.push((labels.without("le").with(METRIC_NAME, base), "the series has native histograms"));
    }
    let points = points(values)?;
    let times = (0_i64..).map(|at| at.saturating_mul(step_ms));
    memory.load(&labels, times.zip(points).filter_map(|(time, value)| Some((time, value?))));
    Ok(())
}

/// A line into its series and its points: at the first blank outside braces and quotes.
pub(super) fn split(line: &str) -> (&str, &str) {
    let (mut quote, mut in_braces, mut escaped) = (None, false, false);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') if in_braces => quote = Some(c),
            (None, '{') => in_braces = true,
            (None, '}') => in_braces = false,
            (None, c) if c.is_whitespace() && !in_braces => {
                // The braces may stand apart from the name.
                let rest = line[at..].trim_start();
                if !rest.starts_with('{') || rest.starts_with("{{") || line[..at].contains('{') {
                    return (&line[..at], rest);
                }
            }
            (None, _) => {}
        }
    }
    (line, "")
}

/// Points as they are written: `5`, `_`, `stale`, `1+2x3`, `7x3`, `_x3`. None is a gap.
pub(crate) fn points(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut points = Vec::new();
    for item in text.split_whitespace() {
        let (item, times) = match item.rsplit_once('x') {
            Some((item, times)) => (item, Some(times.parse::<usize>().map_err(|_| format!("{times:?} is no number of repetitions"))?)),
            None => (item, None),
        };
        if points.len().saturating_add(times.unwrap_or(0)) >= POINTS_MAX {
            return Err(format!("more than {POINTS_MAX} points in one series"));
        }
        if item == "_" {
            points.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let (mut value, step) = value_and_step(item)?;
        // The first value, then as many steps.
        for _ in 0..=times.unwrap_or(0) {
            points.push(Some(value));
            if step != 0.0 {
                value += step;
            }
        }
    }
    Ok(points)
}

fn value_and_step(item: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| {
        let plain = text.strip_prefix('+').unwrap_or(text);
        plain.parse::<f64>().map_err(|_| format!("{item:?} is no point of a series"))
    };
    if item == "stale" {
        return Ok((stale(), 0.0));
    }
    // A sign behind the beginning and not in an exponent separates the step.
    let bytes = item.as_bytes();
    let sign = (1..bytes.len()).find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'));
    match sign {
        Some(at) => Ok((number(&item[..at])?, number(&item[at..])?)),
        None => Ok((number(item)?, 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_expanded() {
        let read = |text: &str| {
            points(text)
                .expect("good points")
                .into_iter()
                .map(|p| p.map_or("_".to_owned(), |v| v.to_string()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(read("1 _ 1+2x2 7x1 _x2 -1-1.5x1 1e+2 Inf"), "1 _ 1 3 5 7 7 _ _ -1 -2.5 100 inf");
        assert!(points("stale").is_ok_and(|p| p[0].is_some_and(model::is_stale)));
        for bad in ["x", "1x", "1+x3", "a", "1x99999999", "{{}}"] {
            assert!(points(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_split() {
        assert_eq!(split(r#"a{b="} \" {"} 1 2"#), (r#"a{b="} \" {"}"#, "1 2"));
        assert_eq!(split("a 1"), ("a", "1"));
        assert_eq!(split("a {b=\"c\"} 1"), ("a {b=\"c\"}", "1"));
        assert_eq!(split("a {{schema:1}}"), ("a", "{{schema:1}}"));
    }
}
