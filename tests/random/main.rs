//! Random expressions, asked of Debian's Prometheus and of the evaluator over the same samples: answers must be the same within the
//! tolerance of Prometheus' own tests, and what one refuses the other must refuse.
//!
//! `SKOPOS_EXPRESSIONS=1000000 cargo test -p promql --release --test random -- --nocapture` asks a million; `SKOPOS_SEED` repeats a run.

mod age;
mod answer;
mod case;
mod contradiction;
mod data;
mod evaluated;
mod generate;
mod tree;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use model::LabelSet;
use promql::{Limits, Memory};
use test_support::{Dataset, Dice, KeepAlive, Prometheus};

use answer::{Answer, difference};
use case::{When, ask, case};
use contradiction::Both;
use tree::Tree;

/// The peer and what we evaluate over.
struct Sides {
    address: String,
    memory: Memory,
    /// The same samples, each off by some units of its last place: where the answer over these differs too, rounding decides.
    nearly: Memory,
    /// By some hundred units more or less, as much as a mean over some hundred samples may be off.
    roughly: [Memory; 2],
}

fn memory(data: &Dataset, mut change: impl FnMut(f64) -> f64) -> Memory {
    let memory = Memory::new();
    for (labels, samples) in &data.series {
        let labels: LabelSet = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        memory.load(&labels, samples.iter().map(|(time, value)| (*time, change(*value))));
    }
    memory
}

fn ours(memory: &Memory, text: &str, when: When) -> Answer {
    let limits = Limits::default();
    let expr = promql::parse(text).map_err(|error| error.to_string())?;
    let result = match when {
        When::At(at) => promql::instant(&expr, at * 1000, memory, &limits),
        When::Range { start, end, step } => promql::range(&expr, start * 1000, end * 1000, step * 1000, memory, &limits),
    };
    result.map(evaluated::of).map_err(|error| error.to_string())
}

