//! The metrics that a plugin keeps in the host: they add up over its instances.

mod histogram;
mod told;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use histogram::Histogram;
use model::{FamilySamples, LabelSet, MetricFamily, TimestampMs, is_classic_metric_name};
use told::{check_told, label_set};

/// Bounds of a histogram that was not declared: those of Prometheus' clients.
const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds that a histogram may have.
const BUCKETS_MAX: usize = 200;

/// Metrics of one plugin.
const FAMILIES_MAX: usize = 1000;

/// Endings that a histogram takes for itself.
const HISTOGRAM_ENDINGS: [&str; 4] = ["_bucket", "_sum", "_count", "_max"];

/// What kind of metric a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    /// With its upper bounds.
    Histogram(Vec<f64>),
}

/// The metrics of one plugin.
pub(crate) struct Metrics {
    series_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    families: BTreeMap<String, Family>,
    series: usize,
    /// Misfits that were logged.
    logged: HashSet<String>,
    dropped: u64,
}

struct Family {
    kind: MetricKind,
    help: String,
    unit: String,
    /// Came into being by its use: a declaration may still describe it.
    undeclared: bool,
    series: BTreeMap<LabelSet, Value>,
}

enum Value {
    Number(f64),
    Histogram(Histogram),
}

impl Metrics {
    pub(crate) fn new(series_max: u32) -> Self {
        Self { series_max: series_max as usize, inner: Mutex::default() }
    }

    /// Nothing in here panics with the lock held; if it ever did, the numbers would still be numbers.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use that does not fit. The text is new if it has not been logged.
    fn drop_use(inner: &mut Inner, reason: String) -> Option<String> {
        inner.dropped += 1;
        (inner.logged.len() < 100 && inner.logged.insert(reason.clone())).then_some(reason)
    }

    /// Each of the following gives the reason why the use was dropped, once for each reason.
    pub(crate) fn declare(&self, name: &str, kind: MetricKind, help: &str, unit: &str) -> Option<String> {
        let mut inner = self.lock();
        match inner.family(name, kind, Some((help, unit))) {
            Ok(_) => None,
            Err(reason) => Self::drop_use(&mut inner, reason),
        }
    }

    pub(crate) fn counter_add(&self, name: &str, labels: &[(String, String)], by: f64) -> Option<String> {
        if by.is_nan() || by < 0.0 || by.is_infinite() {
            return Self::drop_use(&mut self.lock(), format!("{name} was to be counted up by {by}, which is not a number from 0 on"));
        }
        self.change(name, MetricKind::Counter, labels, |value, _| {
            if let Value::Number(n) = value {
                *n += by
            }
        })
    }

    pub(crate) fn gauge_set(&self, name: &str, labels: &[(String, String)], to: f64) -> Option<String> {
        self.change(name, MetricKind::Gauge, labels, |value, _| *value = Value::Number(to))
    }

    pub(crate) fn gauge_add(&self, name: &str, labels: &[(String, String)], by: f64) -> Option<String> {
        self.change(name, MetricKind::Gauge, labels, |value, _| {
            if let Value::Number(n) = value {
                *n += by
            }
        })
    }

    pub(crate) fn observe(&self, name: &str, labels: &[(String, String)], seen: f64, now: TimestampMs) -> Option<String> {
        if seen.is_nan() {
            return Self::drop_use(&mut self.lock(), format!("{name} was to observe NaN"));
        }
        self.change_histogram(name, labels, |histogram, bounds| {
            let bucket = bounds.partition_point(|bound| *bound < seen);
            histogram.counts[bucket] = histogram.counts[bucket].saturating_add(1);
            histogram.sum += seen;
            histogram.see_max(seen, now);
            Ok(())
        })
    }

