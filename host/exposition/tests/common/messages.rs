//! Writes protobuf messages for tests: `io.prometheus.client.MetricFamily` field by field.

#![allow(dead_code, reason = "each test uses a part of it")]

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

pub(crate) const COUNTER: u64 = 0;
pub(crate) const GAUGE: u64 = 1;
pub(crate) const SUMMARY: u64 = 2;
pub(crate) const UNTYPED: u64 = 3;
pub(crate) const HISTOGRAM: u64 = 4;
pub(crate) const GAUGE_HISTOGRAM: u64 = 5;

pub(crate) fn message() -> Message {
    Message::default()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

impl Message {
    fn key(mut self, field: u32, wire: u64) -> Self {
        varint(&mut self.0, u64::from(field) << 3 | wire);
        self
    }

    pub(crate) fn number(self, field: u32, value: u64) -> Self {
        let mut out = self.key(field, 0);
        varint(&mut out.0, value);
        out
    }

    pub(crate) fn signed(self, field: u32, value: i64) -> Self {
        self.number(field, zigzag(value))
    }

    pub(crate) fn double(self, field: u32, value: f64) -> Self {
        let mut out = self.key(field, 1);
        out.0.extend_from_slice(&value.to_bits().to_le_bytes());
        out
    }

    pub(crate) fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut out = self.key(field, 2);
        varint(&mut out.0, value.len() as u64);
        out.0.extend_from_slice(value);
        out
    }

    pub(crate) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn nested(self, field: u32, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    pub(crate) fn deltas(self, field: u32, values: &[i64]) -> Self {
        let mut list = Vec::new();
        values.iter().for_each(|value| varint(&mut list, zigzag(*value)));
        self.bytes(field, &list)
    }

    pub(crate) fn doubles(self, field: u32, values: &[f64]) -> Self {
        let list: Vec<u8> = values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
        self.bytes(field, &list)
    }

    /// Labels of a metric or an exemplar.
    pub(crate) fn labels(mut self, pairs: &[(&str, &str)]) -> Self {
        for (name, value) in pairs {
            self = self.nested(1, &message().text(1, name).text(2, value));
        }
        self
    }

    pub(crate) fn span(self, field: u32, offset: i64, length: u64) -> Self {
        self.nested(field, &message().signed(1, offset).number(2, length))
    }
}

/// A `google.protobuf.Timestamp`.
pub(crate) fn time(ms: i64) -> Message {
    message().number(1, ms.div_euclid(1000) as u64).number(2, ms.rem_euclid(1000) as u64 * 1_000_000)
}

/// An exemplar with one label.
pub(crate) fn exemplar(trace: &str, value: f64, ms: Option<i64>) -> Message {
    let exemplar = message().labels(&[("trace_id", trace)]).double(2, value);
    ms.map_or(exemplar.clone(), |ms| exemplar.nested(3, &time(ms)))
}

/// A classic bucket.
pub(crate) fn bucket(count: u64, bound: f64) -> Message {
    message().number(1, count).double(2, bound)
}

/// A metric whose value is the field that its family's kind has.
pub(crate) fn metric(labels: &[(&str, &str)], field: u32, value: &Message) -> Message {
    message().labels(labels).nested(field, value)
}

/// A family with its length before it.
pub(crate) fn family(name: &str, help: &str, kind: u64, metrics: &[Message]) -> Vec<u8> {
    let mut family = message().text(1, name).text(2, help).number(3, kind);
    for metric in metrics {
        family = family.nested(4, metric);
    }
    delimited(&family)
}

/// A message with its length before it.
pub(crate) fn delimited(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, message.0.len() as u64);
    out.extend_from_slice(&message.0);
    out
}

/// A gauge's metric.
pub(crate) fn gauge(labels: &[(&str, &str)], value: f64) -> Message {
    metric(labels, 2, &message().double(1, value))
}
