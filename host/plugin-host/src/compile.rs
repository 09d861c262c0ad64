//! From the bytes of a component to native code, within a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::loaded::one_line;

/// Compilations that went past their time and may still run. A thread cannot be ended from outside, so their number is
/// what is bounded.
const ABANDONED_MAX: u32 = 2;

/// Compiles one component at a time: the caller is the one thread that loads plugins.
pub(crate) struct Compiler {
    cache: Cache,
    timeout: Duration,
    abandoned: Arc<AtomicU32>,
    /// Whether it was said that there is something to compile.
    told: AtomicBool,
}

impl Compiler {
    pub(crate) fn new(cache: Cache, timeout: Duration) -> Self {
        Self { cache, timeout, abandoned: Arc::default(), told: AtomicBool::new(false) }
    }

    /// From the cache, or compiled and put there.
    pub(crate) fn component(&self, engine: &Engine, bytes: &[u8], sha256: &str) -> Result<Component, String> {
        if let Some(kept) = self.cache.get(sha256) {
            match deserialize(engine, &kept) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::info!(sha256, "a compiled plugin is of another engine and is compiled anew: {}", one_line(&error)),
            }
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            // On a busy machine that is a minute in which nothing else is said.
            tracing::info!("plugins that this machine has not seen before are compiled, which takes some seconds; what comes out is kept");
        }
        let compiled = self.compile(engine, bytes)?;
        self.cache.put(sha256, &compiled);
        deserialize(engine, &compiled).map_err(|e| format!("what was compiled does not load: {}", one_line(&e)))
    }

    fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, String> {
        if self.abandoned.load(Ordering::Relaxed) >= ABANDONED_MAX {
            return Err("earlier files took too long to compile and are still being compiled: nothing more is, until they end or Skopos is started anew".to_owned());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let thread = thread::Builder::new().name("plugin-compile".to_owned());
        let abandoned = Arc::clone(&self.abandoned);
        let work = move || {
            let compiled = engine.precompile_component(&bytes).map_err(|e| format!("it does not compile: {}", one_line(&e)));
            // Nobody listens any more once the time is over.
            if sender.send(compiled).is_err() {
                abandoned.fetch_sub(1, Ordering::Relaxed);
            }
        };
        thread.spawn(work).map_err(|e| format!("no thread to compile it on: {e}"))?;
        match receiver.recv_timeout(self.timeout) {
            Ok(compiled) => compiled,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.abandoned.fetch_add(1, Ordering::Relaxed);
                Err(format!("it took longer than {} s to compile", self.timeout.as_secs()))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("the compiler gave up on it".to_owned()),
        }
    }
}

#[expect(unsafe_code, reason = "native code that this process made, or that carries a keyed hash of a process of the same user")]
fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs whatever stands in the bytes, so they must be what `precompile_component` gave, unaltered.
    // They come from two places: from that function a moment ago, or from `Cache::get`, which has checked their keyed hash
    // in this very memory. The key lies in a folder that is private to the user, so whoever can forge the hash can run code
    // as this user already. A file of another engine version is an error of `deserialize`, not undefined behaviour.
    unsafe { Component::deserialize(engine, compiled) }
}
