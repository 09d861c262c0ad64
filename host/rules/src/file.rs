//! What a rule file says.

use std::collections::HashSet;

use model::LabelSet;
use model::config::{ConfigError, Node, Section};
use promql::Features;
use promql::ast::Expr;
use template::PrometheusFunctions;

use crate::expand;

/// A rule file that holds together: every expression and template in it can be read.
#[derive(Clone, Debug)]
pub struct RuleFile {
    pub(crate) groups: Vec<GroupConfig>,
}

/// A group of rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupConfig {
    pub(crate) file: String,
    pub(crate) name: String,
    /// None: the global evaluation interval.
    pub(crate) interval_ms: Option<i64>,
    pub(crate) limit: u64,
    pub(crate) query_offset_ms: Option<i64>,
    pub(crate) rules: Vec<RuleConfig>,
}

/// A rule, with the labels of its group.
#[derive(Clone, Debug)]
pub(crate) struct RuleConfig {
    /// Of `record` or `alert`.
    pub(crate) name: String,
    pub(crate) expr: Expr,
    /// As the parser prints it.
    pub(crate) query: String,
    /// In order of the file; a recording rule's empty value removes a label.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) alert: Option<AlertConfig>,
}

impl PartialEq for RuleConfig {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.query, &self.labels, &self.alert) == (&other.name, &other.query, &other.labels, &other.alert)
    }
}

/// What only alerting rules have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlertConfig {
    pub(crate) for_ms: i64,
    pub(crate) keep_firing_for_ms: i64,
    pub(crate) annotations: Vec<(String, String)>,
}

impl RuleConfig {
    /// The labels as they are written.
    pub(crate) fn label_set(&self) -> LabelSet {
        self.labels.iter().map(|(name, value)| (name, value)).collect()
    }
}

fn ms(node: &Node) -> Result<i64, ConfigError> {
    Ok(i64::try_from(node.as_duration_ms()?).unwrap_or(i64::MAX))
}

/// Something that is wrong with a rule file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The rule, if it is of one: the name of its group, its place there from 1, its own name.
    pub rule: Option<(String, usize, String)>,
    /// What and where.
    pub error: ConfigError,
}

impl RuleFile {
    /// Reads the tree of a file. `file` names it, for errors and pages. What is not among the `features` of the language is wrong.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_node(node: &Node, file: &str, features: Features) -> Result<Self, ConfigError> {
        let first = |problems: Vec<Problem>| problems.into_iter().next().map(|first| first.error);
        Self::examine(node, file, features).map_err(|problems| first(problems).unwrap_or_else(|| node.error("is no rule file")))
    }

    /// The same, for whoever wants to know all that is wrong.
    ///
    /// # Errors
    /// All that is wrong, one thing at least.
    pub fn examine(node: &Node, file: &str, features: Features) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let groups = groups(node, file, features, &mut problems).unwrap_or_else(|error| {
            problems.push(Problem { rule: None, error });
            Vec::new()
        });
        if problems.is_empty() { Ok(Self { groups }) } else { Err(problems) }
    }

    /// The number of its rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.groups.iter().map(|group| group.rules.len()).sum()
    }

    /// Its recording rules, in the order of the file.
    pub fn recordings(&self) -> impl Iterator<Item = Recording<'_>> {
        let rules = self.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        rules.filter(|(_, rule)| rule.alert.is_none()).map(|(group, rule)| Recording { group, rule })
    }
}

/// A recording rule, for whoever evaluates it over the past.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    group: &'a GroupConfig,
    rule: &'a RuleConfig,
}

impl<'a> Recording<'a> {
    /// The name that it gives.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.rule.name
    }

    /// The expression.
    #[must_use]
    pub fn expr(&self) -> &'a Expr {
        &self.rule.expr
    }

    /// The same as text.
    #[must_use]
    pub fn query(&self) -> &'a str {
        &self.rule.query
    }

    /// How often its group is evaluated, if the group says so.
    #[must_use]
    pub fn interval_ms(&self) -> Option<i64> {
        self.group.interval_ms
    }

    /// The labels of what it records, from those that the expression gave.
    #[must_use]
    pub fn labels(&self, found: &LabelSet) -> LabelSet {
        let mut builder = found.to_builder();
        builder.set(model::METRIC_NAME, &self.rule.name);
        for (name, value) in &self.rule.labels {
            builder.set(name, value);
        }
        builder.build()
    }
}

fn groups(node: &Node, file: &str, features: Features, problems: &mut Vec<Problem>) -> Result<Vec<GroupConfig>, ConfigError> {
    // Tests stand beside their rules, so a pattern such as `rules/*.yml` finds them too.
    if node.get("tests").is_some() && node.get("groups").is_none() {
        return Err(node.error("this is a file of tests: `skopos test rules` runs it"));
    }
    let mut section = Section::new(node)?;
    let mut groups = Vec::new();
    let mut names = HashSet::new();
    for group_node in section.optional("groups").map_or(Ok(&[][..]), Node::as_sequence)? {
        let name = group_node.get("name").and_then(|name| name.as_str().ok()).unwrap_or_default();
        if !name.is_empty() && !names.insert(name.to_owned()) {
            let error = group_node.error(format!("groupname: {name:?} is repeated in the same file"));
            problems.push(Problem { rule: None, error });
        }
        match group(group_node, file, features, problems) {
            Ok(group) => groups.push(group),
            Err(error) => problems.push(Problem { rule: None, error }),
        }
    }
    section.finish()?;
    Ok(groups)
}

