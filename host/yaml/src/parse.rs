use std::collections::HashMap;

use model::config::{ConfigError, Node, NodeValue, Position};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Largest text that is read, in bytes.
pub const BYTES_MAX: usize = 16 << 20;

/// Deepest nesting.
pub const DEPTH_MAX: usize = 100;

/// Most values.
pub const NODES_MAX: usize = 1_000_000;

/// Most values that aliases repeat: some megabytes (faults D1).
pub const ALIASED_MAX: usize = 50_000;

/// Reads one document. Nothing at all reads as an empty mapping's absence: a null at the beginning.
///
/// Refused, with the place: syntax errors, keys that come twice, keys that are not texts, more than one document, tags
/// that give a value another type, and whatever passes [`BYTES_MAX`], [`DEPTH_MAX`],
/// [`NODES_MAX`] or [`ALIASED_MAX`].
pub fn parse(text: &str) -> Result<Node, ConfigError> {
    let start = Position { line: 1, column: 1 };
    if text.len() > BYTES_MAX {
        return Err(fail(start, format!("the file is larger than {} MiB", BYTES_MAX >> 20)));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            fail(position(marker.line(), marker.col()), format!("not valid YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    let mut root = builder.root.unwrap_or(Node { position: start, path: String::new(), value: NodeValue::Null });
    set_paths(&mut root, String::new());
    Ok(root)
}

/// Collections that are open, from the outermost.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    documents: usize,
    nodes: usize,
    aliased: usize,
}

struct Open {
    position: Position,
    anchor: usize,
    nodes_before: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(String, Position, Node)>, seen: HashMap<String, u32>, key: Option<(String, Position)>, merged: Vec<Node> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigError> {
        let at = position(span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fail(at, "a second document begins here; a configuration is one document"));
                }
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, OpenKind::Sequence(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                let kind = OpenKind::Mapping { entries: Vec::new(), seen: HashMap::new(), key: None, merged: Vec::new() };
                self.begin(at, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.suffix.clone());
                self.count(at, 1)?;
                let value = scalar(&text, style, tag.as_deref(), at)?;
                let node = Node { position: at, path: String::new(), value };
                if anchor > 0 {
                    self.anchors.insert(anchor, (node.clone(), 1));
                }
                self.place(node)?;
            }
            Event::Alias(anchor) => {
                let Some((_, size)) = self.anchors.get(&anchor) else {
                    return Err(fail(at, "this alias refers to itself or to nothing"));
                };
                let size = *size;
                // Counted before it is copied.
                self.count(at, size)?;
                self.aliased += size;
                if self.aliased > ALIASED_MAX {
                    return Err(fail(at, format!("aliases repeat more than {ALIASED_MAX} values")));
                }
                if let Some((node, _)) = self.anchors.get(&anchor) {
                    let node = node.clone();
                    self.place(node)?;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn count(&mut self, at: Position, more: usize) -> Result<(), ConfigError> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return Err(fail(at, format!("more than {NODES_MAX} values")));
        }
        Ok(())
    }

    fn begin(&mut self, position: Position, anchor: usize, kind: OpenKind) -> Result<(), ConfigError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(fail(position, format!("nested more than {DEPTH_MAX} deep")));
        }
        if let Some(Open { kind: OpenKind::Mapping { key: None, .. }, .. }) = self.open.last() {
            return Err(fail(position, "a key must be a text"));
        }
        let nodes_before = self.nodes;
        self.count(position, 1)?;
        self.open.push(Open { position, anchor, nodes_before, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.kind {
            OpenKind::Sequence(entries) => NodeValue::Sequence(entries),
            OpenKind::Mapping { entries, seen, merged, .. } => NodeValue::Mapping(merge(entries, &seen, merged)?),
        };
        let node = Node { position: open.position, path: String::new(), value };
        if open.anchor > 0 {
            self.anchors.insert(open.anchor, (node.clone(), self.nodes - open.nodes_before));
        }
        self.place(node)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node) -> Result<(), ConfigError> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::Sequence(entries)) => entries.push(node),
            Some(OpenKind::Mapping { entries, seen, key, merged }) => match key.take() {
                None => *key = Some((as_key(&node)?, node.position)),
                Some((name, _)) if name == "<<" => merged.push(node),
                Some((name, at)) => {
                    if let Some(line) = seen.insert(name.clone(), at.line) {
                        return Err(fail(at, format!("the key {name:?} comes twice; it stands in line {line} already")));
                    }
                    entries.push((name, at, node));
                }
            },
        }
        Ok(())
    }
}

