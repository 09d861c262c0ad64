//! HTTP handlers: a component serves a path of the host's, or an address of its own.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::seams::{BoxFuture, HandlerRequest, HandlerResponse, HttpHandler, PluginError, PluginKind};
use serde_json::Value;

use crate::call::{Why, call};
use crate::handle::Handle;
use crate::section::{locate, to_json};
use crate::shared::Shared;
use crate::v0_1::exports::http_handler::{Request, Response};

/// Headers that are not passed on to a component: it never acts with the visitor's rights.
const WITHHELD: [&str; 3] = ["cookie", "authorization", "proxy-authorization"];

/// Headers of a response that are the host's to set, or that nobody may.
const DROPPED: [&str; 12] = [
    "set-cookie",
    "content-security-policy",
    "x-content-type-options",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "proxy-authenticate",
    "strict-transport-security",
];

/// Headers of a response.
const HEADERS_MAX: usize = 100;

/// Serves requests with what `config` of the plugin says at the time.
pub(crate) struct Server {
    shared: Arc<Shared>,
    name: String,
    current: ArcSwapOption<Current>,
}

struct Current {
    handle: Handle,
    generation: u64,
}

impl Server {
    /// The error says what is wrong with `config`, or that there is no such handler.
    pub(crate) fn new(shared: &Arc<Shared>, name: &str) -> Result<Self, PluginError> {
        let server = Self { shared: Arc::clone(shared), name: name.to_owned(), current: ArcSwapOption::empty() };
        server.current()?;
        Ok(server)
    }

    fn current(&self) -> Result<Arc<Current>, PluginError> {
        let generation = self.shared.generation();
        if let Some(current) = self.current.load_full().filter(|current| current.generation == generation) {
            return Ok(current);
        }
        let plugin = self.shared.loaded(&self.name, PluginKind::HttpHandler)?;
        let config = self.shared.config.load();
        let schema = plugin.schema(PluginKind::HttpHandler);
        let section = match config.get(&self.name) {
            Some(config) => to_json(&config.config, schema).map_err(|e| PluginError::Config(e.to_string()))?,
            None => Value::Object(serde_json::Map::new()),
        };
        if let (Some(schema), Some(config)) = (schema, config.get(&self.name)) {
            schema.check(&mut section.clone()).map_err(|e| PluginError::Config(locate(&config.config, e).to_string()))?;
        }
        let handle = Handle::new(&self.shared, &self.name, PluginKind::HttpHandler, &section.to_string()).checked()?;
        let current = Arc::new(Current { handle, generation });
        self.current.store(Some(Arc::clone(&current)));
        Ok(current)
    }

    async fn answer(&self, request: HandlerRequest) -> HandlerResponse {
        let current = match self.current() {
            Ok(current) => current,
            Err(error) => {
                tracing::error!(plugin = self.name, "{error}");
                return plain(503, "the plugin is not available; the host's log says why");
            }
        };
        let ready = match current.handle.ready() {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(plugin = self.name, "{error}");
                return plain(503, "the plugin is not available; the host's log says why");
            }
        };
        let Ok(_place) = ready.plugin.standing.calls().try_acquire_owned() else {
            ready.plugin.standing.ledger.failure("too many requests at once: raise limits: {concurrency: …}");
            return plain(503, "too many requests at once");
        };
        let limits = current.handle.limits(&ready, None);
        if request.body.len() as u64 > limits.body_bytes {
            return plain(413, "the body is larger than the plugin's limit");
        }
        let config = ready.prepared.config_text(&[]);
        let request = passed_on(request);
        let answered = call(&ready.plugin, "http-handler.handle", Arc::clone(&ready.access), limits, |store, instance| {
            Box::pin(async move {
                let plugin = Arc::clone(&store.data().plugin);
                let found = plugin.exports.http_handler.as_ref().ok_or_else(|| wasmtime::Error::msg("http-handler is not there"))?;
                found.load(&mut *store, &instance)?.call_handle(&mut *store, &config, &request).await
            })
        });
        match answered.await {
            Ok(response) => checked(&self.name, response),
            Err(failure) => {
                tracing::warn!(plugin = self.name, "{}", failure.message);
                if matches!(failure.why, Why::Overran | Why::Waited) {
                    plain(504, "the plugin took too long")
                } else {
                    plain(502, "the plugin failed; the host's log says why")
                }
            }
        }
    }
}

