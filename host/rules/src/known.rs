//! Rule files with keys that nobody knows, for whoever wants them left out: files of other tools are rule files with more in them.

use model::config::{Node, NodeValue};

const FILE: &[&str] = &["groups"];
const GROUP: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// The tree of a rule file without the keys that [`crate::RuleFile`] does not know, at any of its levels.
#[must_use]
pub fn known_keys(file: &Node) -> Node {
    only(file, FILE, &|groups| each(groups, &|group| only(group, GROUP, &|rules| each(rules, &|rule| only(rule, RULE, &Node::clone)))))
}

/// A mapping with these keys alone; what is below the list that it holds is `inner`'s.
fn only(node: &Node, known: &[&str], inner: &dyn Fn(&Node) -> Node) -> Node {
    let NodeValue::Mapping(entries) = &node.value else { return node.clone() };
    let kept = entries.iter().filter(|(key, ..)| known.contains(&key.as_str()));
    let kept = kept.map(|(key, position, value)| {
        let below = matches!(key.as_str(), "groups" | "rules");
        (key.clone(), *position, if below { inner(value) } else { value.clone() })
    });
    Node { value: NodeValue::Mapping(kept.collect()), ..node.clone() }
}

fn each(node: &Node, of: &dyn Fn(&Node) -> Node) -> Node {
    match &node.value {
        NodeValue::Sequence(items) => Node { value: NodeValue::Sequence(items.iter().map(of).collect()), ..node.clone() },
        _ => node.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleFile;

    #[test]
    fn what_nobody_knows_is_left_out_at_each_level_and_nothing_else() {
        let text =
            "more: 1\ngroups: [{name: g, partial_response_strategy: warn, rules: [{record: x, expr: up, note: 1, labels: {note: a}}]}]";
        let node = yaml::parse(text).expect("YAML");
        let read = |node: &Node| RuleFile::from_node(node, "r.yml", promql::Features::ALL);
        assert!(read(&node).expect_err("it is strict").to_string().contains("unknown key"));
        let known = known_keys(&node);
        let file = read(&known).expect("it is good");
        assert_eq!(file.rule_count(), 1);
        assert_eq!(file.recordings().next().map(|rule| rule.name().to_owned()).as_deref(), Some("x"));
        // Labels may have any names.
        let rule = &known.get("groups").expect("kept").as_sequence().expect("a list")[0]
            .get("rules")
            .expect("kept")
            .as_sequence()
            .expect("a list")[0];
        assert_eq!(rule.get("labels").and_then(|labels| labels.get("note")).map(Node::as_str), Some(Ok("a")));
        assert!(rule.get("note").is_none());
    }
}
