//! The protobuf format: messages `io.prometheus.client.MetricFamily`, each with its length as a varint before it. Source:
//! <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>.
//!
//! [`Reader`] walks over families, [`Family::metrics`] over metrics, [`Metric::value`] reads what one says. All of it borrows from
//! the body and allocates nothing, except [`Histogram::native`]; a message in a message is read by a call of its own, so that
//! nothing recurses. What a caller does not ask for is not looked at: labels that it knows by [`Metric::named_by`] are not checked
//! again.

mod error;
mod histogram;
mod metric;
mod value;

use model::FamilyKind;

pub use error::Error;
pub use histogram::{BUCKETS_MAX, Histogram};
pub use metric::{Metric, Metrics};
pub use value::{Exemplar, ExemplarContent, Float, Number, Part, Summary, Value};

use crate::wire::{Field, Fields, Value as Wire};

/// Walks over the families of a body.
pub struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

/// A family, without what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    body: &'a [u8],
    bytes: &'a [u8],
    /// Of its metrics. Not empty.
    pub name: &'a str,
    /// For people; empty for none.
    pub help: &'a str,
    /// The end of the name; empty for none.
    pub unit: &'a str,
    /// The kind of its metrics.
    pub kind: FamilyKind,
}

impl<'a> Reader<'a> {
    /// A reader at the start of the body.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// The next family; none at the end of the body.
    pub fn next_family(&mut self) -> Result<Option<Family<'a>>, Error> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let mut prefix = Fields::new(rest);
        let fail = |what: &str| Error::new(self.body, "", rest, what);
        let length = prefix.varint().map_err(|error| fail(&format!("no length of a family: {}", error.what)))?;
        let start = prefix.offset();
        let bytes = usize::try_from(length).ok().and_then(|length| rest.get(start..start.checked_add(length)?));
        let Some(bytes) = bytes else {
            return Err(fail(&format!("a family of {length} bytes, and {} are left: the body may be cut short", rest.len() - start)));
        };
        self.at += start + bytes.len();
        Family::read(self.body, bytes).map(Some)
    }
}

impl<'a> Family<'a> {
    fn read(body: &'a [u8], bytes: &'a [u8]) -> Result<Self, Error> {
        let mut family = Self { body, bytes, name: "", help: "", unit: "", kind: FamilyKind::Counter };
        let mut fields = Fields::new(bytes);
        while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (number, value) {
                (1, Wire::Bytes(text)) => family.name = family.text(text, "the family's name")?,
                (2, Wire::Bytes(text)) => family.help = family.text(text, "a help text")?,
                (5, Wire::Bytes(text)) => family.unit = family.text(text, "a unit")?,
                (3, Wire::Varint(kind)) => {
                    family.kind = match kind {
                        0 => FamilyKind::Counter,
                        1 => FamilyKind::Gauge,
                        2 => FamilyKind::Summary,
                        3 => FamilyKind::Unknown,
                        4 => FamilyKind::Histogram,
                        5 => FamilyKind::GaugeHistogram,
                        other => return Err(family.error(bytes, format!("{other} is no type of a family: expected 0 to 5"))),
                    }
                }
                (4, Wire::Bytes(_)) => {}
                (1..=5, _) => return Err(family.wrong_type(bytes, number)),
                // A field that a later definition has.
                _ => {}
            }
        }
        if family.name.is_empty() {
            return Err(family.error(bytes, "a family without a name"));
        }
        family.check_unit()?;
        Ok(family)
    }

    /// A unit stands at the end of the name, as in OpenMetrics.
    fn check_unit(&self) -> Result<(), Error> {
        let base = if self.kind == FamilyKind::Counter { self.name.strip_suffix("_total") } else { None }.unwrap_or(self.name);
        if self.unit.is_empty() || base.strip_suffix(self.unit).is_some_and(|rest| rest.ends_with('_')) {
            return Ok(());
        }
        Err(self.error(self.unit.as_bytes(), format!("the unit {:?} is not at the end of the name", self.unit)))
    }

    /// Its metrics.
    #[must_use]
    pub fn metrics(&self) -> Metrics<'a> {
        Metrics::new(*self)
    }

    fn text(&self, bytes: &'a [u8], what: &str) -> Result<&'a str, Error> {
        std::str::from_utf8(bytes).map_err(|error| self.error(&bytes[error.valid_up_to()..], format!("{what} that is not valid UTF-8")))
    }

    /// An error at the start of a part of the body.
    fn error(&self, at: &[u8], message: impl AsRef<str>) -> Error {
        Error::new(self.body, self.name, at, message.as_ref())
    }

    /// An error that was found while `bytes` were walked over.
    fn malformed(&self, bytes: &[u8], error: crate::wire::WireError) -> Error {
        self.error(&bytes[error.offset.min(bytes.len())..], error.what)
    }

    fn wrong_type(&self, bytes: &[u8], number: u32) -> Error {
        self.error(bytes, format!("field {number} is not of its type"))
    }
}

#[cfg(test)]
mod tests;
