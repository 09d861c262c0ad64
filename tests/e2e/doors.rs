//! `skopos tsdb …`: data come in from Debian's Prometheus and go out to it, and both answer the same.

#[path = "doors/prometheus.rs"]
mod prometheus;
#[path = "doors/reading.rs"]
mod reading;
#[path = "write_sender.rs"]
mod write_sender;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use prometheus::{HistogramTarget, Running, TOO_LONG, answers, compare};
use test_support::{Answer, Server, Setup, TempFolder, find_program};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    error: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(BINARY).args(arguments).current_dir(folder).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("commands print UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), error: text(output.stderr) }
}

#[track_caller]
fn good(folder: &Path, arguments: &[&str]) -> String {
    let ran = run(folder, arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.out
}

fn promtool(folder: &Path, arguments: &[&str]) -> String {
    let program = find_program("promtool").expect("it was there before");
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it starts");
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs() as i64)
}

/// Hours of samples that end three hours ago: counters that are reset, gauges, odd values, gaps, names in quotes.
fn openmetrics(end: i64) -> String {
    let mut text = "# TYPE requests counter\n".to_owned();
    for (n, code) in ["200", "404", "500"].iter().enumerate() {
        let mut count = 0;
        for at in 0..960 {
            count = if at == 500 { 0 } else { count + (at * (n as i64 + 3)) % 17 };
            if n != 1 || at % 100 < 80 {
                text += &format!("requests_total{{job=\"web\",instance=\"a:1\",code=\"{code}\"}} {count} {}\n", end - 30 * (960 - at));
            }
        }
    }
    text += "# TYPE temperature gauge\n";
    for place in ["한강", "q\\\"uo\\\\te\\n", "lab"] {
        for at in 0..960 {
            let value = match at % 97 {
                5 => "NaN".to_owned(),
                6 => "+Inf".to_owned(),
                7 => "-0".to_owned(),
                8 => "1e-300".to_owned(),
                _ => format!("{}", (at as f64 * 0.07).sin() * 21.5),
            };
            text += &format!("temperature{{job=\"node\",instance=\"b:1\",place=\"{place}\"}} {value} {}.123\n", end - 30 * (960 - at));
        }
    }
    text + "# EOF\n"
}

