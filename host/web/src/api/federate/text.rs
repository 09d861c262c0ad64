//! The text format, which has no native histograms: those with custom buckets become classic ones, others are left out, as upstream.

use std::fmt::Write;

use model::{CUSTOM_BUCKETS_SCHEMA, HistogramCounts, LabelSet, TimestampMs, is_classic_label_name, is_classic_metric_name};

use super::{Family, Newest, cumulative, pairs};
use crate::encode::float;
use crate::stream::Sink;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn write(
    family: &mut Family,
    begins: bool,
    (labels, external): (&LabelSet, &LabelSet),
    time: TimestampMs,
    newest: &Newest,
    sink: &mut Sink,
) {
    let name = family.name.as_str();
    let kind = match newest {
        Newest::Float(_) => "untyped",
        Newest::Histogram(histogram) if histogram.schema == CUSTOM_BUCKETS_SCHEMA => "histogram",
        Newest::Histogram(_) => {
            // The next one may be written after all.
            family.begun &= !begins;
            return;
        }
    };
    let mut out = String::new();
    if begins {
        let name = if is_classic_metric_name(name) { name.to_owned() } else { quote(name) };
        // Writing into a string cannot fail.
        let _ = writeln!(out, "# TYPE {name} {kind}");
    }
    let pairs = pairs(labels, external);
    match newest {
        Newest::Float(value) => line(&mut out, name, &pairs, None, *value, time),
        Newest::Histogram(histogram) => {
            let count = match &histogram.counts {
                HistogramCounts::Integer { count, .. } => *count as f64,
                HistogramCounts::Float { count, .. } => *count,
            };
            for (bound, value) in cumulative(histogram) {
                line(&mut out, &format!("{name}_bucket"), &pairs, Some(&float(bound)), value, time);
            }
            line(&mut out, &format!("{name}_bucket"), &pairs, Some("+Inf"), count, time);
            line(&mut out, &format!("{name}_sum"), &pairs, None, histogram.sum, time);
            line(&mut out, &format!("{name}_count"), &pairs, None, count, time);
        }
    }
    sink.raw(&out);
}

fn line(out: &mut String, name: &str, pairs: &[(&str, &str)], bound: Option<&str>, value: f64, time: TimestampMs) {
    let quoted = !is_classic_metric_name(name);
    let mut parts: Vec<String> = if quoted { vec![quote(name)] } else { Vec::new() };
    parts.extend(pairs.iter().chain(bound.map(|bound| ("le", bound)).as_ref()).map(|(label, text)| {
        let label = if is_classic_label_name(label) { (*label).to_owned() } else { quote(label) };
        format!("{label}={}", quote(text))
    }));
    if !quoted {
        out.push_str(name);
    }
    let _ = writeln!(out, "{{{}}} {} {time}", parts.join(","), float(value));
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
