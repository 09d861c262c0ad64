//! The table of contents of the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, post};

use crate::api::{
    admin, boards, exemplars, features, federate, lifecycle, metadata, notices, openapi, panel, parse_query, query, read, receivers, rules,
    running, series, session, status, targets, tsdb_status, write,
};
use crate::compress::compress;
use crate::error::ApiError;
use crate::guard::{Guard, guard};
use crate::pages;
use crate::plugins::{dispatch, metrics_text, nobody};
use crate::run::Runner;
use crate::state::State;
use tokio::sync::Semaphore;

/// Answers about targets that are written at the same time.
const PAGES_AT_ONCE: usize = 4;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) state: Arc<State>,
    pub(crate) runner: Runner,
    /// For what is told of targets: it does not wait for queries.
    pub(crate) pages: Runner,
    /// Held while a message is on trial.
    pub(crate) testing: Arc<tokio::sync::Mutex<()>>,
    pub(crate) writes: Arc<write::Writes>,
    /// Seats of those who listen to `/api/v1/notifications/live`.
    pub(crate) listeners: Arc<Semaphore>,
}

/// All addresses this server answers.
pub fn router(state: State) -> Router {
    let prefix = normal_prefix(&state.route_prefix);
    // A proxy may take the prefix away; browsers still see it.
    let outside = outside(&state.external_url).unwrap_or_else(|| prefix.clone());
    let checks = Arc::new(Guard::new(&state.listen, &state.external_url, &prefix, Arc::clone(&state.access), state.cors_origin.clone()));
    let app = App {
        runner: Runner::new(state.limits.queries).sharing(state.queries.memory()),
        pages: Runner::new(PAGES_AT_ONCE),
        testing: Arc::default(),
        writes: Arc::new(write::Writes::new()),
        listeners: notices::seats(),
        state: Arc::new(state),
    };
    let routes = Router::new()
        .nest("/api/v1", api().layer(from_fn_with_state(app.clone(), when_ready)))
        .merge(lifecycle_routes())
        .merge(page_routes(&outside))
        .route("/metrics", get(async |Shared(app): Shared<App>| metrics_text((app.state.metrics)())))
        .route("/federate", get(federate::federate).layer(from_fn_with_state(app.clone(), when_ready)))
        .route("/version", get(status::version))
        .fallback(others)
        .with_state(app);
    let routes = if prefix.is_empty() {
        routes
    } else {
        // Nesting takes the prefix without a slash behind it only.
        let home = format!("{prefix}/");
        let to = home.clone();
        Router::new().nest(&prefix, routes).route(&home, page(&outside)).route("/", get(async move || pages::redirect(&to)))
    };
    routes
        .layer(from_fn(options))
        .layer(from_fn(compress))
        .layer(from_fn(move |request: Request, next: Next| guard(Arc::clone(&checks), request, next)))
}

/// `/skopos`: with a slash in front and none behind; empty for the root.
fn normal_prefix(prefix: &str) -> String {
    let inner = prefix.trim_matches('/');
    if inner.is_empty() { String::new() } else { format!("/{inner}") }
}

fn api() -> Router<App> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::query).post(exemplars::query))
        .route("/format_query", get(query::format).post(query::format))
        .route("/parse_query", get(parse_query::parse_query).post(parse_query::parse_query))
        .route("/series", get(series::series).post(series::series))
        .route("/labels", get(series::names).post(series::names))
        .route("/label/{name}/values", get(series::values))
        .route("/metadata", get(metadata::metadata))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(metadata::of_targets))
        .route("/targets/relabel_steps", get(targets::relabel_steps))
        .route("/scrape_pools", get(targets::pools))
        .route("/scrape_pools/config", get(targets::pool_config))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(rules::alertmanagers))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime))
        .route("/status/buildinfo", get(status::build))
        .route("/status/tsdb", get(tsdb_status::head))
        .route("/status/tsdb/blocks", get(tsdb_status::blocks))
        .route("/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
        .route("/admin/tsdb/delete_series", post(admin::delete).put(admin::delete))
        .route("/admin/tsdb/clean_tombstones", post(admin::clean).put(admin::clean))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/read", post(read::read))
        .route("/write", post(write::write))
        .route("/otlp/v1/metrics", post(write::otlp))
        .route("/notifications", get(notices::now))
        .route("/notifications/live", get(notices::live))
        .route("/features", get(features::features))
        .route("/openapi.yaml", get(openapi::openapi))
        // Ours.
        .route("/plugins", get(status::plugins))
        .route("/session", get(session::session))
        .route("/senders", get(write::senders))
        .route("/queries/running", get(running::list))
        .route("/queries/{id}", delete(running::cancel))
        .route("/queries/{id}/cancel", post(running::cancel))
        .route("/deliveries", get(rules::deliveries))
        .route("/receivers", get(receivers::list))
        .route("/receivers/{name}/test", post(receivers::test))
        .route("/dashboards", get(boards::list))
        .route("/dashboards/{uid}", get(boards::one))
        .route("/dashboards/{uid}/panels/{id}/view", post(panel::view))
        // Upstream's that are not served yet, by name.
        .route("/status/self_metrics", any(status::not_yet))
        .route("/search/{what}", any(status::not_yet))
}

