//! `--web.config.file`: read at start, and again whenever it or a certificate changes. A version that is wrong changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::config::{ConfigError, Node};
use tokio::time::MissedTickBehavior;
use web::{Access, WebConfig};

use crate::watch::WatchedFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest file, in bytes.
const BYTES_MAX: u64 = 4 << 20;

/// Reads a file and what it names, and notes them all as watched, also when it is wrong. The error begins with
/// `file:line:column`.
pub(crate) fn read(path: &Path, watched: &mut WatchedFiles) -> Result<WebConfig, String> {
    watched.add(path);
    let bytes = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if bytes > BYTES_MAX {
        return Err(format!("{}: {bytes} bytes are more than a web configuration may have", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let node = yaml::parse(&text).map_err(|error| placed(path, &error))?;
    for file in WebConfig::files(&node, base(path)) {
        watched.add(&file);
    }
    of_node(&node, path)
}

/// The configuration that the tree of a file is, with the certificates it names.
pub(crate) fn of_node(node: &Node, path: &Path) -> Result<WebConfig, String> {
    WebConfig::from_node(node, base(path)).map_err(|error| placed(path, &error))
}

/// Paths in the file are relative to where it stands.
fn base(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn placed(path: &Path, error: &ConfigError) -> String {
    let gap = if error.position.line > 0 { "" } else { " " };
    format!("{}:{gap}{error}", path.display())
}

/// Who may come in, by the file if there is one, and the files to watch.
pub(crate) fn start(path: Option<&Path>, loopback: bool) -> Result<(Arc<Access>, WatchedFiles), String> {
    let access = Arc::new(Access::new(loopback)?);
    let mut watched = WatchedFiles::default();
    if let Some(path) = path {
        let config = read(path, &mut watched).map_err(|error| format!("--web.config.file: {error}"))?;
        take(&access, config);
    }
    if access.is_read_only() {
        tracing::warn!(
            "read-only: others can reach the web interface and it has no users; --web.config.file gives it some (config/README.md shows how)"
        );
    } else if !access.is_loopback() && !access.has_tls() {
        tracing::warn!("passwords cross the network readable: tls_server_config in --web.config.file encrypts them, or a proxy in front");
    }
    Ok((access, watched))
}

fn take(access: &Access, config: WebConfig) {
    for warning in config.warnings() {
        tracing::warn!("--web.config.file: {warning}");
    }
    access.apply(config);
}

/// Looks at the files for ever. What is read anew counts from the next connection and the next request on.
pub(crate) async fn watch(path: PathBuf, access: Arc<Access>, mut watched: WatchedFiles) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !watched.have_changed() {
            continue;
        }
        // Certificate and key are written one after the other.
        tokio::time::sleep(LOOK_EVERY / 4).await;
        watched = WatchedFiles::default();
        match read(&path, &mut watched) {
            Ok(config) => {
                let (users, tls) = (config.user_count(), config.has_tls());
                take(&access, config);
                tracing::info!(users, tls, "the web configuration is taken up");
            }
            Err(error) => tracing::error!("the web configuration is not taken up, the one before goes on: {error}"),
        }
    }
}
