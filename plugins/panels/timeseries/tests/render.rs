//! Whole calls.

use plugin_timeseries::{SCHEMA, Timeseries};
use skopos_sdk::panel::{
    Alignment, Bars, Chart, ColorMode, Column, Field, FieldConfig, Frame, Gradient, Guest, Hidden, Interpolation, Mark, Nulls, Order,
    Placement, Request, Scale, Series, Side, Stack, Stacking, Theme, ThresholdStyle, TooltipMode, Values, View, Visibility,
};
use skopos_sdk::types::Error;

fn config(unit: &str, custom: &str) -> FieldConfig {
    FieldConfig {
        unit: unit.to_owned(),
        decimals: None,
        min: None,
        max: None,
        color: ColorMode::Palette,
        thresholds: vec![],
        mappings: vec![],
        no_value: String::new(),
        links: vec![],
        custom: custom.to_owned(),
    }
}

fn field(name: &str, config: u32, values: Values) -> Field {
    Field { name: name.to_owned(), labels: vec![], display_name: name.to_owned(), config, values }
}

fn frame(fields: Vec<Field>) -> Frame {
    Frame { query: "A".to_owned(), name: String::new(), fields }
}

/// Times with configuration 0, and one column of numbers.
fn series(name: &str, config: u32, numbers: &[f64]) -> Frame {
    let times = (1..).take(numbers.len()).collect();
    frame(vec![field("Time", 0, Values::Times(times)), field(name, config, Values::Numbers(numbers.to_vec()))])
}

fn render(options: &str, frames: Vec<Frame>, configs: Vec<FieldConfig>) -> Result<View, Error> {
    let request = Request {
        options: options.to_owned(),
        width: 800,
        height: 300,
        theme: Theme::Dark,
        from: 0,
        to: 10,
        time_zone: "Asia/Seoul".to_owned(),
        frames,
        configs,
    };
    Timeseries::render(request).map(|rendering| rendering.view)
}

fn chart(options: &str, frames: Vec<Frame>, configs: Vec<FieldConfig>) -> Chart {
    match render(options, frames, configs) {
        Ok(View::Chart(chart)) => chart,
        other => panic!("{options}: {other:?}"),
    }
}

/// The one series of a chart with this `custom`.
fn one(custom: &str) -> Series {
    chart("{}", vec![series("a", 0, &[1.0, 2.0])], vec![config("", custom)]).series.remove(0)
}

#[test]
fn the_defaults_are_grafanas() {
    let expected = Series {
        x: Column { frame: 0, field: 0 },
        y: Column { frame: 0, field: 1 },
        color: String::new(),
        mark: Mark::Line(Interpolation::Linear),
        axis: 0,
        line_width: 1.0,
        dash: vec![],
        fill_opacity: 0.0,
        gradient: Gradient::None,
        fill_below_to: None,
        points: Visibility::Auto,
        point_size: 5.0,
        nulls: Nulls::Gap,
        stack: None,
        negate: false,
        hidden_from: Hidden::empty(),
    };
    for custom in ["", "{}", r#"{"lineWidth":"thick","stacking":null,"spanNulls":"x","hideFrom":[]}"#, "[]", "broken"] {
        assert_eq!(one(custom), expected, "{custom}");
    }
}

