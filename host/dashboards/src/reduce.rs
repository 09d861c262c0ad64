//! Calculations that make one value of a column, by Grafana's ids.

use model::view::Values;

/// One cell of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Missing,
    Number(f64),
    Time(i64),
    Text(String),
}

/// The cell in this row.
pub(crate) fn cell(values: &Values, row: usize) -> Cell {
    match values {
        Values::Times(cells) => cells.get(row).map_or(Cell::Missing, |t| Cell::Time(*t)),
        Values::Numbers(cells) => cells.get(row).map_or(Cell::Missing, |n| if n.is_nan() { Cell::Missing } else { Cell::Number(*n) }),
        Values::Strings(cells) => cells.get(row).map_or(Cell::Missing, |s| Cell::Text(s.clone())),
    }
}

/// A column of these cells: texts if there is one, else times if all are, else numbers.
pub(crate) fn column_of(cells: Vec<Cell>) -> Values {
    if cells.iter().any(|cell| matches!(cell, Cell::Text(_))) {
        return Values::Strings(cells.into_iter().map(text_of).collect());
    }
    if !cells.is_empty() && cells.iter().all(|cell| matches!(cell, Cell::Time(_))) {
        return Values::Times(cells.into_iter().filter_map(|cell| if let Cell::Time(t) = cell { Some(t) } else { None }).collect());
    }
    #[expect(clippy::cast_precision_loss, reason = "times of a chart are far below 2^53 ms")]
    let number = |cell| match cell {
        Cell::Number(n) => n,
        Cell::Time(t) => t as f64,
        Cell::Missing | Cell::Text(_) => f64::NAN,
    };
    Values::Numbers(cells.into_iter().map(number).collect())
}

/// A cell as text, empty if there is none.
pub(crate) fn text_of(cell: Cell) -> String {
    match cell {
        Cell::Text(text) => text,
        Cell::Number(n) => n.to_string(),
        Cell::Time(t) => t.to_string(),
        Cell::Missing => String::new(),
    }
}

/// Reduces a column of any type. None if the calculation is not known.
pub(crate) fn reduce_cells(values: &Values, id: &str) -> Option<Cell> {
    if let Values::Numbers(numbers) = values {
        return match id {
            "uniqueValues" | "allValues" => Some(Cell::Text(joined(values, id == "uniqueValues"))),
            _ => reduce(numbers, id).map(|n| if n.is_nan() { Cell::Missing } else { Cell::Number(n) }),
        };
    }
    let rows = values.len();
    match id {
        "last" | "lastNotNull" => Some(rows.checked_sub(1).map_or(Cell::Missing, |row| cell(values, row))),
        "first" | "firstNotNull" => Some(cell(values, 0)),
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        "count" => Some(Cell::Number(rows as f64)),
        "uniqueValues" | "allValues" => Some(Cell::Text(joined(values, id == "uniqueValues"))),
        _ => reduce(&[], id).map(|_| Cell::Missing),
    }
}

fn joined(values: &Values, unique: bool) -> String {
    let mut texts: Vec<String> = Vec::new();
    for row in 0..values.len() {
        let text = text_of(cell(values, row));
        if !unique || !texts.contains(&text) {
            texts.push(text);
        }
        // More is not read by anyone, and a quadratic walk over it would be felt.
        if texts.len() >= 200 {
            texts.push("…".to_owned());
            break;
        }
    }
    texts.join(", ")
}

/// Reduces numbers to one, NaN standing for none. None if the calculation is not known, `Some(NaN)` if it has no result.
///
/// `last` and `first` see NaN; all others skip it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
pub fn reduce(values: &[f64], id: &str) -> Option<f64> {
    let known = || values.iter().copied().filter(|v| !v.is_nan());
    let edge = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let (first, last) = (edge(known().next()), edge(known().next_back()));
    let count = known().count() as f64;
    let min = known().fold(f64::NAN, f64::min);
    let max = known().fold(f64::NAN, f64::max);
    let sum = || known().sum::<f64>();
    let truth = |yes: bool| if yes { 1.0 } else { 0.0 };
    Some(match id {
        "last" => edge(values.last().copied()),
        "first" => edge(values.first().copied()),
        "lastNotNull" | "current" => last,
        "firstNotNull" => first,
        "min" => min,
        "max" => max,
        "mean" | "avg" => sum() / count,
        "sum" | "total" => sum(),
        "count" => values.len() as f64,
        "range" => max - min,
        "diff" => last - first,
        "diffperc" => (last - first) / first.abs(),
        "delta" => delta(known()),
        "step" => known().zip(known().skip(1)).map(|(a, b)| b - a).fold(f64::NAN, f64::min),
        "logmin" => known().filter(|v| *v > 0.0).fold(f64::NAN, f64::min),
        "stdDev" => variance(known(), count).sqrt(),
        "variance" => variance(known(), count),
        "median" => quantile(known().collect(), 0.5),
        "changeCount" => known().zip(known().skip(1)).filter(|(a, b)| a != b).count() as f64,
        "distinctCount" => distinct(known().collect()),
        "allIsZero" => truth(count > 0.0 && values.iter().all(|v| *v == 0.0)),
        "allIsNull" => truth(count == 0.0),
        _ => quantile(known().collect(), percentile(id)?),
    })
}

/// `p95` is 0.95.
fn percentile(id: &str) -> Option<f64> {
    let number: u8 = id.strip_prefix('p')?.parse().ok()?;
    (1..=99).contains(&number).then(|| f64::from(number) / 100.0)
}

/// What a counter has grown: falls are resets, as in Grafana.
fn delta(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut last) = (0.0, None);
    for value in values {
        total += match last {
            None => 0.0,
            Some(last) if value >= last => value - last,
            Some(_) => value,
        };
        last = Some(value);
    }
    total
}

fn variance(values: impl Iterator<Item = f64> + Clone, count: f64) -> f64 {
    let mean = values.clone().sum::<f64>() / count;
    values.map(|v| (v - mean).powi(2)).sum::<f64>() / count
}

/// By the nearest rank below, as Grafana's `p95`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index within the list")]
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * q).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
fn distinct(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.dedup();
    values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculations() {
        let values = [2.0, f64::NAN, 4.0, 1.0, f64::NAN];
        let cases = [
            ("lastNotNull", 1.0),
            ("firstNotNull", 2.0),
            ("first", 2.0),
            ("min", 1.0),
            ("max", 4.0),
            ("mean", 7.0 / 3.0),
            ("sum", 7.0),
            ("count", 5.0),
            ("range", 3.0),
            ("diff", -1.0),
            ("diffperc", -0.5),
            ("delta", 3.0),
            ("median", 2.0),
            ("p99", 4.0),
            ("p1", 1.0),
            ("changeCount", 2.0),
            ("distinctCount", 3.0),
            ("allIsZero", 0.0),
            ("allIsNull", 0.0),
        ];
        for (id, expected) in cases {
            assert_eq!(reduce(&values, id), Some(expected), "{id}");
        }
        assert!(reduce(&values, "last").is_some_and(f64::is_nan));
        for id in ["unknown", "p100", "p0", "p"] {
            assert_eq!(reduce(&values, id), None, "{id}");
        }
    }

    #[test]
    fn nothing_has_no_value() {
        for id in ["last", "first", "min", "max", "mean", "stdDev", "p50", "diff"] {
            assert!(reduce(&[], id).is_some_and(f64::is_nan), "{id}");
        }
        assert_eq!(reduce(&[], "allIsNull"), Some(1.0));
    }
}
