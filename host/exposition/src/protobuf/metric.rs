use model::{FamilyKind, TimestampMs};

use super::histogram::Histogram;
use super::value::{Number, Summary, Value};
use super::{Error, Family};
use crate::reader::LABELS_MAX;
use crate::wire::{Field, Fields, Value as Wire};

/// Walks over the metrics of a family.
pub struct Metrics<'a> {
    family: Family<'a>,
    fields: Fields<'a>,
}

/// One metric: labels, and what they stand for.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    /// Where it belongs.
    pub family: Family<'a>,
    bytes: &'a [u8],
    /// Where the labels that stand at the front end.
    labels_end: usize,
    /// Whether there are labels behind other fields.
    scattered: bool,
    payload: Option<&'a [u8]>,
    /// The time, if one is given. 0 counts as none, as upstream.
    pub timestamp: Option<TimestampMs>,
}

impl<'a> Metrics<'a> {
    pub(super) fn new(family: Family<'a>) -> Self {
        Self { family, fields: Fields::new(family.bytes) }
    }

    /// The next one; none at the end of the family.
    #[inline]
    pub fn next_metric(&mut self) -> Result<Option<Metric<'a>>, Error> {
        while let Some(field) = self.fields.next_field().map_err(|error| self.family.malformed(self.family.bytes, error))? {
            if let Field { number: 4, value: Wire::Bytes(bytes) } = field {
                return Metric::read(self.family, bytes).map(Some);
            }
        }
        Ok(None)
    }
}

impl<'a> Metric<'a> {
    fn read(family: Family<'a>, bytes: &'a [u8]) -> Result<Self, Error> {
        let wanted = match family.kind {
            FamilyKind::Gauge => 2,
            FamilyKind::Counter => 3,
            FamilyKind::Summary => 4,
            FamilyKind::Histogram | FamilyKind::GaugeHistogram => 7,
            _ => 5,
        };
        let mut metric = Self { family, bytes, labels_end: 0, scattered: false, payload: None, timestamp: None };
        let (mut fields, mut behind) = (Fields::new(bytes), false);
        while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (number, value) {
                (1, Wire::Bytes(_)) if behind => metric.scattered = true,
                (1, Wire::Bytes(_)) => metric.labels_end = fields.offset(),
                (6, Wire::Varint(ms)) => {
                    behind = true;
                    metric.timestamp = Some(ms as i64).filter(|ms| *ms != 0);
                }
                (number, Wire::Bytes(payload)) if number == wanted => {
                    behind = true;
                    metric.payload = Some(payload);
                }
                (1..=7, Wire::Bytes(_)) if number != 6 => behind = true,
                (1..=7, _) => return Err(family.wrong_type(bytes, number)),
                _ => behind = true,
            }
        }
        Ok(metric)
    }

    /// The bytes that, with the family's name and kind, name the metric: its labels as they are written. None where a writer has
    /// put labels behind other fields.
    #[must_use]
    pub fn named_by(&self) -> Option<&'a [u8]> {
        (!self.scattered).then(|| &self.bytes[..self.labels_end])
    }

    /// Reads names and values of the labels into `labels`, which is emptied first. The rules are those of the text formats: names
    /// are not empty, come once, and the metric's own name is not among them.
    pub fn read_labels(&self, labels: &mut Vec<(&'a str, &'a str)>) -> Result<(), Error> {
        labels.clear();
        let mut fields = Fields::new(self.bytes);
        while let Some(field) = fields.next_field().map_err(|error| self.family.malformed(self.bytes, error))? {
            let Field { number: 1, value: Wire::Bytes(pair) } = field else { continue };
            labels.push(read_pair(&self.family, pair)?);
            if labels.len() > LABELS_MAX {
                return Err(self.family.error(pair, format!("more than {LABELS_MAX} labels")));
            }
            if labels.last().is_some_and(|(name, _)| *name == model::METRIC_NAME) {
                return Err(self.family.error(pair, format!("the label {:?}, but the name is the family's", model::METRIC_NAME)));
            }
        }
        check_twice(&self.family, self.bytes, labels)
    }

    /// What it says. An error if it holds another kind than its family.
    pub fn value(&self) -> Result<Value<'a>, Error> {
        let Some(payload) = self.payload else {
            let kind = self.family.kind;
            return Err(self.family.error(self.bytes, format!("a metric that holds no {}, which is its family's type", kind.as_str())));
        };
        Ok(match self.family.kind {
            FamilyKind::Summary => Value::Summary(Summary::read(self.family, payload)?),
            FamilyKind::Histogram | FamilyKind::GaugeHistogram => Value::Histogram(Histogram::read(self.family, payload)?),
            _ => Value::Number(Number::read(self.family, payload)?),
        })
    }
}

/// Reads a `LabelPair`.
pub(super) fn read_pair<'a>(family: &Family<'a>, bytes: &'a [u8]) -> Result<(&'a str, &'a str), Error> {
    let (mut name, mut text) = ("", "");
    let mut fields = Fields::new(bytes);
    while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
        match (number, value) {
            (1, Wire::Bytes(bytes)) => name = family.text(bytes, "a label name")?,
            (2, Wire::Bytes(bytes)) => text = family.text(bytes, "a label value")?,
            (1 | 2, _) => return Err(family.wrong_type(bytes, number)),
            _ => {}
        }
    }
    if name.is_empty() {
        return Err(family.error(bytes, "an empty label name"));
    }
    Ok((name, text))
}

/// No label name comes twice.
pub(super) fn check_twice(family: &Family<'_>, at: &[u8], labels: &[(&str, &str)]) -> Result<(), Error> {
    let twice = |name: &str| Err(family.error(at, format!("the label {name:?} comes twice")));
    if labels.len() <= 16 {
        let found = labels.iter().enumerate().find(|(at, (name, _))| labels[..*at].iter().any(|(other, _)| other == name));
        return found.map_or(Ok(()), |(_, (name, _))| twice(name));
    }
    let mut seen = std::collections::HashSet::with_capacity(labels.len());
    labels.iter().find(|(name, _)| !seen.insert(*name)).map_or(Ok(()), |(name, _)| twice(name))
}
