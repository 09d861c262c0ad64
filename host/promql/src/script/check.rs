//! Compares an answer with what a script states.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{LabelSet, is_stale};

use super::command::{Eval, Text, When};
use super::histogram::WrittenHistogram;
use super::series::{self, Written};
use crate::ast::{Expr, ExprKind};
use crate::eval::Element;
use crate::histogram::{Bucket, FloatHistogram};
use crate::parse::parse_series;
use crate::value::{QueryResult, Sample, Series, Value};

type Checked = Result<(), String>;

/// A series with its points; None is a gap.
type Stated = (LabelSet, Vec<Option<Written>>);

/// Relative error that is allowed.
const TOLERANCE: f64 = 1e-6;

fn close(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    if a == 0.0 || b == 0.0 {
        return false;
    }
    (a - b).abs() / (a.abs() + b.abs()).min(f64::MAX) < TOLERANCE
}

/// Whether a value is what was stated.
fn same(found: &Element, wanted: &Written) -> bool {
    match (found, wanted) {
        (Element::Float(found), Written::Float(wanted)) => close(*found, *wanted),
        (Element::Histogram(found), Written::Histogram(wanted)) => same_histogram(found, wanted),
        _ => false,
    }
}

/// Bucket by bucket, without empty ones; the hint only if one was stated.
fn same_histogram(found: &FloatHistogram, stated: &WrittenHistogram) -> bool {
    let wanted = &stated.histogram;
    let filled = |buckets: &[Bucket]| -> Vec<Bucket> { buckets.iter().copied().filter(|b| b.count != 0.0).collect() };
    let buckets = |a: &[Bucket], b: &[Bucket]| {
        let (a, b) = (filled(a), filled(b));
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.index == b.index && close(a.count, b.count))
    };
    found.schema == wanted.schema
        && close(found.count, wanted.count)
        && close(found.sum, wanted.sum)
        && found.zero_threshold == wanted.zero_threshold
        && close(found.zero_count, wanted.zero_count)
        && found.same_bounds(wanted)
        && buckets(&found.positive, &wanted.positive)
        && buckets(&found.negative, &wanted.negative)
        && (!stated.says_hint || found.reset_hint == wanted.reset_hint)
}

/// The value of a sample.
fn element(sample: &Sample) -> Element {
    sample.histogram.as_ref().map_or(Element::Float(sample.point.value), |h| Element::Histogram(Arc::clone(h)))
}

/// The values of a series by time.
fn elements(series: &Series) -> BTreeMap<i64, Element> {
    let floats = series.points.iter().map(|p| (p.time, Element::Float(p.value)));
    floats.chain(series.histograms.iter().map(|p| (p.time, Element::Histogram(Arc::clone(&p.histogram))))).collect()
}

/// Checks all that an eval states.
pub(super) fn check(eval: &Eval, result: &QueryResult) -> Checked {
    let expect = &eval.expect;
    annotations("warning", &expect.warn, expect.no_warn, &result.warnings)?;
    annotations("info", &expect.info, expect.no_info, &result.infos)?;
    if let Some(wanted) = &expect.string {
        return match &result.value {
            Value::String(_, found) if found == wanted => Ok(()),
            found => Err(format!("{found:?}, wanted the string {wanted:?}")),
        };
    }
    match (&result.value, eval.when) {
        (Value::Matrix(_), When::Range { start, end, step }) => matrix(eval, result, (start, end, step)),
        (Value::Matrix(_), When::At(_)) => match expect.times {
            Some(times) => matrix(eval, result, times),
            None => Err("a range vector was not expected".to_owned()),
        },
        (Value::Vector(_), _) => vector(eval, result),
        (Value::Scalar(point), _) => match eval.results.as_slice() {
            [line] if scalar(line).is_some_and(|wanted| close(wanted, point.value)) => Ok(()),
            lines => Err(format!("{}, wanted {}", point.value, lines.join("; "))),
        },
        (Value::String(..), _) => Err("a string was not expected".to_owned()),
    }
}

fn annotations(kind: &str, wanted: &Option<Vec<Text>>, none: bool, found: &[String]) -> Checked {
    if none && !found.is_empty() {
        return Err(format!("no {kind} was expected, got {found:?}"));
    }
    let Some(texts) = wanted else {
        return Ok(());
    };
    if found.is_empty() {
        return Err(format!("a {kind} was expected"));
    }
    if let Some(text) = texts.iter().find(|text| !found.iter().any(|f| text.matches(f))) {
        return Err(format!("no {kind} matches {text:?}: {found:?}"));
    }
    match found.iter().find(|f| !texts.is_empty() && !texts.iter().any(|text| text.matches(f))) {
        Some(extra) => Err(format!("the {kind} {extra:?} was not expected")),
        None => Ok(()),
    }
}

