use model::LabelSet;
use model::view::Values;
use serde_json::json;

use super::*;
use crate::frames::column;

/// A table: name and cells of each column; numbers unless one cell is a text.
fn table(query: &str, columns: &[(&str, &[Value])]) -> Frame {
    let field = |(name, cells): &(&str, &[Value])| {
        let values = if *name == "Time" {
            Values::Times(cells.iter().map(|c| c.as_i64().expect("a time")).collect())
        } else if cells.iter().any(Value::is_string) {
            Values::Strings(cells.iter().map(|c| c.as_str().unwrap_or("").to_owned()).collect())
        } else {
            Values::Numbers(cells.iter().map(|c| c.as_f64().unwrap_or(f64::NAN)).collect())
        };
        column(name, values)
    };
    Frame { query: query.into(), name: String::new(), fields: columns.iter().map(field).collect() }
}

fn series(query: &str, pod: &str, points: &[(i64, f64)]) -> Frame {
    let mut value = column("Value", Values::Numbers(points.iter().map(|p| p.1).collect()));
    value.labels = LabelSet::from_pairs([("pod", pod), ("job", "x")]);
    value.display_name = pod.into();
    let time = column("Time", Values::Times(points.iter().map(|p| p.0).collect()));
    Frame { query: query.into(), name: pod.into(), fields: vec![time, value] }
}

/// Each frame as `{name: cells}` lists.
fn shown(frames: &[Frame]) -> Value {
    let cells = |values: &Values| serde_json::to_value(values).expect("it serialises")["value"].clone();
    frames.iter().map(|f| f.fields.iter().map(|x| json!([x.display_name, cells(&x.values)])).collect::<Value>()).collect()
}

#[track_caller]
fn check(frames: Vec<Frame>, id: &str, options: Value, expected: Value) {
    let (got, warnings) = transform(frames, &[Transformation { id: id.into(), options }]);
    assert_eq!(warnings, [] as [String; 0]);
    // Compared as text, so that 1 and 1.0 are the same and a difference is easy to see.
    let number = |v: &Value| v.to_string().replace(".0,", ",").replace(".0]", "]");
    assert_eq!(number(&shown(&got)), number(&expected));
}

fn pods() -> Frame {
    table("A", &[("Time", &[json!(1), json!(1)]), ("pod", &[json!("b"), json!("a")]), ("Value #A", &[json!(2), json!(1)])])
}

#[test]
fn columns() {
    check(
        vec![pods()],
        "organize",
        json!({"excludeByName": {"Time": true}, "indexByName": {"pod": 1, "Value #A": 0}, "renameByName": {"pod": "Pod"}}),
        json!([[["Value #A", [2, 1]], ["Pod", ["b", "a"]]]]),
    );
    check(vec![pods()], "filterFieldsByName", json!({"include": {"names": ["pod"]}}), json!([[["pod", ["b", "a"]]]]));
    check(vec![pods()], "filterFieldsByName", json!({"include": {"pattern": "Val"}}), json!([[["Value #A", [2, 1]]]]));
    check(vec![pods()], "filterFieldsByName", json!({"exclude": {"names": ["pod", "Time"]}}), json!([[["Value #A", [2, 1]]]]));
    check(vec![series("A", "a", &[]), series("B", "b", &[])], "filterByRefId", json!({"include": "B"}), json!([[["Time", []], ["b", []]]]));
    check(
        vec![series("A", "pod-1", &[(1, 1.0)])],
        "renameByRegex",
        json!({"regex": "pod-(.)", "renamePattern": "p$1x"}),
        json!([[["Time", [1]], ["p1x", [1]]]]),
    );
}

#[test]
fn rows() {
    check(
        vec![pods()],
        "sortBy",
        json!({"sort": [{"field": "pod"}]}),
        json!([[["Time", [1, 1]], ["pod", ["a", "b"]], ["Value #A", [1, 2]]]]),
    );
    check(
        vec![pods()],
        "sortBy",
        json!({"sort": [{"field": "Value #A", "desc": true}]}),
        json!([[["Time", [1, 1]], ["pod", ["b", "a"]], ["Value #A", [2, 1]]]]),
    );
    check(vec![pods()], "limit", json!({"limitField": 1}), json!([[["Time", [1]], ["pod", ["b"]], ["Value #A", [2]]]]));
    check(
        vec![series("A", "a", &[(1, 1.0), (2, 2.0)]), series("A", "b", &[(1, 3.0)])],
        "seriesToRows",
        json!({}),
        json!([[["Time", [2, 1, 1]], ["Metric", ["a", "a", "b"]], ["Value", [2, 1, 3]]]]),
    );
}

#[test]
fn tables_are_merged_and_joined() {
    let other = table("B", &[("Time", &[json!(1), json!(1)]), ("pod", &[json!("a"), json!("c")]), ("Value #B", &[json!(10), json!(30)])]);
    check(
        vec![pods(), other.clone()],
        "merge",
        json!({}),
        json!([[["Time", [1, 1, 1]], ["pod", ["b", "a", "c"]], ["Value #A", [2, 1, null]], ["Value #B", [null, 10, 30]]]]),
    );
    check(
        vec![pods(), other.clone()],
        "joinByField",
        json!({"byField": "pod", "mode": "outer"}),
        json!([[
            ["pod", ["a", "b", "c"]],
            ["Time 1", [1, 1, null]],
            ["Value #A", [1, 2, null]],
            ["Time 2", [1, null, 1]],
            ["Value #B", [10, null, 30]]
        ]]),
    );
    check(
        vec![pods(), other],
        "joinByField",
        json!({"byField": "pod", "mode": "inner"}),
        json!([[["pod", ["a"]], ["Time 1", [1]], ["Value #A", [1]], ["Time 2", [1]], ["Value #B", [10]]]]),
    );
    check(
        vec![series("A", "a", &[(1, 1.0)]), series("A", "b", &[(2, 3.0)])],
        "seriesToColumns",
        json!({}),
        json!([[["Time", [1, 2]], ["a", [1, null]], ["b", [null, 3]]]]),
    );
}

