use model::config::{ConfigError, Node, Section};

/// Of a job; 0 means no limit, except for bodies, which always have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body after decompression.
    pub body_bytes: u64,
    /// Samples of a scrape after relabelling.
    pub samples: u64,
    /// Labels of a sample, the metric's name included.
    pub labels: u64,
    /// Bytes of a label's name.
    pub label_name_bytes: u64,
    /// Bytes of a label's value.
    pub label_value_bytes: u64,
    /// Targets of a job; beyond it all of them fail.
    pub targets: u64,
    /// Dropped targets that the targets page keeps.
    pub keep_dropped: u64,
}

/// Skopos' own default, where upstream has no limit.
const BODY_BYTES_DEFAULT: u64 = 64 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES_DEFAULT,
            samples: 0,
            labels: 0,
            label_name_bytes: 0,
            label_value_bytes: 0,
            targets: 0,
            keep_dropped: 0,
        }
    }
}

impl Limits {
    /// Takes the keys of the section; what is not there, or 0, is as in `default`.
    pub(super) fn from_section(section: &mut Section<'_>, default: Self) -> Result<Self, ConfigError> {
        let mut number = |key: &str, default: u64| {
            let value = section.optional(key).map_or(Ok(default), Node::as_number)?;
            Ok(if value == 0 { default } else { value })
        };
        let limits = Self {
            samples: number("sample_limit", default.samples)?,
            labels: number("label_limit", default.labels)?,
            label_name_bytes: number("label_name_length_limit", default.label_name_bytes)?,
            label_value_bytes: number("label_value_length_limit", default.label_value_bytes)?,
            targets: number("target_limit", default.targets)?,
            keep_dropped: number("keep_dropped_targets", default.keep_dropped)?,
            body_bytes: default.body_bytes,
        };
        let body_bytes = section.optional("body_size_limit").map_or(Ok(0), body_size)?;
        Ok(if body_bytes == 0 { limits } else { Self { body_bytes, ..limits } })
    }
}

/// A size with its unit, as upstream wants it; `0` alone stands without.
fn body_size(node: &Node) -> Result<u64, ConfigError> {
    let text = node.as_str()?;
    if text != "0" && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(node.error(format!("a size without a unit: write {text}B, or 10MB for megabytes")));
    }
    node.as_bytes()
}