fn scalar(line: &str) -> Option<f64> {
    line.strip_prefix('+').unwrap_or(line).parse().ok()
}

/// The stated series in order.
fn stated(eval: &Eval) -> Result<Vec<Stated>, String> {
    eval.results
        .iter()
        .map(|line| {
            let (labels, points) = series::split(line);
            Ok((parse_series(labels).map_err(|e| format!("{line:?}: {e}"))?, series::points(points)?))
        })
        .collect()
}

fn vector(eval: &Eval, result: &QueryResult) -> Checked {
    let Value::Vector(found) = &result.value else {
        return Err("a vector was expected".to_owned());
    };
    let wanted = stated(eval)?;
    if eval.expect.ordered {
        let order: Vec<&LabelSet> = wanted.iter().map(|(labels, _)| labels).collect();
        let got: Vec<&LabelSet> = found.iter().map(|s| &s.labels).collect();
        if order != got {
            return Err(format!("order {got:?}, wanted {order:?}"));
        }
    }
    let found: BTreeMap<&LabelSet, Element> = found.iter().map(|s| (&s.labels, element(s))).collect();
    for (labels, points) in &wanted {
        match (found.get(labels), points.first().cloned().flatten()) {
            (Some(found), Some(wanted)) if same(found, &wanted) => {}
            (found, wanted) => return Err(format!("{labels} is {found:?}, wanted {wanted:?}; the answer is {:?}", result.value)),
        }
    }
    if found.len() != wanted.len() {
        return Err(format!("{} series, wanted {}: {found:?}", found.len(), wanted.len()));
    }
    Ok(())
}

fn matrix(eval: &Eval, result: &QueryResult, (start, _, step): (i64, i64, i64)) -> Checked {
    let Value::Matrix(found) = &result.value else {
        return Err("a range vector was expected".to_owned());
    };
    // A scalar over a range is a series without labels.
    let wanted = match eval.results.as_slice() {
        [line] if !line.contains(['{', ' ']) && scalar(line).is_some() => vec![(LabelSet::empty(), vec![scalar(line).map(Written::Float)])],
        _ => stated(eval)?,
    };
    let stated_somewhere = wanted.iter().filter(|(_, points)| points.iter().any(Option::is_some)).count();
    if found.len() != stated_somewhere {
        return Err(format!("{} series, wanted {stated_somewhere}: {found:?}", found.len()));
    }
    for (labels, points) in &wanted {
        let wanted: BTreeMap<i64, &Written> =
            points.iter().enumerate().filter_map(|(at, p)| Some((start + step * i64::try_from(at).ok()?, p.as_ref()?))).collect();
        if wanted.is_empty() {
            continue;
        }
        let Some(series) = found.iter().find(|s| &s.labels == labels) else {
            return Err(format!("{labels} is missing: {found:?}"));
        };
        let found = elements(series);
        let equal = found.len() == wanted.len() && found.iter().all(|(t, f)| wanted.get(t).is_some_and(|wanted| same(f, wanted)));
        if !equal {
            return Err(format!("{labels} is {found:?}, wanted {wanted:?}"));
        }
    }
    Ok(())
}

/// Whether an instant query can be asked as a range query too.
pub(super) fn is_also_a_range(eval: &Eval, expr: &Expr) -> bool {
    let context = ["start()", "end()", "range()", "step()"].iter().any(|f| eval.expr.replace(' ', "").to_lowercase().contains(f));
    !eval.expect.ordered
        && eval.expect.string.is_none()
        && eval.expect.times.is_none()
        && !context
        && !matches!(expr.kind, ExprKind::String(_))
}

/// Checks the values at one time of an answer over a range, and that its series are sorted.
pub(super) fn check_middle(eval: &Eval, result: &QueryResult, at: i64) -> Checked {
    let Value::Matrix(series) = &result.value else {
        return Err("a range vector was expected".to_owned());
    };
    if !series.windows(2).all(|pair| pair[0].labels < pair[1].labels) {
        return Err("series are not sorted by labels".to_owned());
    }
    let found: BTreeMap<&LabelSet, Element> = series.iter().filter_map(|s| Some((&s.labels, elements(s).remove(&at)?))).collect();
    let wanted = match eval.results.as_slice() {
        [line] if scalar(line).is_some() => vec![(LabelSet::empty(), vec![scalar(line).map(Written::Float)])],
        _ => stated(eval)?,
    };
    for (labels, points) in &wanted {
        let (found, wanted) = (found.get(labels), points.first().cloned().flatten());
        if !matches!((found, &wanted), (Some(found), Some(wanted)) if same(found, wanted)) {
            return Err(format!("{labels} is {found:?}, wanted {wanted:?}"));
        }
    }
    if found.len() != wanted.len() {
        return Err(format!("{} series, wanted {}: {found:?}", found.len(), wanted.len()));
    }
    Ok(())
}
