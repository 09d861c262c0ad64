//! What must hold for any text and any tree.

use promql::{Limits, Memory, parse};
use proptest::prelude::*;

/// Expressions as people might write them, vectors only, nested a few levels.
fn vector() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["up", "sum", "a:b", "offset", "start", "fill", "step", "by", "and", "anchored", "min_of"]);
    let matcher =
        prop::sample::select(vec!["a=\"b\"", "a!=\"\\n\\\"\"", "\"b.c\"=~\"x|y\"", "__name__!~'z'", "le=`+Inf`", "and=\"or\"", "a=\"값\""]);
    let shift = prop::sample::select(vec![
        "",
        " offset 5m",
        " offset -1h30m",
        " @ 12.345",
        " @ start()",
        " @ end() offset 3",
        " offset step()",
        " offset -(1+2)",
    ]);
    let selector = (name, prop::collection::vec(matcher, 0..3), shift).prop_map(|(name, matchers, shift)| {
        // The name must not be set twice.
        let matchers: Vec<&str> = matchers.into_iter().filter(|m| !m.starts_with("__name__")).collect();
        let braces = if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) };
        format!("{name}{braces}{shift}")
    });
    selector.prop_recursive(4, 24, 3, |inner| {
        let op = prop::sample::select(vec!["+", "-", "*", "/", "%", "^", "atan2", "==", "!= bool", "<", ">=", "and", "or", "unless"]);
        let matching = prop::sample::select(vec!["", "on(a) ", "ignoring(a, \"b.c\") ", "on() "]);
        let range = prop::sample::select(vec!["5m", "1h30m", "step()", "2*3m", "-(1-2)", "min_of(5m, range() ^ 2)", "(5)", "300"]);
        let step = prop::sample::select(vec!["", "1m", "step()+1"]);
        let grouping = prop::sample::select(vec!["", " by (a)", " without (a, \"b c\")", " by ()", " without ()"]);
        prop_oneof![
            (inner.clone(), op, matching, inner.clone()).prop_map(|(a, op, m, b)| format!("{a} {op} {m}{b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            (inner.clone(), range, step).prop_map(|(a, range, step)| format!("max_over_time(({a})[{range}:{step}])")),
            (inner.clone(), grouping.clone()).prop_map(|(a, by)| format!("sum{by}({a})")),
            (inner.clone(), grouping).prop_map(|(a, by)| format!("topk(2, {a}){by}")),
            (inner.clone(), -5.0..5.0_f64).prop_map(|(a, n)| format!("clamp_max({a}, {n}) * {n}")),
            prop::sample::select(vec![
                "rate(up[5m] smoothed)",
                "changes(sum[1m] anchored)",
                "start smoothed",
                "ts_of_max_over_time(up[5m])",
                "limitk(1, up)",
                "sort_by_label(up, 'a')",
                "histogram_quantile(0.9, sum)",
                "absent(up)"
            ])
            .prop_map(str::to_owned),
            inner.clone().prop_map(|a| format!("label_replace({a}, 'x', \"$1\", `y`, '(.*)')")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} * on(a) group_left(c) fill(-1) {b}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_reading_gives_the_same_tree(text in vector()) {
        let Ok(expr) = parse(&text) else { return Ok(()) };
        let printed = expr.to_string();
        let again = parse(&printed).map_err(|e| TestCaseError::fail(format!("{text}: {printed}: {e}")))?;
        prop_assert_eq!(&again, &expr, "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn evaluation_never_panics(text in vector(), start in -1000_i64..1_000_000, step in 1_i64..100_000) {
        let Ok(expr) = parse(&text) else { return Ok(()) };
        let memory = Memory::new();
        for (series, points) in [("up{a=\"b\"}", "1 2 _ stale 0x5"), ("sum{a=\"1\",le=\"+Inf\"}", "NaN Inf -Infx2"), ("step", "1+1x20"), ("start{a=\"b\"}", "5x9")] {
            memory.load_text(series, points, 15_000).expect("good series");
        }
        let limits = Limits { samples_max: 200_000, features: promql::Features::ALL, delayed_name_removal: step % 2 == 0, ..Limits::default() };
        let _ = promql::range(&expr, start, start + 20 * step, step, &memory, &limits);
        let _ = promql::instant(&expr, start, &memory, &limits);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn pieces_of_the_language_in_any_order_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..25)) {
        let text = pieces.concat();
        if let Err(error) = parse(&text) {
            prop_assert!(error.span.start <= text.len() && error.span.end <= text.len(), "{}: {:?}", text, error);
        }
    }

    #[test]
    fn any_script_is_run_or_refused(pieces in prop::collection::vec(prop::sample::select(SCRIPT.to_vec()), 0..25)) {
        let _ = promql::script::run_script(&pieces.concat());
    }
}

const PIECES: [&str; 52] = [
    "a",
    "sum",
    "by",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "=",
    "=~",
    "!=",
    "\"x\"",
    "'",
    "`",
    "5m",
    "1.5e3",
    "0x",
    "_",
    "e",
    ".",
    ",",
    ":",
    "@",
    "-",
    "+",
    "^",
    "<",
    "/",
    ">/",
    " offset ",
    " bool ",
    " on ",
    "group_left",
    "fill",
    "step()",
    "min_of(",
    "range",
    "\\",
    "#",
    "\n",
    " ",
    "값",
    "NaN",
    "inf",
    "1y",
    "ms",
    "anchored",
    "rate(",
    "start()",
    "or",
    "\u{0}",
];

const SCRIPT: [&str; 24] = [
    "load ",
    "5m",
    "\n",
    "a",
    "{b=\"c\"}",
    " ",
    "1+2x3",
    "eval ",
    "instant ",
    "at ",
    "range ",
    "from ",
    "to ",
    "step ",
    "expect ",
    "fail ",
    "msg:x",
    "regex:(",
    "ordered",
    "string ",
    "clear",
    "#",
    "\n\n",
    "x99999999999",
];