fn lifecycle_routes() -> Router<App> {
    let reload = post(lifecycle::reload).put(lifecycle::reload).get(lifecycle::wrong_method);
    let quit = post(lifecycle::quit).put(lifecycle::quit).get(lifecycle::wrong_method);
    Router::new()
        .route("/-/healthy", get(status::healthy))
        .route("/-/ready", get(status::ready))
        .route("/-/reload", reload)
        .route("/-/quit", quit)
}

/// The path of the address that browsers know, if it has one: `/skopos` of `https://example.com/skopos/`.
fn outside(external_url: &str) -> Option<String> {
    let (_, rest) = external_url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    Some(normal_prefix(path)).filter(|path| !path.is_empty())
}

/// The document of a page; its files lie below that prefix.
fn page<S: Clone + Send + Sync + 'static>(prefix: &str) -> MethodRouter<S> {
    let prefix: Arc<str> = prefix.into();
    get(move |headers: HeaderMap| std::future::ready(pages::page(&prefix, &headers)))
}

/// Addresses of our pages.
const PAGES: [&str; 9] = ["/", "/targets", "/alerts", "/plugins", "/explore", "/queries", "/tsdb-status", "/dashboards", "/welcome"];

/// Upstream's pages and where what they show is found here.
const MOVED: [(&str, &str); 11] = [
    ("/rules", "/alerts"),
    ("/alerts", "/alerts"),
    ("/targets", "/targets"),
    ("/service-discovery", "/targets"),
    ("/alertmanager-discovery", "/alerts"),
    ("/status", "/api/v1/status/runtimeinfo"),
    ("/runtime", "/api/v1/status/runtimeinfo"),
    ("/tsdb-status", "/tsdb-status"),
    ("/flags", "/api/v1/status/flags"),
    ("/config", "/api/v1/status/config"),
    ("/starting", "/"),
];

/// `outside`: what browsers put before each path.
fn page_routes(outside: &str) -> Router<App> {
    let mut routes = Router::new()
        .route("/assets/{*path}", get(pages::asset))
        .route("/favicon.ico", get(pages::favicon))
        .route("/d/{uid}", page(outside))
        .route("/d/{uid}/{*slug}", page(outside));
    for path in PAGES {
        routes = routes.route(path, page(outside));
    }
    // Old links to upstream's pages, of the interface before this one as well.
    for path in ["/graph", "/query"] {
        for path in [path.to_owned(), format!("/classic{path}"), format!("/new{path}")] {
            let prefix = outside.to_owned();
            routes = routes.route(&path, get(async move |request: Request| pages::graph(&prefix, request)));
        }
    }
    for (path, target) in MOVED {
        for (path, has_page) in [(path.to_owned(), PAGES.contains(&path)), (format!("/classic{path}"), false)] {
            if !has_page {
                let target = format!("{outside}{target}");
                routes = routes.route(&path, get(async move || pages::redirect(&target)));
            }
        }
    }
    routes
}

/// Answers the API only once storage does. What tells how the server is stays open.
async fn when_ready(Shared(app): Shared<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let told = ["/notifications", "/notifications/live", "/features", "/openapi.yaml", "/session"];
    let open = path.contains("/status/") || path.ends_with("/plugins") || told.contains(&path);
    if open || (app.state.ready)() {
        next.run(request).await
    } else {
        ApiError::unavailable("Service Unavailable: the log is still being read").into_response()
    }
}

/// OPTIONS of our own addresses. Pages of other sites are given nothing; plugins answer for themselves.
async fn options(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS;
    let response = next.run(request).await;
    if !asked || response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    // The router itself adds `Allow` on the way out.
    StatusCode::NO_CONTENT.into_response()
}

/// What no route took: plugins, files at the root, or nothing.
async fn others(Shared(app): Shared<App>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix("/plugins/").and_then(|rest| rest.strip_suffix("/metrics")).filter(|name| !name.contains('/'));
    if let (Some(name), Method::GET | Method::HEAD) = (name, request.method().clone())
        && let Some(text) = (app.state.plugin_metrics)(name)
    {
        return metrics_text(text);
    }
    let mounted = (app.state.handlers)();
    match dispatch(&mounted, request).await {
        Ok(response) => response,
        Err(request) => {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            let file = path.trim_start_matches('/');
            if reads && !file.contains('/') && file != "index.html" && ui::asset(file).is_some() {
                return pages::asset(request).await;
            }
            nobody(&path).into_response()
        }
    }
}