#[test]
fn a_directory_of_prometheus_comes_in_and_goes_out_and_answers_the_same() {
    if find_program("prometheus").is_none() || find_program("promtool").is_none() {
        return;
    }
    let folder = TempFolder::new("doors");
    let at = folder.path();
    let end = (now() / 7200) * 7200 - 3 * 3600;
    folder.write("old.om", openmetrics(end));
    promtool(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "theirs"]);

    // Some seconds of scrapes that end in a kill: a log, native histograms in it.
    let histograms = HistogramTarget::start();
    let scrapes = AtomicU64::new(0);
    let text = Server::start(move |_| {
        // One scrape takes too long, so that series end for a moment: staleness goes through the doors as well.
        if scrapes.fetch_add(1, Ordering::Relaxed) == 4 {
            thread::sleep(TOO_LONG);
        }
        let n = now() % 1000;
        Answer::metrics(format!("# TYPE live_total counter\nlive_total{{x=\"1\"}} {n}\nlive_total{{x=\"2\"}} {}\nlive 0.{n}\n", n * 7))
    });
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: live\n  static_configs: [{{targets: ['{}']}}]\n- job_name: native\n  static_configs: [{{targets: ['{}']}}]\n",
        text.address(),
        histograms.address()
    );
    let running = Running::start(&folder, "theirs", &config);
    running.wait_value("count_over_time(live[1m])", Duration::from_secs(60), |n| n >= 8.0);
    running.wait_value("histogram_count(latency)", Duration::from_secs(60), |n| n >= 3.0);
    let ran = run(at, &["tsdb", "import", "--format=prometheus", "theirs", "data"]);
    assert!(ran.code == 1 && ran.error.contains("stop Prometheus"), "it runs: {ran:?}");
    // From blocks and from the log.
    running.delete("temperature{place=\"lab\"}", end - 6 * 3600, end - 5 * 3600);
    running.delete("live_total{x=\"2\"}", now() - 5, now() - 3);
    thread::sleep(Duration::from_secs(2));
    running.kill();
    let newest = now();

    let out = good(at, &["tsdb", "import", "--format=prometheus", "theirs", "data"]);
    assert!(out.contains("log: ") && out.contains("bytes a sample"), "{out}");
    println!("{out}");

    // Both serve what was there, and scrape nothing.
    let nothing = "global: {scrape_interval: 1h}\nscrape_configs: []\n";
    let theirs = Running::start(&folder, "theirs", nothing);
    let ours = Setup::new(BINARY, "doors-ours").config(nothing).argument("--storage.tsdb.retention.time=100y");
    copy(&at.join("data"), &ours.folder().path().join("data"));
    let ours = ours.start();
    let compared = compare(&theirs.url(""), &ours.url(""), end, newest);
    println!("{compared} answers are the same after import");
    println!("{} answers with native histograms have the same JSON", histogram_answers(&theirs.url(""), &ours.url(""), newest));
    println!("{} answers of another age are as that age has them", histograms_by_age(&theirs.url(""), &ours.url(""), newest));
    println!("{} series are the same in both modes of remote read", read_alike(&theirs.url(""), &ours.url(""), newest));
    // A full second: the last scrape came within the one that had begun.
    let native = theirs.value_at("histogram_count(latency)", newest + 1);
    let dump = good(at, &["tsdb", "dump", "--match=latency", "data"]);
    let last = dump.lines().last().unwrap_or_default();
    assert!(last.contains(&format!("{{count:{native}, sum:")), "{native} in {last}");
    theirs.kill();
    drop(ours);

    // And out again.
    let out = good(at, &["tsdb", "export", "--format=prometheus", "data", "exported"]);
    println!("{out}");
    let ours = good(at, &["tsdb", "dump", "data"]);
    let histogram = |line: &&str| !line.contains("{__name__=\"latency\"");
    let (ours, theirs) = (sorted(ours.lines().filter(histogram)), promtool(at, &["tsdb", "dump", "exported"]));
    let theirs = sorted(theirs.lines().filter(histogram));
    assert!(ours.len() > 5000, "{} lines", ours.len());
    assert_eq!(ours.len(), theirs.len(), "lines");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    println!("{} lines of promtool's dump are ours", theirs.len());
    promtool(at, &["tsdb", "list", "exported"]);
    promtool(at, &["tsdb", "analyze", "exported"]);
    let exported = Running::start(&folder, "exported", nothing);
    let again = Running::start(&folder, "theirs", nothing);
    let compared = compare(&again.url(""), &exported.url(""), end, newest);
    for query in ["histogram_count(latency)", "histogram_sum(latency)", "histogram_quantile(0.9, latency)", "rate(latency[10s])"] {
        let both = [&again, &exported].map(|one| answers(&one.url(""), query, Some((newest - 30, newest, 1))));
        assert_eq!(both[0], both[1], "{query}");
        assert!(!both[0].is_empty(), "{query} has an answer");
    }
    println!("{} answers are the same after export, native histograms' among them", compared + 4);
}

/// Asks both servers for histograms of the last minute, made in several ways, and compares their JSON: the same shape, and
/// numbers that differ by no more than the order of additions. What version 2.42 knows less of, [`histograms_by_age`] asks.
fn histogram_answers(theirs: &str, ours: &str, newest: i64) -> usize {
    let queries = [
        "latency",
        "rate(latency[10s])",
        "increase(latency[20s])",
        "sum(latency)",
        "sum(rate(latency[10s]))",
        "latency + latency",
        "histogram_count(rate(latency[10s]))",
        "histogram_sum(latency)",
        "histogram_quantile(0.1, latency)",
        "histogram_fraction(0, 0.2, latency)",
        "count(latency)",
        "count_over_time(latency[5s])",
    ];
    let samples = histogram_samples(ours, newest);
    let mut points = 0;
    for query in queries {
        // The window of a rate or increase.
        let window = query.split_once('[').filter(|_| !query.contains("count_over_time")).map(|(_, rest)| rest.starts_with("10s"));
        let both = [theirs, ours].map(|server| answers(server, query, Some((newest - 40, newest, 1))));
        assert!(!both[0].is_empty(), "{query} has an answer");
        assert_eq!(both[0].keys().collect::<Vec<_>>(), both[1].keys().collect::<Vec<_>>(), "{query}: series");
        for (series, theirs) in &both[0] {
            let found = &both[1][series];
            assert_eq!(theirs.len(), found.len(), "{query}: {theirs:?}, ours {found:?}");
            for ((time, value), (found_time, found)) in theirs.iter().zip(found) {
                let ratio = window.map_or(1.0, |ten| zero_limit(&samples, time.parse().expect("a time"), if ten { 10.0 } else { 20.0 }));
                let same = if ratio == 1.0 {
                    same_numbers(value, found)
                } else {
                    let (theirs, ours) = (unit_of(value), unit_of(found));
                    (theirs * ratio - ours).abs() <= 1e-9 * ours
                };
                assert!(time == found_time && same, "{query} at {time}: {value}, ours {found} ({ratio})");
                points += 1;
            }
        }
    }
    points
}

