//! Entries for fuzzing: each takes any bytes and must come back, without a panic, soon and with bounded memory.

use std::sync::LazyLock;

use crate::lex::{self, Kind};
use crate::{Limits, Memory};

/// Longest text that is looked at: reading takes time with its length, which is none of fuzzing's questions.
const TEXT_MAX: usize = 4096;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= TEXT_MAX)
}

/// Reads all tokens: their places ascend and lie within the text.
pub fn lexer(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut last = 0;
    for token in lex::lex(text) {
        let (start, end) = (token.span.start, token.span.end);
        assert!(last <= start && start <= end && end <= text.len(), "{token:?}");
        assert!(text.get(start..end).is_some() || matches!(token.kind, Kind::Error(_)), "{token:?} begins or ends within a character");
        last = start;
    }
}

/// Reads an expression and a series. What is read is written in both forms, which read the same again.
pub fn parser(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = crate::parse_series(text);
    let Ok(expr) = crate::parse(text) else { return };
    let _ = crate::plan::supported(&expr, crate::Features::default());
    let _ = crate::plan::selectors(&expr);
    for printed in [expr.to_string(), expr.pretty()] {
        let again = crate::parse(&printed).unwrap_or_else(|error| panic!("{text:?} was written as {printed:?}: {error}"));
        assert_eq!(without_plus(&again.to_string()), without_plus(&expr.to_string()), "{text:?}");
    }
}

/// Infinity is written `+Inf`, as upstream does. Where it is the base of a power, whose operator binds closer than a sign, that sign is
/// read as one of the whole: it changes nothing, but comes to stand there once more each time.
fn without_plus(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("+Inf") {
        text = text.replace("+Inf", "Inf");
    }
    text
}

/// Some series of floats and histograms, with names of one letter, which are found by chance.
static SERIES: LazyLock<Memory> = LazyLock::new(|| {
    let memory = Memory::new();
    for (series, points) in [
        ("a{b=\"c\"}", "0+1x30 0+3x30"),
        ("a{b=\"d\"}", "1 2 _ stale 5x20 NaN Inf -Inf -0"),
        ("b{b=\"c\",le=\"1\"}", "0+1x60"),
        ("b{b=\"c\",le=\"+Inf\"}", "0+2x60"),
        (
            "h{b=\"c\"}",
            "{{schema:1 count:5 sum:4 z_bucket:1 z_bucket_w:0.01 buckets:[1 2] n_buckets:[1]}}+{{schema:1 count:2 sum:1 buckets:[1 1]}}x40 {{}} 1",
        ),
        (
            "h{b=\"d\"}",
            "{{schema:-53 count:6 sum:4 custom_values:[1 2 5] buckets:[1 2 2 1]}}x30 {{schema:-53 count:1 sum:4 custom_values:[2] buckets:[1]}}x9",
        ),
        ("c", "1e308x9 -1e308x9 5e-324x9 1x30"),
    ] {
        // The texts are ours.
        let _ = memory.load_text(series, points, 15_000);
    }
    memory
});

/// Evaluates an expression at a time and over a range that the first byte picks, with what is experimental and without.
pub fn evaluator(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Some(Ok(expr)) = text(rest).map(crate::parse) else { return };
    let end = i64::from(*first) * 5_000 - 100_000;
    let step = 1 + i64::from(first % 16) * 7_001;
    let limits = || Limits {
        samples_max: 200_000,
        bytes_max: 16 << 20,
        features: if first % 2 == 0 { crate::Features::ALL } else { crate::Features::default() },
        delayed_name_removal: first % 3 == 0,
        deadline: Some(std::time::Instant::now() + std::time::Duration::from_secs(2)),
        ..Limits::default()
    };
    let _ = crate::instant(&expr, end, &*SERIES, &limits());
    let _ = crate::range(&expr, end - step * 9, end, step, &*SERIES, &limits());
}
