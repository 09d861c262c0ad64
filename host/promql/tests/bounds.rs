//! Hostile queries end quickly, with an error that says why.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use promql::{EvalError, Features, Limits, Memory, Value, instant, parse, range};

fn memory() -> Memory {
    let memory = Memory::new();
    for at in 0..100 {
        memory.load_text(&format!("x{{a=\"{at}\"}}"), "0+1x100", 15_000).expect("good series");
    }
    memory
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("-", ""),
        ("abs(", ")"),
        ("sum(", ")"),
        ("1^", ""),
        ("x[1m:", "]"),
        ("x offset -", "1"),
        ("x[(", "1)]"),
        ("x[-", "1]"),
        ("{", "}"),
    ] {
        let text = format!("{}x{}", open.repeat(100_000), close.repeat(100_000));
        let error = parse(&text).expect_err("too deep").to_string();
        assert!(error.len() < 300, "{error}");
        let _ = parse(&open.repeat(100_000)).expect_err("too deep");
    }
}

#[test]
fn brackets_do_not_nest_without_end() {
    for brackets in ["[1m:]", "[1m]", " offset 0", "[1m:] @ 1"] {
        assert!(parse(&format!("x{}", brackets.repeat(20_000))).is_err() || brackets == " offset 0", "{brackets}");
    }
}

#[test]
fn label_values_do_not_double_without_end() {
    let mut text = "x{a=\"1\"}".to_owned();
    for _ in 0..60 {
        text = format!("label_join({text}, 'a', '', 'a', 'a')");
    }
    assert!(matches!(instant(&parse(&text).expect("good"), 60_000, &memory(), &Limits::default()), Err(EvalError::TooLarge(_))));
    let replacement = "$1".repeat(40_000);
    let text = format!("label_replace(label_replace(x, 'a', '{replacement}', 'a', '(.*)'), 'a', '{replacement}', 'a', '(.*)')");
    assert!(matches!(instant(&parse(&text).expect("good"), 60_000, &memory(), &Limits::default()), Err(EvalError::TooLarge(_))));
}

#[test]
fn as_deep_as_allowed_is_evaluated() {
    let depth = (1..400).take_while(|depth| parse(&format!("{}x{}", "(".repeat(*depth), ")".repeat(*depth))).is_ok()).count();
    assert!(depth >= 100, "{depth}");
    for (open, close) in
        [("(", ")"), ("abs(", ")"), ("-(", ")"), ("sum(", ")"), ("1+(", ")"), ("label_replace(", ",'a','','b','c')"), ("1^", "")]
    {
        let deepest =
            (1..=depth).rev().find_map(|n| parse(&format!("{}x{}", open.repeat(n), close.repeat(n))).ok()).expect("one is allowed");
        assert_eq!(parse(&deepest.to_string()).as_ref(), Ok(&deepest));
        let result = range(&deepest, 0, 60_000, 15_000, &memory(), &Limits::default());
        assert!(result.is_ok(), "{open}: {result:?}");
    }
}

#[test]
fn long_chains_are_fine() {
    for op in [" or ", " + ", " * ", " and ", " == "] {
        let text = vec!["x{a=\"1\"}"; 10_000].join(op);
        let expr = parse(&text).expect("a chain is not deep");
        assert_eq!(parse(&expr.to_string()).as_ref(), Ok(&expr));
        assert!(instant(&expr, 60_000, &memory(), &Limits::default()).is_ok());
    }
}

#[test]
fn the_length_of_the_text_is_limited() {
    let text = format!("a{}", " ".repeat(1 << 20));
    assert!(parse(&text).expect_err("too long").message.contains("limit of 1048576"));
    assert!(parse(&"a+".repeat(1 << 18)).is_err());
    assert!(parse(&format!("{}a", "a+".repeat(1 << 18))).expect_err("too many").message.contains("more than 150000"));
    assert!(parse(&format!("{}a", "a+".repeat(70_000))).is_ok());
}

#[test]
fn samples_are_limited() {
    let limits = Limits { samples_max: 5000, ..Limits::default() };
    let all = parse("{__name__=~\".+\"}").expect("a good query");
    assert!(matches!(range(&all, 0, 1_500_000, 15_000, &memory(), &limits), Err(EvalError::TooLarge(_))));
    assert!(matches!(instant(&parse("x[1h]").expect("good"), 1_500_000, &memory(), &limits), Err(EvalError::TooLarge(_))));
    // The peak is stated, and what is given back does not count.
    let one = parse("x{a=\"1\"} + 1 + 1 + 1 + 1").expect("a good query");
    let result = range(&one, 0, 1_500_000, 15_000, &memory(), &limits).expect("small enough");
    assert!(result.stats.samples_peak < 1000 && result.stats.samples_read == 101, "{:?}", result.stats);
    // Steps alone cost memory as well.
    for text in ["1", "vector(1)", "time() > bool 1", "absent(nothing)", "sum(x)"] {
        let result = range(&parse(text).expect("good"), 0, i64::MAX, 1, &memory(), &limits);
        assert!(matches!(result, Err(EvalError::TooLarge(_))), "{text}: {result:?}");
    }
}

