//! All of upstream's configurations, judged as the corpus says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_host::PluginHost;

use super::{Config, ConfigSource, LoadError};
use crate::clock::SystemClock;
use crate::files::Files;
use crate::start::{plugin_options, resolver};
use crate::watch::WatchedFiles;

fn host() -> PluginHost {
    let main = super::MainFile::nothing(Path::new("/nonexistent"));
    let scratch = std::env::temp_dir();
    let options = plugin_options(&main, None, None, &scratch, &resolver(&[]).expect("a resolver"), &(Arc::new(SystemClock) as _));
    PluginHost::new(options).expect("plugins can be hosted")
}

fn load(host: &PluginHost, file: &Path, allow_missing_plugins: bool) -> Result<Config, LoadError> {
    let source = ConfigSource {
        file: Some(file.to_owned()),
        alertmanager_file: None,
        dashboard_folders: Vec::new(),
        files: Files::Disk,
        allow_missing_plugins,
        features: promql::Features::ALL,
    };
    let mut watched = WatchedFiles::default();
    let main = source.read_main(&mut watched)?;
    source.read(main, host, &mut watched)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "yml")).collect();
    files.sort();
    files
}

/// `file:line:column: …`: an error that a person can go to.
fn has_place(error: &LoadError) -> bool {
    error.error.position.line > 0 && error.error.position.column > 0 && error.to_string().starts_with(&error.file)
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_configurations() {
    let Some(root) = test_support::conformance("config") else { return };
    let folder = root.join("prometheus");
    let expected = std::fs::read_to_string(folder.join("expected_errors.json")).expect("it can be read");
    let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
    let expected: BTreeMap<String, String> = serde_json::from_value(expected["errors"].clone()).expect("texts");
    let host = host();
    let (mut passed, mut unsupported, mut same_text, mut other_text) = (0, 0, 0, Vec::new());
    let mut failures = Vec::new();
    for path in files(&folder) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // Names with UTF-8 for OTLP where `global` forbids them: upstream refuses these too.
        let bad = name.contains(".bad.") || name.contains(".incompatible.");
        let outcome = load(&host, &path, false).map(drop);
        if let Err(error) = &outcome {
            if !has_place(error) {
                failures.push(format!("{name}: no place: {error}"));
            }
            if error.error.message.starts_with("no plugin serves \"") && error.error.message.contains("into plugins/") {
                unsupported += 1;
                if let (false, Err(error)) = (bad, load(&host, &path, true)) {
                    failures.push(format!("{name}: with missing plugins allowed: {error}"));
                }
                continue;
            }
            if let Some(text) = expected.get(&name) {
                if error.error.message.contains(text.as_str()) { same_text += 1 } else { other_text.push(format!("{name}: {error}")) }
            }
        }
        if outcome.is_err() == bad { passed += 1 } else { failures.push(format!("{name}: {:?}", outcome.map_err(|e| e.to_string()))) }
    }
    for line in &other_text {
        println!("  another text than upstream's: {line}");
    }
    println!(
        "prometheus configurations: {passed} passed, {} failed, {unsupported} unsupported (a discovery that no plugin serves); {same_text} with upstream's text, {} with another",
        failures.len(),
        other_text.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed > 90, "the corpus was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_examples_load_with_missing_plugins_allowed() {
    let Some(root) = test_support::conformance("config") else { return };
    let host = host();
    let (mut good, mut with_missing) = (0, 0);
    for path in files(&root.join("examples")) {
        let config = load(&host, &path, true).unwrap_or_else(|error| panic!("{error}"));
        good += 1;
        with_missing += usize::from(!config.missing_plugins.is_empty());
    }
    println!("example configurations: {good} passed, 0 failed, 0 skipped; {with_missing} name a discovery that no plugin serves");
    assert!(good >= 16);
}

/// A large company's file: everything is told of, with its place, and nothing is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_can_be_tried_and_what_is_lost_is_loud() {
    let Some(root) = test_support::conformance("config") else { return };
    let config = load(&host(), &root.join("prometheus/conf.good.yml"), true).unwrap_or_else(|error| panic!("{error}"));
    let told = config.warnings.join("\n");
    for part in [
        "conf.good.yml:27:5: remote_write[0]: NO SAMPLE IS SENT there",
        "remote_read[0]: queries do NOT see",
        "alerting.alertmanagers[0]: NO ALERT IS SENT there",
        "NOBODY is told of any alert",
        "no plugin serves \"consul_sd_configs\": put consul.wasm into plugins/",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert_eq!(config.storage.retention.time_ms, Some(86_400_000));
    assert!(config.storage.retention.bytes.is_some_and(|bytes| bytes > 0));
    assert!(config.missing_plugins.contains(&"consul".to_owned()));
    for secret in ["mysecret", "testAppSecret", "XXXXXXXXXXXX", "credentials: abcdef", "password: abcdef", "hole"] {
        assert!(!config.shown.contains(secret), "{secret} is shown");
    }
}