/// What a rate of the target's histogram is to what 2.42 makes of it. Since 3.6 (commit bcf7a822a0) the count of a histogram is not
/// extrapolated to before where it would have been 0, as a counter's value never was; 2.42 does so for floats alone.
fn zero_limit(samples: &[(f64, u64)], time: f64, window: f64) -> f64 {
    // Whole milliseconds before the end: seconds since 1970 are not exact enough for differences of them.
    let samples: Vec<(f64, u64)> = samples.iter().map(|(at, n)| (((at - time) * 1000.0).round(), *n)).collect();
    let (time, window) = (0.0, window * 1000.0);
    let within: Vec<&(f64, u64)> = samples.iter().filter(|(at, _)| *at > time - window && *at <= time).collect();
    let (Some((first, low)), Some((last, high))) = (within.first(), within.last()) else { return 1.0 };
    let interval = last - first;
    let average = interval / (within.len() - 1) as f64;
    // Borders that are near are reached, else half a step is.
    let reach = |gap: f64| if gap < average * 1.1 { gap } else { average / 2.0 };
    let (before, after) = (reach(first - (time - window)), reach(time - last));
    let zero = interval * *low as f64 / (high - low) as f64;
    (interval + before.min(zero) + after) / (interval + before + after)
}

/// Remote read of both, in one answer and as a stream: the same floats, and the same chunks byte by byte, those of native histograms too.
/// 2.42 leaves histograms out of the answer in one piece (`storage/remote/codec.go` at v2.42.0, `ToQueryResult` reads floats alone, and
/// its own client would not take them), so that ours are compared with what the target had.
fn read_alike(theirs: &str, ours: &str, newest: i64) -> usize {
    let range = ((newest - 60) * 1000, (newest + 1) * 1000);
    let pattern = "live|live_total|latency|up";
    let both = [theirs, ours].map(|server| reading::chunks(server, pattern, range));
    assert_eq!(both[0].len(), 6, "live, two of live_total, latency, up of two targets: {:?}", both[0].keys());
    assert_eq!(both[0].keys().collect::<Vec<_>>(), both[1].keys().collect::<Vec<_>>());
    for (series, chunks) in &both[0] {
        assert_eq!(chunks, &both[1][series], "{series}");
        let encoding = if series.contains("\"latency\"") { 2 } else { 1 };
        assert!(!chunks.is_empty() && chunks.iter().all(|chunk| chunk.2 == encoding), "{series}: {chunks:?}");
    }
    let [theirs, found] = [theirs, ours].map(|server| reading::samples(server, pattern, range));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (series, (floats, histograms)) in &found {
        assert_eq!(&theirs[series].0, floats, "{series}");
        if !series.contains("\"latency\"") {
            assert!(!floats.is_empty() && histograms.is_empty(), "{series}");
            continue;
        }
        let expected: Vec<reading::Native> = histogram_samples(ours, newest + 1)
            .into_iter()
            .map(|(time, n)| reading::Native {
                time: (time * 1000.0).round() as i64,
                count: 8 * n,
                zero: 2 * n,
                sum: 1.5 * n as f64,
                schema: 1,
                zero_threshold: 0.001,
                spans: vec![(0, 2), (2, 1)],
                deltas: vec![n as i64; 3],
            })
            .collect();
        assert!(floats.is_empty() && expected.len() > 5, "{floats:?}");
        // The scrape that took too long left a marker, which no query shows.
        let (stale, histograms): (Vec<_>, Vec<_>) = histograms.iter().partition(|histogram| model::is_stale(histogram.sum));
        assert!(!stale.is_empty() && stale.iter().all(|marker| marker.count == 0 && marker.deltas.is_empty()), "{stale:?}");
        assert_eq!(histograms, expected.iter().collect::<Vec<_>>(), "{series}");
    }
    both[0].len()
}

