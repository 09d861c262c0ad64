//! What is handed out: `model`'s traits, over components.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::seams::{BoxFuture, Channel, Exposition, MetricSource, PanelRender, PluginError, TargetSource, TemplateField};
use model::view::{PanelRequest, Rendering};
use model::{Notification, Receipt, SendError, TargetGroup};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Access;
use crate::call::{Failure, Why, call};
use crate::config::TargetRule;
use crate::grants::Grants;
use crate::handle::{Handle, Ready};
use crate::limits::Limits;
use crate::text::{one_line, shortened};
use crate::v0_1;

/// Targets whose clients are kept.
const TARGETS_MAX: usize = 1000;

/// Waits for a free place among the plugin's calls, for as long as the call may take. What is left of that is the call's.
async fn place(ready: &Ready, mut limits: Limits) -> Result<(OwnedSemaphorePermit, Limits), Failure> {
    let begun = Instant::now();
    let acquiring = ready.plugin.standing.calls().acquire_owned();
    match tokio::time::timeout(limits.whole, acquiring).await {
        Ok(Ok(permit)) => {
            limits.waited = begun.elapsed();
            Ok((permit, limits))
        }
        Ok(Err(_)) | Err(_) => {
            let message = format!("plugin {} has too many calls at once: raise limits: {{concurrency: …}}", ready.plugin.title());
            ready.plugin.standing.ledger.failure(&message);
            Err(Failure { message, why: Why::Busy })
        }
    }
}

fn missing_export(what: &'static str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("{what} is not there"))
}

/// Discovery.
pub(crate) struct Targets(pub(crate) Handle);

impl TargetSource for Targets {
    fn refresh(&self) -> BoxFuture<'_, Result<Vec<TargetGroup>, PluginError>> {
        Box::pin(async {
            let ready = self.0.ready()?;
            self.0.may_call(&ready, "")?;
            let limits = self.0.limits(&ready, None);
            let (_place, limits) = place(&ready, limits).await?;
            let config = ready.prepared.config_text(&[]);
            let answered = call(&ready.plugin, "discovery.refresh", Arc::clone(&ready.access), limits, |store, instance| {
                Box::pin(async move {
                    let plugin = Arc::clone(&store.data().plugin);
                    let found = plugin.exports.discovery.as_ref().ok_or_else(|| missing_export("discovery"))?;
                    found.load(&mut *store, &instance)?.call_refresh(&mut *store, &config).await
                })
            });
            let answered = answered.await;
            self.0.ended(&ready, "", &answered);
            let title = ready.plugin.title();
            let groups = answered?.map_err(|e| v0_1::exporter::plugin_error(&title, "discovery.refresh", e, &ready.access.secrets))?;
            let groups =
                v0_1::exporter::groups(groups).map_err(|e| PluginError::Failed(format!("plugin {title}, discovery.refresh: {e}")))?;
            Ok(self.allowed(&ready, groups))
        })
    }
}

impl Targets {
    /// What `targets:` of the plugin does not allow is left out and counted.
    fn allowed(&self, ready: &Ready, mut groups: Vec<TargetGroup>) -> Vec<TargetGroup> {
        let config = self.0.shared.config.load();
        let Some(rules) = config.get(&self.0.name).and_then(|c| c.targets.as_deref()) else { return groups };
        let allowed = |target: &str| rules.iter().any(|rule: &TargetRule| rule.allows(target));
        for group in &mut groups {
            group.targets.retain(|target| {
                let keep = allowed(target);
                if !keep {
                    let line = format!("targets: {}", one_line(&shortened(target, 300)));
                    ready.access.refuse(&line, &line);
                }
                keep
            });
        }
        groups
    }
}

/// An exporter.
pub(crate) struct Exporter {
    pub(crate) handle: Handle,
    /// For targets that the operator wrote.
    by_target: Mutex<HashMap<String, TargetAccess>>,
}

/// What is granted for one target, with the connections to it.
struct TargetAccess {
    /// Of the section, which this was made from.
    from: Arc<Access>,
    access: Arc<Access>,
}

impl Exporter {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, by_target: Mutex::default() }
    }

    fn access(&self, ready: &Ready, target: &str, written: bool) -> Arc<Access> {
        if !written || target.is_empty() {
            return Arc::clone(&ready.access);
        }
        let mut by_target = self.by_target.lock().unwrap_or_else(PoisonError::into_inner);
        // Made anew when the section was.
        if let Some(known) = by_target.get(target).filter(|known| Arc::ptr_eq(&known.from, &ready.access)) {
            return Arc::clone(&known.access);
        }
        if by_target.len() >= TARGETS_MAX {
            by_target.clear();
        }
        let access = Arc::new(ready.access.with(&Grants::of_target(target)));
        by_target.insert(target.to_owned(), TargetAccess { from: Arc::clone(&ready.access), access: Arc::clone(&access) });
        access
    }
}

