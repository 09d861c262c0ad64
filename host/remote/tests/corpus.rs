//! Replays what fuzzing found: the corpora in `tests/fuzz/corpus`, crashes of the past included. `tests/fuzz/run` makes more.

use test_support::replay;

#[test]
fn fuzz_corpus_remote_v1() {
    replay("remote_v1", remote::fuzzing::v1);
}

#[test]
fn fuzz_corpus_remote_v2() {
    replay("remote_v2", remote::fuzzing::v2);
}

#[test]
fn fuzz_corpus_otlp() {
    replay("otlp", remote::fuzzing::otlp);
}
