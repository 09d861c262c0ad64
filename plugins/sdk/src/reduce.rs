//! Calculations that make one number of a column, by the names that dashboards use (`lastNotNull`, `mean`, `p95`).
//!
//! NaN stands for "no value". The meaning of each is Grafana's, so that a panel shows the number people know.

/// A calculation over a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculation {
    /// The value of the last row, whether there is one or not.
    Last,
    /// The last value there is.
    LastNotNull,
    /// The value of the first row, whether there is one or not.
    First,
    /// The first value there is.
    FirstNotNull,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The arithmetic mean.
    Mean,
    /// The value in the middle, or the mean of the two.
    Median,
    /// The sum; 0 of none.
    Sum,
    /// How many rows there are, those without a value included.
    Count,
    /// How many different values there are.
    DistinctCount,
    /// How often a value differs from the one before.
    ChangeCount,
    /// Greatest less least.
    Range,
    /// How much a counter has grown, a fall being a new start.
    Delta,
    /// The smallest distance from one value to the next.
    Step,
    /// Last less first.
    Diff,
    /// [`Calculation::Diff`] as a part of the first: 0.1 for 10 % more.
    DiffPerc,
    /// Of the population, not of a sample.
    StdDev,
    /// The square of [`Calculation::StdDev`].
    Variance,
    /// From 1 to 99: the value at that rank.
    Percentile(u8),
}

impl Calculation {
    /// By its id, old ids (`current`, `avg`, `total`) included.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        Some(match id {
            "last" => Self::Last,
            "lastNotNull" | "current" => Self::LastNotNull,
            "first" => Self::First,
            "firstNotNull" => Self::FirstNotNull,
            "min" => Self::Min,
            "max" => Self::Max,
            "mean" | "avg" => Self::Mean,
            "median" => Self::Median,
            "sum" | "total" => Self::Sum,
            "count" => Self::Count,
            "distinctCount" => Self::DistinctCount,
            "changeCount" => Self::ChangeCount,
            "range" => Self::Range,
            "delta" => Self::Delta,
            "step" => Self::Step,
            "diff" => Self::Diff,
            "diffperc" => Self::DiffPerc,
            "stdDev" => Self::StdDev,
            "variance" => Self::Variance,
            other => {
                let rank: u8 = other.strip_prefix('p').filter(|digits| !digits.starts_with(['+', '0']))?.parse().ok()?;
                (1..=99).contains(&rank).then_some(Self::Percentile(rank))?
            }
        })
    }

    /// The result over numbers, NaN where there is no value; none where it is not defined.
    #[must_use]
    pub fn of(self, column: &[f64]) -> Option<f64> {
        let there = || column.iter().copied().filter(|value| !value.is_nan());
        let number = |value: f64| (!value.is_nan()).then_some(value);
        match self {
            Self::Last => column.last().copied().and_then(number),
            Self::LastNotNull => there().next_back(),
            Self::First => column.first().copied().and_then(number),
            Self::FirstNotNull => there().next(),
            Self::Min => there().reduce(f64::min),
            Self::Max => there().reduce(f64::max),
            Self::Mean => mean(column),
            Self::Median => median(column),
            // Not `sum`, which is -0 of nothing.
            Self::Sum => number(there().fold(0.0, |sum, value| sum + value)),
            Self::Count => Some(column.len() as f64),
            Self::DistinctCount => Some(distinct(column)),
            Self::ChangeCount => Some(there().zip(there().skip(1)).filter(|(before, after)| before != after).count() as f64),
            Self::Range => number(there().reduce(f64::max)? - there().reduce(f64::min)?),
            Self::Delta => delta(column),
            Self::Step => there().zip(there().skip(1)).map(|(before, after)| after - before).filter(|step| !step.is_nan()).reduce(f64::min),
            Self::Diff => number(there().next_back()? - there().next()?),
            Self::DiffPerc => number((there().next_back()? - there().next()?) / there().next()?),
            Self::StdDev => variance(column).map(f64::sqrt),
            Self::Variance => variance(column),
            Self::Percentile(rank) => percentile(column, rank),
        }
    }
}

