use model::LabelSet;
use serde_json::json;

use super::*;

fn frame(query: &str, name: &str, values: Vec<f64>) -> Frame {
    let field = Field {
        name: "Value".into(),
        labels: LabelSet::from_pairs([("pod", name)]),
        display_name: name.into(),
        config: 0,
        values: Values::Numbers(values),
    };
    Frame { query: query.into(), name: name.into(), fields: vec![field] }
}

fn options(defaults: Value, overrides: Value) -> FieldOptions {
    let Value::Object(defaults) = defaults else { panic!("an object") };
    let Value::Array(overrides) = overrides else { panic!("a list") };
    FieldOptions { defaults, overrides }
}

#[test]
fn overrides_win_and_equal_configurations_are_shared() {
    let frames = vec![frame("A", "a", vec![1.0]), frame("A", "b", vec![2.0]), frame("B", "c", vec![3.0])];
    let options = options(
        json!({"unit": "bytes", "custom": {"lineWidth": 1, "hideFrom": {"viz": false}}}),
        json!([
            {"matcher": {"id": "byName", "options": "b"}, "properties": [
                {"id": "unit", "value": "s"}, {"id": "custom.hideFrom.viz", "value": true}, {"id": "displayName", "value": "pod ${__field.labels.pod}"}]},
            {"matcher": {"id": "byNonsense"}, "properties": []}
        ]),
    );
    let resolved = resolve(frames, &options, "timeseries");
    let units: Vec<&str> = resolved.frames.iter().map(|f| resolved.configs[f.fields[0].config as usize].unit.as_str()).collect();
    assert_eq!(units, ["bytes", "s", "bytes"]);
    assert_eq!(resolved.configs.len(), 2);
    assert_eq!(resolved.configs[1].custom, r#"{"hideFrom":{"viz":true},"lineWidth":1}"#);
    assert_eq!(resolved.frames[1].fields[0].display_name, "pod b");
    assert_eq!(resolved.warnings.len(), 1);
    assert_eq!(resolved.configs[0].color, ColorMode::Palette);
}

#[track_caller]
fn config(defaults: Value) -> (FieldConfig, Vec<String>) {
    let resolved = resolve(vec![frame("A", "a", vec![0.0, 200.0])], &options(defaults, json!([])), "stat");
    (resolved.configs[0].clone(), resolved.warnings)
}

#[test]
fn thresholds_of_both_modes() {
    let steps = |mode: &str, value: Value| json!({"thresholds": {"mode": mode, "steps": [{"color": "red", "value": value}, {"color": "green", "value": null}]}});
    let values = |c: FieldConfig| c.thresholds.iter().map(|t| t.value).collect::<Vec<_>>();
    assert_eq!(values(config(steps("absolute", json!(80))).0), [f64::NEG_INFINITY, 80.0]);
    assert_eq!(values(config(steps("percentage", json!(50))).0), [f64::NEG_INFINITY, 100.0]);
    assert_eq!(values(config(steps("absolute", json!("80"))).0), [f64::NEG_INFINITY, 80.0]);
    assert_eq!(values(config(json!({})).0), [f64::NEG_INFINITY, 80.0]);
    assert_eq!(values(config(json!({"thresholds": {"steps": "wrong"}})).0), [] as [f64; 0]);
}

#[test]
fn mappings_old_and_new() {
    let cases = [
        (json!({"type": "value", "options": {"1": {"text": "up", "color": "green", "index": 0}}}), vec![(Match::Text("1".into()), "up")]),
        (
            json!({"type": "range", "options": {"from": 1, "to": null, "result": {"text": "many"}}}),
            vec![(Match::Range(1.0, f64::INFINITY), "many")],
        ),
        (json!({"type": "regex", "options": {"pattern": "a(.)", "result": {"text": "$1"}}}), vec![(Match::Pattern("a(.)".into()), "$1")]),
        (json!({"type": "special", "options": {"match": "null+nan", "result": {"text": "none"}}}), vec![(Match::Missing, "none")]),
        (json!({"type": 1, "value": "0", "text": "down"}), vec![(Match::Text("0".into()), "down")]),
        (json!({"type": 1, "value": "null", "text": "N/A"}), vec![(Match::Missing, "N/A")]),
        (json!({"type": 2, "from": "1", "to": "5", "text": "few"}), vec![(Match::Range(1.0, 5.0), "few")]),
    ];
    for (item, expected) in cases {
        let got: Vec<_> = config(json!({"mappings": [item]})).0.mappings.into_iter().map(|m| (m.matches, m.text)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(m, t)| (m, t.to_owned())).collect();
        assert_eq!(got, expected, "{item}");
    }
    assert_eq!(config(json!({"mappings": [{"type": "magic", "options": {}}]})).1.len(), 1);
}

#[test]
fn colours() {
    let cases = [
        ("#fff", "#ffffff"),
        ("#ff000080", "#ff000080"),
        ("rgba(50, 172, 45, 0.97)", "#32ac2df7"),
        ("rgb(1,2,3)", "#010203"),
        ("dark-red", "dark-red"),
        ("url(javascript:1)", ""),
        ("#12345", ""),
        ("rgba(1,2)", ""),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(color_text(text), expected, "{text:?}");
    }
}

#[test]
fn links_that_run_something_are_left_out() {
    for (url, kept) in [
        ("https://a.example/${__value.raw}", true),
        ("/d/x?var-a=${__field.labels.a}", true),
        ("${base}:9090/x", true),
        ("d/x:y", true),
        ("javascript:alert(1)", false),
        (" java\nscript:alert(1)", false),
        ("data:text/html,x", false),
    ] {
        let (config, warnings) = config(json!({"links": [{"title": "t", "url": url}]}));
        assert_eq!((config.links.len() == 1, warnings.is_empty()), (kept, kept), "{url:?}");
    }
}

#[test]
fn wrong_types_are_taken_as_absent() {
    let (got, _) =
        config(json!({"unit": {}, "decimals": "two", "min": [], "color": 7, "thresholds": 1, "mappings": {}, "links": "x", "custom": []}));
    let (plain, _) = config(json!({}));
    assert_eq!(got, plain);
}
