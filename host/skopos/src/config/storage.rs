//! The section `storage`.

use model::config::{ConfigError, Node, Section};

/// What the section says that counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    /// How long samples are kept, in milliseconds; none: the flag's.
    pub(crate) retention_ms: Option<u64>,
}

impl Storage {
    /// Reads the section. What is checked and has no effect is told in `warnings`.
    pub(super) fn from_node(node: Option<&Node>, warnings: &mut Vec<ConfigError>) -> Result<Self, ConfigError> {
        let Some(node) = node else { return Ok(Self::default()) };
        let mut storage = Self::default();
        let mut section = Section::new(node)?;
        if let Some(tsdb) = section.optional("tsdb") {
            let mut section = Section::new(tsdb)?;
            if let Some(window) = section.optional("out_of_order_time_window").filter(|w| w.as_duration_ms() != Ok(0)) {
                window.as_duration_ms()?;
                warnings.push(window.error("late samples are NOT stored: out_of_order_time_window is not supported yet"));
            }
            fraction(&mut section, "stale_series_compaction_threshold", warnings)?;
            chunk_encoding(&mut section, warnings)?;
            if let Some(retention) = section.optional("retention") {
                storage.retention_ms = read_retention(retention, warnings)?;
            }
            section.finish()?;
        }
        if let Some(exemplars) = section.optional("exemplars") {
            let mut section = Section::new(exemplars)?;
            if let Some(max) = section.optional("max_exemplars") {
                max.as_number::<i64>()?;
                warnings.push(max.error("max_exemplars has no effect: what is kept is bounded by the binary"));
            }
            section.finish()?;
        }
        section.finish()?;
        Ok(storage)
    }
}

fn read_retention(node: &Node, warnings: &mut Vec<ConfigError>) -> Result<Option<u64>, ConfigError> {
    let mut section = Section::new(node)?;
    let time = section.optional("time").map(Node::as_duration_ms).transpose()?.filter(|ms| *ms > 0);
    if let Some(size) = section.optional("size") {
        if size.as_str()?.trim_start().starts_with('-') {
            return Err(size.error("'storage.tsdb.retention.size' must be greater than or equal to 0"));
        }
        if size.as_bytes()? > 0 {
            warnings.push(size.error("the data directory is NOT limited in size: retention.size is not supported yet"));
        }
    }
    if let Some(percentage) = section.optional("percentage") {
        let number: f64 = percentage.as_number()?;
        if !(0.0..=100.0).contains(&number) {
            return Err(percentage.error("'storage.tsdb.retention.percentage' must be in the range [0, 100]"));
        }
        if number > 0.0 {
            warnings.push(percentage.error("the data directory is NOT limited in size: retention.percentage is not supported yet"));
        }
    }
    section.finish()?;
    Ok(time)
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
