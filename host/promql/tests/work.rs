//! How queries are worked through: by one thread or several, with what was read once. None of it changes an answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use model::seams::{GroupSamples, Select, SelectError, SelectRequest, SelectedGroup};
use model::{LabelSet, Matcher, TimeRange};
use promql::{EvalError, Limits, Memory, QueryResult, Value};
use test_support::Dice;

/// A store whose series are in one group for each host, that counts how often it is asked.
#[derive(Default)]
struct Hosts {
    memory: Memory,
    selects: AtomicUsize,
    reads: Arc<AtomicUsize>,
}

struct Host {
    labels: Vec<LabelSet>,
    samples: GroupSamples,
    reads: Arc<AtomicUsize>,
}

impl SelectedGroup for Host {
    fn labels(&self) -> &[LabelSet] {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        self.samples.times.len() * self.labels.len()
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.samples.clone())
    }
}

impl Select for Hosts {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        self.selects.fetch_add(1, Ordering::Relaxed);
        let mut hosts: BTreeMap<(String, Vec<i64>), Host> = BTreeMap::new();
        for group in self.memory.select(request)? {
            let GroupSamples { times, columns, .. } = group.read()?;
            for (labels, column) in group.labels().iter().zip(columns) {
                let key = (labels.get("host").unwrap_or_default().to_owned(), times.clone());
                let empty = || Host {
                    labels: Vec::new(),
                    samples: GroupSamples { times: times.clone(), columns: Vec::new(), warnings: Vec::new() },
                    reads: Arc::clone(&self.reads),
                };
                let host = hosts.entry(key).or_insert_with(empty);
                host.labels.push(labels.clone());
                host.samples.columns.push(column);
            }
        }
        Ok(hosts.into_values().map(|host| Box::new(host) as Box<dyn SelectedGroup>).collect())
    }

    fn label_names(&self, sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        self.memory.label_names(sets, range, limit)
    }

    fn label_values(&self, name: &str, sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        self.memory.label_values(name, sets, range, limit)
    }

    fn series(&self, sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        self.memory.series(sets, range, limit)
    }
}

const STEP: i64 = 15_000;
const SAMPLES: i64 = 60;

