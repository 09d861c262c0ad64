//! Columns of values: what the log's rows and the head's chunks are made of. `FORMAT.md` has every byte.

pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod chunk;
pub(crate) mod decimal;
pub(crate) mod histogram;

use model::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS};

use bytes::{Reader, put_zigzag};
use decimal::{SCALE_MAX, mantissa, scale_of, value_of};

/// The scale of a slot whose values are no short decimals.
pub(crate) const SCALE_NONE: u8 = 255;
/// The scale byte that says "stale marker".
const SCALE_STALE: u8 = 254;
/// The scale byte that says "a histogram, whose content is elsewhere".
const SCALE_HISTOGRAM: u8 = 253;
/// What a sample is stored as whose bits mean something else in memory: the NaN that Prometheus calls normal.
const NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The bits under which a value is kept.
pub(crate) fn storable_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits == ABSENT_BITS || bits == HISTOGRAM_BITS { NAN_BITS } else { bits }
}

/// Writes a value on its own and returns the scale that the slot has from then on.
pub(crate) fn put_item(out: &mut Vec<u8>, bits: u64) -> u8 {
    if bits == STALE_BITS {
        out.push(SCALE_STALE);
        return SCALE_NONE;
    }
    if bits == HISTOGRAM_BITS {
        out.push(SCALE_HISTOGRAM);
        return SCALE_NONE;
    }
    match scale_of(bits) {
        Some((scale, mantissa)) => {
            out.push(scale);
            put_zigzag(out, mantissa);
            scale
        }
        None => {
            out.push(SCALE_NONE);
            out.extend_from_slice(&bits.to_le_bytes());
            SCALE_NONE
        }
    }
}

/// Reads what [`put_item`] wrote: the value's bits and the slot's scale. None if it is malformed.
pub(crate) fn read_item(reader: &mut Reader<'_>) -> Option<(u64, u8)> {
    match reader.u8()? {
        SCALE_STALE => Some((STALE_BITS, SCALE_NONE)),
        SCALE_HISTOGRAM => Some((HISTOGRAM_BITS, SCALE_NONE)),
        SCALE_NONE => Some((reader.u64()?, SCALE_NONE)),
        scale if scale <= SCALE_MAX => {
            let bits = value_of(reader.zigzag()?, scale);
            // The writer only uses a scale that gives the very bits back, and later steps rely on it.
            mantissa(bits, scale).map(|_| (bits, scale))
        }
        _ => None,
    }
}

/// How many bytes the item takes that these begin with. None if they end before.
pub(crate) fn item_len(bytes: &[u8]) -> Option<usize> {
    let len = match *bytes.first()? {
        SCALE_STALE | SCALE_HISTOGRAM => 1,
        SCALE_NONE => 9,
        _ => 2 + bytes.get(1..)?.iter().position(|byte| byte & 0x80 == 0)?,
    };
    (len <= bytes.len()).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_bit_by_bit() {
        let values =
            [0.0, -0.0, 1.0, -1.0, 0.1, 12_345.678_901, 1e300, f64::MIN_POSITIVE / 8.0, f64::INFINITY, f64::NEG_INFINITY, model::stale()];
        let nans = [f64::NAN.to_bits(), 0x7ff0_0000_0000_0001, 0xffff_ffff_ffff_ffff, NAN_BITS, HISTOGRAM_BITS];
        for bits in values.iter().map(|v| v.to_bits()).chain(nans) {
            let mut out = Vec::new();
            let scale = put_item(&mut out, bits);
            assert_eq!(read_item(&mut Reader::new(&out)), Some((bits, scale)), "{bits:#x}");
            assert_eq!((item_len(&out), item_len(&out[..out.len() - 1])), (Some(out.len()), None), "{bits:#x}");
        }
        assert_eq!(read_item(&mut Reader::new(&[16, 0])), None, "no such scale");
        assert_eq!(storable_bits(model::absent()), NAN_BITS);
    }
}
