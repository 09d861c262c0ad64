//! Components that come, change and go as files, and what is kept of them on disk.

mod guests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guests::{TempDir, config, guest, host, host_with, text, until, variant};
use model::seams::{PluginError, PluginKind, Plugins};
use serde_json::json;

#[tokio::test]
async fn files_come_change_and_go_without_a_restart() {
    let dir = TempDir::new();
    let host = host(&dir, &[], "");
    assert!(!host.serves("good", PluginKind::Exporter));
    dir.put("good.wasm", guest("good"));
    until("the file is loaded", || host.serves("good", PluginKind::Exporter));
    let source = host.metric_source("good", r#"{"arg":"1"}"#).expect("it loads");
    source.collect("", false, 5_000).await.expect("it runs");
    dir.put("good.wasm", &variant(guest("good"), "2"));
    until("the file is replaced", || host.status()[0].version == "2");
    source.collect("", false, 5_000).await.expect("it runs");
    dir.put("good.wasm", b"not a component");
    until("the bad file is seen", || host.status()[0].error.contains("not WebAssembly"));
    source.collect("", false, 5_000).await.expect("the old one goes on");
    assert_eq!(host.status()[0].version, "2");
    std::fs::remove_file(dir.0.join("plugins/good.wasm")).expect("it was there");
    until("the file is gone", || !host.serves("good", PluginKind::Exporter));
    assert!(matches!(source.collect("", false, 5_000).await, Err(PluginError::Missing(_))));
    assert!(host.status().is_empty());
}

#[tokio::test]
async fn a_file_takes_an_embedded_plugins_place_only_if_the_operator_says_so() {
    let dir = TempDir::new();
    dir.put("good.wasm", &variant(guest("good"), "9"));
    let host = host(&dir, &["good"], "");
    let status = host.status();
    assert!(status[0].origin == "embedded" && status[0].error.contains("override: [good]"), "{:?}", status[0]);
    host.reload(config("override: [good]\n")).expect("it applies");
    assert_eq!((host.status()[0].origin, host.status()[0].version.as_str(), host.status()[0].error.as_str()), ("file", "9", ""));
    host.reload(config("{}")).expect("it applies");
    assert_eq!(host.status()[0].origin, "embedded");
}

#[tokio::test]
async fn g15_a_file_that_differs_from_its_pin_is_not_loaded() {
    let dir = TempDir::new();
    dir.put("good.wasm", guest("good"));
    let pin = |sha: &str| format!("good:\n  sha256: \"{sha}\"\n");
    let host = host(&dir, &[], &pin(&"0".repeat(64)));
    let error = host.status()[0].error.clone();
    assert!(error.contains("is pinned") && !host.serves("good", PluginKind::Exporter), "{error}");
    let own = error.split("its sha256 is ").nth(1).expect("it is named").split(',').next().expect("a hash").to_owned();
    host.reload(config(&pin(&own))).expect("it applies");
    assert!(host.serves("good", PluginKind::Exporter));
    host.reload(config(&pin(&"0".repeat(64)))).expect("it applies");
    assert!(!host.serves("good", PluginKind::Exporter), "what is no longer pinned stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g12_each_call_ends_on_the_version_it_began_with() {
    let dir = TempDir::new();
    dir.put("good.wasm", guest("good"));
    let host = Arc::new(host(&dir, &[], ""));
    let source = host.metric_source("good", r#"{"arg":"1"}"#).expect("it loads");
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let callers = (0..4).map(|_| {
        let (source, stop, done) = (Arc::clone(&source), Arc::clone(&stop), Arc::clone(&done));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                source.collect("", false, 20_000).await.expect("every call ends well");
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let swapper = tokio::task::spawn_blocking({
        let host = Arc::clone(&host);
        move || {
            for n in 0..10 {
                let version = format!("swap-{n}");
                dir.put("good.wasm", &variant(guest("good"), &version));
                until("the new version", || host.status()[0].version == version);
            }
            dir
        }
    });
    let _dir = swapper.await.expect("all versions came");
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no call failed");
    }
    assert!(done.load(Ordering::Relaxed) > 10);
}

#[tokio::test]
async fn g16_an_altered_artefact_is_compiled_anew() {
    let dir = TempDir::new();
    let fresh = || host_with(&dir, vec![("good".to_owned(), guest("good"))], "", dir.0.join("compiled"));
    text(&fresh(), json!({"do": "wasi"})).await;
    let artefacts = || {
        std::fs::read_dir(dir.0.join("compiled"))
            .expect("it is kept")
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "cwasm"))
    };
    let path = artefacts().next().expect("one component was compiled");
    let good = std::fs::read(&path).expect("it is there");
    let mut altered = good.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 0xff;
    std::fs::write(&path, &altered).expect("a scratch file");
    text(&fresh(), json!({"do": "wasi"})).await;
    assert_ne!(std::fs::read(&path).expect("it is there"), altered, "the altered one was replaced");
}
