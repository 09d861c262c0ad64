//! Samples as text.

use std::io::{self, Write};
use std::path::Path;

use model::{LabelSet, METRIC_NAME, is_stale};

use super::walk::{self, Value};
use super::{Outcome, open, text};
use crate::cli::SelectArgs;
use crate::out;

/// `skopos tsdb dump`
pub(super) fn dump(data: &Path, select: &SelectArgs) -> Outcome {
    print(data, select, |out, labels, time, value| match value {
        Value::Float(value) => writeln!(out, "{} {} {time}", text::labels(labels), text::float(value)),
        Value::Histogram(histogram) => writeln!(out, "{} {} {time}", text::labels(labels), text::histogram(histogram)),
    })
}

/// `skopos tsdb dump-openmetrics`
pub(super) fn dump_openmetrics(data: &Path, select: &SelectArgs) -> Outcome {
    let (mut histograms, mut ends) = (0_u64, 0_u64);
    let good = print(data, select, |out, labels, time, value| match value {
        Value::Histogram(_) => {
            histograms += 1;
            Ok(())
        }
        Value::Float(value) if is_stale(value) => {
            ends += 1;
            Ok(())
        }
        Value::Float(value) => {
            let (sign, ms) = (if time < 0 { "-" } else { "" }, time.unsigned_abs());
            writeln!(out, "{} {} {sign}{}.{:03}", selector(labels), text::float(value), ms / 1000, ms % 1000)
        }
    })?;
    out::line("# EOF");
    if histograms + ends > 0 {
        out::error(format_args!("left out: {histograms} native histograms and {ends} markers that a series ended"));
    }
    Ok(good)
}

fn print(data: &Path, select: &SelectArgs, mut line: impl FnMut(&mut dyn Write, &LabelSet, i64, Value<'_>) -> io::Result<()>) -> Outcome {
    let (db, good) = open(data)?;
    let mut out = out::many();
    let mut written = Ok(());
    walk::series(&db, &select.matchers()?, select.range(), &mut |labels, time, value| {
        if written.is_ok() {
            written = line(&mut out, labels, time, value);
        }
    })?;
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(good),
    }
}

/// `up{job="node"}`, or with the name in the braces where it cannot stand before them. Values have the format's three escapes.
fn selector(labels: &LabelSet) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let name = labels.metric_name().unwrap_or_default();
    let plain = model::is_classic_metric_name(name);
    let own = (!plain && !name.is_empty()).then(|| quote(name));
    let rest = labels.iter().filter(|(name, _)| *name != METRIC_NAME).map(|(name, value)| {
        let name = if model::is_classic_label_name(name) { name.to_owned() } else { quote(name) };
        format!("{name}={}", quote(value))
    });
    let inside: Vec<String> = own.into_iter().chain(rest).collect();
    match (plain, inside.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{name}{{{}}}", inside.join(",")),
        (false, _) => format!("{{{}}}", inside.join(",")),
    }
}
