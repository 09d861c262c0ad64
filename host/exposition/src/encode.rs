use std::fmt::Write;

use model::{
    FamilySamples, HistogramValue, LabelSet, MetricFamily, SummaryValue, TimestampMs, is_classic_label_name, is_classic_metric_name,
};

use crate::number::format_float;

/// Writes families in the text format 0.0.4, in their order. Families without samples are left out.
///
/// Names beyond the classic characters are quoted, as Prometheus 3 reads them.
#[must_use]
pub fn encode(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    for family in families {
        family_text(&mut out, family);
    }
    out
}

fn family_text(out: &mut String, family: &MetricFamily) {
    let name = family.name.as_str();
    let kind = match &family.samples {
        FamilySamples::Unknown(_) => "untyped",
        FamilySamples::Counter(_) => "counter",
        FamilySamples::Gauge(_) => "gauge",
        FamilySamples::Histogram(_) => "histogram",
        FamilySamples::Summary(_) => "summary",
    };
    let empty = match &family.samples {
        FamilySamples::Unknown(s) | FamilySamples::Counter(s) | FamilySamples::Gauge(s) => s.is_empty(),
        FamilySamples::Histogram(s) => s.is_empty(),
        FamilySamples::Summary(s) => s.is_empty(),
    };
    if empty {
        return;
    }
    if !family.help.is_empty() {
        out.push_str("# HELP ");
        metadata_name(out, name);
        out.push(' ');
        escape(out, &family.help, false);
        out.push('\n');
    }
    out.push_str("# TYPE ");
    metadata_name(out, name);
    let _ = writeln!(out, " {kind}");
    match &family.samples {
        FamilySamples::Unknown(samples) | FamilySamples::Counter(samples) | FamilySamples::Gauge(samples) => {
            for (labels, value, time) in samples {
                sample(out, (name, ""), labels, None, *value, *time);
            }
        }
        FamilySamples::Histogram(samples) => samples.iter().for_each(|(labels, value, time)| histogram(out, name, labels, value, *time)),
        FamilySamples::Summary(samples) => samples.iter().for_each(|(labels, value, time)| summary(out, name, labels, value, *time)),
    }
}

fn histogram(out: &mut String, name: &str, labels: &LabelSet, value: &HistogramValue, time: Option<TimestampMs>) {
    for (bound, count) in value.buckets.iter().filter(|(bound, _)| *bound < f64::INFINITY) {
        sample(out, (name, "_bucket"), labels, Some(("le", *bound)), *count as f64, time);
    }
    sample(out, (name, "_bucket"), labels, Some(("le", f64::INFINITY)), value.count as f64, time);
    sample(out, (name, "_sum"), labels, None, value.sum, time);
    sample(out, (name, "_count"), labels, None, value.count as f64, time);
}

fn summary(out: &mut String, name: &str, labels: &LabelSet, value: &SummaryValue, time: Option<TimestampMs>) {
    for (quantile, at) in &value.quantiles {
        sample(out, (name, ""), labels, Some(("quantile", *quantile)), *at, time);
    }
    sample(out, (name, "_sum"), labels, None, value.sum, time);
    sample(out, (name, "_count"), labels, None, value.count as f64, time);
}

fn sample(
    out: &mut String,
    (name, suffix): (&str, &str),
    labels: &LabelSet,
    bound: Option<(&str, f64)>,
    value: f64,
    time: Option<TimestampMs>,
) {
    let classic = is_classic_metric_name(name);
    if classic {
        out.push_str(name);
        out.push_str(suffix);
    }
    let mut separator = '{';
    if !classic {
        out.push_str("{\"");
        escape(out, name, true);
        out.push_str(suffix);
        out.push('"');
        separator = ',';
    }
    for (label, text) in labels.iter().filter(|(label, _)| *label != model::METRIC_NAME && bound.is_none_or(|(bound, _)| bound != *label)) {
        out.push(separator);
        separator = ',';
        label_name(out, label);
        out.push_str("=\"");
        escape(out, text, true);
        out.push('"');
    }
    if let Some((label, bound)) = bound {
        let _ = write!(out, "{separator}{label}=\"");
        separator = ',';
        format_float(out, bound);
        out.push('"');
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    format_float(out, value);
    if let Some(time) = time {
        let _ = write!(out, " {time}");
    }
    out.push('\n');
}

fn metadata_name(out: &mut String, name: &str) {
    if is_classic_metric_name(name) {
        out.push_str(name);
    } else {
        out.push('"');
        escape(out, name, true);
        out.push('"');
    }
}

fn label_name(out: &mut String, name: &str) {
    if is_classic_label_name(name) {
        out.push_str(name);
    } else {
        out.push('"');
        escape(out, name, true);
        out.push('"');
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, help: &str, samples: FamilySamples) -> MetricFamily {
        MetricFamily { name: name.to_owned(), help: help.to_owned(), unit: String::new(), samples }
    }

    #[test]
    fn every_kind_in_its_order() {
        let labels = LabelSet::from_pairs([("path", "a\"b\\c\nd"), ("code", "200")]);
        let histogram = HistogramValue { count: 3, sum: 1.5, buckets: vec![(0.1, 1), (1.0, 2), (f64::INFINITY, 3)] };
        let summary = SummaryValue { count: 2, sum: 3.0, quantiles: vec![(0.5, 1.0)] };
        let text = encode(&[
            family("c_total", "Line\none \\ \"two\".", FamilySamples::Counter(vec![(labels, 1e6, None)])),
            family("g", "", FamilySamples::Gauge(vec![(LabelSet::empty(), f64::NAN, Some(-5))])),
            family("h", "", FamilySamples::Histogram(vec![(LabelSet::from_pairs([("a", "1")]), histogram, None)])),
            family("s", "", FamilySamples::Summary(vec![(LabelSet::empty(), summary, None)])),
            family("my.metric", "", FamilySamples::Unknown(vec![(LabelSet::from_pairs([("k.v", "값")]), 2.0, None)])),
            family("nothing", "x", FamilySamples::Gauge(vec![])),
        ]);
        let expected = concat!(
            "# HELP c_total Line\\none \\\\ \"two\".\n# TYPE c_total counter\nc_total{code=\"200\",path=\"a\\\"b\\\\c\\nd\"} 1e+06\n",
            "# TYPE g gauge\ng NaN -5\n",
            "# TYPE h histogram\nh_bucket{a=\"1\",le=\"0.1\"} 1\nh_bucket{a=\"1\",le=\"1\"} 2\nh_bucket{a=\"1\",le=\"+Inf\"} 3\nh_sum{a=\"1\"} 1.5\nh_count{a=\"1\"} 3\n",
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 2\n",
            "# TYPE \"my.metric\" untyped\n{\"my.metric\",\"k.v\"=\"값\"} 2\n",
        );
        assert_eq!(text, expected);
    }
}
