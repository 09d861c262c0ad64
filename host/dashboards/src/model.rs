use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::variable::Variable;

/// A dashboard, as the pages and the API use it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dashboard {
    /// Its name in addresses: letters, digits, `-` and `_`. Never empty.
    pub uid: String,
    /// For people.
    pub title: String,
    /// For people, empty for none.
    pub description: String,
    /// For filtering.
    pub tags: Vec<String>,
    /// Where the time range begins at first, as `now-6h` or an absolute time.
    pub from: String,
    /// Where it ends at first.
    pub to: String,
    /// How often to refresh, as `30s`; empty for never.
    pub refresh: String,
    /// `browser`, `utc` or an IANA name.
    pub timezone: String,
    /// In the order in which they depend on each other.
    pub variables: Vec<Variable>,
    /// In the order of the file. Panels of a row follow it.
    pub panels: Vec<Panel>,
    /// Its texts in other languages: by the tag of the language, then by the text as it stands in the board. A key of ours,
    /// `translations`, that other programs leave alone.
    pub translations: BTreeMap<String, BTreeMap<String, String>>,
    /// What was not understood, in sentences.
    pub warnings: Vec<String>,
}

impl Dashboard {
    /// The panel with this id.
    #[must_use]
    pub fn panel(&self, id: u32) -> Option<&Panel> {
        self.panels.iter().find(|panel| panel.id == id)
    }
}

/// Whether an entry of the grid shows something or divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelKind {
    /// Draws the results of its queries.
    Panel,
    /// A heading over the panels that follow, up to the next row.
    Row {
        /// Whether its panels are hidden at first.
        collapsed: bool,
    },
}

/// A place in the grid of 24 columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Column, 0 to 23.
    pub x: u32,
    /// Row of 30 pixels.
    pub y: u32,
    /// Columns, 1 to 24.
    pub w: u32,
    /// Rows, at least 1.
    pub h: u32,
}

/// A panel or a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Unique in its dashboard.
    pub id: u32,
    /// Variables not filled in.
    pub title: String,
    /// Variables not filled in.
    pub description: String,
    /// What it is.
    pub kind: PanelKind,
    /// The name of the plugin that draws it, such as `timeseries`.
    pub type_name: String,
    /// A plugin that can stand in where `type_name` is not loaded, empty for none.
    pub fallback_type: String,
    /// Where it stands.
    pub grid: Grid,
    /// Without a background.
    pub transparent: bool,
    /// Its queries.
    pub targets: Vec<Target>,
    /// The plugin's own options.
    pub options: Value,
    /// How values are shown.
    pub fields: FieldOptions,
    /// Applied to the results in this order.
    pub transformations: Vec<Transformation>,
    /// The least step of its queries, as `1m` or `>1m`; empty for none. Variables not filled in.
    pub interval: String,
    /// The most points per series, else its width in pixels.
    pub max_data_points: Option<u32>,
    /// Shows the last so much in place of the dashboard's range, as `1h`; empty for none.
    pub time_from: String,
    /// Shows the range shifted back by so much; empty for not.
    pub time_shift: String,
    /// The variable it is repeated for, empty for none.
    pub repeat: String,
}

/// A query of a panel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// Its letter.
    pub ref_id: String,
    /// PromQL, variables not filled in.
    pub expr: String,
    /// `{{label}}` stands for a label's value; `__auto` and empty leave the name to the labels.
    pub legend: String,
    /// Asks for values at the end of the range.
    pub instant: bool,
    /// Asks for values over the range.
    pub range: bool,
    /// The form of the results.
    pub format: ResultFormat,
    /// The least step, as `30s`; empty for the panel's. Variables not filled in.
    pub interval: String,
    /// The step is so many times larger.
    pub interval_factor: u32,
    /// Not asked.
    pub hide: bool,
    /// Why it cannot be asked, such as another kind of data source; empty if it can.
    pub unsupported: String,
}

/// The form a query's results take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultFormat {
    /// A frame of time and value for each series.
    #[default]
    TimeSeries,
    /// One frame with a column for each label.
    Table,
    /// One frame with a column for each bucket, no longer cumulative.
    Heatmap,
}

/// How values are shown: Grafana's `fieldConfig`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldOptions {
    /// Of every field.
    pub defaults: Map<String, Value>,
    /// `{matcher, properties}` each; later ones win.
    pub overrides: Vec<Value>,
}

/// A step that changes the results before they are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformation {
    /// As in Grafana: `organize`, `merge`.
    pub id: String,
    /// Of that step.
    pub options: Value,
}
