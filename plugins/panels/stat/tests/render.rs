//! Whole calls.

use plugin_stat::{SCHEMA, Stat};
use skopos_sdk::panel::{
    ColorMode, Column, Datum, Field, FieldConfig, Frame, Guest, Orientation, Paint, Reading, Request, ShownText, Stats, Theme, Values, View,
};
use skopos_sdk::types::Error;

const NO: f64 = f64::NAN;

fn config() -> FieldConfig {
    FieldConfig {
        unit: String::new(),
        decimals: None,
        min: None,
        max: None,
        color: ColorMode::Palette,
        thresholds: vec![],
        mappings: vec![],
        no_value: String::new(),
        links: vec![],
        custom: "{}".to_owned(),
    }
}

fn field(name: &str, values: Values) -> Field {
    Field { name: name.to_owned(), labels: vec![], display_name: name.to_owned(), config: 0, values }
}

/// A frame of times 1, 2, … and one column of numbers.
fn series(name: &str, numbers: &[f64]) -> Frame {
    let times = (1..).take(numbers.len()).collect();
    frame(vec![field("Time", Values::Times(times)), field(name, Values::Numbers(numbers.to_vec()))])
}

fn frame(fields: Vec<Field>) -> Frame {
    Frame { query: "A".to_owned(), name: String::new(), fields }
}

