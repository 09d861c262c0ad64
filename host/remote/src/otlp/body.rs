//! The body, inflated within a limit.

use std::io::Read;

use super::answer::OtlpAnswer;
use crate::body::DECODED_BYTES_MAX;

/// How much is inflated at a time.
const STEP_BYTES: usize = 256 << 10;

/// The message of a body. Of what the body inflates to, no more than the limit and a step are ever made; `inflated` counts them.
pub(crate) fn decode<'a>(
    body: &'a [u8],
    encoding: Option<&str>,
    buffer: &'a mut Vec<u8>,
    inflated: &mut u64,
) -> Result<&'a [u8], OtlpAnswer> {
    let text = encoding.unwrap_or_default().trim();
    if text.is_empty() || text.eq_ignore_ascii_case("identity") {
        return Ok(body);
    }
    if !text.eq_ignore_ascii_case("gzip") {
        return Err(OtlpAnswer::refused(415, format!("unsupported compression: {text}. Only \"gzip\" or no compression supported")));
    }
    buffer.clear();
    let mut reader = flate2::bufread::MultiGzDecoder::new(body);
    loop {
        let len = buffer.len();
        if buffer.capacity() < len + STEP_BYTES {
            // Doubles, but never past the limit and a step.
            let wanted = (len * 2).clamp(len + STEP_BYTES, (DECODED_BYTES_MAX + STEP_BYTES).max(len + STEP_BYTES));
            buffer.reserve_exact(wanted - len);
        }
        buffer.resize(len + STEP_BYTES, 0);
        let read = reader.read(&mut buffer[len..]);
        let read = read.map_err(|error| OtlpAnswer::refused(400, format!("gzip: {error}")));
        buffer.truncate(len + read.as_ref().map_or(0, |read| *read));
        let read = read?;
        *inflated += read as u64;
        if buffer.len() > DECODED_BYTES_MAX {
            let text = format!("gzip: the body inflates to more than the limit of {DECODED_BYTES_MAX} bytes: send smaller requests");
            return Err(OtlpAnswer::refused(413, text));
        }
        if read == 0 {
            return Ok(buffer);
        }
    }
}
