//! Relabelling: rules that rewrite, keep and drop label sets, as Prometheus defines them. Used for targets and samples
//! here, and by other rooms for alerts.

use md5::{Digest, Md5};
use model::config::{ConfigError, Node, Section};
use model::{LabelSet, LabelSetBuilder, Pattern, is_classic_label_name};

const REPLACEMENT_DEFAULT: &str = "$1";
const SEPARATOR_DEFAULT: &str = ";";
const REGEX_DEFAULT: &str = "(.*)";

/// One rule of a `relabel_configs` list.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    source_labels: Vec<String>,
    separator: String,
    target_label: String,
    regex: Pattern,
    modulus: u64,
    replacement: String,
    action: Action,
    /// Whether label names are limited to the classic characters.
    legacy_names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

/// Reads a list of rules. `what` names it in the error about an entry without content, as upstream words it ("target
/// relabeling rule in scrape config"); `legacy_names` limits label names to the classic characters.
pub fn rules_from_node(node: Option<&Node>, what: &str, legacy_names: bool) -> Result<Vec<Rule>, ConfigError> {
    let entries = node.map_or(Ok(&[][..]), Node::as_sequence)?;
    entries
        .iter()
        .map(|entry| {
            if entry.is_null() {
                return Err(entry.error(format!("empty or null {what}")));
            }
            Rule::from_node(entry, legacy_names)
        })
        .collect()
}

/// Applies the rules in order. None if one of them drops the labels.
#[must_use]
pub fn apply(rules: &[Rule], labels: &LabelSet) -> Option<LabelSet> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = labels.to_builder();
    apply_to(rules, &mut builder).then(|| builder.build())
}

/// Applies the rules in order to labels in the making. False if one of them drops the labels.
pub fn apply_to(rules: &[Rule], labels: &mut LabelSetBuilder) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

