//! Bad input of targets, by the letters of the list of faults, beside twenty healthy ones: a flood of series, a document cut
//! short, the same target twice.

use std::time::Duration;

use test_support::{Answer, Beside, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging: a million new series take their time without optimisation.
const LIMIT: Duration = Duration::from_secs(240);

const MIB: u64 = 1 << 20;

/// What a million series may take, as a guard; what they do take is printed.
const MILLION_MAX: u64 = 2048 * MIB;

fn job(name: &str, target: &str, more: &str) -> String {
    format!("  - {{job_name: {name}, metrics_path: /{name}, static_configs: [{{targets: ['{target}']}}], {more}}}\n")
}

#[test]
fn a6_million_series() {
    let body: String = (0..1_000_000).map(|n| format!("million{{n=\"{n:06}\"}} 1\n")).collect();
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/once" | "/limited" => Answer::metrics(body.clone()),
        _ => Answer::metrics("ok 1\n"),
    });
    let mut beside = Beside::start(BINARY, "a6-million-series");
    let before = beside.skopos().resident_bytes();
    beside.add(&job("limited", &server.address(), "scrape_interval: 20s, scrape_timeout: 20s, sample_limit: 500000"));
    beside.fails("limited", "sample limit exceeded: 1000000 samples, sample_limit is 500000");
    assert_eq!(beside.skopos().query("count(million)"), [] as [serde_json::Value; 0], "nothing of a refused scrape is stored");
    beside.add(&job("once", &server.address(), "scrape_interval: 20s, scrape_timeout: 20s"));
    beside.skopos().wait_query("scrape_samples_scraped{job=\"once\"} == 1e6", LIMIT, |r| r.len() == 1);
    beside.skopos().wait_query("count(million)", LIMIT, |r| r.first().is_some_and(|r| r["value"][1] == "1000000"));
    let after = beside.skopos().resident_bytes();
    println!("a6-million-series: {} bytes of memory for each of 1,000,000 new series", after.saturating_sub(before) / 1_000_000);
    beside.others_are_unaffected(MILLION_MAX);
}

#[test]
fn a12_missing_eof() {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let server = Server::start(|asked| {
        let body = match asked.path.as_str() {
            "/missing" => "# TYPE a gauge\na 1\n",
            "/cut" => "# TYPE a gauge\na 1\n# EO",
            "/empty" => "",
            "/behind" => "a 1\n# EOF\nb 1\n",
            _ => "a 1\n# EOF\n",
        };
        Answer::ok(KIND, body)
    });
    let mut beside = Beside::start(BINARY, "a12-missing-eof");
    let names = ["missing", "cut", "empty", "behind", "whole"];
    beside.add(&names.map(|name| job(name, &server.address(), "honor_labels: false")).concat());
    beside.fails("missing", "line 3, column 1: the text ends without \"# EOF\", so it may be cut short");
    beside.fails("cut", "line 3, column 1: a comment, which OpenMetrics does not allow");
    beside.fails("empty", "line 1, column 1: the text ends without \"# EOF\"");
    beside.fails("behind", "line 3, column 1: the text goes on after \"# EOF\"");
    beside.succeeds("whole", 1);
    assert_eq!(beside.skopos().query("a").len(), 1, "nothing of a document cut short is stored");
    beside.others_are_unaffected(0);
}

#[test]
fn a20_dup_targets() {
    let server = Server::start(|_| Answer::metrics("same 1\n"));
    let address = server.address();
    let mut beside = Beside::start(BINARY, "a20-dup-targets");
    let groups = format!(
        "  - {{job_name: groups, static_configs: [{{targets: ['{address}'], labels: {{zone: a}}}}, {{targets: ['{address}'], labels: {{zone: b}}}}]}}\n"
    );
    let twins = |name: &str| {
        format!(
            "  - {{job_name: {name}, static_configs: [{{targets: ['{address}']}}], relabel_configs: [{{target_label: job, replacement: twin}}]}}\n"
        )
    };
    beside.add(&format!("{}{groups}{}{}", job("other", &address, "honor_labels: false"), twins("first"), twins("second")));
    beside.succeeds("other", 1);
    beside.succeeds("groups", 2);
    let same = beside.skopos().query("same{job!=\"twin\"}");
    assert_eq!(same.len(), 3, "the same address from a job and two groups, labelled apart: {same:?}");
    // The same labels from two jobs: both are scraped, and it is told of once.
    for name in ["first", "second"] {
        assert_eq!(beside.targets(name).len(), 1);
    }
    beside.skopos().wait_query("count_over_time(same{job=\"twin\"}[1m]) >= 3", LIMIT, |r| r.len() == 1);
    let warnings = beside.skopos().log().lines().filter(|line| line.contains("two jobs have a target with the same labels")).count();
    assert_eq!(warnings, 1, "one warning\n{}", beside.skopos().log_tail());
    beside.others_are_unaffected(0);
}
