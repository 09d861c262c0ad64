//! The cases C2 to C7 of the design's list of bad input, as far as the language goes. Each prints what it measured; the times
//! asserted are ten times what is wished, as guards against hanging, and are processor time where a busy machine would take longer.

#![allow(clippy::print_stdout, reason = "what was measured is for whoever runs the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use promql::{EvalError, Limits, Memory, Value, instant, parse, range};
use test_support::ThreadCpu;

fn memory(series: usize) -> Memory {
    let memory = Memory::new();
    for at in 0..series {
        memory.load_text(&format!("x{{a=\"{at}\"}}"), "0+1x100", 15_000).expect("good series");
    }
    memory
}

/// How much processor time of this thread something takes, printed beside the time that passed.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    let (cpu, begun) = (ThreadCpu::current(), Instant::now());
    let before = cpu.spent();
    let result = work();
    let took = cpu.spent() - before;
    println!("{what}: {took:?} of the processor in {:?}", begun.elapsed());
    assert!(begun.elapsed() < HANGS, "{what}");
    (result, took)
}

/// What does not come back within this hangs, on a busy machine too.
const HANGS: Duration = Duration::from_secs(50);

/// Runs a query that would take long, stops it after a moment, and says how much processor time of its thread it then took.
fn stopped_after(text: &str, memory: &Memory, step: Option<i64>) -> (Result<(), EvalError>, Duration) {
    let (expr, memory) = (parse(text).expect("good"), memory.clone());
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { cancel: Arc::clone(&cancel), features: promql::Features::ALL, ..Limits::default() };
    let (tell, told) = std::sync::mpsc::channel();
    let (looked, wait) = std::sync::mpsc::channel::<()>();
    let running = std::thread::spawn(move || {
        let cpu = ThreadCpu::current();
        tell.send(cpu.clone()).expect("it is waited for");
        let result = match step {
            None => instant(&expr, 1_500_000, &memory, &limits),
            Some(step) => range(&expr, 0, 1_500_000, step, &memory, &limits),
        };
        let spent = cpu.spent();
        // Whoever looks at this thread finds it.
        let _ = wait.recv();
        (result.map(|_| ()), spent)
    });
    let cpu = told.recv().expect("it has begun");
    std::thread::sleep(Duration::from_millis(150));
    let begun = Instant::now();
    let before = cpu.spent();
    cancel.store(true, Ordering::Relaxed);
    drop(looked);
    let (result, after) = running.join().expect("no panic");
    let (took, passed) = (after.saturating_sub(before), begun.elapsed());
    println!("canceled {}: ended after {took:?} of the processor, {passed:?}, with {result:?}", &text[..text.floor_char_boundary(70)]);
    assert!(passed < HANGS, "{text} went on for {passed:?}");
    (result, took)
}

#[test]
fn c2_nested_subquery_is_refused_or_stopped_and_cancels() {
    let mut text = "rate(x[5m])".to_owned();
    for _ in 0..5 {
        text = format!("max_over_time({text}[30d:1s])");
    }
    let expr = parse(&text).expect("it is well-formed");
    let memory = memory(100);
    let (refused, took) = timed("five subqueries of 30 days by a second", || instant(&expr, 1_500_000, &memory, &Limits::default()));
    println!("{:?}", refused.as_ref().err());
    assert!(matches!(refused, Err(EvalError::TooLarge(_) | EvalError::Timeout)), "{refused:?}");
    assert!(took < Duration::from_secs(50));
    let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(100)), samples_max: usize::MAX, ..Limits::default() };
    let expr = parse("max_over_time(max_over_time(quantile_over_time(0.9, x[10m])[30m:1s])[30m:1s])").expect("good");
    let (timeout, took) = timed("three that fit, with 100 ms", || instant(&expr, 1_500_000, &memory, &limits));
    assert!(matches!(timeout, Err(EvalError::Timeout | EvalError::TooLarge(_))), "{timeout:?}");
    assert!(took < Duration::from_millis(2000), "{took:?}");
}

#[test]
fn c2_nested_subquery_and_all_else_that_takes_long_stops_when_canceled() {
    let memory = memory(2000);
    for (text, step) in [
        ("max_over_time(quantile_over_time(0.5, x[1h])[1h:1s])", None),
        ("max_over_time(max_over_time(sum_over_time(x[10m])[30m:10s])[30m:10s])", None),
        ("quantile_over_time(0.9, x[25m])", Some(100)),
        ("sort(x + on(a) (x * on(a) x)) or label_replace(max_over_time(x[20m:100ms]), 'b', '$1', 'a', '(.*)')", None),
        ("topk(1000, avg_over_time(x[20m]))", Some(200)),
        ("quantile(0.5, rate(x[20m])) + stddev(rate(x[20m]))", Some(200)),
        ("count_values('v', x * 1.1)", Some(500)),
        ("{__name__=~\".+\"} + ignoring(nothing) {a=~\".+\"}", Some(200)),
    ] {
        let (result, took) = stopped_after(text, &memory, step);
        // A machine that is fast enough answers before.
        assert!(matches!(result, Err(EvalError::Canceled | EvalError::TooLarge(_)) | Ok(())), "{text}: {result:?}");
        assert!(took < Duration::from_secs(1), "{text} went on for {took:?}");
    }
}

