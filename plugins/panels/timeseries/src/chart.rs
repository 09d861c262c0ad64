//! From frames to a chart.

use skopos_sdk::config::Options;
use skopos_sdk::panel::{Chart, Column, Field, Legend, Order, Placement, Request, Series, Tooltip, TooltipMode, Values, View};
use skopos_sdk::reduce::Calculation;
use skopos_sdk::types::Error;

use crate::axes::Axes;
use crate::style;

/// The chart of a request, or why there is none to draw.
///
/// # Errors
/// For options that are no JSON object, and for a field whose configuration is not there.
pub fn view(request: &Request) -> Result<View, Error> {
    let options = Options::parse(&request.options)?;
    let plotted = plotted(request);
    if plotted.is_empty() {
        let numbers = request.frames.iter().flat_map(|frame| &frame.fields).any(has_value);
        let what = if numbers { "The data has no time field: a query over a range is needed" } else { "" };
        return Ok(View::Empty(what.to_owned()));
    }
    let mut axes = Axes::default();
    let mut series = Vec::with_capacity(plotted.len());
    for Plotted { x, y, field } in &plotted {
        let config = request.configs.get(field.config as usize).ok_or_else(|| {
            Error::Internal(format!("field {:?} has configuration {}, but there are {}", field.name, field.config, request.configs.len()))
        })?;
        let custom = Options::parse(&config.custom).unwrap_or_default();
        let axis = axes.of(field.config, config, &custom);
        let below = custom.text("fillBelowTo");
        let fill_below_to = plotted.iter().position(|other| !below.is_empty() && other.field.display_name == below);
        series.push(Series {
            x: *x,
            y: *y,
            axis,
            fill_below_to: fill_below_to.and_then(|at| u32::try_from(at).ok()),
            ..style::series(&custom)
        });
    }
    let time = plotted.first().and_then(|first| request.frames.get(first.x.frame as usize)?.fields.get(first.x.field as usize));
    Ok(View::Chart(Chart {
        series,
        x_axis: Axes::time(time.map_or(0, |field| field.config)),
        axes: axes.finish(),
        regions: Vec::new(),
        legend: legend(&options.object("legend")),
        tooltip: tooltip(&options.object("tooltip")),
    }))
}

/// A column of numbers with the times it lies on.
struct Plotted<'a> {
    x: Column,
    y: Column,
    field: &'a Field,
}

/// Every column of numbers in a frame with times. Nothing at all if none of them has a value: an empty grid says less than a word.
fn plotted(request: &Request) -> Vec<Plotted<'_>> {
    let mut plotted = Vec::new();
    let mut some = false;
    for (frame, at) in request.frames.iter().zip(0_u32..) {
        let fields = || frame.fields.iter().zip(0_u32..);
        let Some((_, x)) = fields().find(|(field, _)| matches!(field.values, Values::Times(_))) else { continue };
        for (field, y) in fields().filter(|(field, _)| matches!(field.values, Values::Numbers(_))) {
            some |= has_value(field);
            plotted.push(Plotted { x: Column { frame: at, field: x }, y: Column { frame: at, field: y }, field });
        }
    }
    if some { plotted } else { Vec::new() }
}

fn has_value(field: &Field) -> bool {
    matches!(&field.values, Values::Numbers(numbers) if numbers.iter().any(|number| !number.is_nan()))
}

fn legend(options: &Options) -> Legend {
    let mode = options.text("displayMode");
    let placement = match (options.flag("showLegend"), mode, options.text("placement")) {
        (Some(false), _, _) | (_, "hidden", _) => Placement::Hidden,
        (_, _, "right") => Placement::Right,
        _ => Placement::Bottom,
    };
    let calculations = options.texts("calcs").unwrap_or_default();
    let sort_by = calculation_id(options.text("sortBy"));
    Legend {
        placement,
        table: mode == "table" || mode.is_empty() && options.flag("asTable") == Some(true),
        sort_by: if calculations.contains(&sort_by) { sort_by } else { String::new() },
        calculations,
        descending: options.flag("sortDesc").unwrap_or(false),
    }
}

/// Dashboards name the column of a legend that is sorted by as the page titles it. The page wants the calculation's id.
fn calculation_id(title: &str) -> String {
    let id = match title {
        "Last *" => "lastNotNull",
        "Last" => "last",
        "First *" => "firstNotNull",
        "First" => "first",
        "Min" => "min",
        "Max" => "max",
        "Mean" => "mean",
        "Median" => "median",
        "Total" => "sum",
        "Count" => "count",
        "Distinct Count" => "distinctCount",
        "Change Count" => "changeCount",
        "Range" => "range",
        "Delta" => "delta",
        "Step" => "step",
        "Difference" => "diff",
        "Difference percent" => "diffperc",
        "StdDev" => "stdDev",
        "Variance" => "variance",
        other => match other.strip_suffix("th %") {
            Some(rank) => return format!("p{rank}"),
            None if Calculation::parse(other).is_some() => other,
            None => "",
        },
    };
    id.to_owned()
}

fn tooltip(options: &Options) -> Tooltip {
    let mode = match options.text("mode") {
        "multi" => TooltipMode::All,
        "none" => TooltipMode::Hidden,
        _ => TooltipMode::One,
    };
    let sort = match options.text("sort") {
        "asc" => Some(Order::Ascending),
        "desc" => Some(Order::Descending),
        _ => None,
    };
    Tooltip { mode, sort }
}
