//! Which series share an axis: those with the same unit, limits, scale, label and place.

use skopos_sdk::config::Options;
use skopos_sdk::panel::{Axis, FieldConfig, Scale, Side, ThresholdStyle, Visibility};

/// The vertical axes of a chart, as series ask for them.
#[derive(Default)]
pub struct Axes {
    axes: Vec<(Key, Axis)>,
}

/// What must be the same for two series to share an axis. Numbers by their bits.
#[derive(PartialEq)]
struct Key {
    unit: String,
    limits: [Option<u64>; 4],
    placement: String,
    label: String,
    scale: (String, Option<u64>, Option<u64>),
    centered: bool,
}

impl Axes {
    /// The axis of a series, made if there is none like it yet.
    pub fn of(&mut self, at: u32, config: &FieldConfig, custom: &Options) -> u32 {
        let key = key(config, custom);
        let thresholds = thresholds(custom.object("thresholdsStyle").text("mode"));
        let found = self.axes.iter().position(|(have, _)| *have == key).unwrap_or_else(|| {
            self.axes.push((key, axis(at, custom)));
            self.axes.len() - 1
        });
        let axis = &mut self.axes[found].1;
        if matches!(axis.thresholds, ThresholdStyle::None) && !matches!(thresholds, ThresholdStyle::None) {
            // Those of this series, so its configuration gives them.
            axis.thresholds = thresholds;
            axis.config = at;
        }
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    /// All of them. Of those that say nothing of their side, the first stands on the left, the others on the right.
    #[must_use]
    pub fn finish(self) -> Vec<Axis> {
        let mut left = false;
        let mut axes: Vec<Axis> = self.axes.into_iter().map(|(_, axis)| axis).collect();
        for axis in axes.iter_mut().filter(|axis| matches!(axis.side, Side::Auto)) {
            axis.side = if left { Side::Right } else { Side::Left };
            left = true;
        }
        axes
    }

    /// The axis of time.
    #[must_use]
    pub fn time(config: u32) -> Axis {
        Axis { side: Side::Bottom, ..axis(config, &Options::default()) }
    }
}

fn key(config: &FieldConfig, custom: &Options) -> Key {
    let scale = custom.object("scaleDistribution");
    let limits = [config.min, config.max, custom.number("axisSoftMin"), custom.number("axisSoftMax")];
    Key {
        unit: config.unit.clone(),
        limits: limits.map(|limit| limit.map(f64::to_bits)),
        placement: custom.text("axisPlacement").to_owned(),
        label: custom.text("axisLabel").to_owned(),
        scale: (scale.text("type").to_owned(), scale.number("log").map(f64::to_bits), scale.number("linearThreshold").map(f64::to_bits)),
        centered: custom.flag("axisCenteredZero").unwrap_or(false),
    }
}

fn axis(config: u32, custom: &Options) -> Axis {
    Axis {
        label: custom.text("axisLabel").to_owned(),
        side: match custom.text("axisPlacement") {
            "left" => Side::Left,
            "right" => Side::Right,
            "hidden" => Side::Hidden,
            _ => Side::Auto,
        },
        config,
        soft_min: custom.number("axisSoftMin"),
        soft_max: custom.number("axisSoftMax"),
        scale: scale(&custom.object("scaleDistribution")),
        centered: custom.flag("axisCenteredZero").unwrap_or(false),
        grid: match custom.flag("axisGridShow") {
            Some(true) => Visibility::Always,
            Some(false) => Visibility::Never,
            None => Visibility::Auto,
        },
        thresholds: ThresholdStyle::None,
    }
}

fn scale(distribution: &Options) -> Scale {
    let base = if distribution.number("log") == Some(2.0) { 2 } else { 10 };
    match distribution.text("type") {
        "log" => Scale::Log(base),
        "symlog" => Scale::Symlog((base, distribution.number("linearThreshold").filter(|up_to| *up_to > 0.0).unwrap_or(1.0))),
        _ => Scale::Linear,
    }
}

fn thresholds(mode: &str) -> ThresholdStyle {
    match mode {
        "line" => ThresholdStyle::Lines,
        "dashed" => ThresholdStyle::Dashed,
        "area" => ThresholdStyle::Areas,
        "line+area" | "dashed+area" => ThresholdStyle::LinesAndAreas,
        _ => ThresholdStyle::None,
    }
}
