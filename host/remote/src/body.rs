//! Decompressing bodies, within limits, into a buffer of the caller's.

use std::io::Read;

use crate::answer::Answer;
use crate::content::Encoding;

/// Most bytes of a request, decompressed: upstream's limit.
pub(crate) const DECODED_BYTES_MAX: usize = 32 << 20;

/// Largest window of a zstd frame, as a power of two: 8 MiB, what the format asks every decoder to have.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The body, decompressed into `buffer`. The declared length counts before anything is allocated.
pub(crate) fn decode<'a>(
    body: &[u8],
    encoding: Encoding,
    snappy: &mut snap::raw::Decoder,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Answer> {
    match encoding {
        Encoding::Snappy => {
            let len = snap::raw::decompress_len(body).map_err(|error| bad(&format!("snappy: {error}")))?;
            if len > DECODED_BYTES_MAX {
                return Err(bad(&format!("snappy: the body declares {len} bytes, more than the limit of {DECODED_BYTES_MAX}")));
            }
            // Two bytes of a copy yield 64 bytes at most.
            if len / 32 > body.len() {
                return Err(bad(&format!("snappy: {} bytes cannot hold the {len} that they declare", body.len())));
            }
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            let written = snappy.decompress(body, &mut buffer[..len]).map_err(|error| bad(&format!("snappy: {error}")))?;
            Ok(&buffer[..written])
        }
        Encoding::Zstd => {
            buffer.clear();
            let read = zstd::stream::read::Decoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                decoder.take(DECODED_BYTES_MAX as u64 + 1).read_to_end(buffer)
            });
            let len = read.map_err(|error| bad(&format!("zstd: {error}")))?;
            if len > DECODED_BYTES_MAX {
                return Err(bad(&format!("zstd: the body has more than the limit of {DECODED_BYTES_MAX} bytes")));
            }
            Ok(&buffer[..len])
        }
    }
}

fn bad(reason: &str) -> Answer {
    Answer::refused(400, reason)
}
