//! How a column is drawn: `fieldConfig.custom`, with Grafana's defaults, in its present and its earlier form.

use skopos_sdk::config::Options;
use skopos_sdk::panel::{BarStyle, Cell, CellAlign, Values};

/// Whether the column is left out.
#[must_use]
pub fn hidden(custom: &Options) -> bool {
    // Some dashboards carry the text "true".
    custom.flag("hidden") == Some(true) || custom.text("hidden") == "true" || custom.object("hideFrom").flag("viz") == Some(true)
}

/// What a cell looks like. Kinds that there is no drawing for are shown as their value.
#[must_use]
pub fn cell(custom: &Options, values: &Values) -> Cell {
    let options = custom.object("cellOptions");
    let kind = options.text("type");
    // Before Grafana 9.2 the bar's look was part of the kind.
    let kind = if kind.is_empty() { custom.text("displayMode") } else { kind };
    let numbers = matches!(values, Values::Numbers(_));
    match kind {
        "color-text" => Cell::ColoredText,
        "color-background" | "color-background-solid" => Cell::ColoredBackground,
        "gauge" if numbers => Cell::Gauge(match options.text("mode") {
            "basic" => BarStyle::Plain,
            "lcd" => BarStyle::Segments,
            _ => BarStyle::Gradient,
        }),
        "basic" if numbers => Cell::Gauge(BarStyle::Plain),
        "gradient-gauge" if numbers => Cell::Gauge(BarStyle::Gradient),
        "lcd-gauge" if numbers => Cell::Gauge(BarStyle::Segments),
        "json-view" => Cell::Json,
        _ => Cell::Auto,
    }
}

/// Where a cell's text stands.
#[must_use]
pub fn align(custom: &Options) -> CellAlign {
    match custom.text("align") {
        "left" => CellAlign::Left,
        "center" => CellAlign::Center,
        "right" => CellAlign::Right,
        _ => CellAlign::Auto,
    }
}

/// CSS pixels.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right before")]
pub fn width(custom: &Options) -> Option<u32> {
    custom.number("width").filter(|width| *width >= 1.0).map(|width| width.clamp(20.0, 4000.0) as u32)
}

/// Whether long texts break.
#[must_use]
pub fn wrap(custom: &Options) -> bool {
    custom.flag("wrapText") == Some(true) || custom.object("cellOptions").flag("wrapText") == Some(true)
}