impl MetricSource for Exporter {
    fn collect<'a>(&'a self, target: &'a str, written: bool, timeout_ms: u64) -> BoxFuture<'a, Result<Exposition, PluginError>> {
        Box::pin(async move {
            let ready = self.handle.ready()?;
            self.handle.may_call(&ready, target)?;
            let limits = self.handle.limits(&ready, Some(Duration::from_millis(timeout_ms)));
            let (_place, limits) = place(&ready, limits).await?;
            let access = self.access(&ready, target, written);
            let (config, address) = (ready.prepared.config_text(&[]), target.to_owned());
            let answered = call(&ready.plugin, "exporter.collect", access, limits, |store, instance| {
                Box::pin(async move {
                    let plugin = Arc::clone(&store.data().plugin);
                    let found = plugin.exports.exporter.as_ref().ok_or_else(|| missing_export("exporter"))?;
                    found.load(&mut *store, &instance)?.call_collect(&mut *store, &config, &address).await
                })
            });
            let answered = answered.await;
            self.handle.ended(&ready, target, &answered);
            let title = ready.plugin.title();
            let exposition = answered?.map_err(|e| v0_1::exporter::plugin_error(&title, "exporter.collect", e, &ready.access.secrets))?;
            v0_1::exporter::exposition(exposition).map_err(|e| PluginError::Failed(format!("plugin {title}, exporter.collect: {e}")))
        })
    }
}

/// A channel.
pub(crate) struct Sender(pub(crate) Handle);

fn retryable(message: String, after: Option<Duration>) -> SendError {
    SendError { message, retryable: true, retry_after_ms: after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)) }
}

impl Channel for Sender {
    fn templates(&self) -> Vec<TemplateField> {
        self.0.ready().map(|ready| ready.prepared.templates.clone()).unwrap_or_default()
    }

    fn send<'a>(&'a self, notification: &'a Notification, expanded: &'a [String]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let ready = self.0.ready().map_err(|e| SendError {
                retryable: !matches!(e, PluginError::Config(_)),
                message: e.to_string(),
                retry_after_ms: None,
            })?;
            self.0.may_call(&ready, "").map_err(|held| retryable(held.message, Some(held.left)))?;
            if expanded.len() != ready.prepared.templates.len() {
                let (given, wanted) = (expanded.len(), ready.prepared.templates.len());
                return Err(retryable(
                    format!("plugin {} was replaced: it has {wanted} template fields, and {given} were expanded", ready.plugin.title()),
                    None,
                ));
            }
            let limits = self.0.limits(&ready, None);
            let (_place, limits) = place(&ready, limits).await.map_err(|failure| retryable(failure.message, None))?;
            let (config, message) = (ready.prepared.config_text(expanded), v0_1::channel::notification(notification));
            let answered = call(&ready.plugin, "channel.send", Arc::clone(&ready.access), limits, |store, instance| {
                Box::pin(async move {
                    let plugin = Arc::clone(&store.data().plugin);
                    let found = plugin.exports.channel.as_ref().ok_or_else(|| missing_export("channel"))?;
                    found.load(&mut *store, &instance)?.call_send(&mut *store, &config, &message).await
                })
            });
            let answered = answered.await;
            self.0.ended(&ready, "", &answered);
            let redact = |text: String| one_line(&shortened(&ready.access.secrets.redact(text), 2000));
            match answered.map_err(|failure| retryable(failure.message, None))? {
                Ok(receipt) => Ok(Receipt { id: shortened(&receipt.id, 4096) }),
                Err(error) => {
                    Err(SendError { message: redact(error.message), retryable: error.retryable, retry_after_ms: error.retry_after_ms })
                }
            }
        })
    }
}

/// A panel.
pub(crate) struct Panel(pub(crate) Handle);

impl PanelRender for Panel {
    fn render(&self, request: PanelRequest) -> BoxFuture<'_, Result<Rendering, PluginError>> {
        Box::pin(async move {
            let ready = self.0.ready()?;
            let limits = self.0.limits(&ready, None);
            let (_place, limits) = place(&ready, limits).await?;
            let frames: Vec<(usize, usize)> =
                request.frames.iter().map(|f| (f.fields.len(), f.fields.first().map_or(0, |field| field.values.len()))).collect();
            let configs = request.configs.len();
            let request = v0_1::panel::request(request);
            let answered = call(&ready.plugin, "panel.render", Arc::clone(&ready.access), limits, |store, instance| {
                Box::pin(async move {
                    let plugin = Arc::clone(&store.data().plugin);
                    let found = plugin.exports.panel.as_ref().ok_or_else(|| missing_export("panel"))?;
                    found.load(&mut *store, &instance)?.call_render(&mut *store, &request).await
                })
            });
            let title = ready.plugin.title();
            let rendering = answered.await?.map_err(|e| v0_1::exporter::plugin_error(&title, "panel.render", e, &ready.access.secrets))?;
            v0_1::panel::rendering(rendering, &frames, configs)
                .map_err(|e| PluginError::Failed(format!("plugin {title}, panel.render: {e}")))
        })
    }
}
