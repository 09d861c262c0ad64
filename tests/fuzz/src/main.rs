//! One libFuzzer binary for all readers of bytes from outside; `SKOPOS_FUZZ_TARGET` names the reader. `../run` calls it.
#![no_main]

use std::sync::LazyLock;

type Reader = fn(&[u8]);

/// Kept in step with the tests that replay the corpora: `host/{tsdb,exposition,remote,promql}/tests/corpus.rs`.
const READERS: &[(&str, Reader)] = &[
    ("segment", tsdb::fuzzing::segment),
    ("block", tsdb::fuzzing::block),
    ("block_parts", tsdb::fuzzing::block_parts),
    ("prometheus_chunk", tsdb::fuzzing::prometheus_chunk),
    ("prometheus_index", tsdb::fuzzing::prometheus_index),
    ("prometheus_wal", tsdb::fuzzing::prometheus_wal),
    ("remote_v1", remote::fuzzing::v1),
    ("remote_v2", remote::fuzzing::v2),
    ("otlp", remote::fuzzing::otlp),
    ("promql_lexer", promql::fuzzing::lexer),
    ("promql_parser", promql::fuzzing::parser),
    ("promql_evaluator", promql::fuzzing::evaluator),
    ("protobuf", |bytes| drop(exposition::fuzzing::protobuf(bytes))),
];

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let wanted = std::env::var("SKOPOS_FUZZ_TARGET").unwrap_or_default();
    let Some((_, reader)) = READERS.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
        eprintln!("SKOPOS_FUZZ_TARGET must be one of: {}", names.join(" "));
        std::process::exit(2);
    };
    // libFuzzer's ends the process at every panic; one that a reader catches is none. What it does not catch ends it all the same.
    std::panic::set_hook(Box::new(|what| eprintln!("{what}")));
    *reader
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    READER(bytes);
});
