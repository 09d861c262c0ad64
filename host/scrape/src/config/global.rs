use std::path::{Path, PathBuf};

use model::LabelSet;
use model::config::{ConfigError, Node, Section};

use super::job::Switches;
use super::limits::Limits;

/// The section `global`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    /// Milliseconds between scrapes of a job that says nothing else.
    pub scrape_interval_ms: u64,
    /// Milliseconds that a scrape may take.
    pub scrape_timeout_ms: u64,
    /// Milliseconds between evaluations of a rule group that says nothing else.
    pub evaluation_interval_ms: u64,
    /// Milliseconds by which rules look back.
    pub rule_query_offset_ms: u64,
    /// Labels that what leaves this server carries: alerts, remote writes, federation.
    pub external_labels: LabelSet,
    /// The file that queries are logged to.
    pub query_log_file: Option<PathBuf>,
    /// The defaults of jobs.
    pub limits: Limits,
    pub(super) switches: Switches,
}

impl GlobalConfig {
    pub(super) fn from_node(node: Option<&Node>, base_dir: &Path, warnings: &mut Vec<ConfigError>) -> Result<Self, ConfigError> {
        let nothing = Node::empty_mapping();
        let mut section = Section::new(node.unwrap_or(&nothing))?;
        let interval = duration(&mut section, "scrape_interval", 60_000)?;
        let timeout_node = section.optional("scrape_timeout");
        let timeout = timeout_node.map_or(Ok(0), Node::as_duration_ms)?;
        if timeout > interval {
            return Err(timeout_node.unwrap_or(section.node()).error("global scrape timeout greater than scrape interval"));
        }
        let config = Self {
            scrape_interval_ms: interval,
            scrape_timeout_ms: if timeout == 0 { interval.min(10_000) } else { timeout },
            evaluation_interval_ms: duration(&mut section, "evaluation_interval", 60_000)?,
            rule_query_offset_ms: section.optional("rule_query_offset").map_or(Ok(0), Node::as_duration_ms)?,
            external_labels: section.optional("external_labels").map_or(Ok(LabelSet::empty()), |node| external_labels(node, warnings))?,
            query_log_file: query_log_file(&mut section, base_dir)?,
            limits: Limits::from_section(&mut section, Limits::default())?,
            switches: Switches::from_section(&mut section, &Switches::default(), base_dir)?,
        };
        section.finish()?;
        Ok(config)
    }

    /// Whether names are limited to the classic characters unless a job says otherwise.
    #[must_use]
    pub fn legacy_names(&self) -> bool {
        self.switches.legacy_names
    }
}

/// A duration above zero; zero counts as not given, as upstream.
pub(super) fn duration(section: &mut Section<'_>, key: &str, default: u64) -> Result<u64, ConfigError> {
    let value = section.optional(key).map_or(Ok(0), Node::as_duration_ms)?;
    Ok(if value == 0 { default } else { value })
}

fn query_log_file(section: &mut Section<'_>, base_dir: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let Some(node) = section.optional("query_log_file") else { return Ok(None) };
    let text = node.as_str()?;
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(base_dir.join(text)))
}

fn external_labels(node: &Node, warnings: &mut Vec<ConfigError>) -> Result<LabelSet, ConfigError> {
    let mut pairs = Vec::new();
    for (name, position, value) in node.as_mapping()? {
        if !model::is_classic_label_name(name) && (name.is_empty() || name.contains('\u{fffd}')) {
            return Err(ConfigError {
                path: node.path.clone(),
                position: *position,
                message: format!("{name:?} is not a valid label name"),
            });
        }
        let mut unset = Vec::new();
        pairs.push((name.clone(), expand_environment(value.as_str()?, &mut unset)));
        for variable in unset {
            warnings.push(value.error(format!("the environment variable {variable} is not set: it reads as an empty text")));
        }
    }
    Ok(LabelSet::from_pairs(pairs))
}

/// Fills in `$NAME` and `${NAME}` from the environment; `$$` stands for a dollar sign. What is not set is empty, and is named
/// in `unset`. Values are taken as they are: whatever they hold, they stay the text of one label.
fn expand_environment(text: &str, unset: &mut Vec<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let bare = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (name, after) = braced.unwrap_or((&rest[..bare], &rest[bare..]));
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&std::env::var(name).unwrap_or_else(|_| {
                unset.push(name.to_owned());
                String::new()
            }));
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_fills_in() {
        let home = std::env::var("PATH").expect("tests have a PATH");
        for (text, expected) in [
            ("a", "a".to_owned()),
            ("$PATH", home.clone()),
            ("x${PATH}y", format!("x{home}y")),
            ("$$PATH", "$PATH".to_owned()),
            ("a$", "a$".to_owned()),
            ("${SKOPOS_NOT_SET}b", "b".to_owned()),
            ("$-", "$-".to_owned()),
        ] {
            let mut unset = Vec::new();
            assert_eq!(expand_environment(text, &mut unset), expected, "{text}");
            assert_eq!(unset.len(), usize::from(text.contains("NOT_SET")), "{text}");
        }
    }
}