fn hosts(dice: &mut Dice, with_histograms: bool) -> Hosts {
    let hosts = Hosts::default();
    for host in 0..20 + dice.below(20) {
        for series in 0..1 + dice.below(12) {
            let name = if dice.below(4) == 0 { "m_total" } else { "n_total" };
            let pairs = [("__name__", name.to_owned()), ("host", format!("h{host}")), ("cpu", series.to_string())];
            let labels = LabelSet::from_pairs(pairs.into_iter().chain([("mode", dice.below(3).to_string())]));
            let mut value = dice.below(1000) as f64 / 7.0;
            for at in 0..SAMPLES {
                match dice.below(40) {
                    0 => continue,
                    1 => value = 0.0,
                    2 => {
                        hosts.memory.add(&labels, at * STEP, model::stale());
                        continue;
                    }
                    // Sums depend on the order in which such numbers are added.
                    3 => value += 1e16,
                    n => value += n as f64 / 3.0,
                }
                hosts.memory.add(&labels, at * STEP, value);
            }
        }
    }
    if with_histograms {
        let text = "{{schema:0 count:3 sum:4 buckets:[1 2]}}x50";
        hosts.memory.load_text(r#"m_total{host="h7", cpu="h"}"#, text, STEP).expect("a series");
    }
    hosts
}

/// Values by their bits, so that nothing counts as equal that is not.
fn bits(result: &QueryResult) -> Vec<(String, Vec<(i64, u64)>)> {
    match &result.value {
        Value::Vector(samples) => {
            let bits = |s: &promql::Sample| (format!("{}{:?}", s.labels, s.histogram), vec![(s.point.time, s.point.value.to_bits())]);
            samples.iter().map(bits).collect()
        }
        Value::Matrix(series) => {
            let bits = |s: &promql::Series| {
                (format!("{}{:?}", s.labels, s.histograms), s.points.iter().map(|p| (p.time, p.value.to_bits())).collect())
            };
            series.iter().map(bits).collect()
        }
        other => vec![(format!("{other:?}"), Vec::new())],
    }
}

const AGGREGATIONS: [&str; 12] = [
    "sum(n_total)",
    "sum by (mode) (rate(n_total[2m]))",
    "avg by (cpu) (increase(m_total[90s]))",
    "stddev without (host) (n_total)",
    "stdvar(delta(m_total[5m]))",
    "count by (__name__) ({__name__=~'.+'})",
    "min by (mode) (max_over_time(n_total[1m]))",
    "max by (host) (sum_over_time(m_total[3m]))",
    "group by (mode) (n_total)",
    "sum without (cpu) (last_over_time(n_total[5m]))",
    "topk(3, sum by (host) (rate(n_total[1m])))",
    "sum(m_total) / sum(rate(n_total[1m] offset 1m))",
];

#[test]
fn threads_change_no_bit_of_an_answer() {
    let mut dice = Dice(test_support::seed("work"));
    for round in 0..6 {
        let hosts = hosts(&mut dice, round % 3 == 2);
        for text in AGGREGATIONS {
            let expr = promql::parse(text).expect("an expression");
            let ask = |threads: usize| {
                let limits = Limits { threads, share_from: 0, ..Limits::default() };
                let range = promql::range(&expr, 60_000, SAMPLES * STEP, 37_000, &hosts, &limits).expect("an answer");
                assert_eq!((limits.meter.samples(), limits.meter.bytes()), (0, 0), "{text}: something is still counted");
                let instant = promql::instant(&expr, SAMPLES * STEP - 1, &hosts, &limits).expect("an answer");
                let counted = (range.stats.samples_looked_at, instant.stats.samples_looked_at);
                (bits(&range), range.warnings.clone(), range.infos.clone(), bits(&instant), counted)
            };
            let alone = ask(1);
            // Of floats and histograms together there is no sum.
            assert!(!alone.0.is_empty() || round % 3 == 2, "{text} finds nothing");
            for threads in [2, 3, 8] {
                assert_eq!(ask(threads), alone, "{text} with {threads} threads");
            }
        }
    }
}

#[test]
fn threads_keep_limits_and_stop() {
    let hosts = hosts(&mut Dice(test_support::seed("work")), false);
    let expr = promql::parse("sum by (cpu, host) (rate(n_total[2m]))").expect("an expression");
    let ask = |limits: &Limits| promql::range(&expr, 0, SAMPLES * STEP, 1000, &hosts, limits).map(|result| bits(&result));
    let many = Limits { threads: 4, share_from: 0, ..Limits::default() };
    let whole = ask(&many).expect("an answer");
    let peak = many.meter.stats().bytes_peak;
    let mut refused = 0;
    for bytes_max in (0..=peak * 2).step_by(peak / 40) {
        let limits = Limits { bytes_max, meter: Arc::default(), ..many.clone() };
        match ask(&limits) {
            Ok(answer) => assert_eq!(answer, whole),
            Err(EvalError::TooLarge(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(limits.meter.stats().bytes_peak <= bytes_max, "more than {bytes_max}");
        assert_eq!((limits.meter.samples(), limits.meter.bytes()), (0, 0));
        // What one thread may, several may.
        let alone = ask(&Limits { threads: 1, meter: Arc::default(), ..limits.clone() });
        assert_eq!(alone.is_ok(), ask(&Limits { meter: Arc::default(), ..limits }).is_ok(), "{bytes_max} bytes");
    }
    assert!(refused > 0, "no limit was met");
    let past = Limits { deadline: Some(Instant::now()), meter: Arc::default(), ..many.clone() };
    assert_eq!(ask(&past), Err(EvalError::Timeout));
    let canceled = Limits { cancel: Arc::new(AtomicBool::new(true)), meter: Arc::default(), ..many };
    assert_eq!(ask(&canceled), Err(EvalError::Canceled));
}

/// Expressions with how often storage is asked for them, if equal selectors are asked for once.
const REPEATED: [(&str, usize); 12] = [
    ("rate(n_total[5m]) / rate(n_total[5m])", 1),
    ("sum by (mode) (rate(n_total[2m])) / sum by (mode) (rate(n_total[2m]))", 1),
    ("(n_total - on() group_left avg(n_total)) / on() group_left stddev(n_total)", 1),
    ("sum(n_total) / count(n_total)", 1),
    ("sum(n_total) by (mode) / on() group_left count(n_total)", 2),
    ("max_over_time(n_total[5m]) - min_over_time(n_total[5m])", 1),
    ("max_over_time(n_total[5m]) - min_over_time(n_total[4m])", 2),
    ("n_total - n_total offset 1m", 2),
    ("n_total and n_total > 5 or n_total < 3", 1),
    ("n_total{mode='1'} or n_total{mode='2'}", 2),
    ("max_over_time(sum(n_total)[5m:30s]) - sum(n_total)", 2),
    ("timestamp(n_total) - time() + rate(m_total[1m]) * 0 + rate(m_total[1m])", 2),
];

#[test]
fn equal_selectors_are_asked_for_and_read_once() {
    let mut dice = Dice(test_support::seed("work"));
    for with_histograms in [false, true] {
        let hosts = hosts(&mut dice, with_histograms);
        for (text, selects) in REPEATED {
            let expr = promql::parse(text).expect("an expression");
            let ask = |limits: &Limits| {
                hosts.selects.store(0, Ordering::Relaxed);
                hosts.reads.store(0, Ordering::Relaxed);
                let range = promql::range(&expr, 60_000, SAMPLES * STEP, 37_000, &hosts, limits)?;
                assert_eq!((limits.meter.samples(), limits.meter.bytes()), (0, 0), "{text}: something is still counted");
                let counts = (hosts.selects.load(Ordering::Relaxed), hosts.reads.load(Ordering::Relaxed));
                let instant = promql::instant(&expr, SAMPLES * STEP - 1, &hosts, limits)?;
                let remarks = (range.warnings.clone(), range.infos.clone(), range.stats.samples_looked_at);
                Ok::<_, EvalError>(((bits(&range), remarks, bits(&instant)), counts))
            };
            let roomy = Limits::default();
            let (answer, (asked, _)) = ask(&roomy).expect("an answer");
            // With histograms, an aggregation begins anew.
            assert!(asked == selects || with_histograms && asked >= selects, "{text}: storage was asked {asked} times");
            // With the least room that will do, little or nothing is kept: the same answer, read again.
            let peak = roomy.meter.stats().bytes_peak;
            let least =
                (1..=40).map(|part| Limits { bytes_max: peak / 20 * part, ..Limits::default() }).find_map(|limits| ask(&limits).ok());
            assert_eq!(least.expect("twice what was used will do").0, answer, "{text}");
            let threads = Limits { threads: 3, share_from: 0, ..Limits::default() };
            assert_eq!(ask(&threads).expect("an answer").0, answer, "{text}");
            // Each selector by itself: a matcher that says nothing makes them differ.
            let mut number = 0;
            let apart: String = text
                .split_inclusive("_total")
                .map(|part| {
                    number += 1;
                    if part.ends_with("_total") { format!("{part}@@{number}@@") } else { part.to_owned() }
                })
                .collect();
            let apart = (1..=number).fold(apart, |text, at| {
                let (plain, braced) = (format!("@@{at}@@"), format!("@@{at}@@{{"));
                let matcher = format!("x{at}=''");
                if text.contains(&braced) {
                    text.replace(&braced, &format!("{{{matcher},"))
                } else {
                    text.replace(&plain, &format!("{{{matcher}}}"))
                }
            });
            let expr = promql::parse(&apart).expect("an expression");
            let limits = Limits::default();
            let range = promql::range(&expr, 60_000, SAMPLES * STEP, 37_000, &hosts, &limits).expect("an answer");
            let instant = promql::instant(&expr, SAMPLES * STEP - 1, &hosts, &limits).expect("an answer");
            assert_eq!((bits(&range), bits(&instant)), (answer.0.clone(), answer.2.clone()), "{apart}");
            assert_eq!(range.stats.samples_looked_at, answer.1.2, "{apart}");
        }
    }
    // Each group of the first is read once, too.
    let hosts = hosts(&mut dice, false);
    let reads = |text: &str| {
        hosts.reads.store(0, Ordering::Relaxed);
        let expr = promql::parse(text).expect("an expression");
        promql::range(&expr, 60_000, SAMPLES * STEP, 37_000, &hosts, &Limits::default()).expect("an answer");
        hosts.reads.load(Ordering::Relaxed)
    };
    let once = reads("rate(n_total[5m])");
    assert!(once > 10);
    assert_eq!(reads("rate(n_total[5m]) / rate(n_total[5m])"), once);
    assert_eq!(reads("sum by (mode) (rate(n_total[5m])) / sum by (mode) (rate(n_total[5m]))"), once);
    assert_eq!(reads("rate(n_total[5m]) / rate(n_total{x=''}[5m])"), 2 * once);
}
