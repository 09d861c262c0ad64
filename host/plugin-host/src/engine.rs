//! One engine and one linker for the process, and the thread that counts epochs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::limits::MEMORY_BYTES_MAX;
use crate::state::CallState;
use crate::v0_1;

/// How often a running component gives its thread back, and how exact deadlines are.
const EPOCH: Duration = Duration::from_millis(10);

/// How often the counting thread looks whether the engine is still there while nothing runs.
const IDLE: Duration = Duration::from_secs(1);

/// Instances at one time, over all plugins. Address space: this many times [`MEMORY_BYTES_MAX`].
const INSTANCES_MAX: u32 = 2000;

/// What every component runs on.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    pub(crate) epochs: Epochs,
}

impl Machine {
    /// The error is about this process: no address space, no executable memory.
    pub(crate) fn new() -> wasmtime::Result<Self> {
        // Without the address space for a pool, as under `ulimit -v`, instances get memory of their own, more slowly.
        let engine = Engine::new(&config(true)).or_else(|error| {
            tracing::warn!("no pool of instances for plugins, each call takes longer: {error:#}");
            Engine::new(&config(false))
        })?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        v0_1::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut CallState| state)?;
        let epochs = Epochs::count(&engine)?;
        Ok(Self { engine, linker, epochs })
    }
}

fn config(pooled: bool) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // Components of JavaScript and Python consist of dozens of core instances; the figures are theirs.
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * 2)
        .total_memories(INSTANCES_MAX)
        .total_tables(INSTANCES_MAX * 2)
        .total_stacks(INSTANCES_MAX)
        .max_core_instances_per_component(64)
        .max_memories_per_component(8)
        .max_tables_per_component(32)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(200_000)
        .max_memory_size(MEMORY_BYTES_MAX)
        .linear_memory_keep_resident(64 << 10);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_reservation(MEMORY_BYTES_MAX as u64);
    if pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Counts the engine's epochs while a component runs. Without one the thread sleeps: a hundred wake-ups a second are a third
/// of what an idle Skopos would use.
#[derive(Clone)]
pub(crate) struct Epochs {
    running: Arc<AtomicUsize>,
    thread: Thread,
}

/// A call that is running. Epochs are counted while there is one.
pub(crate) struct RunningCall(Epochs);

impl Epochs {
    /// The thread ends when the engine is gone.
    fn count(engine: &Engine) -> wasmtime::Result<Self> {
        let weak = engine.weak();
        let running = Arc::new(AtomicUsize::new(0));
        let calls = Arc::clone(&running);
        let thread = thread::Builder::new().name("plugin-epochs".to_owned()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                if calls.load(Ordering::SeqCst) == 0 {
                    // A call that begins just now has counted itself before it wakes this thread, so the wake-up is kept. The
                    // limit is for the engine's end.
                    thread::park_timeout(IDLE);
                } else {
                    thread::sleep(EPOCH);
                }
            }
        })?;
        Ok(Self { running, thread: thread.thread().clone() })
    }

    /// To be held while a component runs.
    pub(crate) fn call(&self) -> RunningCall {
        if self.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        RunningCall(self.clone())
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