impl HttpHandler for Server {
    fn handle(&self, request: HandlerRequest) -> BoxFuture<'_, HandlerResponse> {
        Box::pin(self.answer(request))
    }
}

fn passed_on(request: HandlerRequest) -> Request {
    let headers = request.headers.into_iter().filter(|(name, _)| !WITHHELD.iter().any(|withheld| name.eq_ignore_ascii_case(withheld)));
    Request {
        method: request.method,
        mount: request.mount,
        path: request.path,
        query: request.query,
        headers: headers.collect(),
        body: request.body,
        remote: request.remote,
        user: request.user,
    }
}

fn checked(name: &str, response: Response) -> HandlerResponse {
    let bad = |what: &str| {
        tracing::warn!(plugin = name, "its response {what}");
        plain(502, "the plugin answered what is no HTTP response")
    };
    if !(200..=599).contains(&response.status) {
        return bad(&format!("has the status {}", response.status));
    }
    if response.headers.len() > HEADERS_MAX {
        return bad(&format!("has more than {HEADERS_MAX} headers"));
    }
    if let Some((header, _)) = response.headers.iter().find(|(header, value)| !is_header(header, value)) {
        return bad(&format!("has the header {:?}, which is no header", crate::text::shortened(header, 100)));
    }
    let kept = response
        .headers
        .into_iter()
        .map(|(header, value)| (header.to_ascii_lowercase(), value))
        .filter(|(header, _)| !DROPPED.contains(&header.as_str()));
    let mut headers: Vec<(String, String)> = kept.collect();
    headers.extend(guards());
    HandlerResponse { status: response.status, headers, body: response.body }
}

/// RFC 9110: a token, and a value without control characters.
fn is_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token) && value.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

/// What every response carries: pages of plugins run no script with the host's origin.
fn guards() -> [(String, String); 2] {
    [("content-security-policy".to_owned(), "sandbox".to_owned()), ("x-content-type-options".to_owned(), "nosniff".to_owned())]
}

fn plain(status: u16, text: &str) -> HandlerResponse {
    let mut headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
    headers.extend(guards());
    HandlerResponse { status, headers, body: format!("{text}\n").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> HandlerResponse {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        checked("p", Response { status, headers, body: Vec::new() })
    }

    #[test]
    fn responses_keep_what_the_contract_keeps() {
        let got = response(
            201,
            &[("Content-Type", "text/html"), ("Set-Cookie", "a=b"), ("Content-Security-Policy", "script-src *"), ("Content-Length", "7")],
        );
        assert_eq!(got.status, 201);
        let names: Vec<_> = got.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(names, ["content-type: text/html", "content-security-policy: sandbox", "x-content-type-options: nosniff"]);
    }

    #[test]
    fn what_is_no_response_is_a_bad_gateway() {
        for (status, headers) in
            [(0, &[][..]), (101, &[]), (700, &[]), (200, &[("a b", "c")]), (200, &[("a", "b\r\nset-cookie: c")]), (200, &[("", "c")])]
        {
            assert_eq!(response(status, headers).status, 502, "{status} {headers:?}");
        }
        assert_eq!(response(200, &vec![("a", "b"); 101]).status, 502);
    }

    #[test]
    fn the_visitors_rights_are_not_passed_on() {
        let headers = ["accept", "cookie", "Authorization", "x-real-ip"].map(|name| (name.to_owned(), "v".to_owned())).to_vec();
        let names: Vec<String> =
            passed_on(HandlerRequest { headers, ..HandlerRequest::default() }).headers.into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["accept", "x-real-ip"]);
    }
}
