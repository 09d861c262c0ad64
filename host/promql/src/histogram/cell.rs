//! What counts of histograms are added up in.

use crate::functions::sums::Sum;

/// What is added up: a plain float, or a sum that carries the error of each addition along.
pub(crate) trait Cell: Copy {
    fn of(value: f64) -> Self;
    fn add(&mut self, value: f64);
    /// Adds another cell, its error included.
    fn merge(&mut self, other: Self);
    fn scale(&mut self, factor: f64);
    fn divide(&mut self, by: f64);
    /// The value without what is known of its error.
    fn rough(self) -> f64;
    fn total(self) -> f64;
}

impl Cell for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn add(&mut self, value: f64) {
        *self += value;
    }

    fn merge(&mut self, other: Self) {
        *self += other;
    }

    fn scale(&mut self, factor: f64) {
        *self *= factor;
    }

    fn divide(&mut self, by: f64) {
        *self /= by;
    }

    fn rough(self) -> f64 {
        self
    }

    fn total(self) -> f64 {
        self
    }
}

impl Cell for Sum {
    fn of(value: f64) -> Self {
        let mut sum = Self::default();
        Self::add(&mut sum, value);
        sum
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }

    fn scale(&mut self, factor: f64) {
        *self = self.scaled(factor);
    }

    fn divide(&mut self, by: f64) {
        *self = self.divided(by);
    }

    fn rough(self) -> f64 {
        self.value()
    }

    fn total(self) -> f64 {
        Self::total(self)
    }
}
