//! Upstream's own cases for its parser and printer.

mod common;

use std::fmt::Write as _;

/// Expressions that must be read or refused.
#[test]
fn parse_cases() {
    let Some(cases) = common::json("promql/parser/parse_cases.json") else {
        return;
    };
    let (mut passed, mut failed) = (0, String::new());
    let mut same_message = 0;
    for case in cases["cases"].as_array().expect("a list of cases") {
        let input = case["input"].as_str().expect("an input");
        let should_fail = case["should_fail"].as_bool().expect("a verdict");
        let result = promql::parse(input);
        if let (Err(error), Some(wanted)) = (&result, case["errors"][0]["message"].as_str()) {
            same_message += usize::from(error.message == wanted);
            if std::env::var_os("SKOPOS_VERBOSE").is_some() && error.message != wanted {
                println!("{input:?}: {:?}, upstream {wanted:?}", error.message);
            }
        }
        if result.is_err() == should_fail {
            passed += 1;
        } else {
            let _ = writeln!(failed, "{input:?}: should fail: {should_fail}, got {result:?}");
        }
    }
    println!("parser: {passed} passed, {} failed; {same_message} with upstream's words", failed.lines().count());
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(passed, 253);
}

/// Expressions and their canonical text.
#[test]
fn print_cases() {
    let Some(cases) = common::json("promql/parser/print_cases.json") else {
        return;
    };
    let (mut passed, mut failed) = (0, String::new());
    for case in cases["cases"].as_array().expect("a list of cases") {
        let (input, wanted) = (case["input"].as_str().expect("an input"), case["output"].as_str().expect("an output"));
        match promql::parse(input) {
            Ok(expr) if expr.to_string() == wanted => passed += 1,
            Ok(expr) => {
                let _ = writeln!(failed, "{input}: {expr}, wanted {wanted}");
            }
            Err(error) => {
                let _ = writeln!(failed, "{input}: {error}");
            }
        }
    }
    println!("print: {passed} passed, {} failed", failed.lines().count());
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(passed, 65);
}
