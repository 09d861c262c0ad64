//! Components that mean harm, by the letters of the list of faults: each ends its own call and nothing else.

mod guests;

use std::time::{Duration, Instant};

use guests::{TempDir, guest, host, host_of};
use model::seams::{Exposition, PluginError, PluginKind, Plugins};
use plugin_host::PluginHost;

/// One scrape by a hostile exporter, without any configuration.
async fn collect(host: &PluginHost, name: &str, section: &str) -> Result<Exposition, PluginError> {
    host.metric_source(name, section).expect("it loads").collect("", false, 60_000).await
}

/// After whatever happened, the host serves the others.
async fn all_is_well(host: &PluginHost) {
    let answer = collect(host, "good", r#"{"arg":"still here"}"#).await.expect("the good one runs");
    assert!(matches!(answer, Exposition::Text(text) if text.contains("still here")));
}

/// The good one and an exporter whose start function does this.
fn with_start(dir: &TempDir, name: &str, start: &str) -> PluginHost {
    let text = format!(
        r#"(component
            (core module $m (func $start {start}) (start $start))
            (core instance (instantiate $m))
            (core module $n (func (export "f")))
            (core instance $i (instantiate $n))
            (func $collect (canon lift (core func $i "f")))
            (instance $e (export "collect" (func $collect)))
            (export "skopos:plugin/exporter@0.1.0" (instance $e)))"#
    );
    let bytes = wat::parse_str(text).expect("a component");
    host_of(dir, vec![("good".to_owned(), guest("good")), (name.to_owned(), Vec::leak(bytes))], "")
}

async fn fails(host: &PluginHost, name: &str, section: &str, expected: &str) -> Duration {
    let begun = Instant::now();
    let error = collect(host, name, section).await.expect_err("it is hostile");
    assert!(matches!(error, PluginError::Failed(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("plugin {name} failed in exporter.collect")) && text.contains(expected), "{text}");
    all_is_well(host).await;
    begun.elapsed()
}

#[tokio::test]
async fn g1_an_endless_loop_ends_at_its_deadline() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "spin"], "");
    let took = fails(&host, "spin", "", "ran for more than its limit of 1s").await;
    assert!(took >= Duration::from_millis(900), "the limit is a second, it ended after {took:?}");
    let status = host.status().into_iter().find(|s| s.name == "spin").expect("it is listed");
    assert_eq!((status.calls, status.failures), (2, 1), "the call at load and this one");
}

#[tokio::test]
async fn g1_the_deadline_is_the_scrapes_if_that_is_shorter() {
    let dir = TempDir::new();
    let host = host(&dir, &["spin"], "spin:\n  limits: {timeout: 300s}\n");
    let begun = Instant::now();
    let error = host.metric_source("spin", "").expect("it loads").collect("", false, 200).await.expect_err("it never ends");
    assert!(error.to_string().contains("200ms"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "not the five minutes of its own limit");
}

#[tokio::test]
async fn g1_a_loop_before_the_first_call_keeps_the_plugin_from_loading() {
    let dir = TempDir::new();
    let host = with_start(&dir, "spin_at_start", "(loop (br 0))");
    let error = host.metric_source("spin_at_start", "").err().expect("it does not load");
    assert!(error.to_string().contains("ran for more than its limit"), "{error}");
    // A try takes its limit of a second each time; a refusal may take as long now and then, where others want the processor.
    let refused = (0..20).map(|_| {
        let begun = Instant::now();
        assert!(host.metric_source("spin_at_start", "").is_err());
        begun.elapsed()
    });
    let quickest = refused.min().unwrap_or(Duration::MAX);
    println!("a plugin that did not load is refused after {quickest:?}");
    assert!(quickest < Duration::from_millis(500), "it is not tried again");
    assert!(!host.serves("spin_at_start", PluginKind::Exporter));
    all_is_well(&host).await;
}

#[tokio::test]
async fn g1_waiting_is_not_running_and_ends_with_the_scrape() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let source = host.metric_source("good", r#"{"do":"sleep","arg":"1500"}"#).expect("it loads");
    let answer = source.collect("", false, 4_000).await;
    assert!(matches!(answer, Ok(Exposition::Text(text)) if text == "slept"), "longer than its second of running");
    let error = source.collect("", false, 100).await.expect_err("it waits too long");
    assert!(error.to_string().contains("did not end within 100ms"), "{error}");
    all_is_well(&host).await;
}

#[tokio::test]
async fn g2_growth_ends_at_the_limit() {
    let dir = TempDir::new();
    // As long as a busy machine may take for that: it is the memory that ends it.
    let host = host(&dir, &["good", "grow"], "grow:\n  limits: {timeout: 60s}\n");
    fails(&host, "grow", "", "more memory than its limit of 64 MiB").await;
}

#[tokio::test]
async fn g2_the_limit_is_the_operators() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "grow"], "grow:\n  limits: {memory: 8MiB, timeout: 60s}\n");
    fails(&host, "grow", "", "more memory than its limit of 8 MiB").await;
}

#[tokio::test]
async fn g3_recursion_ends() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "recurse"], "");
    fails(&host, "recurse", "", "trap").await;
}

#[tokio::test]
async fn g4_big_values_are_refused() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "big_values"], "");
    fails(&host, "big_values", "", "more data than its limit").await;
}

#[tokio::test]
async fn g5_bulk_operations_are_interrupted_too() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "fuel_cheat"], "");
    fails(&host, "fuel_cheat", "", "ran for more than its limit of 1s").await;
}

