//! Cuts the samples of a series into chunks.

use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram};

use super::chunk::{FLOAT_HISTOGRAM, HISTOGRAM, XOR};
use super::{XorChunk, histogram_writer};

/// Samples of a chunk, as upstream cuts them.
const CHUNK_SAMPLES: usize = 120;

/// A chunk as blocks and remote read have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawChunk {
    /// Times of the first and the last sample, Unix milliseconds.
    pub from: i64,
    /// See `from`.
    pub to: i64,
    /// How many samples.
    pub samples: u64,
    /// Prometheus' number of the encoding: 1 floats, 2 integer histograms, 3 float histograms.
    pub encoding: u8,
    /// The samples.
    pub data: Vec<u8>,
}

enum Open {
    None,
    Floats(i64, XorChunk),
    Histograms(Vec<(i64, Arc<Histogram>)>),
}

/// Hands out chunk by chunk. Times ascend; `floats` has a float's bits for each, [`HISTOGRAM_BITS`] where `histogram_at` has a
/// histogram, and [`ABSENT_BITS`] where there is nothing.
pub fn chunks<E>(
    times: &[i64],
    floats: impl IntoIterator<Item = u64>,
    histogram_at: &dyn Fn(usize) -> Option<Arc<Histogram>>,
    mut sink: impl FnMut(RawChunk) -> Result<(), E>,
) -> Result<(), E> {
    let mut open = Open::None;
    for (row, (time, bits)) in times.iter().zip(floats).enumerate() {
        match bits {
            ABSENT_BITS => {}
            HISTOGRAM_BITS => {
                let Some(histogram) = histogram_at(row) else { continue };
                match &mut open {
                    Open::Histograms(run)
                        if run.len() < CHUNK_SAMPLES
                            && run.last().is_some_and(|(_, last)| histogram_writer::share_a_chunk(last, &histogram)) =>
                    {
                        run.push((*time, histogram));
                    }
                    _ => close(std::mem::replace(&mut open, Open::Histograms(vec![(*time, histogram)])), &mut sink)?,
                }
            }
            bits => match &mut open {
                Open::Floats(_, chunk) if usize::from(chunk.len()) < CHUNK_SAMPLES => chunk.push(*time, bits),
                _ => {
                    let mut chunk = XorChunk::default();
                    chunk.push(*time, bits);
                    close(std::mem::replace(&mut open, Open::Floats(*time, chunk)), &mut sink)?;
                }
            },
        }
    }
    close(open, &mut sink)
}

fn close<E>(open: Open, sink: &mut impl FnMut(RawChunk) -> Result<(), E>) -> Result<(), E> {
    match open {
        Open::None => Ok(()),
        Open::Floats(from, chunk) => {
            let (to, samples) = (chunk.last().unwrap_or(from), chunk.len().into());
            sink(RawChunk { from, to, samples, encoding: XOR, data: chunk.into_bytes() })
        }
        Open::Histograms(run) => {
            let borrowed: Vec<(i64, &Histogram)> = run.iter().map(|(time, histogram)| (*time, &**histogram)).collect();
            let ([(from, first), ..], Some((to, _))) = (borrowed.as_slice(), borrowed.last()) else {
                return Ok(());
            };
            let encoding = if histogram_writer::is_float(first) { FLOAT_HISTOGRAM } else { HISTOGRAM };
            sink(RawChunk { from: *from, to: *to, samples: run.len() as u64, encoding, data: histogram_writer::encode(&borrowed) })
        }
    }
}
