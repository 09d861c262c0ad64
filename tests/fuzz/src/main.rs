//! One libFuzzer binary for all readers of bytes from outside; `SKOPOS_FUZZ_TARGET` names the reader. `../run` calls it.
#![no_main]

use std::sync::LazyLock;

type Reader = fn(&[u8]);

/// Kept in step with the tests that replay the corpora: `host/*/tests/corpus.rs`.
const READERS: &[(&str, Reader)] = &[
    ("log", tsdb::fuzzing::log),
    ("log_payloads", tsdb::fuzzing::log_payloads),
    ("protobuf", |bytes| drop(exposition::fuzzing::protobuf(bytes))),
];

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let wanted = std::env::var("SKOPOS_FUZZ_TARGET").unwrap_or_default();
    let Some((_, reader)) = READERS.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
        eprintln!("SKOPOS_FUZZ_TARGET must be one of: {}", names.join(" "));
        std::process::exit(2);
    };
    *reader
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    READER(bytes);
});
