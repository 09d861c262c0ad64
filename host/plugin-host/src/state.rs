//! What the host knows of one call while it runs. Every import works on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::access::Access;
use crate::imports::wasi::RefusedHttp;
use crate::limits::{HANDLES_MAX, Limits, TABLE_ELEMENTS_MAX};
use crate::loaded::Loaded;
use crate::output::Output;

/// One call.
pub(crate) struct CallState {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) access: Arc<Access>,
    pub(crate) limits: Limits,
    /// When the call ends, whatever it does.
    pub(crate) deadline: Instant,
    pub(crate) memory: MemoryLimiter,
    pub(crate) file_bytes_left: u64,
    pub(crate) log_lines: u32,
    pub(crate) log_lines_dropped: u32,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    refused_http: RefusedHttp,
    output: Output,
}

impl CallState {
    pub(crate) fn new(plugin: Arc<Loaded>, access: Arc<Access>, limits: Limits) -> Self {
        let output = Output::default();
        // Nothing is granted here: no arguments, no environment, no folder, no socket. Clocks and random numbers need none.
        let wasi = WasiCtx::builder().stdout(output.stdout.clone()).stderr(output.stderr.clone()).max_random_size(1 << 20).build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            refused_http: RefusedHttp { plugin: Arc::clone(&plugin) },
            plugin,
            access,
            limits,
            deadline: Instant::now() + limits.left(),
            memory: MemoryLimiter { bytes_left: limits.memory_bytes, bytes_max: limits.memory_bytes, elements_left: TABLE_ELEMENTS_MAX },
            file_bytes_left: limits.file_bytes,
            log_lines: 0,
            log_lines_dropped: 0,
            table,
            wasi,
            wasi_http: WasiHttpCtx::new(),
            output,
        }
    }

    /// Until the deadline.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(crate) fn output(&self) -> Output {
        self.output.clone()
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.wasi_http, table: &mut self.table, hooks: &mut self.refused_http }
    }
}

/// Counts all memories and all tables of a call together: components of some languages have several.
pub(crate) struct MemoryLimiter {
    bytes_left: usize,
    bytes_max: usize,
    elements_left: usize,
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.bytes_left {
            return Err(wasmtime::Error::msg(format!(
                "it wanted more memory than its limit of {} MiB; raise limits: {{memory: …}}",
                self.bytes_max >> 20
            )));
        }
        self.bytes_left -= more;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.elements_left {
            return Err(wasmtime::Error::msg(format!("it wanted more than {TABLE_ELEMENTS_MAX} table elements")));
        }
        self.elements_left -= more;
        Ok(true)
    }
}

/// How long a call has run itself: the time spent in its future's polls. Waiting in an import does not count, and neither
/// does waiting for a thread.
#[derive(Clone)]
pub(crate) struct RunClock {
    base: Instant,
    spent_ns: Arc<AtomicU64>,
    /// When the poll that runs now began, in nanoseconds since `base`.
    begun_ns: Arc<AtomicU64>,
}

impl RunClock {
    pub(crate) fn new() -> Self {
        Self { base: Instant::now(), spent_ns: Arc::default(), begun_ns: Arc::default() }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// To be asked from within a poll.
    pub(crate) fn spent(&self) -> Duration {
        let this_poll = self.now_ns().saturating_sub(self.begun_ns.load(Ordering::Relaxed));
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed) + this_poll)
    }

    /// A future whose polls are counted.
    pub(crate) fn around<F: Future>(&self, future: F) -> Timed<F> {
        Timed { clock: self.clone(), future: Box::pin(future) }
    }
}

/// See [`RunClock::around`].
pub(crate) struct Timed<F> {
    clock: RunClock,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let begun = self.clock.now_ns();
        self.clock.begun_ns.store(begun, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(context);
        self.clock.spent_ns.fetch_add(self.clock.now_ns() - begun, Ordering::Relaxed);
        polled
    }
}
