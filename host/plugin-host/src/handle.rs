//! What every source handed out is made of: a name, a kind and a section, looked up afresh at each call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use model::format_duration;
use model::seams::{PluginError, PluginKind};

use crate::access::Access;
use crate::backoff::Backoffs;
use crate::call::{Failure, Why};
use crate::limits::{Limits, LimitsConfig};
use crate::loaded::Loaded;
use crate::section::Prepared;
use crate::shared::Shared;

pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: String,
    pub(crate) kind: PluginKind,
    /// The section as JSON, or none for a kind whose options come with each request.
    section: Option<String>,
    ready: ArcSwapOption<Ready>,
    pub(crate) backoffs: Backoffs,
}

/// A section made ready for one version of the plugin under one configuration.
pub(crate) struct Ready {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) prepared: Prepared,
    pub(crate) access: Arc<Access>,
    pub(crate) limits: LimitsConfig,
    generation: u64,
}

impl Handle {
    pub(crate) fn new(shared: &Arc<Shared>, name: &str, kind: PluginKind, section: &str) -> Self {
        Self { section: Some(section.to_owned()), ..Self::without_section(shared, name, kind) }
    }

    pub(crate) fn without_section(shared: &Arc<Shared>, name: &str, kind: PluginKind) -> Self {
        let shared = Arc::clone(shared);
        Self { shared, name: name.to_owned(), kind, section: None, ready: ArcSwapOption::empty(), backoffs: Backoffs::default() }
    }

    /// Checks the section; the error says what is wrong with it, or that there is no such plugin.
    pub(crate) fn checked(self) -> Result<Self, PluginError> {
        self.ready()?;
        Ok(self)
    }

    /// As things are now.
    pub(crate) fn ready(&self) -> Result<Arc<Ready>, PluginError> {
        let plugin = self.shared.loaded(&self.name, self.kind)?;
        let generation = self.shared.generation();
        if let Some(ready) = &*self.ready.load()
            && Arc::ptr_eq(&ready.plugin, &plugin)
            && ready.generation == generation
        {
            return Ok(Arc::clone(ready));
        }
        let ready = Arc::new(self.prepare(plugin, generation)?);
        self.ready.store(Some(Arc::clone(&ready)));
        Ok(ready)
    }

    fn prepare(&self, plugin: Arc<Loaded>, generation: u64) -> Result<Ready, PluginError> {
        let config = self.shared.config.load();
        let mut grants = self.shared.grants(&self.name);
        let prepared = self.section.as_deref().map_or_else(
            || Ok(Prepared::default()),
            |text| Prepared::new(text, plugin.schema(self.kind), &self.shared.means.base_dir, grants.reveal),
        );
        let prepared = prepared.map_err(|e| PluginError::Config(format!("the section of plugin {} does not fit: {e}", plugin.title())))?;
        grants.extend(&prepared.grants);
        plugin.standing.ledger.given(&grants.lines());
        let access = Arc::new(Access::new(&self.shared.means, &plugin.standing, grants, &prepared));
        let limits = config.get(&self.name).map(|c| c.limits.clone()).unwrap_or_default();
        Ok(Ready { plugin, prepared, access, limits, generation })
    }

    /// Whether a call may begin now. `key` is what fails apart from others: a target.
    pub(crate) fn may_call(&self, ready: &Ready, key: &str) -> Result<(), Held> {
        let wait = self.backoffs.wait(key, &ready.plugin.inspection.sha256, Instant::now());
        wait.map_or(Ok(()), |left| {
            // Whole seconds, and never none.
            let shown = format_duration((left.as_secs() + 1) * 1000);
            let message = format!("plugin {} failed repeatedly and is left alone for {shown}", ready.plugin.title());
            Err(Held { message, left })
        })
    }

    /// Notes how a call ended. What is not its own fault, an error it answers or a server that
    /// does not, is no reason to leave it alone.
    pub(crate) fn ended<T>(&self, ready: &Ready, key: &str, outcome: &Result<T, Failure>) {
        match outcome {
            Ok(_) => self.backoffs.succeeded(key),
            Err(failure) if matches!(failure.why, Why::Trapped | Why::Overran) => {
                self.backoffs.failed(key, &ready.plugin.inspection.sha256, Instant::now());
            }
            Err(_) => {}
        }
    }

    pub(crate) fn limits(&self, ready: &Ready, scrape: Option<Duration>) -> Limits {
        Limits::of(self.kind, &ready.limits, scrape)
    }
}

/// A call that does not begin.
pub(crate) struct Held {
    pub(crate) message: String,
    pub(crate) left: Duration,
}

impl From<Held> for PluginError {
    fn from(held: Held) -> Self {
        Self::Failed(held.message)
    }
}
