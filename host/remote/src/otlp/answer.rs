//! What a request is answered with.

use std::collections::BTreeMap;

/// The answer to an OTLP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpAnswer {
    /// The HTTP status: 200 (with [`Self::body`]), 400, 413, 415 (do not repeat it), 429, 503 (come again).
    pub status: u16,
    /// Data points that were not stored. Of one whose samples storage refused in part, each sample counts, up to all points.
    pub rejected: u64,
    /// Why, for people; empty where all was taken.
    pub text: String,
    /// For `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

impl OtlpAnswer {
    pub(crate) fn refused(status: u16, text: impl Into<String>) -> Self {
        Self { status, rejected: 0, text: text.into(), retry_after_s: None }
    }

    /// Too much is going on: come again.
    #[must_use]
    pub fn later(text: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..Self::refused(429, text) }
    }

    /// `ExportMetricsServiceResponse`, empty where all was taken.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut partial = Vec::new();
        if self.rejected > 0 {
            partial.push(0x08);
            varint(&mut partial, self.rejected);
        }
        if !self.text.is_empty() {
            partial.push(0x12);
            varint(&mut partial, self.text.len() as u64);
            partial.extend_from_slice(self.text.as_bytes());
        }
        let mut body = Vec::new();
        if !partial.is_empty() {
            body.push(0x0A);
            varint(&mut body, partial.len() as u64);
            body.extend_from_slice(&partial);
        }
        body
    }
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is counted of OTLP. Counters begin at 0 with the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpStats {
    /// Requests of which all was taken.
    pub requests: u64,
    /// Requests of which something, or all, was refused.
    pub requests_refused: u64,
    /// Requests that storage failed.
    pub requests_failed: u64,
    /// Data points that came.
    pub points: u64,
    /// Data points that were not stored, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Series of a request that were not stored because those of another metric have the same labels after translation.
    pub collisions: u64,
    /// Bytes that were inflated.
    pub inflated_bytes: u64,
}
