//! Views of one value at a time: stats, gauges, bar gauges, pies.

use serde::{Serialize, Serializer};

use super::{Column, Legend, names, page_float};
use crate::TimestampMs;

/// One value with what it is shown by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Whose configuration shows it.
    pub source: Column,
    /// The value.
    pub value: Datum,
    /// Empty for the field's display name.
    pub title: String,
    /// The x of a spark line over `source`.
    pub spark: Option<Column>,
    /// Since the start of the range, 0.1 for 10 % more.
    pub change: Option<f64>,
}

/// A single value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Datum {
    /// None.
    Missing,
    /// A number.
    Number(#[serde(serialize_with = "page_float")] f64),
    /// Unix milliseconds.
    Time(TimestampMs),
    /// A text.
    Text(String),
}

/// Large values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// One tile each.
    pub readings: Vec<Reading>,
    /// How tiles are laid out.
    pub orientation: Orientation,
    /// What stands in a tile.
    pub show: ShownText,
    /// What is coloured.
    pub paint: Paint,
    /// Text in the middle.
    pub centered: bool,
    /// In CSS pixels, none to fit.
    pub title_size: Option<u32>,
    /// In CSS pixels, none to fit.
    pub value_size: Option<u32>,
}

/// How parts are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// As there is room.
    #[default]
    Auto,
    /// Side by side, or lying bars.
    Horizontal,
    /// One above the other, or standing bars.
    Vertical,
}

/// What is written at a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownText {
    /// As there is room.
    #[default]
    Auto,
    /// The value.
    Value,
    /// Value and name.
    ValueAndName,
    /// The name.
    Name,
    /// Nothing.
    None,
}

/// What is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paint {
    /// Nothing.
    #[default]
    None,
    /// The value.
    Value,
    /// The ground.
    Background,
    /// The ground, fading.
    Gradient,
}

/// Dials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gauges {
    /// One dial each.
    pub readings: Vec<Reading>,
    /// How dials are laid out.
    pub orientation: Orientation,
    /// A band of the thresholds' colours around the dial.
    pub threshold_markers: bool,
    /// Their values at it.
    pub threshold_labels: bool,
}

/// Filled bars with their value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BarGauges {
    /// One bar each.
    pub readings: Vec<Reading>,
    /// Of the bars.
    pub orientation: Orientation,
    /// How a bar is filled.
    pub style: BarStyle,
    /// Shows the part of the bar that is not filled.
    pub unfilled: bool,
    /// What stands at a bar.
    pub show: ShownText,
}

/// How a bar is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BarStyle {
    /// In one colour.
    #[default]
    Plain,
    /// From colour to colour.
    Gradient,
    /// In blocks.
    Segments,
}

/// Slices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pie {
    /// One slice each.
    pub readings: Vec<Reading>,
    /// With a hole.
    pub donut: bool,
    /// On the slices.
    pub labels: SliceLabels,
    /// What the slices are called.
    pub legend: Legend,
}

/// What stands on a slice. Towards the page a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceLabels {
    /// Its name.
    pub name: bool,
    /// Its value.
    pub value: bool,
    /// Its share.
    pub percent: bool,
}

impl Serialize for SliceLabels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        names(&[(self.name, "name"), (self.value, "value"), (self.percent, "percent")], serializer)
    }
}
