//! Tables, heat maps, states over time, text and logs.

use serde::Serialize;

use super::{Axis, BarStyle, Column, Legend, Order, Visibility};

/// Rows and columns of one frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The frame whose rows it shows.
    pub frame: u32,
    /// Which rows in which order; none for all as they are.
    pub rows: Option<Vec<u32>>,
    /// From left to right.
    pub columns: Vec<TableColumn>,
    /// Whether titles are shown.
    pub header: bool,
    /// How the page sorts at first: which of `columns`.
    pub sort: Option<(u32, Order)>,
    /// Rows on a page, none for all with a scroll bar.
    pub page_size: Option<u32>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableColumn {
    /// Of the table's frame.
    pub field: u32,
    /// Empty for the field's display name.
    pub title: String,
    /// How a cell is drawn.
    pub cell: Cell,
    /// Where its text stands.
    pub align: CellAlign,
    /// In CSS pixels.
    pub width: Option<u32>,
    /// Breaks long texts.
    pub wrap: bool,
    /// Offers a filter.
    pub filter: bool,
    /// A calculation shown below the column, empty for none.
    pub footer: String,
}

/// How a cell is drawn. Cells are typed by their column's values.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Cell {
    /// As its value wants it.
    Auto,
    /// Coloured text.
    ColoredText,
    /// A coloured ground.
    ColoredBackground,
    /// A bar.
    Gauge(BarStyle),
    /// JSON, indented.
    Json,
    /// One for each row of the frame.
    Sparklines(Vec<Sparkline>),
}

/// A small line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sparkline {
    /// Times.
    pub x: Column,
    /// Numbers.
    pub y: Column,
}

/// Where the text of a cell stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellAlign {
    /// Numbers right, all else left.
    #[default]
    Auto,
    /// Left.
    Left,
    /// In the middle.
    Center,
    /// Right.
    Right,
}

/// Counts by time and bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heatmap {
    /// Times or numbers: where each column of cells begins.
    pub x: Column,
    /// From the lowest to the highest.
    pub buckets: Vec<HeatBucket>,
    /// The one below.
    pub x_axis: Axis,
    /// The one of the buckets.
    pub y_axis: Axis,
    /// The name of a continuous scale.
    pub colors: String,
    /// The scale the other way round.
    pub reverse: bool,
    /// Value at the lower end of the scale, none for the one there is.
    pub min: Option<f64>,
    /// Value at the upper end of the scale, none for the one there is.
    pub max: Option<f64>,
    /// Between the cells, in CSS pixels.
    pub gap: u32,
    /// Whether the scale is shown.
    pub legend: bool,
}

/// A row of cells of a heat map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeatBucket {
    /// Bounds on the y axis, both 0 to label it by the field's name.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The values of the cells.
    pub counts: Column,
}

/// States over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateTimeline {
    /// From top to bottom.
    pub lanes: Vec<Lane>,
    /// Draws equal neighbours as one, else a cell for each value.
    pub merge: bool,
    /// Whether the values are written.
    pub labels: Visibility,
    /// Of the room there is, from 0 to 1.
    pub row_height: f64,
    /// What the states are called.
    pub legend: Legend,
}

/// One row of a state timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// Times.
    pub x: Column,
    /// What holds from each of them.
    pub states: Column,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// As its author wrote it.
    pub content: String,
    /// How to read it.
    pub format: TextFormat,
}

/// How to read a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum TextFormat {
    /// To be sanitised, as HTML is.
    Markdown,
    /// To be sanitised.
    Html,
    /// As it is, in the colours of this language, empty for none.
    Code(String),
}

/// Log lines of one frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Logs {
    /// Which.
    pub frame: u32,
    /// Which of its fields.
    pub time: u32,
    /// Which of its fields.
    pub line: u32,
    /// Which of its fields.
    pub level: Option<u32>,
    /// Shown when a row is opened.
    pub details: Vec<u32>,
    /// The other way round.
    pub newest_first: bool,
    /// Breaks long lines.
    pub wrap: bool,
    /// Whether the time stands before each line.
    pub show_time: bool,
}
