//! Makes hosts over the components of `fixtures/guests`, which `test_support` builds.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http_client::Resolver;
use model::ManualClock;
use model::seams::{Exposition, Plugins};
use plugin_host::{Options, PluginHost, PluginsConfig};

/// The bytes of a component.
pub(crate) fn guest(name: &str) -> &'static [u8] {
    Vec::leak(test_support::guest(name))
}

/// The same component with another hash: a custom section more.
pub(crate) fn variant(bytes: &[u8], version: &str) -> Vec<u8> {
    let mut section = vec![7];
    section.extend_from_slice(b"version");
    section.extend_from_slice(version.as_bytes());
    let mut variant = bytes.to_vec();
    variant.push(0);
    variant.push(u8::try_from(section.len()).expect("a short version"));
    variant.extend_from_slice(&section);
    variant
}

/// A folder that is gone at the end of the test.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("skopos-plugins-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("plugins")).expect("the folder for temporary files can be written to");
        Self(path)
    }

    /// Writes a file into the watched folder as an author should: to another name, then renamed.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let fresh = self.0.join(format!("{name}.tmp"));
        std::fs::write(&fresh, bytes).expect("a scratch file");
        std::fs::rename(&fresh, self.0.join("plugins").join(name)).expect("a scratch file");
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn config(text: &str) -> PluginsConfig {
    PluginsConfig::from_node(&yaml::parse(text).expect("YAML")).expect("a section plugins:")
}

/// A host over a folder, with these components embedded.
pub(crate) fn host(dir: &TempDir, embedded: &[&str], text: &str) -> PluginHost {
    let embedded = embedded.iter().map(|name| ((*name).to_owned(), guest(name))).collect();
    host_of(dir, embedded, text)
}

/// Compiled components are kept for all tests.
pub(crate) fn host_of(dir: &TempDir, embedded: Vec<(String, &'static [u8])>, text: &str) -> PluginHost {
    host_with(dir, embedded, text, test_support::guests_built().join("compiled"))
}

pub(crate) fn host_with(dir: &TempDir, embedded: Vec<(String, &'static [u8])>, text: &str, cache_dir: PathBuf) -> PluginHost {
    PluginHost::new(Options {
        cache_dir: Some(cache_dir),
        plugins_dir: None,
        kv_dir: dir.0.join("kv"),
        base_dir: dir.0.clone(),
        own_dirs: vec![dir.0.join("data")],
        embedded,
        config: config(text),
        resolver: Arc::new(Resolver::with_servers(&["127.0.0.1:1"]).expect("an address")),
        clock: Arc::new(ManualClock::at(60_000)),
        compile_timeout: Duration::from_secs(60),
    })
    .expect("the engine starts")
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What one scrape by the good component answers.
pub(crate) async fn text(host: &PluginHost, section: serde_json::Value) -> String {
    match host.metric_source("good", &section.to_string()).expect("it loads").collect("", false, 5_000).await {
        Ok(Exposition::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}
