//! Asks one source of targets again and again, and hands on what it says.

use std::sync::Arc;
use std::time::Duration;

use model::TargetGroup;
use model::seams::TargetSource;

use crate::config::Discovery;

/// Longest that a refresh may take, beside its interval.
const REFRESH_MAX: Duration = Duration::from_secs(120);

/// What a refresh came to.
pub(crate) enum Found {
    Groups(Vec<TargetGroup>),
    Failed,
}

/// Runs until it is aborted, or `tell` says that nobody listens. It gets every answer; the last good list is the receiver's to keep.
pub(crate) async fn run(job: String, config: Discovery, source: Arc<dyn TargetSource>, tell: impl Fn(Found) -> bool) {
    let interval = Duration::from_millis(config.refresh_ms);
    let mut failing: Option<String> = None;
    loop {
        let refreshed = tokio::time::timeout(REFRESH_MAX.max(interval), source.refresh()).await;
        let result = match refreshed {
            Ok(Ok(groups)) => Ok(groups),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let found = match result {
            Ok(groups) => {
                if failing.take().is_some() {
                    tracing::info!(job, discovery = config.plugin, "discovery answers again");
                }
                Found::Groups(groups)
            }
            Err(error) => {
                if failing.as_ref() != Some(&error) {
                    tracing::warn!(job, discovery = config.plugin, error, "discovery failed; the targets found last are kept");
                }
                failing = Some(error);
                Found::Failed
            }
        };
        if !tell(found) {
            return;
        }
        tokio::time::sleep(interval).await;
    }
}