fn mean(column: &[f64]) -> Option<f64> {
    let (count, sum) = column.iter().filter(|value| !value.is_nan()).fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count).filter(|mean| !mean.is_nan())
}

fn variance(column: &[f64]) -> Option<f64> {
    let mean = mean(column)?;
    let squares: Vec<f64> = column.iter().filter(|value| !value.is_nan()).map(|value| (value - mean).powi(2)).collect();
    Some(squares.iter().sum::<f64>() / squares.len() as f64).filter(|variance| !variance.is_nan())
}

fn sorted(column: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn distinct(column: &[f64]) -> f64 {
    let mut values = sorted(column);
    values.dedup_by(|a, b| a == b);
    values.len() as f64
}

fn median(column: &[f64]) -> Option<f64> {
    let values = sorted(column);
    let middle = values.len() / 2;
    let above = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { above } else { f64::midpoint(values[middle - 1], above) })
}

fn percentile(column: &[f64], rank: u8) -> Option<f64> {
    let values = sorted(column);
    let last = values.len().checked_sub(1)?;
    // Rounded to the nearest rank; at a half upwards. In whole numbers, so that it is exact.
    values.get((last * usize::from(rank) + 50) / 100).copied()
}

fn delta(column: &[f64]) -> Option<f64> {
    let mut there = column.iter().copied().filter(|value| !value.is_nan());
    let mut before = there.next()?;
    let mut grown = 0.0;
    for value in there {
        grown += if value < before { value } else { value - before };
        before = value;
    }
    Some(grown).filter(|grown| !grown.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: f64 = f64::NAN;

    #[test]
    fn results() {
        for (id, column, expected) in [
            ("last", vec![1.0, 2.0, NO], None),
            ("lastNotNull", vec![1.0, 2.0, NO], Some(2.0)),
            ("current", vec![NO], None),
            ("first", vec![NO, 2.0], None),
            ("firstNotNull", vec![NO, 2.0], Some(2.0)),
            ("min", vec![3.0, NO, 1.0], Some(1.0)),
            ("max", vec![3.0, NO, 1.0], Some(3.0)),
            ("min", vec![], None),
            ("mean", vec![1.0, NO, 3.0], Some(2.0)),
            ("avg", vec![NO], None),
            ("mean", vec![f64::INFINITY, f64::NEG_INFINITY], None),
            ("median", vec![5.0, 1.0, NO, 3.0], Some(3.0)),
            ("median", vec![1.0, 2.0], Some(1.5)),
            ("sum", vec![1.0, NO, 2.0], Some(3.0)),
            ("total", vec![], Some(0.0)),
            ("count", vec![1.0, NO], Some(2.0)),
            ("distinctCount", vec![1.0, 2.0, 1.0, NO, -0.0, 0.0], Some(3.0)),
            ("changeCount", vec![1.0, 1.0, 2.0, NO, 1.0], Some(2.0)),
            ("range", vec![2.0, 7.0, NO], Some(5.0)),
            ("delta", vec![10.0, 15.0, NO, 3.0, 4.0], Some(9.0)),
            ("step", vec![1.0, 4.0, 6.0], Some(2.0)),
            ("diff", vec![NO, 4.0, 6.0], Some(2.0)),
            ("diffperc", vec![4.0, 6.0], Some(0.5)),
            ("diffperc", vec![0.0, 0.0], None),
            ("diffperc", vec![0.0, 1.0], Some(f64::INFINITY)),
            ("stdDev", vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], Some(2.0)),
            ("variance", vec![1.0, 3.0], Some(1.0)),
            ("p50", vec![3.0, 1.0, 2.0], Some(2.0)),
            ("p95", (1..=100).map(f64::from).collect(), Some(95.0)),
            ("p99", vec![], None),
        ] {
            let calculation = Calculation::parse(id).unwrap_or_else(|| panic!("{id} is known"));
            assert_eq!(calculation.of(&column), expected, "{id} of {column:?}");
        }
    }

    #[test]
    fn unknown_ids() {
        for id in ["", "p", "p0", "p100", "p05", "p+5", "p5x", "Mean", "median "] {
            assert_eq!(Calculation::parse(id), None, "{id}");
        }
    }
}