#[test]
fn labels() {
    check(
        vec![series("A", "a", &[(1, 1.0)]), series("A", "b", &[(1, 3.0)])],
        "labelsToFields",
        json!({"keepLabels": ["pod"]}),
        json!([[["Time", [1, 1]], ["pod", ["a", "b"]], ["Value", [1, 3]]]]),
    );
    check(
        vec![series("A", "a", &[(1, 1.0)])],
        "labelsToFields",
        json!({"mode": "rows"}),
        json!([[["label", ["job", "pod"]], ["value", ["x", "a"]]]]),
    );
}

#[test]
fn summaries() {
    check(
        vec![series("A", "a", &[(1, 1.0), (2, 3.0)]), series("A", "b", &[(1, 5.0)])],
        "reduce",
        json!({"reducers": ["max", "lastNotNull"]}),
        json!([[["Field", ["a", "b"]], ["Max", [3, 5]], ["Last *", [3, 5]]]]),
    );
    check(
        vec![series("A", "a", &[(1, 1.0), (2, 3.0)])],
        "reduce",
        json!({"mode": "reduceFields", "reducers": ["mean"]}),
        json!([[["a", [2]]]]),
    );
    let rows = table("A", &[("pod", &[json!("a"), json!("b"), json!("a")]), ("Value", &[json!(1), json!(2), json!(5)])]);
    check(
        vec![rows],
        "groupBy",
        json!({"fields": {"pod": {"operation": "groupby"}, "Value": {"operation": "aggregate", "aggregations": ["sum", "lastNotNull"]}}}),
        json!([[["pod", ["a", "b"]], ["Value (sum)", [6, 2]], ["Value (lastNotNull)", [5, 2]]]]),
    );
}

#[test]
fn calculations() {
    let numbers = || table("A", &[("a", &[json!(6), json!(8)]), ("b", &[json!(2), json!(4)])]);
    for (options, expected) in [
        (json!({"mode": "binary", "binary": {"left": "a", "operator": "/", "right": "b"}, "alias": "x"}), json!([["x", [3, 2]]])),
        (json!({"mode": "binary", "binary": {"left": "a", "operator": "*", "right": "2"}}), json!([["a * 2", [12, 16]]])),
        (
            json!({"mode": "binary", "binary": {"left": {"matcher": {"id": "byName", "options": "a"}}, "operator": "-", "right": {"fixed": "1"}}}),
            json!([["a - 1", [5, 7]]]),
        ),
        (json!({"mode": "reduceRow", "reduce": {"reducer": "mean"}}), json!([["mean", [4, 6]]])),
        (json!({"reduce": {"reducer": "sum", "include": ["b"]}}), json!([["sum", [2, 4]]])),
    ] {
        let mut options = options;
        options["replaceFields"] = json!(true);
        check(vec![numbers()], "calculateField", options, json!([expected]));
    }
    check(
        vec![series("A", "a", &[(1, 1.0)]), series("A", "b", &[(1, 2.0)])],
        "calculateField",
        json!({"mode": "reduceRow", "reduce": {"reducer": "sum"}, "replaceFields": true, "alias": "all"}),
        json!([[["Time", [1]], ["all", [3]]]]),
    );
}

#[test]
fn what_is_not_there_is_named_and_changes_nothing() {
    for (id, options) in [
        ("heatmap", json!({})),
        ("reduce", json!({"reducers": ["magic"]})),
        ("calculateField", json!({"mode": "windowFunctions"})),
        ("renameByRegex", json!({"regex": "("})),
        ("calculateField", json!({"mode": "binary", "binary": {"left": "zzz", "operator": "+", "right": "1"}})),
    ] {
        let (frames, warnings) = transform(vec![pods()], &[Transformation { id: id.into(), options }]);
        assert_eq!(frames, [pods()]);
        assert!(warnings.len() == 1 && warnings[0].contains(id), "{warnings:?}");
    }
}

#[test]
fn wrong_options_are_no_panic() {
    let ids = [
        "organize",
        "filterFieldsByName",
        "filterByRefId",
        "renameByRegex",
        "concatenate",
        "merge",
        "sortBy",
        "limit",
        "groupBy",
        "seriesToRows",
        "reduce",
        "joinByField",
        "labelsToFields",
        "calculateField",
    ];
    let wrong = [
        json!(null),
        json!([]),
        json!("x"),
        json!({"fields": 1, "include": [], "reducers": {}, "sort": "x", "mode": 7, "byField": {}, "binary": [], "limitField": -1, "indexByName": {"pod": -5}}),
    ];
    for id in ids {
        for options in &wrong {
            for frames in [vec![], vec![pods()], vec![pods(), series("B", "a", &[(1, f64::NAN)])], vec![Frame::default(), Frame::default()]]
            {
                let _ = transform(frames, &[Transformation { id: id.into(), options: options.clone() }]);
            }
        }
    }
}
