//! What is remembered of bodies never leads a line to the wrong series: random bytes of bodies change, and a committer that
//! remembers nothing tells what is right. The seed is printed with a failure; `SKOPOS_SEED` repeats it alone.

use std::fmt::Write;
use std::time::Instant;

use exposition::Format;
use model::LabelSet;
use test_support::Dice;

use super::{Committed, Committer, Scrape};
use crate::config::Limits;
use crate::layout::KeyHasher;
use crate::sample_labels::SampleRules;
use crate::store::{Store, StoredRow};

fn body(dice: &mut Dice, round: usize, format: Format) -> Vec<u8> {
    let mut text = String::new();
    for family in 0..8 {
        let kind = ["counter", "gauge", "histogram", "summary"][family % 4];
        let _ = write!(text, "# HELP m{family} Said of it.\n# TYPE m{family} {kind}\n");
        for line in 0..12 {
            let value = ["1", "NaN", "+Inf", "0.25", "1e+06"][dice.below(5)];
            let total = if format == Format::OpenMetrics && kind == "counter" { "_total" } else { "" };
            let _ = write!(text, "m{family}{total}{{le=\"{line}\",quantile=\"0.{line}\",x=\"a\\\"b{}\"}} {value}", line % 5);
            if line % 4 == 3 {
                let time = 10_000 * round + line % 3;
                let _ = if format == Format::Text { write!(text, " {time}") } else { write!(text, " {}", time as f64 / 1000.0) };
            }
            text.push('\n');
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text.into_bytes()
}

fn change(dice: &mut Dice, body: &mut Vec<u8>) {
    let at = dice.below(body.len());
    match dice.below(6) {
        // Within a line, to what it is made of.
        0 | 1 => body[at] = b"ab01\"{}=, \n#.\\"[dice.below(14)],
        2 => _ = body.remove(at),
        3 => body.insert(at, b"1a\n \""[dice.below(5)]),
        // Whole lines go, or come twice.
        kind => {
            let start = body[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |length| at + length + 1);
            let line = body[start..end].to_vec();
            if kind == 4 {
                body.drain(start..end);
            } else {
                let to = dice.below(body.len());
                let to = body[..to].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                body.splice(to..to, line);
            }
        }
    }
}

fn committer(store: &Store) -> Committer {
    let rules = SampleRules {
        target_labels: LabelSet::from_pairs([("job", "j"), ("instance", "i")]),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: true,
        legacy_names: false,
        limits: Limits::default(),
        histograms: Default::default(),
        metric_relabel: std::sync::Arc::default(),
    };
    Committer::new(store.shared(), std::sync::Arc::default(), "g".to_owned(), KeyHasher::new(3), std::sync::Arc::new(rules))
}

/// Samples of each time, sorted: which group a series with times of its own is in is nobody's business.
fn samples(rows: &[StoredRow]) -> Vec<(i64, String, u64)> {
    let of =
        |row: &StoredRow| row.samples.iter().map(|(labels, value)| (row.time, labels.to_string(), value.to_bits())).collect::<Vec<_>>();
    // How long a scrape took is in no body.
    let all = rows.iter().flat_map(of).filter(|(_, labels, _)| !labels.starts_with("scrape_duration_seconds"));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

#[test]
fn what_is_remembered_leads_no_line_to_another_series() {
    let only = std::env::var("SKOPOS_SEED").ok().and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = only.map_or_else(|| (1..=120).collect(), |seed| vec![seed]);
    let (mut bodies, mut failed) = (0, 0);
    for seed in seeds {
        let mut dice = Dice(seed);
        let (with, without) = (Store::default(), Store::default());
        let (mut remembers, mut forgets) = (committer(&with), committer(&without));
        for round in 1..10 {
            let format = if dice.below(6) == 0 { Format::OpenMetrics } else { Format::Text };
            let mut body = body(&mut dice, round, format);
            for _ in 0..dice.below(4) {
                change(&mut dice, &mut body);
            }
            let scrape = |began| Scrape {
                time: round as i64 * 10_000,
                began,
                body: Ok((body.as_slice(), format)),
                timeout_ms: 1000,
                extra_metrics: false,
                certificate_not_after: None,
            };
            forgets.forget_layout();
            let (rows_with, rows_without) = (with.rows().len(), without.rows().len());
            let (one, other) = (remembers.commit(&scrape(Instant::now())), forgets.commit(&scrape(Instant::now())));
            let said = |committed: &Committed| (committed.error.clone(), committed.lines, committed.kept, committed.duplicates);
            let text = String::from_utf8_lossy(&body);
            if one.error.is_none() {
                assert_eq!(said(&one), said(&other), "SKOPOS_SEED={seed}, round {round}: {text}");
            } else {
                // How far was read when the error was met is the same too, but what came before it may be counted otherwise.
                assert_eq!(one.error, other.error, "SKOPOS_SEED={seed}, round {round}: {text}");
                failed += 1;
            }
            let (found, expected) = (samples(&with.rows()[rows_with..]), samples(&without.rows()[rows_without..]));
            assert_eq!(found, expected, "SKOPOS_SEED={seed}, round {round}: {text}");
            bodies += 1;
        }
    }
    println!("{bodies} bodies, {failed} with an error");
    assert!(only.is_some() || (failed > bodies / 20 && failed < bodies), "{failed} of {bodies} bodies have an error");
}
