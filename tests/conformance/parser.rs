//! Upstream's own cases for its parser and printer.

use crate::{data, tell};

/// Expressions that must be read or refused.
#[test]
fn parse_cases() {
    let Some(cases) = data::json("promql/parser/parse_cases.json") else {
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
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
            failed.push(format!("{input:?}: should fail: {should_fail}, got {result:?}"));
        }
    }
    tell("parser", passed, &failed, &format!("{same_message} of the refusals in upstream's words"));
    assert!(passed > 0);
}

/// Expressions and their canonical text.
#[test]
fn print_cases() {
    let Some(cases) = data::json("promql/parser/print_cases.json") else {
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for case in cases["cases"].as_array().expect("a list of cases") {
        let (input, wanted) = (case["input"].as_str().expect("an input"), case["output"].as_str().expect("an output"));
        match promql::parse(input) {
            Ok(expr) if expr.to_string() == wanted => passed += 1,
            Ok(expr) => failed.push(format!("{input}: {expr}, wanted {wanted}")),
            Err(error) => failed.push(format!("{input}: {error}")),
        }
    }
    tell("print", passed, &failed, "");
    assert!(passed > 0);
}