fn group(node: &Node, file: &str, features: Features, problems: &mut Vec<Problem>) -> Result<GroupConfig, ConfigError> {
    let mut section = Section::new(node)?;
    let name = section.optional("name").map_or(Ok(""), Node::as_str)?.to_owned();
    if name.is_empty() {
        return Err(node.error("Groupname must not be empty"));
    }
    let interval_ms = section.optional("interval").map(ms).transpose()?.filter(|ms| *ms > 0);
    let limit = section.optional("limit").map_or(Ok(0), Node::as_number)?;
    let query_offset_ms = section.optional("query_offset").map(ms).transpose()?;
    let labels = section.optional("labels").map_or(Ok(Vec::new()), |node| labels(node, "label"))?;
    let mut rules = Vec::new();
    for (at, node) in section.optional("rules").map_or(Ok(&[][..]), Node::as_sequence)?.iter().enumerate() {
        let mut found = Vec::new();
        match rule(node, &labels, features, &mut found) {
            Ok(rule) => rules.extend(rule),
            Err(error) => found.push(error),
        }
        let named = |key: &str| node.get(key).and_then(|name| name.as_str().ok()).filter(|name| !name.is_empty());
        let rule_name = named("alert").or_else(|| named("record")).unwrap_or_default();
        problems.extend(found.into_iter().map(|error| Problem { rule: Some((name.clone(), at + 1, rule_name.to_owned())), error }));
    }
    section.finish()?;
    Ok(GroupConfig { file: file.to_owned(), name, interval_ms, limit, query_offset_ms, rules })
}

/// Labels or annotations: names that can be names, and not the metric's.
fn labels(node: &Node, what: &str) -> Result<Vec<(String, String)>, ConfigError> {
    for (name, position, value) in node.as_mapping()? {
        if name.is_empty() || (what == "label" && name == model::METRIC_NAME) {
            return Err(ConfigError { path: value.path.clone(), position: *position, message: format!("invalid {what} name: {name}") });
        }
    }
    node.as_mapping()?
        .iter()
        .map(|(name, _, value)| Ok((name.clone(), if value.is_null() { String::new() } else { value.as_str()?.to_owned() })))
        .collect()
}

/// The rule, if nothing is wrong with it; what is wrong with its content is added to `found`, its form ends the reading.
fn rule(
    node: &Node,
    group_labels: &[(String, String)],
    features: Features,
    found: &mut Vec<ConfigError>,
) -> Result<Option<RuleConfig>, ConfigError> {
    let before = found.len();
    let mut section = Section::new(node)?;
    let text = |node: Option<&Node>| node.map_or(Ok(String::new()), |node| node.as_str().map(str::to_owned));
    let (record_node, alert_node) = (section.optional("record"), section.optional("alert"));
    let (record, alert) = (text(record_node)?, text(alert_node)?);
    let place = record_node.unwrap_or(node);
    match (record.is_empty(), alert.is_empty()) {
        (false, false) => found.push(place.error("only one of 'record' and 'alert' must be set")),
        (true, true) => found.push(node.error("one of 'record' or 'alert' must be set")),
        _ => {}
    }
    let expr_node = section.optional("expr");
    let text = text(expr_node)?;
    let expr = match expr_node.filter(|_| !text.is_empty()) {
        None => {
            found.push(node.error("field 'expr' must be set in rule"));
            None
        }
        Some(expr_node) => {
            let parsed = promql::parse(&text).and_then(|expr| promql::plan::supported(&expr, features).map(|()| expr));
            parsed.map_err(|error| found.push(expr_node.error(format!("could not parse expression: {error}")))).ok()
        }
    };
    let mut named = |node: Option<&Node>, what: &str| match node.map_or(Ok(Vec::new()), |node| labels(node, what)) {
        Ok(named) => named,
        Err(error) => {
            found.push(error);
            Vec::new()
        }
    };
    let (labels_node, annotations_node) = (section.optional("labels"), section.optional("annotations"));
    let (own, annotations) = (named(labels_node, "label"), named(annotations_node, "annotation"));
    // A rule's own label replaces its group's.
    let inherited = group_labels.iter().filter(|(name, _)| !own.iter().any(|(own, _)| own == name)).cloned();
    let all_labels: Vec<(String, String)> = inherited.chain(own.iter().cloned()).collect();
    let (for_node, keep_node) = (section.optional("for"), section.optional("keep_firing_for"));
    let (for_ms, keep_firing_for_ms) = (for_node.map_or(Ok(0), ms)?, keep_node.map_or(Ok(0), ms)?);
    section.finish()?;
    if !record.is_empty() {
        for (there, field) in [(!annotations.is_empty(), "annotations"), (for_ms != 0, "for"), (keep_firing_for_ms != 0, "keep_firing_for")]
        {
            if there {
                found.push(place.error(format!("invalid field '{field}' in recording rule")));
            }
        }
        if record.contains(['{', '}']) {
            found.push(place.error(format!("braces present in the recording rule name; should it be in expr?: {record}")));
        }
    }
    if !alert.is_empty() {
        for (what, node, texts) in [("label", labels_node, &own), ("annotation", annotations_node, &annotations)] {
            check_templates(what, node, texts, found);
        }
    }
    let Some(expr) = expr.filter(|_| found.len() == before) else { return Ok(None) };
    let (name, alert) =
        if alert.is_empty() { (record, None) } else { (alert, Some(AlertConfig { for_ms, keep_firing_for_ms, annotations })) };
    Ok(Some(RuleConfig { name, query: expr.to_string(), expr, labels: all_labels, alert }))
}

fn check_templates(what: &str, node: Option<&Node>, texts: &[(String, String)], found: &mut Vec<ConfigError>) {
    for (name, text) in texts {
        let Err(error) = expand::parse(name, text, &PrometheusFunctions::for_parsing()) else { continue };
        let message = format!("{what} {name:?}: {error}");
        found.extend(node.and_then(|node| node.get(name).or(Some(node))).map(|place| place.error(message)));
    }
}
