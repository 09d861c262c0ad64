//! Blocks of what others wrote down.

use std::io::Read;
use std::path::Path;

use exposition::{Format, Reader};
use model::seams::Exemplar;
use model::{LabelSet, METRIC_NAME};
use tsdb::backfill::Buffer;

use super::{Outcome, backfill, brought};
use crate::out;

/// `skopos tsdb create-blocks-from openmetrics`
pub(super) fn openmetrics(file: &Path, data: &Path) -> Outcome {
    let name = file.display();
    let mut body = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut body).map(|_| ())
    } else {
        std::fs::read(file).map(|bytes| body = bytes)
    };
    read.map_err(|error| format!("{name}: {error}"))?;
    let buffer = parse(&body).map_err(|error| format!("{name}:{error}"))?;
    drop(body);
    let mut backfill = backfill(data)?;
    let report = backfill.write(&buffer).map_err(|error| error.to_string())?;
    out::line(brought(&report));
    Ok(true)
}

/// The samples of a body. The error begins with the line.
fn parse(body: &[u8]) -> Result<Buffer, String> {
    let mut reader = Reader::new(body, Format::OpenMetrics);
    let mut buffer = Buffer::new();
    loop {
        let sample = reader.read_sample().map_err(|error| format!("{}:{}: {}", error.line, error.column, error.message))?;
        let Some(sample) = sample else { return Ok(buffer) };
        let name = sample.name();
        let pairs: Vec<_> = sample.labels().collect();
        let all = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let labels = LabelSet::from_pairs(all.chain([(METRIC_NAME, name.as_ref())]));
        let (value, timestamp) = (sample.value, sample.timestamp);
        let exemplar = sample.exemplar().map(|exemplar| {
            let labels = LabelSet::from_pairs(exemplar.labels());
            (labels, exemplar.value, exemplar.timestamp)
        });
        let Some(time) = timestamp else {
            let line = 1 + body[..reader.line_offset()].iter().filter(|byte| **byte == b'\n').count();
            return Err(format!("{line}: the sample has no time; write it behind the value, in Unix seconds"));
        };
        let series = buffer.series(&labels);
        buffer.push(series, time, value.to_bits());
        if let Some((labels, value, own)) = exemplar {
            buffer.exemplar(series, Exemplar { labels, value, time: own.unwrap_or(time), own_time: own.is_some() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named() {
        for (text, error) in [
            ("# TYPE a gauge\na 1 5\na 2\n# EOF\n", "3: the sample has no time"),
            ("a 1 5\n", "2:1: the text ends without \"# EOF\""),
            ("a 1 5\nb{ 1\n# EOF\n", "2:"),
        ] {
            let found = parse(text.as_bytes()).map(|buffer| buffer.samples()).expect_err("it is wrong");
            assert!(found.starts_with(error), "{found}");
        }
        let buffer = parse(b"a 1 5\na 2 6.5\nb{x=\"y\"} 1 5 # {t=\"1\"} 2 3\n# EOF\n").expect("it is good");
        assert_eq!((buffer.len(), buffer.samples()), (2, 3));
    }
}
