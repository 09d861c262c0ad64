//! Replays what fuzzing found: the corpora in `tests/fuzz/corpus`, crashes of the past included. `tests/fuzz/run` makes more.

use test_support::replay;

#[test]
fn fuzz_corpus_protobuf() {
    replay("protobuf", |bytes| drop(exposition::fuzzing::protobuf(bytes)));
}
