//! Frames, field configurations and views: what panels get and answer. Mirrors `panel` and `data` of `wit/`, one to one.
//!
//! Towards a page these types are JSON: records are objects with the field names below, plain enums are kebab-case strings,
//! variants are `{"kind": …, "value": …}` (no `value` where there is none), flags are lists of strings, labels are objects.
//! A view says what to draw from which column and carries no formatted text. Comments on single fields stand in the WIT;
//! here they say what a Rust reader needs.

mod chart;
mod frame;
mod readings;
mod table;

pub use chart::{
    Alignment, Axis, Bars, Chart, Gradient, Hidden, Interpolation, Legend, Mark, Nulls, Order, Placement, Region, Scale, Series, Side,
    Stack, Stacking, ThresholdStyle, Tooltip, TooltipMode, Visibility,
};
pub use frame::{ColorMode, DataLink, Field, FieldConfig, Frame, Mapping, Match, Threshold, Values};
pub use readings::{BarGauges, BarStyle, Datum, Gauges, Orientation, Paint, Pie, Reading, ShownText, SliceLabels, Stats};
pub use table::{Cell, CellAlign, HeatBucket, Heatmap, Lane, Logs, Sparkline, StateTimeline, Table, TableColumn, Text, TextFormat};

use serde::{Serialize, Serializer};

use crate::TimestampMs;

/// How the page is lit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// Dark text on a light ground.
    #[default]
    Light,
    /// Light text on a dark ground.
    Dark,
}

/// What a panel draws from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PanelRequest {
    /// The panel's options as JSON text, variables filled in.
    pub options: String,
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Of the page.
    pub theme: Theme,
    /// The panel's time range.
    pub from: TimestampMs,
    /// Its end.
    pub to: TimestampMs,
    /// An IANA name.
    pub time_zone: String,
    /// After transformations.
    pub frames: Vec<Frame>,
    /// Each different field configuration once, overrides applied.
    pub configs: Vec<FieldConfig>,
}

/// What a panel answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rendering {
    /// What to draw.
    pub view: View,
    /// What the panel has computed itself. Their indices follow on those of the request's frames.
    pub frames: Vec<Frame>,
}

/// The kinds of views.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum View {
    /// Time series, bars, histograms, scatter plots.
    Chart(Chart),
    /// Large values with spark lines.
    Stats(Stats),
    /// Dials.
    Gauges(Gauges),
    /// Filled bars with their value.
    BarGauges(BarGauges),
    /// Rows and columns.
    Table(Table),
    /// Counts by time and bucket.
    Heatmap(Heatmap),
    /// Slices.
    Pie(Pie),
    /// States over time.
    StateTimeline(StateTimeline),
    /// Markdown, HTML or code.
    Text(Text),
    /// Log lines.
    Logs(Logs),
    /// An SVG document, to be sanitised before it is shown.
    Svg(String),
    /// Nothing to draw; the text says what is missing.
    Empty(String),
}

/// A column of a frame: where values come from, and whose configuration shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Index of the frame.
    pub frame: u32,
    /// Index of the field in it.
    pub field: u32,
}

/// A float as pages read it: JSON has no NaN and no infinities, so these are `null`, `"+Inf"` and `"-Inf"`.
struct PageFloat(f64);

impl Serialize for PageFloat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            v if v.is_nan() => serializer.serialize_none(),
            f64::INFINITY => serializer.serialize_str("+Inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-Inf"),
            v => serializer.serialize_f64(v),
        }
    }
}

/// For single floats that may be infinite or NaN.
fn page_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    PageFloat(*value).serialize(serializer)
}

/// For columns of floats.
fn page_floats<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|v| PageFloat(*v)))
}

/// A set of names as a list, for flags.
fn names<S: Serializer>(set: &[(bool, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(set.iter().filter(|(on, _)| *on).map(|(_, name)| *name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::LabelSet;

    /// What the page's contract says, case by case.
    #[test]
    fn the_page_reads_what_the_contract_says() {
        let labels = LabelSet::from_pairs([("job", "node")]);
        let field = Field { name: "up".into(), labels, display_name: "up".into(), config: 0, values: Values::Times(vec![1, 2]) };
        let config = FieldConfig { custom: r#"{"lineWidth":2}"#.into(), ..FieldConfig::default() };
        let cases = [
            (
                serde_json::to_value(Values::Numbers(vec![1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
                json!({"kind": "numbers", "value": [1.5, null, "+Inf", "-Inf"]}),
            ),
            (serde_json::to_value(Values::Strings(vec!["a".into()])), json!({"kind": "strings", "value": ["a"]})),
            (
                serde_json::to_value(field),
                json!({"name": "up", "labels": {"job": "node"}, "display_name": "up", "config": 0, "values": {"kind": "times", "value": [1, 2]}}),
            ),
            (serde_json::to_value(config.custom_only()), json!({"lineWidth": 2})),
            (serde_json::to_value(Mark::Line(Interpolation::StepBefore)), json!({"kind": "line", "value": "step-before"})),
            (serde_json::to_value(Mark::Points), json!({"kind": "points"})),
            (serde_json::to_value(Nulls::ConnectBelow(5)), json!({"kind": "connect-below", "value": 5})),
            (serde_json::to_value(Hidden { plot: true, legend: false, tooltip: true }), json!(["plot", "tooltip"])),
            (serde_json::to_value(SliceLabels::default()), json!([])),
            (serde_json::to_value(Scale::Symlog(10, 0.5)), json!({"kind": "symlog", "value": [10, 0.5]})),
            (serde_json::to_value(Match::Range(1.0, f64::INFINITY)), json!({"kind": "range", "value": [1.0, "+Inf"]})),
            (serde_json::to_value(Match::Missing), json!({"kind": "missing"})),
            (
                serde_json::to_value(Threshold { value: f64::NEG_INFINITY, color: "green".into() }),
                json!({"value": "-Inf", "color": "green"}),
            ),
            (serde_json::to_value(Datum::Number(f64::NAN)), json!({"kind": "number", "value": null})),
            (serde_json::to_value(View::Empty("no data".into())), json!({"kind": "empty", "value": "no data"})),
            (serde_json::to_value(Cell::Gauge(BarStyle::Gradient)), json!({"kind": "gauge", "value": "gradient"})),
            (serde_json::to_value(TextFormat::Code("sh".into())), json!({"kind": "code", "value": "sh"})),
            (
                serde_json::to_value(View::BarGauges(BarGauges {
                    readings: vec![],
                    orientation: Orientation::Auto,
                    style: BarStyle::Plain,
                    unfilled: true,
                    show: ShownText::ValueAndName,
                })),
                json!({"kind": "bar-gauges", "value": {"readings": [], "orientation": "auto", "style": "plain", "unfilled": true, "show": "value-and-name"}}),
            ),
        ];
        for (got, expected) in cases {
            assert_eq!(got.expect("it serialises"), expected);
        }
    }

    #[test]
    fn options_of_a_field_that_are_no_json_are_an_error() {
        let config = FieldConfig { custom: "{".into(), ..FieldConfig::default() };
        assert!(serde_json::to_value(config).is_err());
    }

    impl FieldConfig {
        fn custom_only(&self) -> serde_json::Value {
            serde_json::to_value(self).expect("it serialises")["custom"].clone()
        }
    }
}
