use serde_json::json;

use super::*;

fn variable(name: &str, multi: bool, include_all: bool) -> Variable {
    Variable {
        name: name.into(),
        label: String::new(),
        kind: VariableKind::Custom,
        multi,
        include_all,
        all_value: String::new(),
        regex: String::new(),
        sort: 0,
        hide: 0,
        current: Vec::new(),
        options: Vec::new(),
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| (*v).to_owned()).collect()
}

fn scope() -> Scope {
    let options: Vec<VariableOption> = ["a.b", "c"].into_iter().map(VariableOption::plain).collect();
    let mut scope = Scope::new();
    scope.set_builtin("__interval", "15s");
    scope.set(&variable("one", false, false), &options, &texts(&["a.b"]));
    scope.set(&variable("single", true, false), &options, &texts(&["a.b"]));
    scope.set(&variable("many", true, false), &options, &texts(&["a.b", "c"]));
    scope.set(&variable("all", true, true), &options, &texts(&[ALL_VALUE]));
    let mut star = variable("star", true, true);
    star.all_value = ".*".into();
    scope.set(&star, &options, &texts(&[ALL_VALUE]));
    scope.set(&variable("evil", false, false), &[], &texts(&[r#"x"} or up{a="\"#]));
    scope.set(&variable("none", true, false), &[], &[]);
    scope
}

#[test]
fn queries_are_filled_in() {
    let cases = [
        (r#"up{j="$one"}"#, r#"up{j="a.b"}"#),
        (r#"up{j=~"$one"}"#, r#"up{j=~"a.b"}"#),
        (r#"up{j=~"$single"}"#, r#"up{j=~"a\\.b"}"#),
        (r#"up{j="$single"}"#, r#"up{j="a.b"}"#),
        (r#"up{j=~"${many}"}"#, r#"up{j=~"(a\\.b|c)"}"#),
        (r#"up{j !~ '[[many]]'}"#, r#"up{j !~ '(a\\.b|c)'}"#),
        ("up{j=~`$many`}", r"up{j=~`(a\.b|c)`}"),
        (r#"up{j=~"$all"}"#, r#"up{j=~"(a\\.b|c)"}"#),
        (r#"up{j=~"$star"}"#, r#"up{j=~".*"}"#),
        (r#"up{j=~"${many:pipe}"}"#, r#"up{j=~"a.b|c"}"#),
        (r#"up{j=~"${many:regex}"}"#, r#"up{j=~"(a\\.b|c)"}"#),
        (r#"up{j=~"${many:csv}"}"#, r#"up{j=~"a.b,c"}"#),
        (r#"up{j=~"${many:nonsense}"}"#, r#"up{j=~"${many:nonsense}"}"#),
        (r#"up{j="$evil"}"#, r#"up{j="x\"} or up{a=\"\\"}"#),
        ("rate(x[$__interval])", "rate(x[15s])"),
        ("$one_more $unknown ${unknown} [[unknown]] $", "$one_more $unknown ${unknown} [[unknown]] $"),
        ("x[5m:[[__interval]]]", "x[5m:15s]"),
        (r#"up{j=~"$none"}"#, r#"up{j=~"()"}"#),
        (r#"up{a="x\"y$one", b="한글$one"}"#, r#"up{a="x\"ya.b", b="한글a.b"}"#),
    ];
    for (text, expected) in cases {
        assert_eq!(scope().fill_query(text), expected, "{text}");
    }
}

#[test]
fn text_is_filled_in() {
    let cases = [
        ("CPU of $many", "CPU of a.b + c"),
        ("$all, $star", "All, All"),
        ("${many:json}", r#"["a.b","c"]"#),
        ("${many:glob} ${one:percentencode} ${many:doublequote}", r#"{a.b,c} a.b "a.b","c""#),
        ("[[one]]s", "a.bs"),
    ];
    for (text, expected) in cases {
        assert_eq!(scope().fill_text(text), expected, "{text}");
    }
    let mut options = json!({"a": ["$one", 1], "$one": "b"});
    scope().fill_json(&mut options);
    assert_eq!(options, json!({"a": ["a.b", 1], "$one": "b"}));
}

#[test]
fn a_text_cannot_grow_without_end() {
    let mut scope = Scope::new();
    scope.set_builtin("big", "x".repeat(1 << 16));
    let text = "$big ".repeat(1000);
    assert_eq!(scope.fill_text(&text), text);
}

#[test]
fn query_functions() {
    let values = |selector: &str, label: &str| VariableQuery::LabelValues { selector: selector.into(), label: label.into() };
    let cases = [
        ("label_values(instance)", values("", "instance")),
        ("label_values(up, instance)", values("up", "instance")),
        (r#"label_values(up{job="a,b",x="y"}, instance)"#, values(r#"up{job="a,b",x="y"}"#, "instance")),
        ("label_names()", VariableQuery::LabelNames(String::new())),
        ("metrics(node_.*)", VariableQuery::Metrics("node_.*".into())),
        ("query_result(topk(5, up))", VariableQuery::QueryResult("topk(5, up)".into())),
        ("up{job=\"x\"}", VariableQuery::Series("up{job=\"x\"}".into())),
    ];
    for (text, expected) in cases {
        assert_eq!(VariableQuery::parse(text), expected, "{text}");
    }
}

#[test]
fn patterns_filter_and_cut() {
    let mut v = variable("v", false, false);
    let values = || texts(&["web-10", "web-2", "db-1", "web-2"]);
    let run = |v: &Variable| v.options_of(values()).expect("a good pattern").into_iter().map(|o| (o.text, o.value)).collect::<Vec<_>>();
    let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(run(&v), pairs(&[("web-10", "web-10"), ("web-2", "web-2"), ("db-1", "db-1")]));
    v.regex = "/web-.*/".into();
    v.sort = 3;
    assert_eq!(run(&v), pairs(&[("web-2", "web-2"), ("web-10", "web-10")]));
    v.regex = "/web-(\\d+)/".into();
    v.sort = 1;
    assert_eq!(run(&v), pairs(&[("10", "10"), ("2", "2")]));
    v.regex = "/(?<text>\\w+)-(?<value>\\d+)/".into();
    assert_eq!(run(&v).len(), 3);
    v.regex = "(".into();
    assert!(v.options_of(values()).is_err());
}

#[test]
fn what_is_chosen() {
    let options: Vec<VariableOption> = ["a", "b"].into_iter().map(VariableOption::plain).collect();
    let check = |v: &Variable, wanted: Option<&[&str]>, expected: &[&str]| {
        let wanted = wanted.map(texts);
        assert_eq!(v.selection(&options, wanted.as_deref()), texts(expected), "{wanted:?}");
    };
    let single = variable("v", false, false);
    check(&single, Some(&["b"]), &["b"]);
    check(&single, Some(&["x"]), &["a"]);
    check(&single, Some(&["a", "b"]), &["a"]);
    check(&single, None, &["a"]);
    check(&single, Some(&[ALL_VALUE]), &["a"]);
    let many = variable("v", true, true);
    check(&many, Some(&["a", "b"]), &["a", "b"]);
    check(&many, Some(&["a", ALL_VALUE]), &[ALL_VALUE]);
    check(&many, None, &[ALL_VALUE]);
    let mut text = variable("v", false, false);
    text.kind = VariableKind::Textbox;
    check(&text, Some(&["anything"]), &["anything"]);
}
