//! One call of a component: a fresh instance, its limits, and what went wrong in people's words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use model::format_duration;
use model::seams::{BoxFuture, PluginError};
use wasmtime::component::Instance;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::access::Access;
use crate::limits::Limits;
use crate::loaded::{Loaded, one_line};
use crate::output::Output;
use crate::state::{CallState, RunClock};

/// Lines of standard output and error of a call that went well that are logged.
const OUTPUT_LINES_MAX: usize = 20;

/// Why a call has no result.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Names the plugin, the call, the cause and the last lines it wrote.
    pub(crate) message: String,
    pub(crate) why: Why,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A trap or a limit: the component's own.
    Trapped,
    /// It ran past its limit: its own too.
    Overran,
    /// It waited past the call's end, which may be a remote party's fault.
    Waited,
    /// It did not begin: too many calls at once.
    Busy,
}

impl From<Failure> for PluginError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}

/// Runs `run` on a fresh instance. Whatever happens in there ends this call alone.
pub(crate) async fn call<T, F>(plugin: &Arc<Loaded>, what: &'static str, access: Arc<Access>, limits: Limits, run: F) -> Result<T, Failure>
where
    T: Send,
    F: for<'a> FnOnce(&'a mut Store<CallState>, Instance) -> BoxFuture<'a, wasmtime::Result<T>> + Send,
{
    let begun = Instant::now();
    let _running = plugin.epochs.call();
    let secrets = access.secrets.clone();
    let state = CallState::new(Arc::clone(plugin), access, limits);
    let output = state.output();
    let overrun = Arc::new(AtomicBool::new(false));
    let clock = RunClock::new();
    let store = store(plugin, state, limits, &clock, &overrun);
    let outcome = tokio::time::timeout(limits.left(), clock.around(instantiated(store, plugin, run))).await;
    let ledger = &plugin.standing.ledger;
    ledger.call(begun.elapsed());
    let (cause, why) = match outcome {
        Ok(Ok(value)) => {
            log_output(plugin, &output, &secrets);
            return Ok(value);
        }
        Ok(Err(_)) if overrun.load(Ordering::Relaxed) => {
            (format!("it ran for more than its limit of {}; raise limits: {{timeout: …}}", shown(limits.own)), Why::Overran)
        }
        Ok(Err(error)) => (cause_of(&error), Why::Trapped),
        Err(_) => (format!("it did not end within {}", shown(limits.whole)), Why::Waited),
    };
    let last = output.last_lines();
    let last = if last.is_empty() { String::new() } else { format!("; it wrote last: {last}") };
    let message = secrets.redact(format!("plugin {} failed in {what}: {cause}{last}", plugin.title()));
    ledger.failure(&message);
    Err(Failure { message, why })
}

fn shown(limit: std::time::Duration) -> String {
    format_duration(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
}

fn store(plugin: &Loaded, state: CallState, limits: Limits, clock: &RunClock, overrun: &Arc<AtomicBool>) -> Store<CallState> {
    let mut store = Store::new(plugin.pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(limits.result_bytes);
    store.set_epoch_deadline(1);
    let (clock, overrun) = (clock.clone(), Arc::clone(overrun));
    store.epoch_deadline_callback(move |_| {
        if clock.spent() < limits.own {
            return Ok(UpdateDeadline::Yield(1));
        }
        overrun.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Interrupt)
    });
    store
}

async fn instantiated<T, F>(mut store: Store<CallState>, plugin: &Loaded, run: F) -> wasmtime::Result<T>
where
    F: for<'a> FnOnce(&'a mut Store<CallState>, Instance) -> BoxFuture<'a, wasmtime::Result<T>> + Send,
{
    let instance = plugin.pre.instantiate_async(&mut store).await?;
    let result = run(&mut store, instance).await;
    let dropped = store.data().log_lines_dropped;
    if dropped > 0 {
        plugin.standing.ledger.dropped_log_lines(dropped);
        tracing::warn!(plugin = plugin.standing.name, "{dropped} log lines of one call were dropped: raise limits: {{log_lines: …}}");
    }
    result
}

/// What stands behind an error of the engine, in people's words.
fn cause_of(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it panicked or gave up (a trap)".to_owned(),
        Some(Trap::StackOverflow) => "its calls are nested too deeply (a trap)".to_owned(),
        Some(trap) => format!("it trapped: {trap}"),
        None => {
            let root = error.root_cause().to_string();
            // The text is the engine's, for a component that hands over more than `result_bytes`.
            if root.contains("fuel allocated for hostcalls") {
                "it handed the host more data than its limit; raise limits: {result: …}".to_owned()
            } else if root.is_empty() {
                one_line(error)
            } else {
                crate::text::one_line(&crate::text::shortened(&root, 2000))
            }
        }
    }
}

fn log_output(plugin: &Loaded, output: &Output, secrets: &crate::section::Secrets) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    for line in output.lines(OUTPUT_LINES_MAX) {
        tracing::info!(plugin = plugin.standing.name, "{}", secrets.redact(line));
    }
}
