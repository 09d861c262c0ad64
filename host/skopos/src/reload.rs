//! Takes up a configuration while running: all of it or nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::{App, Current};
use crate::config::Config;
use crate::listeners::mounted;
use crate::watch::WatchedFiles;

/// How often files and plugins are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a configuration is read whose files change while it is read.
const READS_MAX: usize = 5;

fn open_query_log(path: Option<PathBuf>) -> Result<Option<web::QueryLog>, String> {
    let Some(path) = path else { return Ok(None) };
    let shown = path.display().to_string();
    web::QueryLog::open(path).map(Some).map_err(|error| format!("global.query_log_file: {shown} cannot be opened for writing: {error}"))
}

impl App {
    /// Reads the configuration anew and takes it up. The error says where it is wrong; what ran before goes on.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<(), String> {
        let _one_at_a_time = self.reloading.lock().await;
        let result = self.try_reload().await;
        let mut facts = self.reload_facts();
        facts.attempts += 1;
        facts.successful = result.is_ok();
        facts.failed_at = result.is_err().then(|| self.clock.now());
        match &result {
            Ok(()) => {
                facts.success_seconds = self.clock.now() as f64 / 1000.0;
                tracing::info!("the configuration is taken up");
            }
            Err(error) => {
                facts.failures += 1;
                tracing::error!("the configuration is not taken up, the one before goes on: {error}");
            }
        }
        result
    }

    async fn try_reload(self: &Arc<Self>) -> Result<(), String> {
        let app = Arc::clone(self);
        // Reads files and asks plugins, which may have to be compiled.
        let read = move || {
            for _ in 0..READS_MAX {
                let mut watched = WatchedFiles::default();
                let config = app.source.read_main(&mut watched).and_then(|main| app.source.read(main, &app.host, &mut watched));
                // Files that changed meanwhile may fit together in no way that anybody wrote.
                if !watched.have_changed() {
                    return Ok((config.map_err(|e| e.to_string()), watched));
                }
                std::thread::sleep(LOOK_EVERY / 10);
            }
            Err("its files keep changing while they are read; it is tried again once they rest".to_owned())
        };
        // Where the files did not rest, the look at them of before stays: it says that they have changed.
        let (config, watched) = tokio::task::spawn_blocking(read).await.map_err(|e| e.to_string())??;
        self.watch_files(watched);
        let config = config?;
        if config.resolver != self.resolver_servers {
            return Err("resolver: the name servers cannot change while Skopos runs; restart it".to_owned());
        }
        let storage = config.storage;
        let before = *self.storage_section.lock().unwrap_or_else(PoisonError::into_inner);
        if (storage.out_of_order_window_ms, storage.exemplars_max) != (before.out_of_order_window_ms, before.exemplars_max) {
            return Err(
                "storage.tsdb.out_of_order_time_window and storage.exemplars cannot change while Skopos runs; restart it".to_owned()
            );
        }
        if config.scrape.global.external_labels != self.external_labels {
            return Err("global.external_labels cannot change while Skopos runs; restart it".to_owned());
        }
        self.apply(config).await?;
        *self.storage_section.lock().unwrap_or_else(PoisonError::into_inner) = storage;
        if let Some(db) = self.storage.get() {
            let kept = self.retention();
            db.set_retention(kept.time_ms, kept.bytes, kept.percent);
        }
        Ok(())
    }

    /// Hands each room its part. Everything that can fail comes before the first change, but for the scraper's own
    /// preparation, which changes nothing when it fails.
    pub(crate) async fn apply(self: &Arc<Self>, config: Config) -> Result<(), String> {
        let Some(rooms) = self.rooms.get() else { return Err("still starting: try again in a moment".to_owned()) };
        let wanted: Vec<(SocketAddr, String)> =
            config.plugins.plugins.iter().filter_map(|(name, plugin)| Some((plugin.serve.as_ref()?.listen?, name.clone()))).collect();
        let bound = self.listeners.bind(&wanted).await?;
        let log = config.scrape.global.query_log_file.clone();
        let log = tokio::task::spawn_blocking(move || open_query_log(log)).await.map_err(|e| e.to_string())??;
        // The plugins first: the rooms below make their sources with the grants of the new section.
        let before = self.host.config();
        self.host.reload(config.plugins.clone()).map_err(|e| e.to_string())?;
        let applied = rooms
            .alerting
            .reload(config.alerting)
            .map_err(|e| e.to_string())
            .and_then(|()| rooms.scraper.reload(&config.scrape).map_err(|e| e.to_string()));
        if let Err(error) = applied {
            // It was good a moment ago.
            if let Err(again) = self.host.reload(before) {
                tracing::error!("the section plugins of before is not good any more: {again}");
            }
            return Err(error);
        }
        self.queries.set_log(log);
        let interval = config.scrape.global.evaluation_interval_ms;
        rooms.rules.reload(config.rules, interval).await;
        if let Some(remote) = &rooms.remote {
            remote.set_otlp(config.otlp);
        }
        self.listeners.apply(bound, &wanted, &self.host);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        for error in &config.dashboard_errors {
            tracing::error!("a dashboard is left out: {error}");
        }
        self.current.store(Arc::new(Current {
            dashboards: config.dashboards,
            handlers: Arc::new(mounted(&self.host)),
            shown: config.shown,
            missing_plugins: config.missing_plugins,
            scrape_interval_ms: config.scrape.global.scrape_interval_ms,
            read_at: self.clock.now(),
        }));
        Ok(())
    }

    /// Reloads when a file of the configuration changes, and, after a refusal or while a plugin is missing, when the set of plugins
    /// does: it may have come.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut plugins = self.plugin_marks();
        loop {
            tick.tick().await;
            let plugins_now = self.plugin_marks();
            let waits_for_one = !self.reload_facts().successful || !self.current.load().missing_plugins.is_empty();
            let plugin_came = std::mem::replace(&mut plugins, plugins_now) != plugins && waits_for_one;
            if plugin_came || self.files_have_changed() {
                // A file that is written in several steps comes to rest first.
                tokio::time::sleep(LOOK_EVERY / 4).await;
                // An error is logged and shown by the reload itself.
                let _ = self.reload().await;
            }
        }
    }

    pub(crate) fn watch_files(&self, watched: WatchedFiles) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn files_have_changed(&self) -> bool {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).have_changed()
    }

    /// Tells one set of plugins from another.
    fn plugin_marks(&self) -> Vec<String> {
        self.host.status().into_iter().map(|p| format!("{} {} {:?} {}", p.name, p.origin, p.kinds, p.error.is_empty())).collect()
    }
}
