/// The bits of the stale marker, a NaN that says "this series ended here". The pattern is Prometheus'.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The bits that stand for "no sample in this row" in a column of values. Never stored, never shown: a NaN pattern that
/// no arithmetic yields.
pub const ABSENT_BITS: u64 = 0x7ff0_0000_0000_5c0b;

/// The bits that stand in a column of values for "here is a histogram", whose content is kept beside it. Like
/// [`ABSENT_BITS`] never shown, and a NaN pattern that no arithmetic yields.
pub const HISTOGRAM_BITS: u64 = 0x7ff0_0000_0000_5c0c;

/// The stale marker.
#[must_use]
pub fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether the value is the stale marker.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// What a column holds in rows where its series has no sample.
#[must_use]
pub fn absent() -> f64 {
    f64::from_bits(ABSENT_BITS)
}

/// Whether a column has no sample in this row.
#[must_use]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}