#[test]
fn nested_subqueries_are_refused_or_stopped() {
    let mut text = "rate(x[5m])".to_owned();
    for _ in 0..5 {
        text = format!("max_over_time({text}[30d:1s])");
    }
    let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(200)), ..Limits::default() };
    let result = instant(&parse(&text).expect("good"), 1_500_000, &memory(), &limits);
    assert!(matches!(result, Err(EvalError::TooLarge(_) | EvalError::Timeout)), "{result:?}");
}

#[test]
fn deadline_and_cancel_stop_the_work() {
    // More work than anyone waits for, in little memory.
    let expr = parse("max_over_time(quantile_over_time(0.5, x[1h])[1h:1s])").expect("good");
    let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(20)), ..Limits::default() };
    assert_eq!(instant(&expr, 1_500_000, &memory(), &limits).expect_err("too much work"), EvalError::Timeout);
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { cancel: Arc::clone(&cancel), ..Limits::default() };
    let memory = memory();
    let running = std::thread::spawn(move || instant(&expr, 1_500_000, &memory, &limits).map(|_| ()));
    cancel.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(running.join().expect("no panic"), Err(EvalError::Canceled));
}

#[test]
fn times_at_the_ends_of_the_world() {
    let memory = memory();
    for text in [
        "x",
        "x[5m:1s]",
        "rate(x[100y])",
        "x offset 290y",
        "x offset -290y",
        "x @ 9e15",
        "x @ -9e15 offset 200y",
        "time()",
        "year()",
        "timestamp(x)",
        "sum_over_time(x[200y:100y])",
        "predict_linear(x[5m] @ 9e15, 1)",
    ] {
        let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        for at in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            let limits = Limits { features: promql::Features::ALL, ..Limits::default() };
            let _ = instant(&expr, at, &memory, &limits);
            let _ = range(&expr, at, at.saturating_add(10), 1, &memory, &limits);
        }
    }
    for text in ["x @ 1e300", "x @ NaN", "x @ -Inf", "x @ 1e17", "x[1e300]", "x[0]", "x offset 1e11", "x[300y]"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn steps_are_checked() {
    let expr = parse("x").expect("good");
    for (start, end, step) in [(0, 10, 0), (0, 10, -1), (10, 0, 1)] {
        assert!(matches!(range(&expr, start, end, step, &memory(), &Limits::default()), Err(EvalError::BadQuery(_))));
    }
    assert!(matches!(range(&parse("x[5m]").expect("good"), 0, 1, 1, &memory(), &Limits::default()), Err(EvalError::BadQuery(_))));
    assert!(matches!(range(&parse("'a'").expect("good"), 0, 1, 1, &memory(), &Limits::default()), Err(EvalError::BadQuery(_))));
}

#[test]
fn patterns_are_linear_and_limited() {
    assert!(parse("x{a=~\"(a*)*b\"}").is_ok());
    assert!(parse("x{a=~\"(.{0,1000}){0,1000}\"}").is_err());
    let many = (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
    let expr = parse(&format!("x{{a=~\"{many}\"}}")).expect("many alternatives");
    assert!(matches!(instant(&expr, 60_000, &memory(), &Limits::default()).map(|r| r.value), Ok(Value::Vector(v)) if v.len() == 100));
}

#[test]
fn what_is_behind_a_flag_is_refused_by_name_and_place() {
    let cases = [
        ("sum(info(x))", "1:5: parse error: function \"info\" is not enabled"),
        ("rate(x[5m] smoothed)", "1:6: parse error: smoothed modifier is experimental and not enabled"),
        ("1 + x anchored", "1:5: parse error: anchored modifier is experimental and not enabled"),
        (
            "limit_ratio(1, x)",
            "1:1: parse error: limit_ratio() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("sum(mad_over_time(x[1m]))", "1:5: parse error: function \"mad_over_time\" is not enabled"),
        ("-(x + fill(1) y)", "1:3: parse error: binop fill modifiers are experimental and not enabled"),
    ];
    let names = ["promql-experimental-functions", "promql-extended-range-selectors", "promql-binop-fill-modifiers"];
    for (text, message) in cases {
        let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let refused = promql::plan::supported(&expr, Features::default()).expect_err("behind a flag").to_string();
        assert_eq!(refused, message);
        assert_eq!(instant(&expr, 0, &memory(), &Limits::default()), Err(EvalError::BadQuery(message.to_owned())));
        // One flag alone allows it.
        let allows = |name: &&&str| promql::plan::supported(&expr, Features::named([**name])).is_ok();
        let allowed: Vec<_> = names.iter().filter(allows).collect();
        assert_eq!(allowed.len(), 1, "{text}: {allowed:?}");
    }
    assert_eq!(Features::named(names), Features::ALL);
    assert_eq!(Features::named(["promql-duration-expr", "promql-delayed-name-removal"]), Features::default());
}