#[tokio::test]
async fn g9_floods_are_cut_off() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "flood"], "flood:\n  limits: {timeout: 20s, memory: 256MiB}\n");
    let error = collect(&host, "flood", "{}").await.expect_err("a million samples");
    assert!(error.to_string().contains("more data than its limit"), "{error}");
    let error = collect(&host, "flood", r#"{"x":"many"}"#).await.expect_err("300,000 samples");
    assert!(error.to_string().contains("limit"), "{error}");
    host.metric_source("flood", r#"{"x":"log"}"#)
        .expect("it loads")
        .collect("", false, 20_000)
        .await
        .expect("lines are dropped, the call goes on");
    let stats = host.stats().plugins.into_iter().find(|p| p.name == "flood").expect("it is listed");
    assert_eq!(stats.log_lines_dropped, 100_000 - 100);
    all_is_well(&host).await;
}

#[tokio::test]
async fn g10_a_plugin_that_always_traps_is_left_alone_and_others_are_not() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "trap_every_call"], "");
    let source = host.metric_source("trap_every_call", "").expect("it loads");
    for _ in 0..2 {
        let error = source.collect("a:1", true, 5_000).await.expect_err("it traps");
        assert!(error.to_string().contains("it panicked") && error.to_string().contains("I always panic, also for a:1"), "{error}");
    }
    let error = source.collect("a:1", true, 5_000).await.expect_err("it is left alone");
    assert!(error.to_string().contains("failed repeatedly and is left alone"), "{error}");
    let error = source.collect("b:1", true, 5_000).await.expect_err("it traps");
    assert!(error.to_string().contains("also for b:1"), "another target is tried: {error}");
    all_is_well(&host).await;
    let status = host.status().into_iter().find(|s| s.name == "trap_every_call").expect("it is listed");
    assert_eq!((status.calls, status.failures), (4, 3), "the call at load and three traps");
    assert!(status.last_error.contains("also for b:1"));
}

#[tokio::test]
async fn g10_a_plugin_that_traps_at_its_start_is_compiled_once() {
    let dir = TempDir::new();
    let host = with_start(&dir, "trap_at_start", "unreachable");
    for _ in 0..3 {
        let error = host.metric_source("trap_at_start", "").err().expect("it does not load");
        assert!(error.to_string().contains("does not load"), "{error}");
    }
    let status = host.status().into_iter().find(|s| s.name == "trap_at_start").expect("it is listed");
    assert_eq!((status.calls, status.error.is_empty()), (1, false), "tried once, and it says why it is not there");
    all_is_well(&host).await;
}

#[tokio::test]
async fn g11_files_that_are_no_plugins_leave_everything_running() {
    let dir = TempDir::new();
    dir.put("text.wasm", b"#!/bin/sh\n");
    dir.put("empty.wasm", b"");
    dir.put("core.wasm", &wat::parse_str("(module)").expect("a module"));
    dir.put(
        "future.wasm",
        &wat::parse_str(r#"(component (instance $i) (export "skopos:plugin/exporter@0.3.0" (instance $i)))"#).expect("a component"),
    );
    dir.put(
        "other.wasm",
        &wat::parse_str(r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.6" (instance $i)))"#).expect("a component"),
    );
    dir.put(
        "bare.wasm",
        &wat::parse_str(r#"(component (instance $i) (export "skopos:plugin/exporter@0.1.0" (instance $i)))"#).expect("a component"),
    );
    dir.put("wrong.wasm", &wat::parse_str(WRONG_SIGNATURE).expect("a component"));
    dir.put("bad name.wasm", guest("good"));
    let whole = guest("good");
    dir.put("truncated.wasm", &whole[..whole.len() / 2]);
    let mut damaged = whole.to_vec();
    damaged[whole.len() / 3..whole.len() / 3 + 64].fill(0xff);
    dir.put("damaged.wasm", &damaged);
    let host = host(&dir, &["good"], "");
    let status = host.status();
    for (name, expected) in [
        ("text", "not WebAssembly"),
        ("empty", "not WebAssembly"),
        ("core", "core module"),
        ("future", "made for skopos:plugin 0.3.0; this host serves 0.1"),
        ("other", "it exports wasi:http/incoming-handler@0.2.6"),
        ("bare", "does not have the functions of the contract"),
        ("wrong", "do not have the types of the contract"),
        ("truncated", "damaged"),
        ("damaged", ""),
    ] {
        let plugin = status.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{name} is listed"));
        assert!(
            plugin.error.contains(expected) && plugin.error.contains(&format!("{name}.wasm is not loaded: ")),
            "{name}: {}",
            plugin.error
        );
        assert_eq!(plugin.origin, "file");
        assert!(!host.serves(name, PluginKind::Exporter), "{name}");
    }
    all_is_well(&host).await;
}

/// An exporter whose `collect` takes a number.
const WRONG_SIGNATURE: &str = r#"
(component
  (core module $m (func (export "f") (param i32)))
  (core instance $i (instantiate $m))
  (func $collect (param "config" u32) (canon lift (core func $i "f")))
  (instance $e (export "collect" (func $collect)))
  (export "skopos:plugin/exporter@0.1.0" (instance $e)))
"#;

#[tokio::test]
async fn g11_a_file_past_the_limit_is_refused_unread() {
    let dir = TempDir::new();
    let file = std::fs::File::create(dir.0.join("plugins/huge.wasm")).expect("a scratch file");
    file.set_len((100 << 20) + 1).expect("a file with a hole");
    let begun = Instant::now();
    let host = host_of(&dir, Vec::new(), "");
    let status = host.status();
    assert!(status[0].error.contains("more than the limit of 104857600"), "{}", status[0].error);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
