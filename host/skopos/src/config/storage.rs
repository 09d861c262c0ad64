//! The section `storage`.

use model::config::{ConfigError, Node, Section};

/// What the section says that counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Storage {
    /// How much is kept. May change while running.
    pub(crate) retention: Retention,
    /// How much older than its group's newest row a row may be, in milliseconds.
    pub(crate) out_of_order_window_ms: u64,
    /// Most exemplars that are kept in memory; none: as upstream.
    pub(crate) exemplars_max: Option<usize>,
}

/// How much is kept; none: what the flag says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Retention {
    /// How long samples are kept, in milliseconds.
    pub(crate) time_ms: Option<u64>,
    /// Most bytes.
    pub(crate) bytes: Option<u64>,
    /// Most percent of the disk.
    pub(crate) percent: Option<f64>,
}

/// Exemplars that are kept unless told otherwise, as upstream.
pub(crate) const EXEMPLARS_MAX: usize = 100_000;

impl Storage {
    /// Reads the section. What is checked and has no effect is told in `warnings`.
    pub(super) fn from_node(node: Option<&Node>, warnings: &mut Vec<ConfigError>) -> Result<Self, ConfigError> {
        let Some(node) = node else { return Ok(Self::default()) };
        let mut storage = Self::default();
        let mut section = Section::new(node)?;
        if let Some(tsdb) = section.optional("tsdb") {
            let mut section = Section::new(tsdb)?;
            if let Some(window) = section.optional("out_of_order_time_window") {
                storage.out_of_order_window_ms = window.as_duration_ms()?;
            }
            fraction(&mut section, "stale_series_compaction_threshold", warnings)?;
            chunk_encoding(&mut section, warnings)?;
            if let Some(retention) = section.optional("retention") {
                storage.retention = read_retention(retention)?;
            }
            section.finish()?;
        }
        if let Some(exemplars) = section.optional("exemplars") {
            let mut section = Section::new(exemplars)?;
            if let Some(max) = section.optional("max_exemplars") {
                // As upstream: nothing or less keeps none.
                let number: i64 = max.as_number()?;
                storage.exemplars_max = Some(usize::try_from(number).unwrap_or(0));
            }
            section.finish()?;
        }
        section.finish()?;
        Ok(storage)
    }
}

fn read_retention(node: &Node) -> Result<Retention, ConfigError> {
    let mut section = Section::new(node)?;
    let mut retention =
        Retention { time_ms: section.optional("time").map(Node::as_duration_ms).transpose()?.filter(|ms| *ms > 0), ..Retention::default() };
    if let Some(size) = section.optional("size") {
        if size.as_str()?.trim_start().starts_with('-') {
            return Err(size.error("'storage.tsdb.retention.size' must be greater than or equal to 0"));
        }
        retention.bytes = Some(size.as_bytes()?);
    }
    if let Some(percentage) = section.optional("percentage") {
        let number: f64 = percentage.as_number()?;
        if !(0.0..=100.0).contains(&number) {
            return Err(percentage.error("'storage.tsdb.retention.percentage' must be in the range [0, 100]"));
        }
        retention.percent = Some(number);
    }
    section.finish()?;
    Ok(retention)
}

fn fraction(section: &mut Section<'_>, key: &str, warnings: &mut Vec<ConfigError>) -> Result<(), ConfigError> {
    let Some(node) = section.optional(key) else { return Ok(()) };
    let number: f64 = node.as_number()?;
    if !(0.0..=1.0).contains(&number) {
        return Err(node.error(format!("'storage.tsdb.{key}' must be in the range [0, 1]")));
    }
    if number > 0.0 {
        warnings.push(node.error(format!("{key} has no effect: series that ended leave the head by themselves")));
    }
    Ok(())
}

fn chunk_encoding(section: &mut Section<'_>, warnings: &mut Vec<ConfigError>) -> Result<(), ConfigError> {
    let Some(node) = section.optional("chunk_encoding") else { return Ok(()) };
    let mut section = Section::new(node)?;
    if let Some(floats) = section.optional("floats") {
        match floats.as_str()? {
            "" | "xor" => {}
            "xor2" => warnings.push(floats.error("chunk_encoding has no effect: Skopos has an encoding of its own")),
            other => {
                let key = "'storage.tsdb.chunk_encoding.floats'";
                return Err(floats.error(format!("{key} must be 'xor' or 'xor2', or the field must be omitted entirely, got {other:?}")));
            }
        }
    }
    section.finish()
}
