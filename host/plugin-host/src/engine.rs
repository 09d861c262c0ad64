//! One engine and one linker for the process, and the thread that counts epochs.

use std::thread;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::limits::MEMORY_BYTES_MAX;
use crate::state::CallState;
use crate::v0_1;

/// How often a running component gives its thread back, and how exact deadlines are.
const EPOCH: Duration = Duration::from_millis(10);

/// Instances at one time, over all plugins. Address space: this many times [`MEMORY_BYTES_MAX`].
const INSTANCES_MAX: u32 = 2000;

/// What every component runs on.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
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
        count_epochs(&engine)?;
        Ok(Self { engine, linker })
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

/// Ends when the engine is gone.
fn count_epochs(engine: &Engine) -> wasmtime::Result<()> {
    let weak = engine.weak();
    let thread = thread::Builder::new().name("plugin-epochs".to_owned());
    thread.spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    })?;
    Ok(())
}