/// What came of an expression.
#[derive(Debug)]
enum Outcome {
    Same { refused: bool, empty: bool },
    Rounding(String),
    Age(&'static str),
    Differs(String),
}

fn judge(sides: &Sides, connection: &mut KeepAlive, tree: &Tree, when: When) -> Outcome {
    let text = tree.to_string();
    let (theirs, ours_now) = (ask(connection, &text, when), ours(&sides.memory, &text, when));
    let ordered = ["sort", "topk", "bottomk"].iter().any(|name| text.starts_with(name));
    let Some(what) = difference(&theirs, &ours_now, ordered) else {
        return Outcome::Same { refused: ours_now.is_err(), empty: ours_now.is_ok_and(|content| content.series.is_empty()) };
    };
    let mut both = Both { theirs: &mut |text, when| ask(connection, text, when), ours: &mut |text, when| ours(&sides.memory, text, when) };
    if let Some(name) = age::explains(&mut both, tree, when, [&theirs, &ours_now]) {
        return Outcome::Age(name);
    }
    let nudged = || {
        let memories = [(&sides.nearly, tree.nudged()), (&sides.memory, tree.nudged()), (&sides.nearly, text.clone())];
        let [more, less] = &sides.roughly;
        let means = [5e-16, -5e-16].map(|by| (&sides.memory, tree.with_means_off(by)));
        memories.into_iter().chain([(more, text.clone()), (less, text.clone()), (&sides.memory, tree.with_another_mean())]).chain(means)
    };
    let both = theirs.is_ok() && ours_now.is_ok();
    let cancelled = || difference(&rounded(&theirs), &rounded(&ours_now), ordered).is_none();
    let unsteady = || nudged().any(|(memory, text)| difference(&ours_now, &ours(memory, &text, when), ordered).is_some());
    // Debian's version adds up in the order of a table that changes from one time to the next.
    let mut theirs_changes = || (0..10).any(|_| difference(&theirs, &ask(connection, &text, when), ordered).is_some());
    if both && (cancelled() || unsteady() || theirs_changes()) {
        return Outcome::Rounding(what);
    }
    Outcome::Differs(what)
}

/// Without what is left of two values that cancel each other.
fn rounded(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    if let Ok(content) = &mut answer {
        let values = content.series.values_mut().flatten().map(|(_, value)| value);
        values.filter(|value| value.abs() < 1e-9).for_each(|value| *value = 0.0);
    }
    answer
}

/// The smallest expression that still differs.
fn minimise(sides: &Sides, connection: &mut KeepAlive, mut tree: Tree, when: When) -> (Tree, String) {
    let mut why = String::new();
    loop {
        let length = tree.to_string().len();
        let smaller = tree.smaller().into_iter().filter(|smaller| smaller.to_string().len() < length).find_map(|smaller| {
            match judge(sides, connection, &smaller, when) {
                Outcome::Differs(what) => Some((smaller, what)),
                _ => None,
            }
        });
        match smaller {
            Some((smaller, what)) => (tree, why) = (smaller, what),
            None => return (tree, why),
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn c13_random_expressions_are_answered_as_prometheus_does() {
    let arguments = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--query.max-samples=100000000"];
    let Some(prometheus) = Prometheus::start_with("global: {evaluation_interval: 1m}\n", &arguments) else { return };
    let address = prometheus.url("").trim_start_matches("http://").to_owned();
    let data = data::dataset();
    data.write_to(&address);
    let mut noise = Dice(1);
    let mut off = |value: f64, by: f64| if model::is_stale(value) { value } else { value * (1.0 + (noise.below(15) as f64 + 5.0) * by) };
    let nearly = memory(&data, |value| off(value, 2e-16));
    let roughly = [2e-15, -2e-15].map(|by| memory(&data, |value| off(value, by)));
    let sides = Sides { address, memory: memory(&data, |value| value), nearly, roughly };

    let seed = test_support::seed("random expressions");
    let count = variable("SKOPOS_EXPRESSIONS").unwrap_or(20_000);
    let begun = std::time::Instant::now();
    let (next, tally, failures) = (AtomicU64::new(0), Mutex::new(BTreeMap::<&str, u64>::new()), Mutex::new(Vec::new()));
    let verbose = std::env::var_os("SKOPOS_VERBOSE").is_some();
    let enough = variable("SKOPOS_FAILURES").unwrap_or(10) as usize;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut connection = KeepAlive::connect(&sides.address);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || failures.lock().expect("no panic").len() >= enough {
                        break;
                    }
                    let (tree, when) = case(seed, number);
                    let outcome = judge(&sides, &mut connection, &tree, when);
                    let name = match &outcome {
                        Outcome::Same { refused: true, .. } => "same: refused",
                        Outcome::Same { empty: true, .. } => "same: empty",
                        Outcome::Same { .. } => "same",
                        Outcome::Rounding(what) => {
                            if verbose {
                                println!("rounding: {tree} {when:?}: {what}");
                            }
                            "rounding"
                        }
                        Outcome::Age(name) => {
                            if verbose {
                                println!("{name}: {tree} {when:?}");
                            }
                            name
                        }
                        Outcome::Differs(_) => "differ",
                    };
                    *tally.lock().expect("no panic").entry(name).or_default() += 1;
                    if let Outcome::Differs(what) = outcome {
                        let (smallest, why) = minimise(&sides, &mut connection, tree.clone(), when);
                        let text = if why.is_empty() {
                            format!("{tree}\n  {when:?}: {what}")
                        } else {
                            format!("{smallest}\n  {when:?}: {why}\n  from {tree}")
                        };
                        failures.lock().expect("no panic").push(text);
                    }
                }
            });
        }
    });
    let (tally, failures) = (tally.into_inner().expect("no panic"), failures.into_inner().expect("no panic"));
    let of = |name: &str| tally.get(name).copied().unwrap_or(0);
    let same = of("same") + of("same: refused") + of("same: empty");
    let by_age: Vec<String> = age::names().filter(|name| of(name) > 0).map(|name| format!("{name} {}", of(name))).collect();
    let aged: u64 = age::names().map(of).sum();
    println!("{} of them refused by both, {} empty; {:.1} s", of("same: refused"), of("same: empty"), begun.elapsed().as_secs_f64());
    println!(
        "random expressions: {same} same, {aged} differ by age ({}), {} decided by rounding, {} differ",
        by_age.join(", "),
        of("rounding"),
        failures.len()
    );
    assert!(failures.is_empty(), "seed {seed}:\n\n{}", failures.join("\n\n"));
    assert!(of("rounding") * 100 <= count, "rounding decides too often to tell anything");
}

