//! The sections `global` and `scrape_configs`: what they mean and what is refused, with the place.

mod common;

use std::path::Path;

use common::config;
use scrape::{JobReader, Limits};

/// What is told of a configuration that is good.
fn warnings(text: &str) -> Vec<String> {
    let root = yaml::parse(text).expect("YAML");
    let plugins = common::FakePlugins::default();
    let mut reader = JobReader::new(root.get("global"), Path::new("/conf"), &plugins, false).expect("good");
    if let Some(jobs) = root.get("scrape_configs") {
        reader.add(jobs, Path::new("/conf")).expect("good");
    }
    reader.take_warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_upstreams() {
    let config = config("scrape_configs: [{job_name: a}]").expect("good");
    let job = &config.jobs[0];
    assert_eq!((job.interval_ms, job.timeout_ms, job.metrics_path.as_str(), job.scheme.as_str()), (60_000, 10_000, "/metrics", "http"));
    assert_eq!((job.honor_labels, job.honor_timestamps, job.enable_compression), (false, true, true));
    assert_eq!(job.limits, Limits { body_bytes: 64 << 20, ..Limits::default() });
    assert_eq!(config.global.evaluation_interval_ms, 60_000);
    assert_eq!(warnings("scrape_configs: [{job_name: a}]"), Vec::<String>::new());
}

#[test]
fn jobs_take_what_global_says() {
    let text = "global: {scrape_interval: 5s, body_size_limit: 10MB, sample_limit: 7, external_labels: {dc: eu}}\nscrape_configs:\n- job_name: a\n- {job_name: b, scrape_interval: 1m, scrape_timeout: 2s, sample_limit: 9}\n";
    let config = config(text).expect("good");
    let (a, b) = (&config.jobs[0], &config.jobs[1]);
    assert_eq!((a.interval_ms, a.timeout_ms, a.limits.samples, a.limits.body_bytes), (5_000, 5_000, 7, 10 << 20));
    assert_eq!((b.interval_ms, b.timeout_ms, b.limits.samples), (60_000, 2_000, 9));
    assert_eq!(config.global.external_labels.to_string(), "{dc=\"eu\"}");
}

#[test]
fn discovery_and_exporters_get_their_sections_as_json() {
    let text = "scrape_configs:\n- job_name: a\n  dns_sd_configs: [{names: [x.example], type: A, port: 80}, {names: [y], refresh_interval: 5s}]\n- job_name: b\n  exporter: fake\n  exporter_config: {module: 'tls', deep: {n: 1.5}}\n";
    let config = config(text).expect("good");
    let [first, second] = &config.jobs[0].discoveries[..] else { panic!("two entries") };
    assert_eq!(
        (first.plugin.as_str(), first.section.as_str(), first.refresh_ms),
        ("dns", r#"{"names":["x.example"],"port":80,"type":"A"}"#, 30_000)
    );
    assert_eq!(second.refresh_ms, 5_000);
    let exporter = config.jobs[1].exporter.as_ref().expect("an exporter");
    assert_eq!((exporter.plugin.as_str(), exporter.section.as_str()), ("fake", r#"{"deep":{"n":1.5},"module":"tls"}"#));
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, place, part) in [
        ("scrape_configs: [{}]", "1:", "job_name is empty"),
        ("scrape_configs:\n- null", "2:3", "empty or null scrape config section"),
        ("scrape_configs:\n- job_name: a\n- job_name: a", "3:13", "found multiple scrape configs with job name \"a\""),
        (
            "scrape_configs:\n- job_name: a\n  scrape_intervall: 5s",
            "3:3",
            "unknown key \"scrape_intervall\"; did you mean \"scrape_interval\"?",
        ),
        ("global: {scrape_interval: 5s, scrape_timeout: 6s}", "1:47", "global scrape timeout greater than scrape interval"),
        ("global: {nonexistent_field: test}", "1:10", "unknown key \"nonexistent_field\""),
        (
            "scrape_configs:\n- {job_name: a, scrape_interval: 5s, scrape_timeout: 6s}",
            "2:54",
            "scrape timeout greater than scrape interval for scrape config with job name \"a\"",
        ),
        ("scrape_configs:\n- {job_name: a, scheme: ftp}", "2:25", "unknown scheme \"ftp\""),
        (
            "scrape_configs:\n- job_name: a\n  consul_sd_configs: [{server: x}]",
            "3:3",
            "no plugin serves \"consul_sd_configs\": put consul.wasm into plugins/",
        ),
        ("scrape_configs:\n- job_name: a\n  exporter: probe", "3:13", "no plugin serves \"exporter: probe\": put probe.wasm into plugins/"),
        ("scrape_configs:\n- {job_name: a, exporter_config: {}}", "2:", "exporter_config without exporter"),
        ("scrape_configs:\n- {job_name: a, static_configs: [null]}", "2:", "empty or null section in static_configs"),
        ("scrape_configs:\n- {job_name: a, static_configs: [{targets: ['http://bad']}]}", "2:", "\"http://bad\" is not a valid hostname"),
        ("scrape_configs:\n- {job_name: a, static_configs: [{target: [x]}]}", "2:", "unknown key \"target\"; did you mean \"targets\"?"),
        ("scrape_configs:\n- {job_name: a, relabel_configs: [null]}", "2:", "empty or null target relabeling rule in scrape config"),
        ("scrape_configs:\n- {job_name: a, metric_relabel_configs: [null]}", "2:", "empty or null metric relabeling rule in scrape config"),
        ("scrape_configs:\n- {job_name: a, body_size_limit: 100}", "2:34", "a size without a unit"),
        ("scrape_configs:\n- {job_name: a, scrape_protocols: []}", "2:", "scrape_protocols cannot be empty"),
        ("scrape_configs:\n- {job_name: a, scrape_protocols: [Text]}", "2:", "unknown scrape protocol \"Text\""),
        ("scrape_configs:\n- {job_name: a, fallback_scrape_protocol: [PrometheusText0.0.4]}", "2:", "expected a text"),
        ("scrape_configs:\n- {job_name: a, metric_name_validation_scheme: ascii}", "2:", "unknown name validation scheme"),
        ("scrape_configs:\n- {job_name: a, dns_sd_configs: [{refresh_interval: 0s}]}", "2:", "a refresh interval of 0"),
        ("scrape_configs:\n- {job_name: a, sample_limit: many}", "2:31", "expected a number"),
        ("scrape_configs:\n- {job_name: a, basic_auth: {username: a}, authorization: {credentials: b}}", "", "at most one"),
    ] {
        let error = config(text).map(|_| ()).expect_err("the configuration is refused").to_string();
        assert!(error.starts_with(place) && error.contains(part), "{text}: {error}");
    }
}

#[test]
fn histograms_of_jobs_bring_no_warnings() {
    let text = "global: {scrape_native_histograms: true}\nscrape_configs:\n- {job_name: a, convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: false}\n- {job_name: b, scrape_protocols: [PrometheusProto], fallback_scrape_protocol: PrometheusProto}\n";
    assert_eq!(warnings(text), [""; 0]);
    let job = &config(text).expect("good").jobs[1];
    assert_eq!(job.fallback, Some(exposition::Format::Protobuf));
}

#[test]
fn failure_logs_of_global_hold_for_jobs() {
    let text = "global: {metric_name_validation_scheme: legacy, metric_name_escaping_scheme: dots, scrape_failure_log_file: fail.log}\nscrape_configs:\n- job_name: a\n- {job_name: b, metric_name_validation_scheme: utf8, metric_name_escaping_scheme: allow-utf-8, scrape_failure_log_file: /b.log}\n";
    let config = config(text).expect("good");
    let (a, b) = (&config.jobs[0], &config.jobs[1]);
    assert_eq!((a.failure_log.as_deref(), b.failure_log.as_deref()), (Some(Path::new("/conf/fail.log")), Some(Path::new("/b.log"))));
}

/// Faults D12: what the environment holds is a text, whatever it looks like.
#[test]
fn d12_env() {
    let text = "global: {external_labels: {a: '$SKOPOS_D12_UNSET', b: 'x$$y', c: '${PATH}', d: '${unclosed', e: '$'}}";
    let path = std::env::var("PATH").expect("tests have a PATH");
    let labels = config(text).expect("good").global.external_labels;
    let get = |name| labels.get(name).map(str::to_owned);
    assert_eq!((get("a"), get("b"), get("c")), (None, Some("x$y".to_owned()), Some(path)));
    assert_eq!((get("d"), get("e")), (Some("${unclosed".to_owned()), Some("$".to_owned())));
    assert_eq!(
        warnings(text),
        ["1:31: global.external_labels.a: the environment variable SKOPOS_D12_UNSET is not set: it reads as an empty text"]
    );
}

#[test]
fn missing_plugins_can_be_allowed() {
    let text = "scrape_configs:\n- job_name: a\n  consul_sd_configs: [{server: x, anything: [1]}]\n  static_configs: [{targets: [b]}]";
    let root = yaml::parse(text).expect("YAML");
    let plugins = common::FakePlugins::default();
    let mut reader = JobReader::new(None, Path::new("/conf"), &plugins, true).expect("good");
    reader.add(root.get("scrape_configs").expect("there"), Path::new("/conf")).expect("allowed");
    assert_eq!(reader.missing(), ["consul"]);
    let told: Vec<String> = reader.take_warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "3:3: scrape_configs[0].consul_sd_configs: no plugin serves \"consul_sd_configs\": put consul.wasm into plugins/; until then it finds no targets"
        ]
    );
    let config = reader.finish();
    assert_eq!((config.jobs[0].discoveries.len(), config.jobs[0].static_groups.len()), (0, 1));
}

#[test]
fn the_book_and_upstreams_example_load() {
    let Some(root) = common::conformance() else { return };
    for (file, jobs) in [("diamol/exercises/prometheus/prometheus.yml", 2), ("config/examples/prometheus.yml", 1)] {
        let text = std::fs::read_to_string(root.join(file)).expect("the file can be read").replace("DOCKER_HOST", "127.0.0.1");
        let config = config(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(config.jobs.len() >= jobs, "{file}");
    }
}