/// Where 2.42 answers otherwise by its age: what it answers, and what we do, each worked out from the samples.
///
/// Its functions over a range take the float of a point alone, which is 0 where the point is a histogram (`promql/functions.go` at v2.42.0,
/// `funcSumOverTime` and `funcLastOverTime`). Since 2.44 `last_over_time` gives histograms (commit c0879d64cf), since 2.45 `sum_over_time`
/// adds them (191bf9055b). Within a bucket its quantile goes along a line (`promql/quantile.go`, `histogramQuantile`), since 3.0 by the
/// exponent where the buckets are exponential (6fcd225aee).
fn histograms_by_age(theirs: &str, ours: &str, newest: i64) -> usize {
    let samples = histogram_samples(ours, newest);
    assert_eq!(samples, histogram_samples(theirs, newest), "both have the same samples");
    assert!(samples.len() > 5, "{samples:?}");
    let range = Some((newest - 40, newest, 1));
    let within = |time: f64| samples.iter().filter(move |(at, _)| *at > time - 5.0 && *at <= time).map(|(_, n)| *n);
    let mut points = 0;
    for (query, sum) in [("sum_over_time(latency[5s])", true), ("last_over_time(latency[5s])", false)] {
        let both = [theirs, ours].map(|server| answers(server, query, range).into_values().next().expect("one series"));
        assert_eq!(both[0].len(), both[1].len(), "{query}");
        for ((time, value), (found_time, found)) in both[0].iter().zip(&both[1]) {
            assert_eq!((time, value.as_str()), (found_time, "0"), "{query}: 2.42 has no histograms for it");
            let mut within = within(time.parse().expect("a time"));
            let n: u64 = if sum { within.sum() } else { within.next_back().expect("there is a sample") };
            assert_eq!(unit_of(found), n as f64, "{query} at {time}: {found}");
            points += 1;
        }
    }
    // Of 8 parts, 5 are below the last bucket, from 2^1.5 to 2^2, which has 3: 0.9 of all are 2.2 of these.
    let (low, high, part) = (2_f64.powf(1.5), 4.0, 2.2 / 3.0);
    for (server, expected) in [(theirs, low + (high - low) * part), (ours, 2_f64.powf(1.5 + 0.5 * part))] {
        let found = answers(server, "histogram_quantile(0.9, rate(latency[10s]))", range).into_values().next().expect("one series");
        for (time, value) in found {
            let value: f64 = value.parse().expect("a number");
            assert!((value - expected).abs() < 1e-9 * expected, "{server} at {time}: {value} instead of {expected}");
            points += 1;
        }
    }
    points
}

/// The samples of the target's histogram in a minute: when, and how often it had been asked.
fn histogram_samples(server: &str, newest: i64) -> Vec<(f64, u64)> {
    let answer = test_support::get(&format!("{server}/api/v1/query?query=latency%5B60s%5D&time={newest}.437")).json();
    let all = answer["data"]["result"][0]["histograms"].as_array().unwrap_or_else(|| panic!("{answer}"));
    all.iter().map(|sample| (sample[0].as_f64().expect("a time"), unit_of(&sample[1].to_string()) as u64)).collect()
}