#[test]
fn c3_deep_parens_are_refused_at_once() {
    let guard = Duration::from_millis(500);
    for (what, text) in [
        ("100,000 parentheses", "(".repeat(100_000)),
        ("100,000 parentheses, closed", format!("{}x{}", "(".repeat(100_000), ")".repeat(100_000))),
        ("100,000 minus signs", format!("{}x", "-".repeat(100_000))),
        ("100,000 functions", "abs(".repeat(100_000)),
        ("more than a MiB", format!("x{}", " ".repeat((1 << 20) + 1))),
        ("a MiB of operators", "+".repeat(1 << 20)),
        ("a MiB of brackets", "[".repeat(1 << 20)),
        ("a MiB of open strings", "\"\\".repeat(1 << 19)),
    ] {
        let (result, took) = timed(what, || parse(&text));
        assert!(result.is_err(), "{what}");
        assert!(took < guard, "{what}: {took:?}");
    }
    let chain = vec!["x{a=\"1\"}"; 10_000].join(" or ");
    let (expr, took) = timed("10,000 terms with or", || parse(&chain));
    assert!(took < guard, "{took:?}");
    let result = instant(&expr.expect("a chain is not deep"), 60_000, &memory(2), &Limits::default());
    assert!(matches!(result.map(|r| r.value), Ok(Value::Vector(v)) if v.len() == 1));
    let nearly = format!("x{}", " ".repeat((1 << 20) - 1));
    assert!(timed("exactly a MiB", || parse(&nearly)).0.is_ok());
}

