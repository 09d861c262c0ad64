//! A component that was compiled, checked and asked what it is.

use std::sync::Arc;

use model::Clock;
use model::seams::PluginKind;
use wasmtime::component::{Component, InstancePre};

use crate::access::{Access, Means};
use crate::call::call;
use crate::engine::{Epochs, Machine};
use crate::inspect::Inspection;
use crate::limits::{Limits, SERIES_MAX};
use crate::metrics::Metrics;
use crate::schema::Schema;
use crate::standing::Standing;
use crate::state::CallState;
use crate::v0_1::{exports, unstable};

/// Bytes of a schema and of a summary.
const SCHEMA_BYTES_MAX: usize = 1 << 20;
const SUMMARY_BYTES_MAX: usize = 500;

/// A plugin ready for calls. Calls hold it, so that a replaced file ends no call.
pub(crate) struct Loaded {
    pub(crate) inspection: Inspection,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) exports: Exports,
    pub(crate) summary: String,
    pub(crate) documentation_url: String,
    /// By kind, of those that the plugin publishes.
    pub(crate) schemas: Vec<(PluginKind, Schema)>,
    /// Begin anew with each file.
    pub(crate) metrics: Metrics,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epochs: Epochs,
}

/// Where in a component the functions of each kind are.
#[derive(Default)]
pub(crate) struct Exports {
    about: Option<exports::about::GuestIndices>,
    pub(crate) discovery: Option<exports::discovery::GuestIndices>,
    pub(crate) exporter: Option<exports::exporter::GuestIndices>,
    pub(crate) http_handler: Option<exports::http_handler::GuestIndices>,
    pub(crate) channel: Option<unstable::channel::GuestIndices>,
    pub(crate) panel: Option<unstable::panel::GuestIndices>,
    pub(crate) datasource: Option<unstable::datasource::GuestIndices>,
}

impl Exports {
    fn find(pre: &InstancePre<CallState>) -> Self {
        Self {
            about: exports::about::GuestIndices::new(pre).ok(),
            discovery: exports::discovery::GuestIndices::new(pre).ok(),
            exporter: exports::exporter::GuestIndices::new(pre).ok(),
            http_handler: exports::http_handler::GuestIndices::new(pre).ok(),
            channel: unstable::channel::GuestIndices::new(pre).ok(),
            panel: unstable::panel::GuestIndices::new(pre).ok(),
            datasource: unstable::datasource::GuestIndices::new(pre).ok(),
        }
    }
}

impl Loaded {
    /// Links a compiled component and runs it once, without any grant, to see that its functions have the contract's types
    /// and what it says of itself.
    pub(crate) async fn new(
        machine: &Machine,
        means: &Means,
        component: &Component,
        inspection: Inspection,
        standing: Arc<Standing>,
        series_max: Option<u32>,
    ) -> Result<Self, String> {
        let pre = machine.linker.instantiate_pre(component).map_err(|e| format!("it cannot be linked: {}", one_line(&e)))?;
        let exports = Exports::find(&pre);
        let metrics = Metrics::new(series_max.unwrap_or(SERIES_MAX));
        let loaded = Self {
            inspection,
            pre,
            exports,
            summary: String::new(),
            documentation_url: String::new(),
            schemas: Vec::new(),
            metrics,
            standing,
            clock: Arc::clone(&means.clock),
            epochs: machine.epochs.clone(),
        };
        loaded.refuse_unfound()?;
        let description = Arc::new(loaded).describe(means).await?;
        let (mut loaded, description) = description;
        if let Some(description) = description {
            loaded.take_description(description)?;
        }
        Ok(loaded)
    }

    /// The parser and the linker must see the same kinds.
    fn refuse_unfound(&self) -> Result<(), String> {
        let missing = self.inspection.kinds.iter().find(|kind| !match kind {
            PluginKind::Discovery => self.exports.discovery.is_some(),
            PluginKind::Exporter => self.exports.exporter.is_some(),
            PluginKind::HttpHandler => self.exports.http_handler.is_some(),
            PluginKind::Channel => self.exports.channel.is_some(),
            PluginKind::Panel => self.exports.panel.is_some(),
            PluginKind::DataSource => self.exports.datasource.is_some(),
        });
        missing.map_or(Ok(()), |kind| Err(format!("its {} does not have the functions of the contract", kind.as_str())))
    }

    async fn describe(self: Arc<Self>, means: &Means) -> Result<(Self, Option<exports::about::Description>), String> {
        let access = Arc::new(Access::none(means, &self.standing));
        let run = |store: &mut wasmtime::Store<CallState>,
                   instance: wasmtime::component::Instance|
         -> Result<Option<exports::about::Guest>, wasmtime::Error> {
            let plugin = Arc::clone(&store.data().plugin);
            let found = &plugin.exports;
            // Each `load` checks signatures.
            found.discovery.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.exporter.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.http_handler.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.channel.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.panel.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.datasource.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)?;
            found.about.as_ref().map(|g| g.load(&mut *store, &instance)).transpose().map_err(wrong_type)
        };
        let described = call(&self, "loading", access, Limits::of_load(), |store, instance| {
            Box::pin(async move {
                match run(store, instance)? {
                    Some(about) => about.call_describe(&mut *store).await.map(Some),
                    None => Ok(None),
                }
            })
        });
        let described = described.await.map_err(|failure| failure.message)?;
        let loaded = Arc::into_inner(self).ok_or("the call that asked what it is has not ended")?;
        Ok((loaded, described))
    }

    fn take_description(&mut self, description: exports::about::Description) -> Result<(), String> {
        if description.config_schema.len() > SCHEMA_BYTES_MAX {
            return Err(format!("its schema is larger than {SCHEMA_BYTES_MAX} bytes"));
        }
        self.summary = crate::text::one_line(&crate::text::shortened(&description.summary, SUMMARY_BYTES_MAX));
        self.documentation_url =
            description.documentation_url.filter(|url| url.starts_with("https://") && url.len() <= 2000).unwrap_or_default();
        for kind in self.inspection.kinds.clone() {
            let (schema, unknown) = Schema::parse(&description.config_schema, kind.as_str())?;
            if !unknown.is_empty() {
                tracing::warn!(plugin = self.standing.name, "keywords of its schema that this host does not check: {}", unknown.join(", "));
            }
            self.schemas.push((kind, schema));
        }
        Ok(())
    }

    pub(crate) fn schema(&self, kind: PluginKind) -> Option<&Schema> {
        self.schemas.iter().find(|(k, _)| *k == kind).map(|(_, schema)| schema)
    }

    /// As errors and logs name it.
    pub(crate) fn title(&self) -> String {
        let version = &self.inspection.version;
        if version.is_empty() { self.standing.name.clone() } else { format!("{} {version}", self.standing.name) }
    }
}

fn wrong_type(error: wasmtime::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("its functions do not have the types of the contract: {error:#}"))
}

/// All causes in one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    crate::text::one_line(&crate::text::shortened(&format!("{error:#}"), 2000))
}
