//! One file with a list of targets.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};
use skopos_sdk::targets::{self, Entry};

/// How deep values may be nested: a list of mappings of lists is three deep.
const DEPTH_MAX: usize = 16;

/// Most values that aliases repeat.
const ALIASED_MAX: usize = 50_000;

/// Reads a file: JSON if its name says so, else YAML.
///
/// # Errors
/// What is wrong and where. A file counts as a whole or not at all.
pub fn parse(path: &str, bytes: &[u8]) -> Result<Vec<Entry>, String> {
    if path.to_ascii_lowercase().ends_with(".json") {
        // An empty file is one that is being written.
        return targets::from_json(bytes);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    targets::from_value(yaml(text.strip_prefix('\u{feff}').unwrap_or(text))?)
}

/// YAML as JSON. Every scalar but nothing is a text, quoted or not, as nothing else may stand in such a list.
fn yaml(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| place(error.marker().line(), error.marker().col(), error.info()))?;
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

fn place(line: usize, column: usize, what: &str) -> String {
    format!("{what} at line {line} column {}", column + 1)
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Value,
    /// With how many values each holds.
    anchors: HashMap<usize, (Value, usize)>,
    documents: usize,
    values: usize,
    aliased: usize,
}

struct Open {
    anchor: usize,
    before: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    Keys { fields: Map<String, Value>, key: Option<String> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let fail = |what: &str| Err(place(span.start.line(), span.start.col(), what));
        match event {
            Event::DocumentStart(_) if self.documents > 0 => return fail("a second document begins"),
            Event::DocumentStart(_) => self.documents += 1,
            Event::SequenceStart(anchor, _) => return self.begin(anchor, Kind::List(Vec::new())).or_else(|e| fail(&e)),
            Event::MappingStart(anchor, _) => {
                return self.begin(anchor, Kind::Keys { fields: Map::new(), key: None }).or_else(|e| fail(&e));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.kind {
                    Kind::List(items) => Value::Array(items),
                    Kind::Keys { fields, .. } => Value::Object(fields),
                };
                if open.anchor > 0 {
                    self.anchors.insert(open.anchor, (value.clone(), self.values - open.before));
                }
                return self.put(value).or_else(|e| fail(&e));
            }
            Event::Scalar(text, style, anchor, _) => {
                self.values += 1;
                let nothing = style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let value = if nothing { Value::Null } else { Value::String(text.into_owned()) };
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.clone(), 1));
                }
                return self.put(value).or_else(|e| fail(&e));
            }
            Event::Alias(anchor) => {
                let Some((_, size)) = self.anchors.get(&anchor) else { return fail("an alias refers to itself or to nothing") };
                self.values += size;
                self.aliased += size;
                if self.aliased > ALIASED_MAX {
                    return fail("aliases repeat too much");
                }
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default();
                return self.put(value).or_else(|e| fail(&e));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, kind: Kind) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err("nested too deeply".to_owned());
        }
        if let Some(Open { kind: Kind::Keys { key: None, .. }, .. }) = self.open.last() {
            return Err("a key must be a text".to_owned());
        }
        let before = self.values;
        self.values += 1;
        self.open.push(Open { anchor, before, kind });
        Ok(())
    }

    fn put(&mut self, value: Value) -> Result<(), String> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = value,
            Some(Kind::List(items)) => items.push(value),
            Some(Kind::Keys { fields, key }) => match (key.take(), value) {
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => return Err("a key must be a text".to_owned()),
                (Some(name), _) if fields.contains_key(&name) => return Err(format!("the key {name:?} comes twice")),
                (Some(name), value) => {
                    fields.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn yaml_is_read_as_written() {
        let text = "# who\n- targets: [a:1, 'b:2']\n  labels: {version: 1.10, on: yes, empty: ''}\n- targets: &t\n  - c:3\n- targets: *t\n";
        let list = parse("/x.yml", text.as_bytes()).unwrap();
        assert_eq!((list.len(), list[0].targets.as_slice()), (3, &["a:1".to_owned(), "b:2".to_owned()][..]));
        let label = |name: &str| list[0].labels.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!((label("version"), label("on"), label("empty")), (Some("1.10"), Some("yes"), Some("")));
        assert_eq!(list[2].targets, ["c:3"]);
        assert_eq!((parse("/x.YAML", b""), parse("/x.yml", b"[]\n")), (Ok(Vec::new()), Ok(Vec::new())));
        assert_eq!(parse("/x.JSON", br#"[{"targets":["a"]}]"#).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bomb = format!("- targets: &a [{}]\n{}", "x,".repeat(1000), "- targets: *a\n".repeat(100));
        let deep = "[".repeat(100);
        for (path, text, part) in [
            ("/x.json", "", "EOF"),
            ("/x.json", "[{\"targets\": [\"a\"", "EOF"),
            ("/x.yml", "- targets: [a", "line"),
            ("/x.yml", "- targets: [a]\n- null\n", "entry 2 is nothing"),
            ("/x.yml", "- targets: [a]\n  targets: [b]\n", "\"targets\" comes twice at line 2"),
            ("/x.yml", "- target: [a]\n", "unknown field `target`"),
            ("/x.yml", "- targets: a\n", "expected a sequence"),
            ("/x.yml", "- targets: [{a: b}]\n", "expected a string"),
            ("/x.yml", "[]\n---\n[]\n", "a second document"),
            ("/x.yml", "- *nowhere\n", "line 1"),
            ("/x.yml", &bomb, "aliases repeat too much"),
            ("/x.yml", &deep, "nested too deeply"),
            ("/x.yml", "- targets: [a]\n  labels: {a: [b]}\n", "expected a string"),
        ] {
            let error = parse(path, text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{}: {error}", &text[..text.len().min(60)]);
        }
        assert!(parse("/x.yml", &[0xff, 0xfe]).unwrap_err().contains("not UTF-8"));
    }
}