#[test]
fn c4_regex_patterns_are_linear_and_bounded() {
    let memory = Memory::new();
    memory.load_text(&format!("x{{a=\"{}\"}}", "a".repeat(50_000)), "1", 15_000).expect("a good series");
    let expr = parse("x{a=~\"(a*)*b\"}").expect("linear engines need not refuse it");
    let (result, took) = timed("(a*)*b on 50,000 letters", || instant(&expr, 0, &memory, &Limits::default()));
    assert!(matches!(result.map(|r| r.value), Ok(Value::Vector(v)) if v.is_empty()));
    assert!(took < Duration::from_secs(5), "{took:?}");
    for (what, pattern) in [
        (".{0,1000}{0,1000}", "(.{0,1000}){0,1000}".to_owned()),
        ("nested counts", "((a{0,100}){0,100}){0,100}".to_owned()),
        ("a large class, often", "[\\\\p{L}\\\\p{N}]{1000}".repeat(20)),
    ] {
        let (result, took) = timed(what, || parse(&format!("x{{a=~\"{pattern}\"}}")));
        println!("  {:?}", result.as_ref().err().map(|error| error.to_string().chars().take(160).collect::<String>()));
        assert!(result.is_err(), "{what} compiles to more than the limit");
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
    // Long, but no more than a list.
    let long = "abcdefghij".repeat(10_240);
    let (result, took) = timed("a pattern of 100 KiB", || parse(&format!("x{{a=~\"{long}\"}}")));
    println!("  {}", if result.is_ok() { "accepted" } else { "refused" });
    assert!(took < Duration::from_secs(5), "{took:?}");
    let many = (0..10_000).map(|n| format!("v{n}")).collect::<Vec<_>>().join("|");
    let (result, took) = timed("10,000 alternatives", || {
        parse(&format!("x{{a=~\"{many}\"}}")).map(|expr| instant(&expr, 0, &memory, &Limits::default()).is_ok())
    });
    assert_eq!(result, Ok(true));
    assert!(took < Duration::from_secs(5), "{took:?}");
    // A pattern that a function is given is compiled when it is evaluated.
    let replace = parse("label_replace(x, 'b', '$1', 'a', '(.{0,1000}){0,1000}')").expect("the pattern is a string to the parser");
    let refused = instant(&replace, 0, &memory, &Limits::default());
    assert!(matches!(refused, Err(EvalError::Execution(_) | EvalError::BadQuery(_) | EvalError::TooLarge(_))), "{refused:?}");
}

#[test]
fn c5_range_step_is_refused_or_bounded() {
    let (expr, memory) = (parse("x").expect("good"), memory(10));
    for (start, end, step) in [(0, 10, 0), (0, 10, -1), (10, 0, 1)] {
        let result = range(&expr, start, end, step, &memory, &Limits::default());
        assert!(matches!(result, Err(EvalError::BadQuery(_))), "{result:?}");
    }
    let ten_years = 10 * 365 * 86_400_000;
    for text in ["x", "1", "vector(1)", "absent(y)", "sum(x)", "rate(x[5m])"] {
        let expr = parse(text).expect("good");
        let (result, took) = timed(text, || range(&expr, 0, ten_years, 1, &memory, &Limits::default()));
        assert!(matches!(result, Err(EvalError::TooLarge(_))), "{text}: {result:?}");
        assert!(took < Duration::from_secs(5), "{text}: {took:?}");
    }
}

#[test]
fn c6_time_extremes_do_not_overflow() {
    let memory = memory(3);
    let limits = Limits { features: promql::Features::ALL, deadline: Some(Instant::now() + Duration::from_secs(60)), ..Limits::default() };
    for text in ["x @ 1e300", "x @ -1e300", "x @ NaN", "x @ Inf", "x @ 9.3e15", "x[1e300]", "x offset 1e300", "x[5m:1e300]"] {
        match parse(text) {
            Err(error) => println!("{text}: {error}"),
            Ok(expr) => assert!(instant(&expr, 0, &memory, &limits).is_ok_and(|r| matches!(r.value, Value::Vector(v) if v.is_empty()))),
        }
    }
    let texts = ["x", "rate(x[5m])", "x @ start()", "x @ end() offset 1h", "max_over_time(x[1h:1m])", "time()", "year()", "x offset -1y"];
    for text in texts {
        let expr = parse(text).expect("good");
        // The year 300000 is 9.4e15 milliseconds after 1970.
        for at in [i64::MIN, i64::MIN + 1, -62_135_596_800_000, -1, 0, 253_402_300_799_999, 9_404_000_000_000_000, i64::MAX - 1, i64::MAX] {
            let _ = instant(&expr, at, &memory, &limits);
            let _ = range(&expr, at.saturating_sub(5), at, 1, &memory, &limits);
            let _ = range(&expr, at, at.saturating_add(5), i64::MAX, &memory, &limits);
        }
    }
    let whole = range(&parse("x").expect("good"), i64::MIN, i64::MAX, 1, &memory, &limits);
    assert!(matches!(whole, Err(EvalError::TooLarge(_))), "{whole:?}");
}

#[test]
fn c7_group_explosion_ends_with_upstreams_errors() {
    let memory = Memory::new();
    for a in 0..200 {
        for b in 0..10 {
            memory.load_text(&format!("left{{a=\"{}\",b=\"{b}\"}}", a % 7), &format!("{a}.{b}"), 15_000).expect("good");
            memory.load_text(&format!("right{{a=\"{}\",c=\"{b}\"}}", a % 7), "1", 15_000).expect("good");
        }
    }
    for (text, part) in [
        ("left * on(a) right", "many-to-many matching not allowed: matching labels must be unique on one side"),
        ("left * on(a) group_left right", "many-to-many matching not allowed: matching labels must be unique on one side"),
        (
            "label_replace(left, 'a', 'same', 'a', '.*') * 0 + 1 and label_replace(label_replace(left, 'b', '', 'b', '.*'), 'a', '', 'a', '.*')",
            "vector cannot contain metrics with the same labelset",
        ),
        ("label_join(label_join(left, 'a', ''), 'b', '')", "vector cannot contain metrics with the same labelset"),
    ] {
        let error = instant(&parse(text).expect("good"), 0, &memory, &Limits::default()).expect_err(text);
        println!("{text}: {error}");
        assert!(matches!(&error, EvalError::Execution(message) if message.contains(part)), "{text}: {error:?}");
    }
    // Every value is another: as many groups as samples, within the budget or not at all.
    let floats = Memory::new();
    for at in 0..200 {
        floats.load_text(&format!("y{{a=\"{at}\"}}"), &format!("{at}.1+0.37x100"), 15_000).expect("good");
    }
    let expr = parse("count_values('v', y)").expect("good");
    let limits = Limits { samples_max: 100_000, ..Limits::default() };
    let (refused, took) = timed("count_values of floats, 100,000 samples allowed", || range(&expr, 0, 1_500_000, 15_000, &floats, &limits));
    assert!(matches!(refused, Err(EvalError::TooLarge(_))), "{refused:?}");
    assert!(took < Duration::from_secs(50));
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let refused = range(&expr, 0, 1_500_000, 15_000, &floats, &limits).expect_err("a MiB is not enough");
    println!("{refused}");
    assert!(matches!(&refused, EvalError::TooLarge(text) if text.contains("more than 1 MiB of memory")), "{refused:?}");
    assert!(instant(&expr, 0, &floats, &Limits::default()).is_ok());
}
