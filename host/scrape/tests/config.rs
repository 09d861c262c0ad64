//! The sections `global` and `scrape_configs`: what they mean and what is refused, with the place.

mod common;

use common::config;
use scrape::Limits;

#[test]
fn defaults_are_upstreams() {
    let config = config("scrape_configs: [{job_name: a}]").expect("good");
    let job = &config.jobs[0];
    assert_eq!((job.interval_ms, job.timeout_ms, job.metrics_path.as_str(), job.scheme.as_str()), (60_000, 10_000, "/metrics", "http"));
    assert_eq!((job.honor_labels, job.honor_timestamps, job.enable_compression), (false, true, true));
    assert_eq!(job.limits, Limits { body_bytes: 64 << 20, ..Limits::default() });
    assert_eq!(config.global.evaluation_interval_ms, 60_000);
    assert!(config.warnings.is_empty());
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
        ("scrape_configs:\n- {job_name: a, scrape_protocols: [PrometheusProto]}", "2:", "add PrometheusText0.0.4"),
        ("scrape_configs:\n- {job_name: a, scrape_protocols: [Text]}", "2:", "unknown scrape protocol \"Text\""),
        ("scrape_configs:\n- {job_name: a, fallback_scrape_protocol: [PrometheusText0.0.4]}", "2:", "expected a text"),
        ("scrape_configs:\n- {job_name: a, fallback_scrape_protocol: PrometheusProto}", "2:", "does not read PrometheusProto"),
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
fn what_has_no_effect_yet_is_told() {
    let text = "global: {scrape_native_histograms: true}\nscrape_configs:\n- {job_name: a, convert_classic_histograms_to_nhcb: true, scrape_failure_log_file: f, always_scrape_classic_histograms: false}\n";
    let config = config(text).expect("good");
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    assert!(config.warnings[0].starts_with("global.scrape_native_histograms: "), "{:?}", config.warnings);
}

/// Of upstream's files those whose `scrape_configs` name no service discovery that nothing serves here.
#[test]
fn upstreams_files() {
    let Some(root) = common::conformance() else { return };
    let (mut checked, mut unsupported) = (0, 0);
    for entry in std::fs::read_dir(root.join("config/prometheus")).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // Sections of other rooms, and files that are no whole configuration.
        let ours = ![
            "remote_",
            "otlp",
            "tsdb",
            "tracing",
            "rules",
            "agent_mode",
            "static_config.bad",
            "section_key",
            "scrape_config_files",
            "empty_alert",
            "empty_r",
            "azure",
        ]
        .iter()
        .any(|other| name.starts_with(other));
        if path.extension().is_none_or(|extension| extension != "yml") || !ours {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let outcome = config(&text);
        if outcome.as_ref().is_err_and(|error| error.message.starts_with("no plugin serves")) {
            unsupported += 1;
            continue;
        }
        checked += 1;
        assert_eq!(outcome.is_err(), name.contains(".bad."), "{name}: {:?}", outcome.map(|_| ()));
    }
    println!("{checked} files agree, {unsupported} name a service discovery that nothing serves");
    assert!(checked > 20);
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
