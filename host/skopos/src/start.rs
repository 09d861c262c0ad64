//! From flags to a running Skopos, and to its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use alerting::{Alerting, AlertingDeps};
use arc_swap::ArcSwap;
use http_client::Resolver;
use model::Clock;
use model::seams::{AlertSink, Append, Plugins, Select};
use plugin_host::PluginHost;
use rules::{Rules, RulesDeps};
use scrape::Scraper;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::app::{App, Current, Rooms, hostname};
use crate::cli::{ServerFlags, features};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigSource, EXEMPLARS_MAX, MainFile};
use crate::files::{Files, Own};
use crate::listeners::Listeners;
use crate::self_metrics::ReloadFacts;
use crate::storage::{LateStorage, default_budget, look_after, make_blocks, not_of_prometheus, open};
use crate::watch::WatchedFiles;
use crate::{banner, log, out, web_config};

/// Connections at once on the main address, as upstream's `--web.max-connections`.
const CONNECTIONS_MAX: usize = 512;

/// How long a component may take to compile: Python's takes nine seconds on a slow machine.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long rooms may take to end.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Runs the server until it is told to stop.
pub(crate) fn run(flags: ServerFlags) -> ExitCode {
    log::init(flags.log_level, flags.log_format);
    for (option, remark) in flags.features.iter().filter_map(|name| Some((name, features::remark(name)?))) {
        tracing::warn!(%option, "{remark}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::error(format_args!("failed to start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(serve(flags));
    // What still blocks (a disk that does not answer) does not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(error);
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: ServerFlags) -> Result<(), String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let listeners = bind(&flags.listen_addresses).await?;
    let listen: Vec<String> = listeners.iter().map(|(text, _)| text.clone()).collect();
    let loopback = listeners.iter().all(|(_, listener)| listener.local_addr().is_ok_and(|a| a.ip().is_loopback()));
    let (access, watched_access) = web_config::start(flags.web_config_file.as_deref(), loopback)?;
    let source = config_source(&flags, &listen[0], &access);
    let mut watched = WatchedFiles::default();
    let main = source.read_main(&mut watched).map_err(|e| e.to_string())?;
    let resolver_servers = main.resolver.clone();
    let resolver = resolver(&resolver_servers)?;
    not_of_prometheus(&flags.storage_path)?;
    std::fs::create_dir_all(&flags.storage_path)
        .map_err(|e| format!("failed to make the data directory {}: {e}", flags.storage_path.display()))?;
    let lock_error = |e: tsdb::OpenError| e.to_string();
    let cache = flags.storage_path.join("plugin-cache");
    let options = plugin_options(&main, flags.plugins_dir.as_deref(), Some(cache), &flags.storage_path, &resolver, &clock);
    let (host, config, watched) = {
        let source = source.clone();
        let read = move || -> Result<(PluginHost, Config, WatchedFiles), String> {
            let host = PluginHost::new(options).map_err(|e| e.to_string())?;
            let config = source.read(main, &host, &mut watched).map_err(|e| e.to_string())?;
            Ok((host, config, watched))
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| e.to_string())??
    };
    let external_url = flags.external_url.clone().unwrap_or_else(|| {
        let scheme = if access.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}{}", listen[0], flags.prefix())
    });
    let app = Arc::new(App {
        source,
        clock: Arc::clone(&clock),
        started: clock.now(),
        host: Arc::new(host),
        resolver_servers,
        external_labels: config.scrape.global.external_labels.clone(),
        storage_section: Mutex::new(config.storage),
        storage: Arc::new(LateStorage::default()),
        rooms: OnceLock::new(),
        ready: AtomicBool::new(false),
        current: ArcSwap::from_pointee(Current {
            dashboards: Arc::clone(&config.dashboards),
            handlers: Arc::default(),
            shown: config.shown.clone(),
            missing_plugins: config.missing_plugins.clone(),
            scrape_interval_ms: config.scrape.global.scrape_interval_ms,
            read_at: clock.now(),
        }),
        watched: Mutex::new(watched),
        listeners: Listeners::default(),
        reloading: tokio::sync::Mutex::new(()),
        reload_facts: Mutex::new(ReloadFacts::default()),
        quit: Notify::new(),
        external_url,
        queries: {
            let queries = web::Queries::new(Arc::clone(&clock), flags.query_concurrency, slow_queries(flags.query_slow_ms));
            queries.share(promql::Pool::new(usize::try_from(flags.all_queries_bytes()).unwrap_or(usize::MAX)));
            queries
        },
        flags,
    });

    // The web interface is up while the log is read: alive, and not ready.
    let (stop_web, stopped) = watch::channel(false);
    let router = web::router(app.web_state(listen.clone(), Arc::clone(&access)));
    let servers: Vec<_> = listeners
        .into_iter()
        .map(|(_, listener)| tokio::spawn(serve_web(listener, router.clone(), Arc::clone(&access), stopped.clone())))
        .collect();

    let options = storage_options(&app, &clock);
    let dir = app.flags.storage_path.clone();
    let (db, report) = tokio::task::spawn_blocking(move || open(&dir, options)).await.map_err(|e| e.to_string())?.map_err(lock_error)?;
    // The directory is ours alone from here on.
    app.queries.note_in(&app.flags.storage_path.join("queries.active"));
    app.storage.set(db.clone());
    let stop_storage = Arc::new(AtomicBool::new(false));
    let storage_thread =
        look_after(db.clone(), Arc::clone(&clock), app.flags.wal_sync_ms, Arc::clone(&stop_storage)).map_err(|e| e.to_string())?;

    let blocks_thread = make_blocks(db.clone(), Arc::clone(&clock), Arc::clone(&stop_storage)).map_err(|e| e.to_string())?;

    let rooms = rooms(&app, &db, &resolver, &config)?;
    // Set once, here.
    let _ = app.rooms.set(rooms);
    let summary = banner::text(&app, &config, &report, &listen, &access);
    app.apply(config).await?;
    {
        let mut facts = app.reload_facts();
        facts.successful = true;
        facts.success_seconds = clock.now() as f64 / 1000.0;
    }
    out::error(summary);
    app.ready.store(true, Ordering::Release);
    let rooms = app.rooms.get().ok_or("the rooms were set a moment ago")?;
    let routing = Arc::clone(&rooms.alerting);
    let alerting = tokio::spawn(async move { routing.run().await });
    let watching = tokio::spawn(Arc::clone(&app).watch());
    if let Some(remote) = rooms.remote.clone() {
        tokio::spawn(tend(remote));
    }
    let watching_access =
        app.flags.web_config_file.clone().map(|path| tokio::spawn(web_config::watch(path, Arc::clone(&access), watched_access)));

    until_stopped(&app).await?;
    tracing::info!("stopping");
    watching.abort();
    if let Some(watching) = watching_access {
        watching.abort();
    }
    app.listeners.close();
    // In the order in which things flow: first nothing new comes in, then what is there is brought to its end.
    let all = async {
        rooms.scraper.stop().await;
        rooms.rules.stop().await;
        rooms.alerting.stop().await;
        // Whether it ended well is in the log.
        let _ = alerting.await;
        let _ = stop_web.send(true);
        for server in servers {
            let _ = server.await;
        }
    };
    if tokio::time::timeout(STOP_MAX, all).await.is_err() {
        tracing::warn!("not everything ended within {} s", STOP_MAX.as_secs());
    }
    stop_storage.store(true, Ordering::Relaxed);
    db.stop_tending();
    for thread in [blocks_thread, storage_thread] {
        thread.thread().unpark();
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// From which time on a query is slow; zero for none.
fn slow_queries(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

/// How often what is known of remote write's senders is looked through.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// Lets what remote write knows of its senders grow old, until the runtime ends.
async fn tend(remote: Arc<remote::Receiver>) {
    loop {
        tokio::time::sleep(TEND_EVERY).await;
        let remote = Arc::clone(&remote);
        // A panic there is a fault of the receiver, which begins anew with the next request.
        let _ = tokio::task::spawn_blocking(move || remote.tend()).await;
    }
}

/// Waits for SIGTERM, SIGINT or `/-/quit`; SIGHUP reloads on the way.
async fn until_stopped(app: &Arc<App>) -> Result<(), String> {
    let handler = |kind| signal(kind).map_err(|e| format!("failed to listen for signals: {e}"));
    let (mut hangup, mut terminate, mut interrupt) =
        (handler(SignalKind::hangup())?, handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    let reloading = Arc::clone(app);
    // One after the other: signals that come while a reload runs make one more together, and none is left waiting.
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // An error is logged and shown by the reload itself.
            let _ = reloading.reload().await;
        }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = app.quit.notified() => {}
    }
    Ok(())
}

/// Binds every address. The error names the one that cannot be had.
async fn bind(addresses: &[String]) -> Result<Vec<(String, TcpListener)>, String> {
    let mut bound = Vec::new();
    for text in addresses {
        // `:9090` means every address, as upstream.
        let wanted = if text.starts_with(':') { format!("[::]{text}") } else { text.clone() };
        let listener = TcpListener::bind(&wanted).await.map_err(|e| format!("--web.listen-address={text}: {e}"))?;
        let address: SocketAddr = listener.local_addr().map_err(|e| e.to_string())?;
        // A port 0 becomes what it was given.
        let shown = if wanted.ends_with(":0") { address.to_string() } else { wanted };
        bound.push((shown, listener));
    }
    Ok(bound)
}

async fn serve_web(listener: TcpListener, router: web::Router, access: Arc<web::Access>, mut stopped: watch::Receiver<bool>) {
    let shutdown = async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    web::serve(listener, router, CONNECTIONS_MAX, Some(access), shutdown).await;
}

fn config_source(flags: &ServerFlags, listen: &str, access: &web::Access) -> ConfigSource {
    let files = if flags.config_file.is_some() {
        Files::Disk
    } else {
        // A pass even where there are no users now: the file may get some while we run.
        let pass = flags.web_config_file.is_some().then(|| access.own_pass());
        Files::Embedded(Own { address: listen.to_owned(), prefix: flags.prefix(), pass, tls: access.has_tls() })
    };
    ConfigSource {
        file: flags.config_file.clone(),
        alertmanager_file: flags.alertmanager_config_file.clone(),
        dashboard_folders: flags.dashboards_path.clone(),
        files,
        allow_missing_plugins: flags.allow_missing_plugins,
        features: flags.promql_features(),
    }
}

/// The system's resolver, or the operator's servers.
pub(crate) fn resolver(servers: &[String]) -> Result<Arc<Resolver>, String> {
    let resolver = if servers.is_empty() { Resolver::system() } else { Resolver::with_servers(servers) };
    resolver.map(Arc::new).map_err(|e| format!("resolver: {e}"))
}

/// What the plugins are hosted with. `data` holds what they keep.
pub(crate) fn plugin_options(
    main: &MainFile,
    plugins_dir: Option<&Path>,
    cache_dir: Option<PathBuf>,
    data: &Path,
    resolver: &Arc<Resolver>,
    clock: &Arc<dyn Clock>,
) -> plugin_host::Options {
    plugin_host::Options {
        plugins_dir: plugins_dir.map(Path::to_owned),
        kv_dir: data.join("kv"),
        base_dir: main.base_dir.clone(),
        // A check has no data of its own; the folder for temporary files stands in for it.
        own_dirs: cache_dir.is_some().then(|| data.to_owned()).into_iter().collect(),
        cache_dir,
        embedded: plugin_bundle::plugins().iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect(),
        config: main.plugins.clone(),
        resolver: Arc::clone(resolver),
        clock: Arc::clone(clock),
        compile_timeout: COMPILE_TIMEOUT,
    }
}

fn storage_options(app: &App, clock: &Arc<dyn Clock>) -> tsdb::Options {
    let mut options = tsdb::Options::new(Arc::clone(clock));
    options.wal_sync_ms = app.flags.wal_sync_ms;
    let kept = app.retention();
    (options.retention_ms, options.retention_bytes, options.retention_percent) = (kept.time_ms, kept.bytes, kept.percent);
    let section = *app.storage_section.lock().unwrap_or_else(PoisonError::into_inner);
    options.out_of_order_window_ms = i64::try_from(section.out_of_order_window_ms).unwrap_or(i64::MAX);
    options.exemplars_max = section.exemplars_max.unwrap_or(EXEMPLARS_MAX);
    options.memory_budget = app.flags.memory_budget.or_else(default_budget).unwrap_or(0);
    options.memory_budget_name = "--storage.memory-budget".to_owned();
    options
}

fn rooms(app: &Arc<App>, db: &tsdb::Db, resolver: &Arc<Resolver>, config: &Config) -> Result<Rooms, String> {
    let append: Arc<dyn Append> = Arc::new(db.clone());
    let select: Arc<dyn Select> = Arc::new(db.clone());
    let plugins: Arc<dyn Plugins> = Arc::clone(&app.host) as _;
    let deps = AlertingDeps {
        channels: Arc::clone(&plugins),
        clock: Arc::clone(&app.clock),
        external_url: app.external_url.clone(),
        ledger_dir: app.flags.storage_path.join("notifications"),
    };
    let alerting = Arc::new(Alerting::new(config.alerting.clone(), deps).map_err(|e| e.to_string())?);
    let rules = Rules::new(RulesDeps {
        select,
        append: Arc::clone(&append),
        sink: Arc::clone(&alerting) as Arc<dyn AlertSink>,
        clock: Arc::clone(&app.clock),
        external_url: app.external_url.clone(),
        external_labels: app.external_labels.clone(),
        queries: promql::Limits {
            samples_max: app.flags.query_samples_max,
            bytes_max: usize::try_from(app.flags.query_bytes).unwrap_or(usize::MAX),
            lookback_ms: i64::try_from(app.flags.query_lookback_ms).unwrap_or(i64::MAX),
            features: app.flags.promql_features(),
            delayed_name_removal: app.flags.feature("promql-delayed-name-removal"),
            start_timestamps: app.flags.feature("use-start-timestamps"),
            ..promql::Limits::default()
        },
        listed: Some(Arc::new(web::RuleQueries(Arc::clone(&app.queries)))),
    });
    let scraper = Scraper::new(scrape::Deps {
        append,
        plugins,
        resolver: Arc::clone(resolver),
        clock: Arc::clone(&app.clock),
        offset_seed: model::LabelSet::from_pairs([("host", hostname())]).fingerprint(),
        hash_seed: random_seed(),
        external_host: None,
    });
    let remote = (app.flags.enable_remote_write_receiver || app.flags.enable_otlp_receiver)
        .then(|| Arc::new(remote::Receiver::new(Arc::new(db.clone()), Arc::clone(&app.clock), remote::Options::default())));
    Ok(Rooms { scraper, rules: Arc::new(rules), alerting, remote })
}

/// From the standard library's own random keys: enough for a hash that outsiders must not predict.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = taken.local_addr().expect("bound").to_string();
        let error = bind(std::slice::from_ref(&address)).await.expect_err("taken");
        assert!(error.contains(&address), "{error}");
    }
}
