//! Sums, means, variances and quantiles of values, with the error of each addition carried along (Kahan's summation in
//! Neumaier's form), so that the answer does not depend much on the order.

/// A running sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    value: f64,
    error: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.value + value;
        self.error = if total.is_infinite() {
            0.0
        } else if self.value.abs() >= value.abs() {
            self.error + ((self.value - total) + value)
        } else {
            self.error + ((value - total) + self.value)
        };
        self.value = total;
    }

    pub(crate) fn total(self) -> f64 {
        if self.value.is_infinite() { self.value } else { self.value + self.error }
    }

    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, error: self.error * factor }
    }

    pub(crate) fn divided(self, by: f64) -> Self {
        Self { value: self.value / by, error: self.error / by }
    }

    /// Adds another sum, its error too.
    pub(crate) fn merge(&mut self, other: Self) {
        self.add(other.value);
        self.add(other.error);
    }

    /// The sum, also where it is infinite.
    pub(crate) fn with_error(self) -> f64 {
        self.value + self.error
    }

    /// Without the error.
    pub(crate) fn value(self) -> f64 {
        self.value
    }
}

/// A running mean: of the sum as long as that does not overflow, then step by step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut sum = self.sum;
            sum.add(value);
            if self.count == 1.0 || !sum.value.is_infinite() {
                self.sum = sum;
                return;
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.sum = Sum { value: self.sum.value / before, error: self.sum.error / before };
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    pub(crate) fn value(self) -> f64 {
        if self.incremental { self.sum.value + self.sum.error } else { self.sum.value / self.count + self.sum.error / self.count }
    }
}

pub(crate) fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum.total()
}

pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    let mut mean = Mean::default();
    values.iter().for_each(|v| mean.add(*v));
    (!values.is_empty()).then(|| mean.value())
}

/// The population variance, by Welford's method.
pub(crate) fn variance(values: &[f64]) -> Option<f64> {
    let (mut mean, mut squares, mut count) = (Sum::default(), Sum::default(), 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean.value + mean.error);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.value + mean.error)));
    }
    (count > 0.0).then(|| (squares.value + squares.error) / count)
}

/// The φ-quantile, interpolated between neighbours. NaN counts as the smallest value. Sorts the values.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| nan_first(*a, *b));
    let rank = q * (values.len() as f64 - 1.0);
    let lower = (rank.floor() as usize).min(values.len() - 1);
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// The median of the distances from the median. Any NaN makes it undefined.
pub(crate) fn median_deviation(values: &[f64]) -> Option<f64> {
    if values.iter().any(|v| v.is_nan()) {
        return Some(f64::NAN);
    }
    let mut values = values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    (!values.is_empty()).then(|| quantile(0.5, &mut values))
}

/// Ascending, NaN before all.
pub(crate) fn nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_not_lost_beside_large_ones() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(mean(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0]), Some(1.25));
    }

    #[test]
    fn quantiles() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0, 4.0]), 2.5);
        assert_eq!(quantile(1.0, &mut [f64::NAN, 1.0]), 1.0);
        assert!(quantile(0.0, &mut [f64::NAN, 1.0]).is_nan());
        assert_eq!(quantile(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
    }
}