    pub(crate) fn observe_many(
        &self,
        name: &str,
        labels: &[(String, String)],
        counts: &[u64],
        sum: f64,
        max: f64,
        now: TimestampMs,
    ) -> Option<String> {
        self.change_histogram(name, labels, |histogram, _| {
            if counts.len() != histogram.counts.len() {
                return Err(format!(
                    "{name} has {} buckets with the one above, and was given {} counts",
                    histogram.counts.len(),
                    counts.len()
                ));
            }
            for (mine, more) in histogram.counts.iter_mut().zip(counts) {
                *mine = mine.saturating_add(*more);
            }
            histogram.sum += sum;
            if counts.iter().any(|n| *n > 0) && !max.is_nan() {
                histogram.see_max(max, now);
            }
            Ok(())
        })
    }

    /// Forgets every series of the metric that has these labels among its own.
    pub(crate) fn remove(&self, name: &str, labels: &[(String, String)]) {
        let mut inner = self.lock();
        let Some(family) = inner.families.get_mut(name) else { return };
        let before = family.series.len();
        family.series.retain(|set, _| !labels.iter().all(|(name, value)| set.get(name).unwrap_or_default() == value));
        let gone = before - family.series.len();
        inner.series -= gone;
    }

    /// All of them, names with `prefix` before them.
    pub(crate) fn families(&self, prefix: &str, now: TimestampMs) -> Vec<MetricFamily> {
        let inner = self.lock();
        let mut families = Vec::with_capacity(inner.families.len());
        for (name, family) in &inner.families {
            let named = |ending: &str, help: &str, samples| MetricFamily {
                name: format!("{prefix}{name}{ending}"),
                help: help.to_owned(),
                unit: if ending.is_empty() { family.unit.clone() } else { String::new() },
                samples,
            };
            let numbers = || {
                family.series.iter().filter_map(|(labels, value)| match value {
                    Value::Number(n) => Some((labels.clone(), *n, None)),
                    Value::Histogram(_) => None,
                })
            };
            let histograms = || {
                family.series.iter().filter_map(|(labels, value)| match value {
                    Value::Histogram(h) => Some((labels, h)),
                    Value::Number(_) => None,
                })
            };
            match &family.kind {
                MetricKind::Counter => families.push(named("", &family.help, FamilySamples::Counter(numbers().collect()))),
                MetricKind::Gauge => families.push(named("", &family.help, FamilySamples::Gauge(numbers().collect()))),
                MetricKind::Histogram(bounds) => {
                    let values = histograms().map(|(labels, h)| (labels.clone(), h.value(bounds), None));
                    families.push(named("", &family.help, FamilySamples::Histogram(values.collect())));
                    let maxima: Vec<_> = histograms().filter_map(|(labels, h)| Some((labels.clone(), h.max(now)?, None))).collect();
                    if !maxima.is_empty() {
                        families.push(named(
                            "_max",
                            &format!("Greatest value of {name} in the last one to two minutes."),
                            FamilySamples::Gauge(maxima),
                        ));
                    }
                }
            }
        }
        families
    }

    /// Series there are, and uses that were dropped.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.series, inner.dropped)
    }

    fn change_histogram(
        &self,
        name: &str,
        labels: &[(String, String)],
        change: impl FnOnce(&mut Histogram, &[f64]) -> Result<(), String>,
    ) -> Option<String> {
        let bounds = match self.lock().families.get(name) {
            Some(Family { kind: MetricKind::Histogram(bounds), .. }) => bounds.clone(),
            _ => DEFAULT_BUCKETS.to_vec(),
        };
        let mut misfit = None;
        let dropped = self.change(name, MetricKind::Histogram(bounds), labels, |value, bounds| {
            if let Value::Histogram(histogram) = value {
                misfit = change(histogram, bounds).err();
            }
        });
        dropped.or_else(|| misfit.and_then(|reason| Self::drop_use(&mut self.lock(), reason)))
    }

    fn change(&self, name: &str, kind: MetricKind, labels: &[(String, String)], change: impl FnOnce(&mut Value, &[f64])) -> Option<String> {
        let mut inner = self.lock();
        let series_max = self.series_max;
        match inner.series(name, kind, labels, series_max) {
            Ok((value, bounds)) => {
                change(value, bounds);
                None
            }
            Err(reason) => Self::drop_use(&mut inner, reason),
        }
    }
}

