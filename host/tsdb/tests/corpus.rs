//! Replays what fuzzing found: the corpora in `tests/fuzz/corpus`, crashes of the past included. `tests/fuzz/run` makes more.

use test_support::replay;

#[test]
fn fuzz_corpus_segment() {
    replay("segment", tsdb::fuzzing::segment);
}

#[test]
fn fuzz_corpus_block() {
    replay("block", tsdb::fuzzing::block);
}

#[test]
fn fuzz_corpus_block_parts() {
    replay("block_parts", tsdb::fuzzing::block_parts);
}

#[test]
fn fuzz_corpus_prometheus_chunk() {
    replay("prometheus_chunk", tsdb::fuzzing::prometheus_chunk);
}

#[test]
fn fuzz_corpus_prometheus_index() {
    replay("prometheus_index", tsdb::fuzzing::prometheus_index);
}

#[test]
fn fuzz_corpus_prometheus_wal() {
    replay("prometheus_wal", tsdb::fuzzing::prometheus_wal);
}
