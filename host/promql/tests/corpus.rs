//! Replays what fuzzing found: the corpora in `tests/fuzz/corpus`, crashes of the past included. `tests/fuzz/run` makes more.

#![allow(clippy::print_stdout, reason = "the input that fails is for people")]

use std::path::Path;

fn replay(target: &str, reader: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let mut inputs = 0;
    for file in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = file.expect("readable").path();
        println!("{}", path.display());
        reader(&std::fs::read(&path).expect("readable"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", dir.display());
    // Shapes that no corpus is needed for.
    for bytes in [&[][..], &[0; 1], &[0xFF; 64], &[b'('; 4096], &[b'-'; 4096]] {
        reader(bytes);
    }
}

#[test]
fn fuzz_corpus_lexer() {
    replay("promql_lexer", promql::fuzzing::lexer);
}

#[test]
fn fuzz_corpus_parser() {
    replay("promql_parser", promql::fuzzing::parser);
}

#[test]
fn fuzz_corpus_evaluator() {
    replay("promql_evaluator", promql::fuzzing::evaluator);
}