/// YAML 1.1's merge key, which existing configurations use with anchors: keys of their own come first.
fn merge(
    mut entries: Vec<(String, Position, Node)>,
    seen: &HashMap<String, u32>,
    merged: Vec<Node>,
) -> Result<Vec<(String, Position, Node)>, ConfigError> {
    let mut known: Vec<String> = seen.keys().cloned().collect();
    let sources = merged.into_iter().flat_map(|node| match node.value {
        NodeValue::Sequence(nodes) => nodes,
        value => vec![Node { value, ..node }],
    });
    for source in sources {
        let NodeValue::Mapping(more) = source.value else {
            return Err(fail(source.position, "<<: wants keys with values, or a list of such"));
        };
        for entry in more {
            if !known.contains(&entry.0) {
                known.push(entry.0.clone());
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

fn as_key(node: &Node) -> Result<String, ConfigError> {
    match &node.value {
        NodeValue::Scalar { text, .. } => Ok(text.clone()),
        NodeValue::Null => Ok(String::new()),
        _ => Err(fail(node.position, "a key must be a text")),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>, at: Position) -> Result<NodeValue, ConfigError> {
    let plain = match tag {
        None => style == ScalarStyle::Plain,
        Some("str" | "!") => false,
        Some("int" | "float" | "bool") => true,
        Some("null") => return Ok(NodeValue::Null),
        Some(other) => return Err(fail(at, format!("the tag {other:?} is not supported"))),
    };
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(NodeValue::Null);
    }
    Ok(NodeValue::Scalar { text: text.to_owned(), plain })
}

/// Paths are set at the end: an alias brings its value to several.
fn set_paths(node: &mut Node, path: String) {
    match &mut node.value {
        NodeValue::Sequence(entries) => {
            for (at, entry) in entries.iter_mut().enumerate() {
                set_paths(entry, format!("{path}[{at}]"));
            }
        }
        NodeValue::Mapping(entries) => {
            for (key, _, entry) in entries {
                set_paths(entry, if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
            }
        }
        NodeValue::Null | NodeValue::Scalar { .. } => {}
    }
    node.path = path;
}

/// Lines from 1; the parser counts columns from 0.
fn position(line: usize, column: usize) -> Position {
    Position { line: u32::try_from(line).unwrap_or(u32::MAX).max(1), column: u32::try_from(column + 1).unwrap_or(u32::MAX) }
}

fn fail(position: Position, message: impl Into<String>) -> ConfigError {
    ConfigError { path: String::new(), position, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_texts_and_positions() {
        let root = parse("a:\n  - version: 1.10\n    on: \"yes\"\n").expect("good");
        let entry = &root.get("a").expect("there").as_sequence().expect("a list")[0];
        let version = entry.get("version").expect("there");
        assert_eq!(version.as_str(), Ok("1.10"));
        assert_eq!((version.position, version.path.as_str()), (Position { line: 2, column: 14 }, "a[0].version"));
        assert!(entry.get("on").expect("the key is a text").as_bool().is_err(), "quoted, so a text");
    }

    #[track_caller]
    fn refused(text: &str, line: u32, part: &str) {
        let error = parse(text).expect_err(part);
        assert_eq!(error.position.line, line, "{error}");
        assert!(error.message.contains(part), "{error}");
    }

    #[test]
    fn d2_yaml_odd() {
        refused("a: 1\nb: 2\na: 3\n", 3, "twice");
        refused("a: 1\n---\nb: 2\n", 2, "second document");
        refused("a:\n\t- 1\n", 2, "YAML");
        refused("? [a]\n: 1\n", 1, "key");
        refused(&"- ".repeat(150), 1, "deep");
        refused(&"[".repeat(1000), 1, "");
        refused("a: [1, 2\nb: 3\n", 2, "YAML");
        refused("a: *b\n", 1, "");
    }

    #[test]
    fn d1_yaml_bomb() {
        let mut text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = level - 1;
            text.push_str(&format!("l{level}: &l{level} [{}]\n", vec![format!("*l{before}"); 10].join(", ")));
        }
        let begun = std::time::Instant::now();
        refused(&text, 5, "aliases repeat");
        println!("refused after {:?}", begun.elapsed());
    }

    #[test]
    fn merges_as_yaml_1_1() {
        let root = parse("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n").expect("good");
        let more = root.get("more").expect("there");
        assert_eq!(more.get("x").expect("merged").as_str(), Ok("1"));
        assert_eq!(more.get("y").expect("own").as_str(), Ok("3"));
        assert_eq!(more.get("x").expect("merged").path, "more.x");
    }

    #[test]
    fn nothing_is_null() {
        assert!(parse("").expect("good").is_null());
        assert!(parse("# only a comment\n").expect("good").is_null());
        assert!(parse("\u{feff}a: ~").expect("good").get("a").expect("there").is_null());
    }
}
