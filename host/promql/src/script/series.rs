//! Lines of series: labels, then points.

use std::sync::Arc;

use model::stale;

use super::duration::{duration, number};
use super::histogram::{WrittenHistogram, histogram};
use crate::histogram::Tally;

/// Most points that one line may give.
const POINTS_MAX: usize = 1_000_000;

/// A point as it was written.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    Float(f64),
    Histogram(WrittenHistogram),
}

impl Written {
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Histogram(_) => None,
        }
    }
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

/// What stands between blanks; a histogram is one piece.
fn items(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth) = (Vec::new(), None, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (start, c.is_whitespace() && depth == 0) {
            (Some(from), true) => {
                items.push(&text[from..at]);
                start = None;
            }
            (None, false) => start = Some(at),
            _ => {}
        }
    }
    items.extend(start.map(|from| &text[from..]));
    items
}

/// An item into what is repeated and how often, if it says so.
fn repetition(item: &str) -> Result<(&str, Option<usize>), String> {
    let tail = item.rfind('}').map_or(0, |at| at + 1);
    let Some(at) = item[tail..].rfind('x') else { return Ok((item, None)) };
    let (repeated, times) = (&item[..tail + at], &item[tail + at + 1..]);
    let times = times.parse::<usize>().map_err(|_| format!("{times:?} is no number of repetitions"))?;
    if times >= POINTS_MAX {
        return Err(too_many());
    }
    Ok((repeated, Some(times)))
}

fn too_many() -> String {
    format!("more than {POINTS_MAX} points in one series")
}

/// Points as they are written: `5`, `_`, `stale`, `1+2x3`, `7x3`, `_x3`, and histograms in place of numbers. None is a gap.
pub(crate) fn points(text: &str) -> Result<Vec<Option<Written>>, String> {
    let mut points = Vec::new();
    for item in items(text) {
        let (item, times) = repetition(item)?;
        if points.len().saturating_add(times.unwrap_or(0)) >= POINTS_MAX {
            return Err(too_many());
        }
        if item == "_" {
            points.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
        } else if item.starts_with("{{") {
            points.extend(histograms(item, times.unwrap_or(0))?.into_iter().map(|h| Some(Written::Histogram(h))));
        } else {
            let (mut value, step) = value_and_step(item)?;
            // The first value, then as many steps.
            for _ in 0..=times.unwrap_or(0) {
                points.push(Some(Written::Float(value)));
                if step != 0.0 {
                    value += step;
                }
            }
        }
    }
    Ok(points)
}

/// `{{…}}`, `{{…}}+{{…}}`, `{{…}}-{{…}}`: the first, and as many more.
fn histograms(item: &str, times: usize) -> Result<Vec<WrittenHistogram>, String> {
    let end = item.find("}}").map_or(item.len(), |at| at + 2);
    let (first, rest) = (histogram(&item[..end])?, &item[end..]);
    if rest.is_empty() {
        return Ok(vec![first; times + 1]);
    }
    let (sign, step) = rest.split_at(rest.len().min(1));
    let step = histogram(step)?;
    let mut last = first.histogram;
    let mut all = Vec::with_capacity(times + 1);
    all.push(WrittenHistogram { histogram: Arc::clone(&last), says_hint: step.says_hint });
    for _ in 0..times {
        let mut tally = Tally::<f64>::of(&last);
        let added = match sign {
            "+" => tally.add(&step.histogram),
            "-" => tally.subtract(&step.histogram),
            _ => return Err(format!("{rest:?}: after a histogram comes +, - or x")),
        };
        added.map_err(|_| format!("{item:?}: exponential and custom buckets cannot be added"))?;
        last = Arc::new(tally.finish());
        all.push(WrittenHistogram { histogram: Arc::clone(&last), says_hint: step.says_hint });
    }
    Ok(all)
}

/// The sign of a step: one behind the beginning and not in an exponent.
fn sign_of_step(item: &str) -> Option<usize> {
    let bytes = item.as_bytes();
    (1..bytes.len()).find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'))
}

fn value_and_step(item: &str) -> Result<(f64, f64), String> {
    if item == "stale" {
        return Ok((stale(), 0.0));
    }
    let read = |text: &str| number(text).map_err(|_| format!("{item:?} is no point of a series"));
    match sign_of_step(item) {
        Some(at) => Ok((read(&item[..at])?, read(&item[at..])?)),
        None => Ok((read(item)?, 0.0)),
    }
}

/// What stands in a line of start timestamps: how far, in milliseconds, each lies from its sample. None is a gap.
pub(super) fn offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut offsets = Vec::new();
    for item in items(text) {
        let (item, times) = repetition(item)?;
        if offsets.len().saturating_add(times.unwrap_or(0)) >= POINTS_MAX {
            return Err(too_many());
        }
        if item == "_" {
            offsets.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let (mut offset, step) = match sign_of_step(item) {
            Some(at) => (duration(&item[..at])?, duration(&item[at..])?),
            None => (duration(item)?, 0),
        };
        for _ in 0..=times.unwrap_or(0) {
            offsets.push(Some(offset));
            offset = offset.saturating_add(step);
        }
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_expanded() {
        let read = |text: &str| {
            let point = |p: Option<Written>| match p {
                None => "_".to_owned(),
                Some(Written::Float(value)) => value.to_string(),
                Some(Written::Histogram(h)) => h.histogram.to_string(),
            };
            points(text).expect("good points").into_iter().map(point).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("1 _ 1+2x2 7x1 _x2 -1-1.5x1 1e+2 Inf"), "1 _ 1 3 5 7 7 _ _ -1 -2.5 100 inf");
        assert_eq!(
            read("{{count:1 sum:2}}+{{count:2}}x1 {{buckets:[1 2]}}x1 3"),
            "{count:1, sum:2} {count:3, sum:2} {count:0, sum:0, (0.5,1]:1, (1,2]:2} {count:0, sum:0, (0.5,1]:1, (1,2]:2} 3"
        );
        assert!(points("stale").is_ok_and(|p| p[0].as_ref().and_then(Written::float).is_some_and(model::is_stale)));
        for bad in ["x", "1x", "1+x3", "a", "1x99999999", "{{}", "{{}}*{{}}x1", "{{schema:-53}}+{{}}x1"] {
            assert!(points(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn offsets_are_expanded() {
        let minute = 60_000;
        assert_eq!(
            offsets("_ -30s-1mx1 0 +1m 1msx1"),
            Ok(vec![None, Some(-30_000), Some(-30_000 - minute), Some(0), Some(minute), Some(1), Some(1)])
        );
    }

    #[test]
    fn lines_are_split() {
        assert_eq!(split(r#"a{b="} \" {"} 1 2"#), (r#"a{b="} \" {"}"#, "1 2"));
        assert_eq!(split("a 1"), ("a", "1"));
        assert_eq!(split("a {b=\"c\"} 1"), ("a {b=\"c\"}", "1"));
        assert_eq!(split("a {{schema:1}}"), ("a", "{{schema:1}}"));
    }
}