fn texts(texts: &[&str]) -> Values {
    Values::Strings(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn render(options: &str, frames: Vec<Frame>) -> Result<View, Error> {
    let request = Request {
        options: options.to_owned(),
        width: 400,
        height: 200,
        theme: Theme::Light,
        from: 0,
        to: 10,
        time_zone: "UTC".to_owned(),
        frames,
        configs: vec![config()],
    };
    Stat::render(request).map(|rendering| {
        assert!(rendering.frames.is_empty());
        rendering.view
    })
}

fn stats(options: &str, frames: Vec<Frame>) -> Stats {
    match render(options, frames) {
        Ok(View::Stats(stats)) => stats,
        other => panic!("{options}: {other:?}"),
    }
}

/// Title and value of each reading, in short.
fn shown(readings: &[Reading]) -> Vec<String> {
    let value = |reading: &Reading| match &reading.value {
        Datum::Missing => "missing".to_owned(),
        Datum::Number(number) => number.to_string(),
        Datum::Time(time) => format!("time {time}"),
        Datum::Text(text) => format!("text {text}"),
    };
    readings
        .iter()
        .map(|reading| format!("{}/{} {}={}", reading.source.frame, reading.source.field, reading.title, value(reading)))
        .collect()
}

#[test]
fn columns_become_values() {
    for (options, expected) in [
        ("{}", vec!["0/1 =2", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["lastNotNull"],"fields":"","values":false}}"#, vec!["0/1 =2", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["last"]}}"#, vec!["0/1 =missing", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":[]}}"#, vec!["0/1 =missing", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["first"]}}"#, vec!["0/1 =1", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["max"]}}"#, vec!["0/1 =4", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["min"]}}"#, vec!["0/1 =1", "1/1 =missing"]),
        (r#"{"reduceOptions":{"calcs":["count"]}}"#, vec!["0/1 =4", "1/1 =2"]),
        (r#"{"reduceOptions":{"calcs":["sum"]}}"#, vec!["0/1 =7", "1/1 =0"]),
        (
            r#"{"reduceOptions":{"calcs":["range","diff"]}}"#,
            vec!["0/1 a range=3", "0/1 a diff=1", "1/1 b range=missing", "1/1 b diff=missing"],
        ),
        (r#"{"reduceOptions":{"fields":"b"}}"#, vec!["1/1 =missing"]),
        (r#"{"reduceOptions":{"fields":"/^A$/i"}}"#, vec!["0/1 =2"]),
        (r#"{"reduceOptions":{"fields":"/.*/"}}"#, vec!["0/0 =time 4", "0/1 =2", "1/0 =time 2", "1/1 =missing"]),
        (r#"{"reduceOptions":{"values":true,"limit":2}}"#, vec!["0/1 =1", "0/1 =4", "1/1 =missing", "1/1 =missing"]),
        (r#"{"reduceOptions":null,"orientation":5}"#, vec!["0/1 =2", "1/1 =missing"]),
    ] {
        let frames = vec![series("a", &[1.0, 4.0, 2.0, NO]), series("b", &[NO, NO])];
        assert_eq!(shown(&stats(options, frames).readings), expected, "{options}");
    }
}

#[test]
fn tables_have_texts_and_titles() {
    let table = || {
        frame(vec![
            field("version", texts(&["27.0", ""])),
            field("arch", texts(&["amd64", "arm64"])),
            field("Value", Values::Numbers(vec![1.0, 2.0])),
        ])
    };
    for (options, expected) in [
        (r#"{"reduceOptions":{"calcs":["first"],"fields":"/^version$/"}}"#, vec!["0/0 =text 27.0"]),
        (r#"{"reduceOptions":{"calcs":["last"],"fields":"version"}}"#, vec!["0/0 =text "]),
        (r#"{"reduceOptions":{"fields":"version"}}"#, vec!["0/0 =text 27.0"]),
        (r#"{"reduceOptions":{"calcs":["count"],"fields":"arch"}}"#, vec!["0/1 =2"]),
        (r#"{"reduceOptions":{"calcs":["mean"],"fields":"arch"}}"#, vec!["0/1 =missing"]),
        (r#"{"reduceOptions":{"values":true}}"#, vec!["0/2 27.0 amd64=1", "0/2 arm64=2"]),
    ] {
        assert_eq!(shown(&stats(options, vec![table()]).readings), expected, "{options}");
    }
}

#[test]
fn a_line_and_the_change_are_there_when_asked_for() {
    let reading = |options: &str| stats(options, vec![series("a", &[2.0, 3.0])]).readings.remove(0);
    assert_eq!(reading("{}").spark, Some(Column { frame: 0, field: 0 }));
    assert_eq!(reading(r#"{"graphMode":"area"}"#).spark, Some(Column { frame: 0, field: 0 }));
    assert_eq!(reading(r#"{"graphMode":"none"}"#).spark, None);
    assert_eq!(reading(r#"{"reduceOptions":{"values":true}}"#).spark, None);
    assert_eq!((reading("{}").change, reading(r#"{"showPercentChange":true}"#).change), (None, Some(0.5)));
    let table = frame(vec![field("Value", Values::Numbers(vec![1.0]))]);
    assert_eq!(stats("{}", vec![table]).readings[0].spark, None);
}

#[test]
fn how_it_is_shown() {
    let of = |options: &str| stats(options, vec![series("a", &[1.0])]);
    let plain = of("{}");
    assert_eq!((plain.orientation, plain.show, plain.paint, plain.centered), (Orientation::Auto, ShownText::Auto, Paint::Value, false));
    assert_eq!((plain.title_size, plain.value_size), (None, None));
    for (mode, paint) in
        [("none", Paint::None), ("value", Paint::Value), ("background", Paint::Gradient), ("background_solid", Paint::Background)]
    {
        assert_eq!(of(&format!(r#"{{"colorMode":"{mode}"}}"#)).paint, paint);
    }
    for (mode, show) in
        [("value", ShownText::Value), ("value_and_name", ShownText::ValueAndName), ("name", ShownText::Name), ("none", ShownText::None)]
    {
        assert_eq!(of(&format!(r#"{{"textMode":"{mode}"}}"#)).show, show);
    }
    let other = of(r#"{"orientation":"horizontal","justifyMode":"center","text":{"titleSize":18,"valueSize":1e9}}"#);
    assert_eq!((other.orientation, other.centered), (Orientation::Horizontal, true));
    assert_eq!((other.title_size, other.value_size), (Some(18), Some(1000)));
}

#[test]
fn without_rows_there_is_no_data() {
    for frames in [vec![], vec![frame(vec![])], vec![series("a", &[])], vec![frame(vec![field("x", texts(&["y"]))])]] {
        assert_eq!(render("{}", frames), Ok(View::Empty(String::new())));
    }
}

#[test]
fn mistakes_are_named() {
    for (options, part) in
        [(r#"{"reduceOptions":{"calcs":["average"]}}"#, "average"), (r#"{"reduceOptions":{"fields":"/(/"}}"#, "/(/"), ("[]", "line 1")]
    {
        let Err(Error::Config(message)) = render(options, vec![series("a", &[1.0])]) else { panic!("{options} must be refused") };
        assert!(message.contains(part), "{options}: {message}");
    }
}

#[test]
fn many_series_are_bounded_and_the_schema_is_json() {
    let frames = (0..3000).map(|i| series(&i.to_string(), &[1.0])).collect();
    assert_eq!(stats("{}", frames).readings.len(), 1000);
    assert!(serde_json::from_str::<serde_json::Value>(SCHEMA).is_ok());
}
