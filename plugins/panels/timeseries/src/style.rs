//! How one series is drawn: `fieldConfig.custom`, with Grafana's defaults.

use skopos_sdk::config::Options;
use skopos_sdk::panel::{Alignment, Bars, Column, Gradient, Hidden, Interpolation, Mark, Nulls, Series, Stack, Stacking, Visibility};

/// A series of that style. Columns, axis and what it fills down to are for the caller to set.
#[must_use]
pub fn series(custom: &Options) -> Series {
    let nowhere = Column { frame: 0, field: 0 };
    let mark = mark(custom);
    let dots = matches!(mark, Mark::Points);
    Series {
        x: nowhere,
        y: nowhere,
        // The field's configuration gives it.
        color: String::new(),
        axis: 0,
        line_width: if dots { 0.0 } else { custom.number("lineWidth").unwrap_or(1.0).clamp(0.0, 100.0) },
        dash: dash(&custom.object("lineStyle")),
        fill_opacity: custom.number("fillOpacity").unwrap_or(0.0).clamp(0.0, 100.0) / 100.0,
        gradient: match custom.text("gradientMode") {
            "opacity" => Gradient::Opacity,
            "hue" => Gradient::Hue,
            "scheme" => Gradient::Scale,
            _ => Gradient::None,
        },
        fill_below_to: None,
        points: if dots { Visibility::Always } else { visibility(custom.text("showPoints")) },
        point_size: custom.number("pointSize").unwrap_or(5.0).clamp(0.0, 200.0),
        nulls: nulls(custom),
        stack: stack(&custom.object("stacking")),
        negate: custom.text("transform") == "negative-Y",
        hidden_from: hidden(&custom.object("hideFrom")),
        mark,
    }
}

fn mark(custom: &Options) -> Mark {
    match custom.text("drawStyle") {
        "points" => Mark::Points,
        "bars" => Mark::Bars(Bars {
            alignment: match custom.number("barAlignment") {
                Some(side) if side < 0.0 => Alignment::Before,
                Some(side) if side > 0.0 => Alignment::After,
                _ => Alignment::Center,
            },
            width: custom.number("barWidthFactor").unwrap_or(0.6).clamp(0.0, 1.0),
            labels: if custom.flag("showValues") == Some(true) { Visibility::Always } else { Visibility::Never },
            horizontal: false,
        }),
        _ => Mark::Line(match custom.text("lineInterpolation") {
            "smooth" => Interpolation::Smooth,
            "stepBefore" => Interpolation::StepBefore,
            "stepAfter" => Interpolation::StepAfter,
            _ => Interpolation::Linear,
        }),
    }
}

fn visibility(text: &str) -> Visibility {
    match text {
        "always" => Visibility::Always,
        "never" => Visibility::Never,
        _ => Visibility::Auto,
    }
}

/// Dashes and gaps; a dash of no length is a dot of one pixel.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right before")]
fn dash(style: &Options) -> Vec<u32> {
    let default: &[u32] = match style.text("fill") {
        "dash" => &[10, 10],
        "dot" => &[1, 10],
        _ => return Vec::new(),
    };
    let written: Vec<u32> = style.numbers("dash").into_iter().take(16).map(|length| length.clamp(1.0, 1000.0) as u32).collect();
    if written.is_empty() { default.to_vec() } else { written }
}

/// `spanNulls` and `insertNulls` are a truth value or milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration that is not negative, and saturates")]
fn nulls(custom: &Options) -> Nulls {
    match (custom.flag("spanNulls"), custom.number("spanNulls"), custom.number("insertNulls")) {
        (Some(true), _, _) => Nulls::Connect,
        (_, Some(most), _) if most > 0.0 => Nulls::ConnectBelow(most as u64),
        (_, _, Some(most)) if most > 0.0 => Nulls::BreakAbove(most as u64),
        _ => Nulls::Gap,
    }
}

fn stack(stacking: &Options) -> Option<Stack> {
    let mode = match stacking.text("mode") {
        "normal" => Stacking::Normal,
        "percent" => Stacking::Percent,
        _ => return None,
    };
    let group = Some(stacking.text("group")).filter(|group| !group.is_empty()).unwrap_or("A");
    Some(Stack { group: group.to_owned(), mode })
}

fn hidden(options: &Options) -> Hidden {
    let mut hidden = Hidden::empty();
    for (key, flag) in [("viz", Hidden::PLOT), ("legend", Hidden::LEGEND), ("tooltip", Hidden::TOOLTIP)] {
        if options.flag(key) == Some(true) {
            hidden |= flag;
        }
    }
    hidden
}