#[test]
fn styles() {
    let bars = |alignment, width| Mark::Bars(Bars { alignment, width, labels: Visibility::Never, horizontal: false });
    for (style, mark) in [
        ("line", Mark::Line(Interpolation::Linear)),
        ("points", Mark::Points),
        (r#"bars","barAlignment":-1,"barWidthFactor":0.5,"x":""#, bars(Alignment::Before, 0.5)),
        (r#"bars","barAlignment":0,"x":""#, bars(Alignment::Center, 0.6)),
        (r#"bars","barAlignment":1,"barWidthFactor":9,"x":""#, bars(Alignment::After, 1.0)),
        (r#"line","lineInterpolation":"smooth"#, Mark::Line(Interpolation::Smooth)),
        (r#"line","lineInterpolation":"stepBefore"#, Mark::Line(Interpolation::StepBefore)),
        (r#"line","lineInterpolation":"stepAfter"#, Mark::Line(Interpolation::StepAfter)),
    ] {
        assert_eq!(one(&format!(r#"{{"drawStyle":"{style}"}}"#)).mark, mark, "{style}");
    }
    let points = one(r#"{"drawStyle":"points","lineWidth":2,"pointSize":7}"#);
    assert_eq!((points.line_width, points.points, points.point_size), (0.0, Visibility::Always, 7.0));
    for (text, nulls) in [
        ("true", Nulls::Connect),
        ("false", Nulls::Gap),
        ("60000", Nulls::ConnectBelow(60_000)),
        ("-1", Nulls::Gap),
        ("1e300", Nulls::ConnectBelow(u64::MAX)),
    ] {
        assert_eq!(one(&format!(r#"{{"spanNulls":{text}}}"#)).nulls, nulls, "{text}");
    }
    assert_eq!(one(r#"{"insertNulls":3600000}"#).nulls, Nulls::BreakAbove(3_600_000));
    for (text, dash) in [
        (r#"{"fill":"solid"}"#, vec![]),
        (r#"{"fill":"dash"}"#, vec![10, 10]),
        (r#"{"fill":"dash","dash":[10,20]}"#, vec![10, 20]),
        (r#"{"fill":"dot","dash":[0,10]}"#, vec![1, 10]),
    ] {
        assert_eq!(one(&format!(r#"{{"lineStyle":{text}}}"#)).dash, dash, "{text}");
    }
    for (text, stack) in [
        (r#"{"mode":"none","group":"A"}"#, None),
        (r#"{"mode":"normal"}"#, Some(Stack { group: "A".to_owned(), mode: Stacking::Normal })),
        (r#"{"mode":"percent","group":"B"}"#, Some(Stack { group: "B".to_owned(), mode: Stacking::Percent })),
    ] {
        assert_eq!(one(&format!(r#"{{"stacking":{text}}}"#)).stack, stack, "{text}");
    }
    let rest = one(
        r#"{"fillOpacity":25,"lineWidth":3,"gradientMode":"scheme","showPoints":"never","transform":"negative-Y","hideFrom":{"viz":true,"legend":true,"tooltip":false}}"#,
    );
    assert_eq!((rest.fill_opacity, rest.line_width, rest.gradient), (0.25, 3.0, Gradient::Scale));
    assert_eq!((rest.points, rest.negate, rest.hidden_from), (Visibility::Never, true, Hidden::PLOT | Hidden::LEGEND));
}

#[test]
fn series_share_an_axis_when_it_would_look_the_same() {
    let frames = || (0..4).map(|i| series(&i.to_string(), i, &[1.0])).collect::<Vec<_>>();
    for (configs, of_series, sides) in [
        (vec![config("s", ""), config("s", ""), config("s", "{\"lineWidth\":3}"), config("s", "")], vec![0, 0, 0, 0], vec![Side::Left]),
        (
            vec![config("s", ""), config("bytes", ""), config("s", ""), config("", "")],
            vec![0, 1, 0, 2],
            vec![Side::Left, Side::Right, Side::Right],
        ),
        (
            vec![
                config("s", r#"{"axisPlacement":"right"}"#),
                config("s", ""),
                config("s", r#"{"axisPlacement":"hidden"}"#),
                config("s", r#"{"axisLabel":"x"}"#),
            ],
            vec![0, 1, 2, 3],
            vec![Side::Right, Side::Left, Side::Hidden, Side::Right],
        ),
        (
            vec![
                config("s", r#"{"axisSoftMin":0}"#),
                config("s", r#"{"axisSoftMin":0}"#),
                config("s", r#"{"axisSoftMax":1}"#),
                config("s", r#"{"axisCenteredZero":true}"#),
            ],
            vec![0, 0, 1, 2],
            vec![Side::Left, Side::Right, Side::Right],
        ),
    ] {
        let chart = chart("{}", frames(), configs);
        assert_eq!(chart.series.iter().map(|series| series.axis).collect::<Vec<_>>(), of_series);
        assert_eq!(chart.axes.iter().map(|axis| axis.side).collect::<Vec<_>>(), sides);
        assert_eq!(chart.x_axis.side, Side::Bottom);
    }
}

#[test]
fn axes() {
    let of = |custom: &str| chart("{}", vec![series("a", 0, &[1.0])], vec![config("s", custom)]).axes.remove(0);
    let axis = of(
        r#"{"axisLabel":"L","axisSoftMin":0,"axisSoftMax":1.5,"axisCenteredZero":true,"axisGridShow":false,"thresholdsStyle":{"mode":"line"}}"#,
    );
    assert_eq!((axis.label.as_str(), axis.soft_min, axis.soft_max, axis.centered), ("L", Some(0.0), Some(1.5), true));
    assert_eq!((axis.grid, axis.thresholds, axis.config), (Visibility::Never, ThresholdStyle::Lines, 0));
    for (text, scale) in [
        (r#"{"type":"linear"}"#, Scale::Linear),
        (r#"{"type":"log","log":2}"#, Scale::Log(2)),
        (r#"{"type":"log"}"#, Scale::Log(10)),
        (r#"{"type":"symlog","log":10,"linearThreshold":5}"#, Scale::Symlog((10, 5.0))),
        (r#"{"type":"symlog","linearThreshold":0}"#, Scale::Symlog((10, 1.0))),
    ] {
        assert_eq!(of(&format!(r#"{{"scaleDistribution":{text}}}"#)).scale, scale, "{text}");
    }
    for (mode, style) in [
        ("off", ThresholdStyle::None),
        ("dashed", ThresholdStyle::Dashed),
        ("area", ThresholdStyle::Areas),
        ("line+area", ThresholdStyle::LinesAndAreas),
        ("dashed+area", ThresholdStyle::LinesAndAreas),
    ] {
        assert_eq!(of(&format!(r#"{{"thresholdsStyle":{{"mode":"{mode}"}}}}"#)).thresholds, style, "{mode}");
    }
    // The thresholds of an axis are those of the series that wants them drawn.
    let configs = vec![config("s", ""), config("s", r#"{"thresholdsStyle":{"mode":"area"}}"#)];
    let shared = chart("{}", vec![series("a", 0, &[1.0]), series("b", 1, &[1.0])], configs).axes.remove(0);
    assert_eq!((shared.config, shared.thresholds), (1, ThresholdStyle::Areas));
}

#[test]
fn legend_and_tooltip() {
    let of = |options: &str| chart(options, vec![series("a", 0, &[1.0])], vec![config("", "")]);
    for (options, placement, table, sort_by, descending) in [
        ("{}", Placement::Bottom, false, "", false),
        (r#"{"legend":{"showLegend":false,"displayMode":"table"}}"#, Placement::Hidden, true, "", false),
        (r#"{"legend":{"displayMode":"hidden"}}"#, Placement::Hidden, false, "", false),
        (
            r#"{"legend":{"displayMode":"table","placement":"right","calcs":["mean","max"],"sortBy":"Mean","sortDesc":true}}"#,
            Placement::Right,
            true,
            "mean",
            true,
        ),
        (r#"{"legend":{"calcs":["lastNotNull"],"sortBy":"Last *"}}"#, Placement::Bottom, false, "lastNotNull", false),
        (r#"{"legend":{"calcs":["p95"],"sortBy":"95th %"}}"#, Placement::Bottom, false, "p95", false),
        (r#"{"legend":{"calcs":["max"],"sortBy":"Mean"}}"#, Placement::Bottom, false, "", false),
        (r#"{"legend":{"asTable":true,"placement":"right"}}"#, Placement::Right, true, "", false),
    ] {
        let legend = of(options).legend;
        assert_eq!(
            (legend.placement, legend.table, legend.sort_by.as_str(), legend.descending),
            (placement, table, sort_by, descending),
            "{options}"
        );
    }
    for (options, mode, sort) in [
        ("{}", TooltipMode::One, None),
        (r#"{"tooltip":{"mode":"multi","sort":"desc"}}"#, TooltipMode::All, Some(Order::Descending)),
        (r#"{"tooltip":{"mode":"none","sort":"none"}}"#, TooltipMode::Hidden, None),
        (r#"{"tooltip":{"mode":"single","sort":"asc"}}"#, TooltipMode::One, Some(Order::Ascending)),
    ] {
        let tooltip = of(options).tooltip;
        assert_eq!((tooltip.mode, tooltip.sort), (mode, sort), "{options}");
    }
}

#[test]
fn a_band_fills_down_to_another_series() {
    let frames = vec![series("upper", 0, &[2.0]), series("lower", 1, &[1.0])];
    let series = chart("{}", frames, vec![config("", r#"{"fillBelowTo":"lower"}"#), config("", "")]).series;
    assert_eq!((series[0].fill_below_to, series[1].fill_below_to), (Some(1), None));
}

#[test]
fn without_numbers_there_is_nothing_to_draw() {
    let texts = frame(vec![field("Time", 0, Values::Times(vec![1])), field("x", 0, Values::Strings(vec!["y".to_owned()]))]);
    for (frames, part) in [
        (vec![], ""),
        (vec![frame(vec![])], ""),
        (vec![series("a", 0, &[])], ""),
        (vec![series("a", 0, &[f64::NAN, f64::NAN])], ""),
        (vec![texts], ""),
        (vec![frame(vec![field("Value", 0, Values::Numbers(vec![1.0]))])], "no time field"),
    ] {
        let Ok(View::Empty(text)) = render("{}", frames, vec![config("", "")]) else { panic!("{part}") };
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    assert!(matches!(render("5", vec![], vec![]), Err(Error::Config(_))));
    assert!(matches!(render("{}", vec![series("a", 9, &[1.0])], vec![config("", "")]), Err(Error::Internal(_))));
    assert!(serde_json::from_str::<serde_json::Value>(SCHEMA).is_ok());
}