impl Inner {
    /// The family of a name, made if it is not there. `told` is what a declaration says.
    fn family(&mut self, name: &str, kind: MetricKind, told: Option<(&str, &str)>) -> Result<&mut Family, String> {
        // A name that nobody has declared and that holds nothing is free for another kind.
        if self.families.get(name).is_some_and(|f| f.undeclared && f.series.is_empty() && f.kind != kind) {
            self.families.remove(name);
        }
        if !self.families.contains_key(name) {
            self.check_new(name, &kind)?;
            let family = Family { kind: kind.clone(), help: String::new(), unit: String::new(), undeclared: true, series: BTreeMap::new() };
            self.families.insert(name.to_owned(), family);
        }
        let family = self.families.get_mut(name).expect("it was there, or was made just now");
        let same_kind = match (&family.kind, &kind) {
            (MetricKind::Histogram(_), MetricKind::Histogram(_)) if told.is_none() => true,
            (mine, theirs) => mine == theirs,
        };
        if !same_kind {
            return Err(format!("{name} was used as another kind, or with other buckets, than before"));
        }
        if let Some((help, unit)) = told {
            check_told(name, help, unit)?;
            if !family.undeclared && (family.help != help || family.unit != unit) {
                return Err(format!("{name} was declared with another help or unit than before"));
            }
            (family.help, family.unit, family.undeclared) = (help.to_owned(), unit.to_owned(), false);
        }
        Ok(family)
    }

    fn check_new(&self, name: &str, kind: &MetricKind) -> Result<(), String> {
        if !is_classic_metric_name(name) || name.len() > 256 {
            return Err(format!("{name:?} is not a metric's name"));
        }
        if self.families.len() >= FAMILIES_MAX {
            return Err(format!("{name} would be one metric more than the limit of {FAMILIES_MAX}"));
        }
        match kind {
            MetricKind::Counter if !name.ends_with("_total") => return Err(format!("{name} is a counter: its name must end in _total")),
            MetricKind::Histogram(bounds) => {
                let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
                if bounds.len() > BUCKETS_MAX || !ascending || bounds.iter().any(|b| !b.is_finite()) {
                    return Err(format!(
                        "{name} was declared with buckets that are not at most {BUCKETS_MAX} finite numbers in ascending order"
                    ));
                }
                if let Some(other) =
                    HISTOGRAM_ENDINGS.iter().map(|ending| format!("{name}{ending}")).find(|other| self.families.contains_key(other))
                {
                    return Err(format!("{name} is a histogram, but {other} is there already"));
                }
            }
            _ => {}
        }
        let of_histogram = HISTOGRAM_ENDINGS.iter().filter_map(|ending| name.strip_suffix(ending));
        for base in of_histogram {
            if matches!(self.families.get(base), Some(Family { kind: MetricKind::Histogram(_), .. })) {
                return Err(format!("{name} belongs to the histogram {base}"));
            }
        }
        Ok(())
    }

    fn series(
        &mut self,
        name: &str,
        kind: MetricKind,
        labels: &[(String, String)],
        series_max: usize,
    ) -> Result<(&mut Value, &[f64]), String> {
        let histogram = matches!(kind, MetricKind::Histogram(_));
        let set = label_set(name, labels, histogram)?;
        let full = self.series >= series_max;
        let family = self.family(name, kind, None)?;
        let known = family.series.contains_key(&set);
        if !known && full {
            return Err(format!(
                "{name} would get one series more than the plugin's limit of {series_max}: raise limits: {{series: …}}, or use fewer labels"
            ));
        }
        if !known {
            let value = match &family.kind {
                MetricKind::Histogram(bounds) => Value::Histogram(Histogram::new(bounds.len())),
                _ => Value::Number(0.0),
            };
            family.series.insert(set.clone(), value);
            self.series += 1;
        }
        let family = self.families.get_mut(name).expect("it was found or made above");
        let bounds = match &family.kind {
            MetricKind::Histogram(bounds) => bounds.as_slice(),
            _ => &[],
        };
        Ok((family.series.get_mut(&set).expect("it was found or made above"), bounds))
    }
}

#[cfg(test)]
mod tests;
