//! Lists of targets as files and services write them: `[{"targets": ["host:port"], "labels": {"a": "b"}}]`, as Prometheus
//! reads them.

use serde::Deserialize;
use serde_json::Value;

use crate::discovery::TargetGroup;
use crate::http;

/// One entry of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `host:port` each.
    pub targets: Vec<String>,
    /// In the order of their names.
    pub labels: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// Why a list could not be fetched, for the operator: a refusal names the grant to add.
#[must_use]
pub fn reason(error: &http::Error) -> String {
    match error {
        http::Error::Denied(grant) => format!("refused; to allow it, grant {grant}"),
        http::Error::Timeout => "no full answer in time".to_owned(),
        http::Error::TooLarge => "the answer is larger than limits: {body: \u{2026}} of this plugin".to_owned(),
        http::Error::Invalid(text)
        | http::Error::Dns(text)
        | http::Error::Connect(text)
        | http::Error::Tls(text)
        | http::Error::Protocol(text) => text.clone(),
    }
}

/// Reads a JSON text. Nothing, which Go's programs write for an empty list, is an empty list.
///
/// # Errors
/// What is wrong, with line and column or with the entry's number: the list counts as a whole or not at all.
pub fn from_json(text: &[u8]) -> Result<Vec<Entry>, String> {
    let written: Option<Vec<Option<Written>>> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    checked(written.unwrap_or_default())
}

/// Reads what is JSON in the sense of its model: for lists that came as YAML.
///
/// # Errors
/// As [`from_json`].
pub fn from_value(value: Value) -> Result<Vec<Entry>, String> {
    let written: Option<Vec<Option<Written>>> = serde_json::from_value(value).map_err(|error| error.to_string())?;
    checked(written.unwrap_or_default())
}

fn checked(written: Vec<Option<Written>>) -> Result<Vec<Entry>, String> {
    let entry = |(at, entry): (usize, Option<Written>)| {
        let entry = entry.ok_or_else(|| format!("entry {} is nothing: write targets and labels, or leave it out", at + 1))?;
        let labels: Vec<(String, String)> = entry.labels.unwrap_or_default().into_iter().collect();
        if labels.iter().any(|(name, _)| name.is_empty()) {
            return Err(format!("entry {} has a label without a name", at + 1));
        }
        Ok(Entry { targets: entry.targets.unwrap_or_default(), labels })
    };
    written.into_iter().enumerate().map(entry).collect()
}

/// The groups of a list that came from one place, each with a label that names it. `meta` counts over what the list says.
#[must_use]
pub fn groups(place: &str, meta: &str, entries: Vec<Entry>) -> Vec<TargetGroup> {
    let group = |(at, entry): (usize, Entry)| {
        let mut labels = entry.labels;
        labels.retain(|(name, _)| name != meta);
        labels.push((meta.to_owned(), place.to_owned()));
        TargetGroup { source: format!("{place}:{at}"), targets: entry.targets, labels }
    };
    entries.into_iter().enumerate().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_prometheus_reads_them() {
        let list = from_json(br#"[{"targets":["a:1","b:2"],"labels":{"z":"1","a":""}},{"targets":["c"]},{"labels":null}]"#).unwrap();
        assert_eq!(list[0].labels, [("a".to_owned(), String::new()), ("z".to_owned(), "1".to_owned())]);
        assert_eq!((list.len(), list[1].targets.as_slice(), list[2].targets.len()), (3, &["c".to_owned()][..], 0));
        assert_eq!((from_json(b"[]"), from_json(b"null")), (Ok(Vec::new()), Ok(Vec::new())));
        for (text, part) in [
            (r#"[{"targets":["a"]},null]"#, "entry 2 is nothing"),
            (r#"[{"targets":["a"],"lables":{}}]"#, "unknown field `lables`"),
            (r#"[{"targets":[1]}]"#, "expected a string"),
            (r#"[{"targets":["a"],"labels":{"a":1}}]"#, "expected a string"),
            (r#"[{"targets":["a"],"labels":{"":"b"}}]"#, "without a name"),
            (r#"[{"targets":["a"]}"#, "EOF"),
            (r#"{"targets":["a"]}"#, "line 1 column"),
            ("<html>", "expected value"),
            ("", "EOF"),
        ] {
            let error = from_json(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let groups = groups("http://x/", "__meta_url", list);
        assert_eq!((groups[1].source.as_str(), groups[1].labels.len()), ("http://x/:1", 1));
    }
}
