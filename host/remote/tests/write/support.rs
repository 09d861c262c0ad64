//! A receiver over a real database on a simulated disk, and an encoder of both messages that owes nothing to the reader.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::seams::{ColumnSamples, Select, SelectRequest};
use model::{Clock, LabelSet, ManualClock, MatchOp, Matcher, TimeRange, TimestampMs, is_absent};
use remote::{Answer, Options, Receiver, Request};
use tsdb::Db;
use tsdb::disk::{Disk, SimDisk};

pub(crate) const NOW: TimestampMs = 1_800_000_000_000;
pub(crate) const V1: &str = "application/x-protobuf";
pub(crate) const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

pub(crate) type Stored = BTreeMap<String, Vec<(TimestampMs, f64)>>;

/// Database and receiver.
pub(crate) struct Server {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) db: Db,
    pub(crate) receiver: Receiver,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::on(SimDisk::new(), |_| {})
    }

    pub(crate) fn on(disk: SimDisk, change: impl FnOnce(&mut tsdb::Options)) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let mut options = tsdb::Options::new(Arc::clone(&clock) as Arc<dyn Clock>);
        change(&mut options);
        let (db, _) = Db::open(Path::new("/data"), options, Arc::new(disk.clone()) as Arc<dyn Disk>, NOW).expect("it opens");
        let receiver = Receiver::new(Arc::new(db.clone()), Arc::clone(&clock) as Arc<dyn Clock>, Options::default());
        Self { disk, clock, db, receiver }
    }

    /// The same after the process was killed.
    pub(crate) fn restarted(self) -> Self {
        let disk = self.disk.process_kill();
        Self::on(disk, |_| {})
    }

    pub(crate) fn v1(&self, message: &[u8]) -> Answer {
        self.send(V1, message)
    }

    pub(crate) fn v2(&self, message: &[u8]) -> Answer {
        self.send(V2, message)
    }

    pub(crate) fn send(&self, content_type: &str, message: &[u8]) -> Answer {
        self.send_as("", content_type, message)
    }

    pub(crate) fn send_as(&self, user: &str, content_type: &str, message: &[u8]) -> Answer {
        let body = snap::raw::Encoder::new().compress_vec(message).expect("it is short");
        self.send_raw(user, content_type, "snappy", &body)
    }

    pub(crate) fn send_raw(&self, user: &str, content_type: &str, encoding: &str, body: &[u8]) -> Answer {
        let request = Request {
            content_type: Some(content_type),
            content_encoding: Some(encoding),
            user: (!user.is_empty()).then_some(user),
            address: "192.0.2.7",
        };
        self.receiver.write(&request, body)
    }

    pub(crate) fn stored(&self) -> Stored {
        let all = Matcher::new("__name__", MatchOp::NotEqual, "").expect("a good matcher");
        let range = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };
        let mut stored = Stored::new();
        for group in self.db.select(&SelectRequest { matchers: &[all], range }).expect("it reads") {
            let samples = group.read().expect("it decodes");
            for (labels, column) in group.labels().iter().zip(&samples.columns) {
                let ColumnSamples::Floats(values) = column else { continue };
                let pairs = samples.times.iter().copied().zip(values.iter().copied()).filter(|(_, value)| !is_absent(*value));
                let before = stored.insert(labels.to_string(), pairs.collect());
                assert!(before.is_none(), "{labels} comes once");
            }
        }
        stored.retain(|_, samples| !samples.is_empty());
        stored
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.db.stats().log_bytes
    }
}

pub(crate) fn set(text: &str) -> LabelSet {
    let (name, rest) = text.split_once('{').unwrap_or((text, ""));
    let pairs = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    LabelSet::from_pairs(pairs.chain([("__name__", name)]))
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

pub(crate) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn sample(time: TimestampMs, value: f64) -> Vec<u8> {
    let mut message = Vec::new();
    double(&mut message, 1, value);
    number(&mut message, 2, time as u64);
    message
}

pub(crate) fn labels_v1<'a>(out: &mut Vec<u8>, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (name, value) in pairs {
        let mut label = Vec::new();
        bytes(&mut label, 1, name.as_bytes());
        bytes(&mut label, 2, value.as_bytes());
        bytes(out, 1, &label);
    }
}

/// `prometheus.WriteRequest` of series with samples.
pub(crate) fn v1(series: &[(&str, &[(TimestampMs, f64)])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (labels, samples) in series {
        let mut one = Vec::new();
        labels_v1(&mut one, set(labels).iter());
        samples.iter().for_each(|(time, value)| bytes(&mut one, 2, &sample(*time, *value)));
        bytes(&mut message, 1, &one);
    }
    message
}

/// `io.prometheus.write.v2.Request`, piece by piece.
#[derive(Default)]
pub(crate) struct V2Writer {
    symbols: Vec<String>,
    series: Vec<u8>,
}

impl V2Writer {
    pub(crate) fn symbol(&mut self, text: &str) -> u64 {
        if self.symbols.is_empty() {
            self.symbols.push(String::new());
        }
        let found = self.symbols.iter().position(|symbol| symbol == text);
        found.unwrap_or_else(|| {
            self.symbols.push(text.to_owned());
            self.symbols.len() - 1
        }) as u64
    }

    pub(crate) fn refs(&mut self, labels: &LabelSet) -> Vec<u8> {
        let mut refs = Vec::new();
        for (name, value) in labels {
            for text in [name, value] {
                let symbol = self.symbol(text);
                varint(&mut refs, symbol);
            }
        }
        refs
    }

    /// A series with samples; `rest` are its other fields.
    pub(crate) fn series(&mut self, labels: &str, samples: &[(TimestampMs, f64)], rest: &[u8]) {
        let mut one = Vec::new();
        let refs = self.refs(&set(labels));
        bytes(&mut one, 1, &refs);
        samples.iter().for_each(|(time, value)| bytes(&mut one, 2, &sample(*time, *value)));
        one.extend_from_slice(rest);
        bytes(&mut self.series, 5, &one);
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        self.symbols.iter().for_each(|symbol| bytes(&mut message, 4, symbol.as_bytes()));
        message.extend_from_slice(&self.series);
        message
    }
}

/// `io.prometheus.write.v2.Request` of series with samples.
pub(crate) fn v2(series: &[(&str, &[(TimestampMs, f64)])]) -> Vec<u8> {
    let mut writer = V2Writer::default();
    series.iter().for_each(|(labels, samples)| writer.series(labels, samples, &[]));
    writer.message()
}