/// Samples that queries look at, in all and by step, beside what Prometheus counts over the same samples.
#[test]
fn samples_are_counted_as_prometheus_counts_them() {
    let arguments = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--enable-feature=promql-per-step-stats"];
    let Some(prometheus) = Prometheus::start_with("global: {evaluation_interval: 1m}\n", &arguments) else { return };
    let address = prometheus.url("").trim_start_matches("http://").to_owned();
    let data = data::dataset();
    data.write_to(&address);
    let memory = memory(&data, |value| value);
    let mut connection = KeepAlive::connect(&address);
    let (end, step) = (data::BEGIN + 3000, 61);
    let mut wrong = Vec::new();
    let queries = [
        "up",
        "up + up",
        "sum(up)",
        "sum by (job) (rate(http_requests_total[5m]))",
        "rate(http_requests_total[5m])",
        "temperature @ 1700001000",
        "sum(temperature @ 1700001000) + up",
        "rate(http_requests_total[5m] @ 1700001000)",
        "max_over_time(up[10m500ms:1m])",
        "max_over_time(rate(http_requests_total[5m])[10m500ms:1m])",
        "sum(max_over_time(sum(up)[10m500ms:37s]))",
        "max_over_time(max_over_time(up[5m])[10m500ms:1m] @ 1700001000)",
        "sum_over_time(sum_over_time(up[5m500ms:30s])[10m500ms:1m])",
        "max_over_time((up @ 1700001000)[10m500ms:1m])",
        "timestamp(up)",
        "timestamp(up @ 1700001000)",
        "absent_over_time(up[5m])",
        "absent(up)",
        "topk(2, temperature)",
        "quantile(scalar(max(up)), temperature)",
        "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
        "up > on() group_left() scalar(up) or vector(1)",
        "label_replace(up, \"a\", \"b\", \"\", \"\")",
        "time()",
        "nonexistent",
    ];
    for (query, range) in
        queries.iter().flat_map(|query| [(*query, true), (*query, false)]).chain([("up[5m]", false), ("up[5m500ms:1m]", false)])
    {
        let start = if range { end - step * 7 } else { end };
        let limits = Limits { per_step: true, ..Limits::default() };
        let Ok(expr) = promql::parse(query) else { continue };
        let (path, ours) = if range {
            ("/api/v1/query_range", promql::range(&expr, start * 1000, end * 1000, step * 1000, &memory, &limits))
        } else {
            ("/api/v1/query", promql::instant(&expr, end * 1000, &memory, &limits))
        };
        let (start, at, step) = (start.to_string(), end.to_string(), step.to_string());
        let times =
            if range { [("start", start.as_str()), ("end", &at), ("step", &step)] } else { [("time", at.as_str()), ("a", ""), ("b", "")] };
        let form: Vec<(&str, &str)> = [("query", query), ("stats", "all")].into_iter().chain(times).collect();
        let (_, body) = connection.form(path, &form);
        let samples = &serde_json::from_str::<serde_json::Value>(&body).expect("JSON")["data"]["stats"]["samples"];
        let theirs: Vec<(i64, u64)> = samples["totalQueryableSamplesPerStep"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| (pair[0].as_f64().map_or(0, |seconds| seconds as i64), pair[1].as_u64().unwrap_or_default()))
            .collect();
        let Ok(ours) = ours else {
            wrong.push(format!("{query} range {range}: {ours:?}"));
            continue;
        };
        let steps: Vec<(i64, u64)> = ours.samples_per_step.iter().map(|step| (step.time / 1000, step.looked_at as u64)).collect();
        let totals = (samples["totalQueryableSamples"].as_u64(), Some(ours.stats.samples_looked_at as u64));
        if totals.0 != totals.1 || theirs != steps {
            wrong.push(format!("{query} range {range}: theirs {:?} {theirs:?}, ours {:?} {steps:?}", totals.0, totals.1));
        }
    }
    println!("{} queries counted beside Prometheus", queries.len() * 2 + 2);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Puts the samples into a server that is asked by hand: `SKOPOS_WRITE_TO=127.0.0.1:9090`.
#[test]
fn samples_for_a_server_of_ones_own() {
    if let Ok(address) = std::env::var("SKOPOS_WRITE_TO") {
        data::dataset().write_to(&address);
    }
}
