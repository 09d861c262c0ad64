//! Entries for fuzzing: each takes any bytes and must come back, without a panic and with bounded memory.

use crate::protobuf::{Error, Reader, Value};

/// Reads all of a body in protobuf, as a scrape does and more. Returns samples and native histograms, or why it is none.
pub fn protobuf(body: &[u8]) -> Result<(usize, usize), Error> {
    let (mut floats, mut natives) = (0, 0);
    let (mut reader, mut labels) = (Reader::new(body), Vec::new());
    while let Some(family) = reader.next_family()? {
        let mut metrics = family.metrics();
        while let Some(metric) = metrics.next_metric()? {
            metric.read_labels(&mut labels)?;
            let named_by = metric.named_by();
            debug_assert!(named_by.is_none_or(|bytes| bytes.len() <= body.len()));
            let value = metric.value()?;
            value.floats(|float| {
                floats += 1;
                let _ = float.part.label();
                float.exemplar.map_or(Ok(()), |exemplar| exemplar.read().map(drop))
            })?;
            let Value::Histogram(histogram) = value else { continue };
            histogram.exemplars(|exemplar| exemplar.read().map(drop))?;
            if histogram.is_native() {
                let native = histogram.native()?;
                natives += 1;
                debug_assert_eq!(native.check(), Ok(()));
                debug_assert!(native.reduced(-4).is_none_or(|reduced| reduced.check().is_ok()));
            }
        }
    }
    Ok((floats, natives))
}
