//! The values a template works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{LabelSet, TimestampMs};

/// Deepest nesting of lists and maps that a template can build.
pub(crate) const VALUE_DEPTH_MAX: u32 = 64;

/// A value: what Go holds as `interface{}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing. Prints as `<no value>` by itself.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A text that needs no escaping where its kind is expected. In text mode a text like others.
    Safe(Safe, Arc<str>),
    /// Values in order.
    List(Arc<List>),
    /// Values by key, sorted by key.
    Map(Arc<Map>),
    /// A record with fixed fields.
    Struct(Arc<Struct>),
    /// A point in time: nanoseconds since 1970 with the zone it is shown in.
    Time(Time),
    /// Nanoseconds.
    Duration(i64),
    /// A number with a name, such as a month.
    Named(i64, &'static str),
}

/// What a [`Value::Safe`] is safe as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safe {
    /// Markup.
    Html,
    /// An address or a part of one.
    Url,
}

/// A point in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// Nanoseconds since 1970.
    pub(crate) nanos: i128,
    /// The zone it is shown in.
    pub(crate) zone: jiff::tz::TimeZone,
}

/// A list, with values that are reached by name: `.Alerts.Firing`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    items: Vec<Value>,
    attributes: Vec<(&'static str, Value)>,
    depth: u32,
}

impl List {
    /// A list with named parts.
    #[must_use]
    pub fn new(items: Vec<Value>, attributes: Vec<(&'static str, Value)>) -> Self {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        Self { items, attributes, depth }
    }

    /// The values.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// A named part.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// What a map is, which decides what a missing key reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// Of anything; a missing key is nil.
    Any,
    /// Of texts (Go's `map[string]string`); a missing key is the empty text.
    Strings,
    /// Of texts, with the methods of Alertmanager's label sets: `SortedPairs`, `Names`, `Values`, `Remove`.
    Labels,
}

/// A map by text.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    entries: BTreeMap<Arc<str>, Value>,
    kind: MapKind,
    depth: u32,
}

impl Map {
    /// A map of the kind.
    #[must_use]
    pub fn new(kind: MapKind, entries: BTreeMap<Arc<str>, Value>) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Self { entries, kind, depth }
    }

    /// The entries by key.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// What it is a map of.
    #[must_use]
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// The value of a key, or what stands for a missing one.
    #[must_use]
    pub fn get(&self, key: &str) -> Value {
        self.entries.get(key).cloned().unwrap_or_else(|| match self.kind {
            MapKind::Any => Value::Nil,
            MapKind::Strings | MapKind::Labels => Value::text(""),
        })
    }
}

/// A record. A field that is not there is an error, unlike a missing key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    /// For errors.
    pub name: &'static str,
    /// In order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// As templates write it.
    pub name: &'static str,
    /// As `toJson` writes it.
    pub json: &'static str,
    /// What it holds.
    pub value: Value,
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::String(Arc::from(text.as_ref()))
    }

    /// A list without named parts.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(List::new(items, Vec::new())))
    }

    /// A record of a type.
    #[must_use]
    pub fn record(name: &'static str, fields: Vec<Field>) -> Self {
        Self::Struct(Arc::new(Struct { name, fields }))
    }

    /// A map of anything.
    pub fn map<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (Arc::from(key.as_ref()), value)).collect();
        Self::Map(Arc::new(Map::new(MapKind::Any, entries)))
    }

    /// Labels or annotations. `kind` is [`MapKind::Strings`] or [`MapKind::Labels`].
    #[must_use]
    pub fn labels(kind: MapKind, labels: &LabelSet) -> Self {
        let entries = labels.iter().map(|(name, value)| (Arc::from(name), Self::text(value))).collect();
        Self::Map(Arc::new(Map::new(kind, entries)))
    }

    /// A point in time, in UTC.
    #[must_use]
    pub fn time(ms: TimestampMs) -> Self {
        Self::Time(Time { nanos: i128::from(ms) * 1_000_000, zone: jiff::tz::TimeZone::UTC })
    }

    /// Go's zero time, 1 January of the year 1.
    #[must_use]
    pub fn zero_time() -> Self {
        Self::time(-62_135_596_800_000)
    }

    /// Whether `if` takes it as true: not zero, not empty, not nil.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Duration(value) | Self::Named(value, _) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(text) | Self::Safe(_, text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Struct(_) | Self::Time(_) => true,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// Levels of lists, maps and records within, itself included.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Struct(record) => 1 + record.fields.iter().map(|field| field.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The type as Go would name it, for errors.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::Safe(Safe::Html, _) => "template.HTML",
            Self::Safe(Safe::Url, _) => "template.URL",
            Self::List(_) => "[]interface {}",
            Self::Map(map) => match map.kind {
                MapKind::Any => "map[string]interface {}",
                MapKind::Strings => "map[string]string",
                MapKind::Labels => "template.KV",
            },
            Self::Struct(record) => record.name,
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Named(..) => "time.Month",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}
