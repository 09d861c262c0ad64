//! Floats as integers: most values of metrics are integers or decimals with a few places, whose differences are short.

/// Most decimal places.
pub(crate) const SCALE_MAX: u8 = 15;
/// Largest mantissa. Up to here neighbours differ as floats at every scale, so that the mantissa of a value is unique.
const MANTISSA_MAX: i64 = 1 << 51;
/// Exact as floats up to 10^22.
const POWERS: [f64; SCALE_MAX as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The integer that, divided by 10^scale, gives exactly these bits.
#[inline]
pub(crate) fn mantissa(bits: u64, scale: u8) -> Option<i64> {
    let value = f64::from_bits(bits);
    if scale == 0 {
        // The conversion saturates, and NaN becomes 0: neither gives the bits back.
        let whole = value as i64;
        return ((whole as f64).to_bits() == bits && whole.unsigned_abs() <= MANTISSA_MAX as u64).then_some(whole);
    }
    let scaled = value * POWERS[usize::from(scale)];
    if scaled.abs() > MANTISSA_MAX as f64 {
        return None;
    }
    let whole = (scaled + 0.5_f64.copysign(scaled)) as i64;
    ((whole as f64 / POWERS[usize::from(scale)]).to_bits() == bits && whole.unsigned_abs() <= MANTISSA_MAX as u64).then_some(whole)
}

/// Likewise, of bits that are known to have one: without proof it takes half the time.
#[inline]
pub(crate) fn known_mantissa(bits: u64, scale: u8) -> i64 {
    let value = f64::from_bits(bits);
    if scale == 0 {
        return value as i64;
    }
    let scaled = value * POWERS[usize::from(scale)];
    (scaled + 0.5_f64.copysign(scaled)) as i64
}

/// The bits of `mantissa / 10^scale`. The scale is at most [`SCALE_MAX`].
#[inline]
pub(crate) fn value_of(mantissa: i64, scale: u8) -> u64 {
    (mantissa as f64 / POWERS[usize::from(scale)]).to_bits()
}

/// The smallest scale at which the value has a mantissa, with it.
pub(crate) fn scale_of(bits: u64) -> Option<(u8, i64)> {
    scale_from(bits, 0)
}

/// Likewise, from `scale` on.
pub(crate) fn scale_from(bits: u64, scale: u8) -> Option<(u8, i64)> {
    if !f64::from_bits(bits).is_finite() {
        return None;
    }
    (scale..=SCALE_MAX).find_map(|s| mantissa(bits, s).map(|m| (s, m)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: f64, expected: Option<(u8, i64)>) {
        assert_eq!(scale_of(value.to_bits()), expected, "{value:?}");
    }

    #[test]
    fn finds_the_smallest_scale() {
        check(0.0, Some((0, 0)));
        check(-0.0, None);
        check(42.0, Some((0, 42)));
        check(-0.5, Some((1, -5)));
        check(12_345.678_901_234, Some((9, 12_345_678_901_234)));
        check(1.0 / 3.0, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
        check(1e18, None);
        check((1_i64 << 51) as f64, Some((0, 1 << 51)));
        check((1_i64 << 51) as f64 + 1.0, None);
        check(5e-324, None);
    }

    proptest! {
        #[test]
        fn a_decimal_has_one_mantissa(m in -MANTISSA_MAX..=MANTISSA_MAX, scale in 0..=SCALE_MAX) {
            let bits = value_of(m, scale);
            if m != 0 {
                prop_assert_eq!(mantissa(bits, scale), Some(m));
                prop_assert_eq!(known_mantissa(bits, scale), m);
            }
        }

        #[test]
        fn a_mantissa_gives_the_bits_back(bits: u64, scale in 0..=SCALE_MAX) {
            if let Some(m) = mantissa(bits, scale) {
                prop_assert_eq!(value_of(m, scale), bits);
            }
        }
    }
}
