//! Charts: time series, bars, histograms, scatter plots.

use serde::{Serialize, Serializer};

use super::{Column, names};

/// Marks over two axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// Drawn in this order. The x columns are all of one type.
    pub series: Vec<Series>,
    /// The one below.
    pub x_axis: Axis,
    /// Those of y.
    pub axes: Vec<Axis>,
    /// Stretches of x in its units.
    pub regions: Vec<Region>,
    /// What each series is called.
    pub legend: Legend,
    /// What is shown under the pointer.
    pub tooltip: Tooltip,
}

/// One line, row of bars or cloud of points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Times, numbers or categories.
    pub x: Column,
    /// Numbers.
    pub y: Column,
    /// Empty for the one the field's configuration gives.
    pub color: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Which of the chart's `axes`.
    pub axis: u32,
    /// In CSS pixels, 0 for no line.
    pub line_width: f64,
    /// Lengths of dashes and gaps in turn, in CSS pixels. Empty for a solid line.
    pub dash: Vec<u32>,
    /// From 0 to 1.
    pub fill_opacity: f64,
    /// Of the filling.
    pub gradient: Gradient,
    /// Fills down to this one of `series`, in place of the axis.
    pub fill_below_to: Option<u32>,
    /// Whether points are drawn on the line.
    pub points: Visibility,
    /// Diameter in CSS pixels.
    pub point_size: f64,
    /// What to do where values are missing.
    pub nulls: Nulls,
    /// Adds up with others.
    pub stack: Option<Stack>,
    /// Draws the values upside down.
    pub negate: bool,
    /// Where it is not shown.
    pub hidden_from: Hidden,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Mark {
    /// A line through the values.
    Line(Interpolation),
    /// A bar for each value.
    Bars(Bars),
    /// A point for each value.
    Points,
}

/// How a line gets from one value to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Straight.
    #[default]
    Linear,
    /// In a curve.
    Smooth,
    /// The step is at the earlier value.
    StepBefore,
    /// The step is at the later value.
    StepAfter,
}

/// Bars.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bars {
    /// Where the bar stands to its x.
    pub alignment: Alignment,
    /// Of the room there is, from 0 to 1.
    pub width: f64,
    /// Writes the value on the bar.
    pub labels: Visibility,
    /// Lying bars.
    pub horizontal: bool,
}

/// Where a bar stands to its x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// Ends there.
    Before,
    /// Its middle is there.
    #[default]
    Center,
    /// Begins there.
    After,
}

/// How a filling fades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gradient {
    /// Not at all.
    #[default]
    None,
    /// Towards transparent.
    Opacity,
    /// Towards a neighbouring hue.
    Hue,
    /// By the scale of the field's colours.
    Scale,
}

/// Whether something is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// As the page sees fit.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// What a line does where values are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Nulls {
    /// Ends, and begins anew.
    #[default]
    Gap,
    /// Goes on.
    Connect,
    /// Connects over at most so many milliseconds.
    ConnectBelow(u64),
    /// Breaks where points are further apart than that.
    BreakAbove(u64),
}

/// Series of the same group add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// Any name.
    pub group: String,
    /// Of what.
    pub mode: Stacking,
}

/// Whether sums or shares are stacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stacking {
    /// The values.
    #[default]
    Normal,
    /// Their shares of the sum.
    Percent,
}

/// Where a series is not shown. Towards the page a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Not drawn.
    pub plot: bool,
    /// Not named.
    pub legend: bool,
    /// Not under the pointer.
    pub tooltip: bool,
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        names(&[(self.plot, "plot"), (self.legend, "legend"), (self.tooltip, "tooltip")], serializer)
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// For people.
    pub label: String,
    /// Where it stands.
    pub side: Side,
    /// Which of `configs` formats the ticks, and gives minimum and maximum.
    pub config: u32,
    /// The axis reaches at least so far down.
    pub soft_min: Option<f64>,
    /// The axis reaches at least so far up.
    pub soft_max: Option<f64>,
    /// How values become places.
    pub scale: Scale,
    /// Zero stands in the middle.
    pub centered: bool,
    /// Lines across the plot.
    pub grid: Visibility,
    /// How to draw the thresholds of `config`.
    pub thresholds: ThresholdStyle,
}

/// Where an axis stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// As the page sees fit.
    #[default]
    Auto,
    /// Left of the plot.
    Left,
    /// Right of it.
    Right,
    /// Below it.
    Bottom,
    /// Nowhere; its scale holds all the same.
    Hidden,
}

/// How values become places on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// The base, 2 or 10.
    Log(u32),
    /// The base, and up to where it is linear.
    Symlog(u32, f64),
}

/// How thresholds are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdStyle {
    /// Not at all.
    #[default]
    None,
    /// A line at each.
    Lines,
    /// A dashed line at each.
    Dashed,
    /// A coloured ground.
    Areas,
    /// Both.
    LinesAndAreas,
}

/// A stretch of x, such as a window of maintenance. A point of time has the same value twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Region {
    /// Its beginning, in the units of x.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// For people.
    pub title: String,
    /// Of the ground.
    pub color: String,
}

/// What the series are called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Legend {
    /// Where it stands.
    pub placement: Placement,
    /// A table with a column for each calculation, in place of a list.
    pub table: bool,
    /// Ids as in dashboards: `lastNotNull`, `mean`, `max`.
    pub calculations: Vec<String>,
    /// One of them, or empty for the order of the series.
    pub sort_by: String,
    /// The other way round.
    pub descending: bool,
}

/// Where a legend stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Nowhere.
    Hidden,
    /// Below the plot.
    #[default]
    Bottom,
    /// Right of it.
    Right,
}

/// What is shown under the pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tooltip {
    /// Of how many series.
    pub mode: TooltipMode,
    /// Those of all series by value, if any.
    pub sort: Option<Order>,
}

/// Of how many series the values are shown under the pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooltipMode {
    /// None.
    Hidden,
    /// The nearest.
    #[default]
    One,
    /// All.
    All,
}

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}