/// The n of a histogram of the target's shape: 2n observations around zero, then n, 2n and 3n, and a sum of 1.5n. Of a number, which is
/// their count, likewise.
#[track_caller]
fn unit_of(histogram: &str) -> f64 {
    if let Ok(count) = histogram.parse::<f64>() {
        return count / 8.0;
    }
    let histogram: serde_json::Value = serde_json::from_str(histogram).unwrap_or_else(|error| panic!("{error}: {histogram}"));
    let number = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let n = number(&histogram["count"]) / 8.0;
    let buckets = histogram["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(buckets.len(), 4, "{histogram}");
    let counts = buckets.iter().map(|bucket| number(&bucket[3])).chain([number(&histogram["sum"])]);
    for (count, part) in counts.zip([2.0, 1.0, 2.0, 3.0, 1.5]) {
        assert!((count - part * n).abs() <= 1e-9 * n, "{histogram}");
    }
    n
}

/// Whether two texts are the same but for the last digits of numbers in them.
fn same_numbers(a: &str, b: &str) -> bool {
    let pieces = |text: &str| text.split(['"', ',', '[', ']', '{', '}', ':']).map(str::to_owned).collect::<Vec<_>>();
    let same = |(a, b): (&String, &String)| {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
        a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if close(a, b))
    };
    let (a, b) = (pieces(a), pieces(b));
    a.len() == b.len() && a.iter().zip(&b).all(same)
}

fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    lines
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

#[test]
fn openmetrics_becomes_blocks_as_promtool_makes_them() {
    let folder = TempFolder::new("doors-om");
    let at = folder.path();
    folder.write("old.om", openmetrics(1_700_000_000));
    let out = good(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "data"]);
    println!("{out}");
    let dump = good(at, &["tsdb", "dump", "data"]);
    if find_program("promtool").is_some() {
        promtool(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "theirs"]);
        fs::create_dir_all(at.join("theirs/wal")).expect("a folder");
        let theirs = promtool(at, &["tsdb", "dump", "theirs"]);
        assert!(theirs == dump, "the same lines in the same order");
        let one = ["tsdb", "dump", "--match={code=~\"4..\"}", "--min-time=1699990000000", "--max-time=1699995000000"];
        assert_eq!(promtool(at, &[&one[..], &["theirs"]].concat()), good(at, &[&one[..], &["data"]].concat()));
    }
    // What is dumped as OpenMetrics comes back; and a second time nothing changes.
    fs::write(at.join("again.om"), good(at, &["tsdb", "dump-openmetrics", "data"])).expect("it can be written");
    good(at, &["tsdb", "create-blocks-from", "openmetrics", "again.om", "copy"]);
    assert!(good(at, &["tsdb", "dump", "copy"]) == dump);
    good(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "data"]);
    assert!(good(at, &["tsdb", "dump", "data"]) == dump);

    folder.write("bad.om", "# TYPE a gauge\na 1 5\na 2\n# EOF\n");
    let ran = run(at, &["tsdb", "create-blocks-from", "openmetrics", "bad.om", "none"]);
    assert_eq!((ran.code, ran.error.starts_with("bad.om:3: ")), (1, true), "{ran:?}");
    assert!(!at.join("none").exists(), "nothing is made of a wrong file");
}

#[test]
fn blocks_are_listed_analysed_verified_and_repaired() {
    let folder = TempFolder::new("doors-repair");
    let at = folder.path();
    folder.write("old.om", openmetrics(1_700_000_000));
    good(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "data"]);
    let list = good(at, &["tsdb", "list", "data"]);
    assert!(list.lines().next().is_some_and(|line| line.starts_with("BLOCK ") && line.contains("NUM SAMPLES")), "{list}");
    let samples: u64 = list.lines().skip(1).filter_map(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok()).sum();
    assert_eq!(samples, good(at, &["tsdb", "dump", "data"]).lines().count() as u64, "{list}");
    assert!(good(at, &["tsdb", "list", "-r", "data"]).contains("UTC"));
    let analysis = good(at, &["tsdb", "analyze", "--limit=9", "data"]);
    for wanted in
        ["Series: 6", "Highest cardinality metric names:\n3 requests_total\n3 temperature", "3 job=web", "all blocks", "whole numbers"]
    {
        assert!(analysis.contains(wanted), "{wanted} in {analysis}");
    }
    let verified = good(at, &["tsdb", "verify", "data"]);
    assert!(verified.ends_with("0 damaged stretches\n"), "{verified}");

    // A bit in the middle of a block.
    let block = fs::read_dir(at.join("data/blocks"))
        .expect("it is there")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "block"))
        .expect("there is one");
    let mut bytes = fs::read(&block).expect("it can be read");
    bytes[300] ^= 4;
    fs::write(&block, &bytes).expect("it can be written");
    let ran = run(at, &["tsdb", "verify", "data"]);
    let name = block.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("DAMAGED") && ran.out.contains(&name) && ran.out.contains("byte"), "{ran:?}");
    println!("{}", ran.out);
    let ran = run(at, &["tsdb", "repair", "data"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("lost: ") && ran.out.contains("set aside: "), "{ran:?}");
    println!("{}", ran.out);
    good(at, &["tsdb", "verify", "data"]);
    let kept = good(at, &["tsdb", "dump", "data"]).lines().count() as u64;
    assert!(kept > samples / 2 && kept <= samples, "{kept} of {samples}");
    assert_eq!(run(at, &["tsdb", "repair", "data"]).code, 0, "once is enough");
}