impl Rule {
    fn from_node(node: &Node, legacy_names: bool) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let action = match section.present("action") {
            None => Action::Replace,
            Some(node) if node.is_null() || node.as_str()?.is_empty() => return Err(node.error("relabel action cannot be empty")),
            Some(node) => action_from(node)?,
        };
        let text = |node: Option<&Node>, default: &str| node.map_or(Ok(default.to_owned()), |node| node.as_str().map(str::to_owned));
        let regex_node = section.optional("regex");
        let regex = Pattern::new(&text(regex_node, REGEX_DEFAULT)?)
            .map_err(|error| regex_node.unwrap_or(node).error(format!("error parsing regexp: {error}")))?;
        let rule = Self {
            source_labels: section.optional("source_labels").map_or(Ok(Vec::new()), Node::as_strings)?,
            separator: text(section.optional("separator"), SEPARATOR_DEFAULT)?,
            target_label: text(section.optional("target_label"), "")?,
            regex,
            modulus: section.optional("modulus").map_or(Ok(0), Node::as_number)?,
            replacement: text(section.optional("replacement"), REPLACEMENT_DEFAULT)?,
            action,
            legacy_names,
        };
        section.finish()?;
        rule.check().map_err(|message| node.error(message))?;
        Ok(rule)
    }

    /// The rule as upstream's API writes it, with all fields.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "source_labels": self.source_labels, "separator": self.separator, "regex": self.regex.source(), "modulus": self.modulus,
            "target_label": self.target_label, "replacement": self.replacement, "action": self.action_name(),
        })
    }

    /// What upstream refuses, in its words.
    fn check(&self) -> Result<(), String> {
        use Action::{DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase};
        let (action, name) = (self.action, self.action_name());
        if action == HashMod && self.modulus == 0 {
            return Err("relabel configuration for hashmod requires non-zero modulus".to_owned());
        }
        let has_target = matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
        if has_target && self.target_label.is_empty() {
            return Err(format!("relabel configuration for {name} action requires 'target_label' value"));
        }
        if let Some(empty) = self.source_labels.iter().find(|label| !self.is_valid_name(label)) {
            return Err(format!("{empty:?} is not a valid label name"));
        }
        let is_template = action == Replace && has_variable(&self.target_label);
        let target_good = if is_template { self.is_valid_template(&self.target_label) } else { self.is_valid_name(&self.target_label) };
        if has_target && !target_good {
            return Err(format!("{:?} is invalid 'target_label' for {name} action", self.target_label));
        }
        let default_replacement = self.replacement == REPLACEMENT_DEFAULT;
        if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && !default_replacement {
            return Err(format!("'replacement' can not be set for {name} action"));
        }
        if action == LabelMap && !self.is_valid_template(&self.replacement) {
            return Err(format!("{:?} is invalid 'replacement' for {name} action", self.replacement));
        }
        let rest_default = self.modulus == 0 && self.separator == SEPARATOR_DEFAULT && default_replacement;
        if matches!(action, KeepEqual | DropEqual) && !(rest_default && self.regex.source() == REGEX_DEFAULT) {
            return Err(format!("{name} action requires only 'source_labels' and `target_label`, and no other fields"));
        }
        if matches!(action, LabelDrop | LabelKeep) && !(rest_default && self.source_labels.is_empty() && self.target_label.is_empty()) {
            return Err(format!("{name} action requires only 'regex', and no other fields"));
        }
        Ok(())
    }

    fn action_name(&self) -> &'static str {
        ACTIONS.iter().find(|(_, action)| *action == self.action).map_or("", |(name, _)| name)
    }

    fn is_valid_name(&self, name: &str) -> bool {
        if self.legacy_names { is_classic_label_name(name) } else { !name.is_empty() }
    }

    /// A name that may hold `$1`, `${1}` and `${name}`.
    fn is_valid_template(&self, text: &str) -> bool {
        if !self.legacy_names {
            return !text.is_empty();
        }
        let plain: String = text.chars().filter(|c| !matches!(c, '$' | '{' | '}')).collect();
        !plain.is_empty() && plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// False if the labels are dropped.
    fn apply(&self, labels: &mut LabelSetBuilder) -> bool {
        let value = self.source_value(labels);
        match self.action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual => return labels.get(&self.target_label).unwrap_or("") == value,
            Action::DropEqual => return labels.get(&self.target_label).unwrap_or("") != value,
            Action::Replace => self.replace(&value, labels),
            Action::Lowercase => _ = labels.set(&self.target_label, &value.to_lowercase()),
            Action::Uppercase => _ = labels.set(&self.target_label, &value.to_uppercase()),
            Action::HashMod => _ = labels.set(&self.target_label, &self.hash(&value).to_string()),
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => labels.retain(|name| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| self.regex.is_match(name)),
        }
        true
    }

    fn source_value(&self, labels: &LabelSetBuilder) -> String {
        let mut value = String::new();
        for (at, name) in self.source_labels.iter().enumerate() {
            if at > 0 {
                value.push_str(&self.separator);
            }
            value.push_str(labels.get(name).unwrap_or(""));
        }
        value
    }

    fn replace(&self, value: &str, labels: &mut LabelSetBuilder) {
        let Some(target) = self.regex.expand(value, &self.target_label) else { return };
        if !self.is_valid_name(&target) {
            return;
        }
        let Some(replacement) = self.regex.expand(value, &self.replacement) else { return };
        labels.set(&target, &replacement);
    }

    /// The last eight bytes of the MD5 sum, as a number, modulo.
    fn hash(&self, value: &str) -> u64 {
        let sum = Md5::digest(value.as_bytes());
        let last = sum.iter().skip(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        last % self.modulus
    }

    /// Names are taken in order, so that of two that map to the same name the later one counts.
    fn map(&self, labels: &mut LabelSetBuilder) {
        let mut mapped: Vec<(String, String, String)> = labels
            .iter()
            .filter_map(|(name, value)| self.regex.expand(name, &self.replacement).map(|to| (name.to_owned(), to, value.to_owned())))
            .collect();
        mapped.sort();
        for (_, to, value) in mapped.iter().filter(|(_, to, _)| self.is_valid_name(to)) {
            labels.set(to, value);
        }
    }
}

fn action_from(node: &Node) -> Result<Action, ConfigError> {
    let text = node.as_str()?.to_ascii_lowercase();
    let known = ACTIONS.iter().find(|(name, _)| *name == text);
    known.map(|(_, action)| *action).ok_or_else(|| {
        let nearest = model::config::nearest(&text, ACTIONS.iter().map(|(name, _)| *name));
        let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        node.error(format!("unknown relabel action {text:?}{hint}"))
    })
}

/// Whether the text has something to fill in.
fn has_variable(text: &str) -> bool {
    text.contains('$')
}
