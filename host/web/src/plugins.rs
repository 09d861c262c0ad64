//! Plugins that serve HTTP: below `/plugins/<name>/`, on routes of their own, and on addresses of their own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::seams::{HandlerRequest, HttpHandler};

use crate::access::User;
use crate::error::ApiError;
use crate::params::body;

/// A plugin that the operator lets serve HTTP.
#[derive(Clone)]
pub struct MountedHandler {
    /// Its name, which is its place below `/plugins/`.
    pub name: String,
    /// Paths that lead to it too, as `/api/v1/scrap`.
    pub routes: Vec<String>,
    /// Longest body of a request, in bytes.
    pub body_bytes: usize,
    /// What answers.
    pub handler: Arc<dyn HttpHandler>,
}

/// What a plugin's document may do in a browser: nothing but be seen.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Headers that belong to one connection, or to the host: its users' passwords, and the token that changes need.
const NOT_PASSED: [HeaderName; 13] = [
    crate::guard::TOKEN,
    header::COOKIE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SET_COOKIE,
    header::PROXY_AUTHENTICATE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
];

/// What a browser would hold against everything at this address, of which a plugin has but a place: to forget what it keeps, to come by
/// another way or never unencrypted, to report elsewhere what is asked here, to let a script of the plugin's stand before all pages.
const OF_THE_WHOLE_ADDRESS: [HeaderName; 8] = [
    HeaderName::from_static("clear-site-data"),
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("accept-ch"),
];

/// Everything that no other route took: a plugin's place or route. None if it is nobody's.
pub(crate) async fn dispatch(mounted: &[MountedHandler], request: Request) -> Result<Response, Request> {
    let path = request.uri().path().to_owned();
    // With and without a slash at the end, as the services that plugins stand in for.
    let is_route = |route: &String| *route == path || path.strip_suffix('/') == Some(route);
    let by_route = mounted.iter().find(|plugin| plugin.routes.iter().any(is_route)).map(|plugin| (plugin, String::new(), path.clone()));
    let by_place = || {
        let rest = path.strip_prefix("/plugins/")?;
        let (name, inner) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let plugin = mounted.iter().find(|plugin| plugin.name == name)?;
        Some((plugin, format!("/plugins/{name}"), inner.to_owned()))
    };
    let Some((plugin, mount, inner)) = by_route.or_else(by_place) else { return Err(request) };
    Ok(call(plugin, mount, inner, request).await)
}

async fn call(plugin: &MountedHandler, mount: String, path: String, request: Request) -> Response {
    let (parts, request_body) = request.into_parts();
    let body = match body(request_body, plugin.body_bytes).await {
        Ok(body) => body,
        Err(error) => return sandboxed(error.into_response()),
    };
    let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string()).unwrap_or_default();
    let request = HandlerRequest {
        method: parts.method.as_str().to_ascii_uppercase(),
        mount,
        path,
        query: parts.uri.query().map(str::to_owned),
        headers: passed(&parts.headers),
        body,
        remote,
        user: parts.extensions.get::<User>().map(|User(name)| name.clone()),
    };
    let answer = plugin.handler.handle(request).await;
    let status = StatusCode::from_u16(answer.status).ok().filter(|status| status.as_u16() >= 200).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, Body::from(if parts.method == Method::HEAD { Vec::new() } else { answer.body })).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            tracing::warn!(plugin = plugin.name, "a header of the answer cannot be sent and is left out");
            continue;
        };
        if !NOT_PASSED.contains(&name) && !OF_THE_WHOLE_ADDRESS.contains(&name) {
            headers.append(name, value);
        }
    }
    sandboxed(response)
}

fn passed(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    headers
        .iter()
        .filter(|(name, _)| !NOT_PASSED.contains(name))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .collect()
}

fn sandboxed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What `/metrics` answers.
pub(crate) fn metrics_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text).into_response()
}

/// The router of a plugin's own address (`serve: {listen: …}`): the plugin at the root, its metrics at `/metrics`.
///
/// The operator opened that address for what stands behind it: users, the read-only rule and the check of `Host` do not
/// hold there.
pub fn listener_router(plugin: MountedHandler, metrics: Arc<dyn Fn() -> Option<String> + Send + Sync>) -> Router {
    Router::new().fallback(move |request: Request| {
        let (plugin, metrics) = (plugin.clone(), Arc::clone(&metrics));
        async move {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            if request.uri().path() == "/metrics"
                && reads
                && let Some(text) = metrics()
            {
                return sandboxed(metrics_text(text));
            }
            let path = request.uri().path().to_owned();
            call(&plugin, String::new(), path, request).await
        }
    })
}

/// Why a path that could be a plugin's leads nowhere.
pub(crate) fn nobody(path: &str) -> ApiError {
    match path.strip_prefix("/plugins/").map(|rest| rest.split('/').next().unwrap_or(rest)) {
        Some(name) => ApiError::not_found(format!("no plugin {name:?} serves HTTP here: plugins.{name}.serve opens it")),
        None => ApiError::not_found("there is nothing at this address"),
    }
}