#[test]
fn rules_are_recorded_over_the_past_from_files_and_from_a_server() {
    let folder = TempFolder::new("doors-rules");
    let at = folder.path();
    let end = 1_700_000_000;
    folder.write("old.om", openmetrics(end));
    good(at, &["tsdb", "create-blocks-from", "openmetrics", "old.om", "data"]);
    folder.write(
        "rules.yml",
        "groups:\n- name: a\n  interval: 1m\n  rules:\n  - record: code:requests:rate5m\n    expr: sum by (code) (rate(requests_total[5m]))\n    labels: {from: past}\n  - alert: Never\n    expr: up == 2\n",
    );
    let (start, to) = ((end - 7200).to_string(), (end - 600).to_string());
    let rules = ["tsdb", "create-blocks-from", "rules", "--start", &start, "--end", &to, "rules.yml"];
    let out = good(at, &[&rules[..], &["--data=data", "--output-dir=recorded"]].concat());
    assert!(out.starts_with("rule code:requests:rate5m: "), "{out}");
    let recorded = good(at, &["tsdb", "dump", "recorded"]);
    assert_eq!(recorded.lines().filter(|line| line.contains("code=\"200\", from=\"past\"")).count(), 110, "{out}");
    assert!(
        recorded.lines().all(|line| line.ends_with("0000") && line.starts_with("{__name__=\"code:requests:rate5m\"")),
        "multiples of a minute"
    );

    let ours = Setup::new(BINARY, "doors-rules-ours").config("scrape_configs: []\n").argument("--storage.tsdb.retention.time=100y");
    copy(&at.join("data"), &ours.folder().path().join("data"));
    let ours = ours.start();
    let url = format!("--url={}", ours.url(""));
    good(at, &[&rules[..], &[&url, "--output-dir=asked"]].concat());
    assert!(good(at, &["tsdb", "dump", "asked"]) == recorded, "a server gives the same");

    // Its data directory is in use, and says by whom.
    let data = ours.data().display().to_string();
    let ran = run(at, &[&rules[..], &[&format!("--output-dir={data}")]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.error.contains(&format!("in use by process {}", ours.pid())), "{ran:?}");
    // Reading goes on beside it.
    assert!(good(at, &["tsdb", "dump", &data]).lines().count() > 5000);
}

#[test]
fn wrong_calls_are_told() {
    let folder = TempFolder::new("doors-usage");
    let at = folder.path();
    for command in [
        &["list"][..],
        &["analyze"],
        &["dump"],
        &["dump-openmetrics"],
        &["verify"],
        &["repair"],
        &["import"],
        &["export"],
        &["create-blocks-from", "openmetrics"],
        &["create-blocks-from", "rules"],
    ] {
        let help = good(at, &[&["tsdb"], command, &["--help"]].concat());
        assert!(help.contains("Examples:\n  skopos tsdb "), "{help}");
    }
    for (arguments, code, text) in [
        (&["tsdb", "import", "--format=thanos", "a", "b"][..], 2, "prometheus"),
        (&["tsdb", "import", "--format=prometheus", "absent", "b"], 1, "absent"),
        (&["tsdb", "export", "--format=prometheus", "absent", "b"], 1, "absent"),
        (&["tsdb", "list", "absent"], 1, "absent"),
        (&["tsdb", "dump", "--match=rate(x[5m])", "absent"], 1, ""),
        (&["tsdb", "create-blocks-from", "rules", "r.yml"], 2, "--start"),
    ] {
        let ran = run(at, arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.error.contains(text), "{arguments:?}: {ran:?}");
    }
    assert!(!at.join("absent").exists() && !at.join("b").exists(), "looking makes nothing");
}
