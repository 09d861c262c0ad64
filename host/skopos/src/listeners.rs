//! Addresses that plugins serve on their own (`serve: {listen: …}`), and the plugins mounted on the main one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use model::seams::HttpHandler;
use plugin_host::{Mount, PluginHost};
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::MountedHandler;

/// Connections at once on one plugin's address.
const CONNECTIONS_MAX: usize = 256;

/// Longest body of a request to a plugin, in bytes: what the host hands to a component at most.
const BODY_BYTES_MAX: usize = 4 << 20;

/// The mounted plugins of a configuration.
pub(crate) fn mounted(host: &PluginHost) -> Vec<MountedHandler> {
    let handlers = host.mounts().into_iter().filter_map(|mount| mounted_handler(host, &mount));
    handlers.collect()
}

fn mounted_handler(host: &PluginHost, mount: &Mount) -> Option<MountedHandler> {
    let handler: Arc<dyn HttpHandler> = match host.http_handler(&mount.name) {
        Ok(handler) => handler,
        Err(error) => {
            tracing::error!(plugin = mount.name, "{} cannot serve HTTP: {error}", mount.name);
            return None;
        }
    };
    Some(MountedHandler { name: mount.name.clone(), routes: mount.serve.routes.clone(), body_bytes: BODY_BYTES_MAX, handler })
}

/// The open addresses of plugins.
#[derive(Default)]
pub(crate) struct Listeners {
    open: Mutex<BTreeMap<(SocketAddr, String), watch::Sender<bool>>>,
}

/// Addresses that were bound before anything else was changed.
pub(crate) struct Bound(Vec<(SocketAddr, String, TcpListener)>);

impl Listeners {
    /// Binds the addresses that a configuration wants and that are not open yet. The error names the address.
    pub(crate) async fn bind(&self, wanted: &[(SocketAddr, String)]) -> Result<Bound, String> {
        let mut bound = Vec::new();
        for (address, name) in wanted {
            if !self.is_open(*address, name) {
                let listener = TcpListener::bind(address).await.map_err(|e| format!("plugins.{name}.serve.listen: {address}: {e}"))?;
                bound.push((*address, name.clone(), listener));
            }
        }
        Ok(Bound(bound))
    }

    /// Serves what was bound, and closes what is not wanted any more. Must be called on the runtime.
    pub(crate) fn apply(&self, bound: Bound, wanted: &[(SocketAddr, String)], host: &Arc<PluginHost>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|key, stop| {
            let keep = wanted.contains(key);
            if !keep {
                // Whoever serves it may have ended already.
                let _ = stop.send(true);
            }
            keep
        });
        for (address, name, listener) in bound.0 {
            let Some(handler) = host.mounts().iter().find(|m| m.name == name).and_then(|mount| mounted_handler(host, mount)) else {
                continue;
            };
            let metrics_host = Arc::downgrade(host);
            let metrics_name = name.clone();
            let metrics = move || Some(exposition::encode(&metrics_host.upgrade()?.metrics(&metrics_name)?));
            let router = web::listener_router(handler, Arc::new(metrics));
            let (stop, mut stopped) = watch::channel(false);
            tokio::spawn(async move {
                let shutdown = async move {
                    // An error means that the sender is gone, which is a stop too.
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                web::serve(listener, router, CONNECTIONS_MAX, None, shutdown).await;
            });
            tracing::info!(plugin = name, address = %address, "the plugin {name} listens on {address}");
            open.insert((address, name), stop);
        }
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        for stop in self.open.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _ = stop.send(true);
        }
    }

    fn is_open(&self, address: SocketAddr, name: &str) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&(address, name.to_owned()))
    }
}
