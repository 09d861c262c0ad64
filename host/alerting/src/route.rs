//! The tree that decides who is told of an alert, and how its alerts are grouped.

use std::collections::BTreeMap;

use model::{LabelSet, MatchOp, Matcher};

/// A node of the tree, with everything it inherits filled in.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The path of matchers from the root, in upstream's text form. Part of the group key.
    pub(crate) key: String,
    pub(crate) receiver: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) group_by: GroupBy,
    pub(crate) group_wait_ms: i64,
    pub(crate) group_interval_ms: i64,
    pub(crate) repeat_interval_ms: i64,
    /// Later siblings are asked too, even if this one matches.
    pub(crate) continues: bool,
    /// Templates by name, for `routeLabels`.
    pub(crate) labels: BTreeMap<String, String>,
    /// Indices into the list of all routes.
    pub(crate) children: Vec<usize>,
}

/// By which labels alerts of a route form groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// `['...']`: each label set is a group.
    All,
    /// These, sorted.
    Labels(Vec<String>),
}

impl GroupBy {
    /// The labels of an alert's group.
    pub(crate) fn of(&self, labels: &LabelSet) -> LabelSet {
        match self {
            Self::All => labels.clone(),
            Self::Labels(names) => labels.filter(|name| names.binary_search_by(|n| n.as_str().cmp(name)).is_ok()),
        }
    }
}

/// The tree as a list; the root is first.
#[derive(Clone, Debug)]
pub(crate) struct Routes(pub(crate) Vec<Route>);

impl Routes {
    /// The routes that take an alert: of each subtree that matches, the deepest nodes that match, in order.
    pub(crate) fn matching(&self, labels: &LabelSet) -> Vec<usize> {
        let mut found = Vec::new();
        self.walk(0, labels, &mut found);
        found
    }

    /// The depth of the tree was bounded when it was read.
    fn walk(&self, at: usize, labels: &LabelSet, found: &mut Vec<usize>) -> bool {
        let route = &self.0[at];
        if !route.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            if self.walk(*child, labels, found) && !self.0[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(at);
        }
        true
    }
}

/// Matchers in upstream's text form, sorted: `{a="b",c=~"d.*"}`. Those from `match_re` show their anchors there.
pub(crate) fn matchers_key(matchers: &[(Matcher, bool)]) -> String {
    let mut sorted: Vec<&(Matcher, bool)> = matchers.iter().collect();
    sorted.sort_by_key(|(matcher, _)| (matcher.name().to_owned(), matcher.value().to_owned(), matcher.op() as u8));
    let text = |(matcher, anchored): &&(Matcher, bool)| {
        let value =
            if *anchored && matcher.op() == MatchOp::Matches { format!("^(?:{})$", matcher.value()) } else { matcher.value().to_owned() };
        let name = if model::is_classic_label_name(matcher.name()) { matcher.name().to_owned() } else { quote(matcher.name()) };
        format!("{name}{}{}", matcher.op().symbol(), quote(&value))
    };
    format!("{{{}}}", sorted.iter().map(text).collect::<Vec<_>>().join(","))
}

/// The text form of a group: the route's key and the labels.
pub(crate) fn group_key(route: &Route, labels: &LabelSet) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
    format!("{}:{{{}}}", route.key, pairs.join(", "))
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
