//! Alerts beside each other, for `promtool test rules --diff`: in the form of JSON, what is missing in red, what is too much in green,
//! what changed in yellow with both values.

use std::collections::BTreeSet;

use model::LabelSet;

use super::report::indent;
use super::run::Alerts;

const RED: &str = "\x1b[0;31m";
const GREEN: &str = "\x1b[0;32m";
const YELLOW: &str = "\x1b[0;33m";
const PLAIN: &str = "\x1b[0m";

/// Both in order.
pub(super) fn alerts(expected: &Alerts, found: &Alerts) -> String {
    let count = expected.len().max(found.len());
    let entries = (0..count).map(|at| match (expected.get(at), found.get(at)) {
        (Some(expected), Some(found)) => entry(&map(&expected.1, &found.1), &map(&expected.0, &found.0)),
        (Some(expected), None) => painted(RED, &entry(&map(&expected.1, &expected.1), &map(&expected.0, &expected.0))),
        (None, found) => painted(GREEN, &found.map(|found| entry(&map(&found.1, &found.1), &map(&found.0, &found.0))).unwrap_or_default()),
    });
    indent(&braced('[', &entries.collect::<Vec<_>>(), ']'), "            ")
}

fn entry(annotations: &str, labels: &str) -> String {
    braced('{', &[format!("\"Annotations\": {annotations}"), format!("\"Labels\": {labels}")], '}')
}

fn map(expected: &LabelSet, found: &LabelSet) -> String {
    let names: BTreeSet<&str> = expected.iter().chain(found.iter()).map(|(name, _)| name).collect();
    let line = |name: &str| match (expected.get(name), found.get(name)) {
        (Some(expected), Some(found)) if expected == found => format!("{name:?}: {found:?}"),
        (Some(expected), Some(found)) => format!("{name:?}: {}", painted(YELLOW, &format!("{expected:?} => {found:?}"))),
        (Some(expected), None) => painted(RED, &format!("{name:?}: {expected:?}")),
        (None, found) => painted(GREEN, &format!("{name:?}: {:?}", found.unwrap_or_default())),
    };
    braced('{', &names.into_iter().map(line).collect::<Vec<_>>(), '}')
}

/// One on a line, moved to the right.
fn braced(open: char, entries: &[String], close: char) -> String {
    if entries.is_empty() {
        return format!("{open}{close}");
    }
    format!("{open}\n    {}\n{close}", indent(&entries.join(",\n"), "    "))
}

/// Line by line, so that nothing else on a line takes the colour.
fn painted(colour: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{colour}{line}{PLAIN}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_missing_or_is_too_much_stands_out() {
        let set = |pairs: &[(&str, &str)]| LabelSet::from_pairs(pairs.iter().copied());
        let expected = vec![(set(&[("a", "1"), ("b", "2")]), set(&[]))];
        let found = vec![(set(&[("a", "9"), ("c", "3")]), set(&[])), (set(&[("d", "4")]), set(&[]))];
        let text = alerts(&expected, &found);
        assert!(text.contains("\"a\": \x1b[0;33m\"1\" => \"9\"\x1b[0m"), "{text}");
        assert!(text.contains("\x1b[0;31m\"b\": \"2\"\x1b[0m") && text.contains("\x1b[0;32m\"c\": \"3\"\x1b[0m"), "{text}");
        assert!(text.contains("\x1b[0;32m        \"d\": \"4\"\x1b[0m"), "{text}");
        assert!(alerts(&expected, &Vec::new()).contains("\x1b[0;31m        \"b\": \"2\"\x1b[0m"));
    }
}
