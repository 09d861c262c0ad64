//! The messages of remote write, from samples in the text format. Their fields: prompb/remote.proto and
//! prompb/io/prometheus/write/v2/types.proto of Prometheus.

use std::collections::{BTreeMap, HashMap};

use exposition::{Format, Line, Reader};
use model::FamilyKind;
use remote::put::{put_double, put_message, put_number, put_varint};

pub(super) const V1: &str = "prometheus.WriteRequest";
pub(super) const V2: &str = "io.prometheus.write.v2.Request";

/// How a message is written, and what its headers say.
pub(super) struct Written {
    pub(super) content_type: &'static str,
    pub(super) version: &'static str,
    pub(super) write: fn(&Pushed) -> Vec<u8>,
}

impl Written {
    /// None if there is no such message.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            V1 => Some(Self { content_type: "application/x-protobuf", version: "0.1.0", write: v1 }),
            V2 => Some(Self { content_type: "application/x-protobuf;proto=io.prometheus.write.v2.Request", version: "2.0.0", write: v2 }),
            _ => None,
        }
    }
}

/// What is pushed.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    samples: Vec<Sample>,
    /// Kinds and helps by the names of families.
    families: BTreeMap<String, (FamilyKind, String)>,
}

#[derive(Debug)]
struct Sample {
    labels: BTreeMap<String, String>,
    value: f64,
    /// Unix milliseconds.
    time: i64,
}

/// Reads the text. Samples without a time have that of `now`; all get the labels of `extra`.
pub(super) fn read(text: &[u8], extra: &[(String, String)], now: i64) -> Result<Pushed, String> {
    let mut pushed = Pushed::default();
    let mut reader = Reader::new(text, Format::of_body(text));
    loop {
        let line = reader.read_line().map_err(|error| format!("text format parsing error in line {}: {}", error.line, error.message))?;
        match line {
            None => return Ok(pushed),
            Some(Line::Type(name, kind)) => pushed.families.entry(name.into_owned()).or_insert((kind, String::new())).0 = kind,
            Some(Line::Help(name, help)) => {
                pushed.families.entry(name.into_owned()).or_insert((FamilyKind::Unknown, String::new())).1 = help.into_owned();
            }
            Some(Line::Unit(..)) => {}
            Some(Line::Sample(sample)) => {
                let mut labels: BTreeMap<String, String> = extra.iter().cloned().collect();
                labels.insert("__name__".to_owned(), sample.name().into_owned());
                for (name, value) in sample.labels() {
                    // Whose job it is says who sends.
                    let name = if name == "job" { "exported_job".to_owned() } else { name.into_owned() };
                    labels.insert(name, value.into_owned());
                }
                pushed.samples.push(Sample { labels, value: sample.value, time: sample.timestamp.unwrap_or(now) });
            }
        }
    }
}

impl Pushed {
    /// What is known of the family that a sample is of.
    fn family(&self, sample: &Sample) -> Option<&(FamilyKind, String)> {
        let name = sample.labels.get("__name__")?;
        let without = ["_bucket", "_sum", "_count", "_total", "_info", "_gsum", "_gcount"].iter().filter_map(|end| name.strip_suffix(end));
        std::iter::once(name.as_str()).chain(without).find_map(|name| self.families.get(name))
    }
}

fn put_point(out: &mut Vec<u8>, sample: &Sample) {
    let mut point = Vec::new();
    put_double(&mut point, 1, sample.value);
    put_number(&mut point, 2, sample.time.cast_unsigned());
    put_message(out, 2, &point);
}

fn v1(pushed: &Pushed) -> Vec<u8> {
    let mut message = Vec::new();
    for sample in &pushed.samples {
        let mut series = Vec::new();
        for (name, value) in &sample.labels {
            let mut label = Vec::new();
            put_message(&mut label, 1, name.as_bytes());
            put_message(&mut label, 2, value.as_bytes());
            put_message(&mut series, 1, &label);
        }
        put_point(&mut series, sample);
        put_message(&mut message, 1, &series);
    }
    for (name, (kind, help)) in &pushed.families {
        let mut metadata = Vec::new();
        put_number(&mut metadata, 1, kind_number(*kind));
        put_message(&mut metadata, 2, name.as_bytes());
        put_message(&mut metadata, 4, help.as_bytes());
        put_message(&mut message, 3, &metadata);
    }
    message
}

fn v2(pushed: &Pushed) -> Vec<u8> {
    // The first one is empty by specification.
    let (mut symbols, mut known) = (vec![""], HashMap::from([("", 0_u64)]));
    let mut all = Vec::new();
    for sample in &pushed.samples {
        let mut symbol = |text| {
            *known.entry(text).or_insert_with(|| {
                symbols.push(text);
                symbols.len() as u64 - 1
            })
        };
        let (mut labels, mut series) = (Vec::new(), Vec::new());
        for text in sample.labels.iter().flat_map(|(name, value)| [name.as_str(), value]) {
            put_varint(&mut labels, symbol(text));
        }
        put_message(&mut series, 1, &labels);
        put_point(&mut series, sample);
        if let Some((kind, help)) = pushed.family(sample) {
            let mut metadata = Vec::new();
            put_number(&mut metadata, 1, kind_number(*kind));
            put_number(&mut metadata, 3, symbol(help));
            put_message(&mut series, 5, &metadata);
        }
        put_message(&mut all, 5, &series);
    }
    let mut message = Vec::new();
    symbols.iter().for_each(|text| put_message(&mut message, 4, text.as_bytes()));
    message.extend_from_slice(&all);
    message
}

fn kind_number(kind: FamilyKind) -> u64 {
    match kind {
        FamilyKind::Counter => 1,
        FamilyKind::Gauge => 2,
        FamilyKind::Histogram => 3,
        FamilyKind::GaugeHistogram => 4,
        FamilyKind::Summary => 5,
        FamilyKind::Info => 6,
        FamilyKind::StateSet => 7,
        FamilyKind::Unknown => 0,
    }
}
