//! Columns and how the page shows their values.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use super::{PageFloat, page_float, page_floats};
use crate::{LabelSet, TimestampMs};

/// The cells of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Values {
    /// Unix milliseconds.
    Times(Vec<TimestampMs>),
    /// NaN where there is none. A boolean is 0 or 1.
    Numbers(#[serde(serialize_with = "page_floats")] Vec<f64>),
    /// Texts.
    Strings(Vec<String>),
}

impl Values {
    /// How many cells.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Times(cells) => cells.len(),
            Self::Numbers(cells) => cells.len(),
            Self::Strings(cells) => cells.len(),
        }
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One result series or table, by columns of one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Frame {
    /// The reference letter of the query.
    pub query: String,
    /// For people.
    pub name: String,
    /// The columns.
    pub fields: Vec<Field>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// As the query names it.
    pub name: String,
    /// Of the series the values are from.
    pub labels: LabelSet,
    /// What to call it on the page.
    pub display_name: String,
    /// Which of the request's `configs`.
    pub config: u32,
    /// The cells.
    pub values: Values,
}

/// How the page shows the values of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldConfig {
    /// A unit id, such as `bytes`, `s`, `percentunit`; empty for none.
    pub unit: String,
    /// Left to the page if none.
    pub decimals: Option<u32>,
    /// Values at the ends, none for those there are.
    pub min: Option<f64>,
    /// See `min`.
    pub max: Option<f64>,
    /// How values get their colour.
    pub color: ColorMode,
    /// In ascending order. The first begins at minus infinity. Percentages are already of `min` to `max`.
    pub thresholds: Vec<Threshold>,
    /// The first that fits counts.
    pub mappings: Vec<Mapping>,
    /// Shown where there is no value.
    pub no_value: String,
    /// Variables of the value stand in the addresses: the page fills them in.
    pub links: Vec<DataLink>,
    /// The options of this kind of panel for this field, as the text of a JSON object; towards the page the object itself.
    #[serde(serialize_with = "embedded")]
    pub custom: String,
}

impl Default for FieldConfig {
    /// No unit, the palette's colours, no options.
    fn default() -> Self {
        Self {
            unit: String::new(),
            decimals: None,
            min: None,
            max: None,
            color: ColorMode::Palette,
            thresholds: Vec::new(),
            mappings: Vec::new(),
            no_value: String::new(),
            links: Vec::new(),
            custom: "{}".to_owned(),
        }
    }
}

fn embedded<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| S::Error::custom(format!("the field's own options are no JSON: {e}")))?;
    value.serialize(serializer)
}

/// How values get their colour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum ColorMode {
    /// The palette's next colour for each series.
    Palette,
    /// This one.
    Fixed(String),
    /// That of the threshold the value is in.
    Thresholds,
    /// A continuous scale over `min` to `max`, by its name.
    Scale(String),
}

/// A colour from a value on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Where it begins; towards the page `"-Inf"` for the first.
    #[serde(serialize_with = "page_float")]
    pub value: f64,
    /// `#rrggbb` or a name of the palette.
    pub color: String,
}

/// What to show in place of a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mapping {
    /// Which values.
    pub matches: Match,
    /// Empty: the value stays.
    pub text: String,
    /// Empty: the colour stays.
    pub color: String,
}

/// Which values a mapping is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Match {
    /// This text, or a number written so.
    Text(String),
    /// Both ends included.
    #[serde(serialize_with = "range")]
    Range(f64, f64),
    /// A regular expression. The mapping's text may refer to its groups.
    Pattern(String),
    /// NaN, or none at all.
    Missing,
    /// An empty text.
    Empty,
}

fn range<S: Serializer>(from: &f64, to: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    (PageFloat(*from), PageFloat(*to)).serialize(serializer)
}

/// A link on a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataLink {
    /// For people.
    pub title: String,
    /// The address, variables still in it.
    pub url: String,
    /// Whether it opens a tab.
    pub new_tab: bool,
}
