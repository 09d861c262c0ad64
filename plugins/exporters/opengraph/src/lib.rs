//! Answers what a page says of itself in its OpenGraph tags: `GET /api/v1/scrap?url=`.
//!
//! Stands in for a small web service of that interface. Start reading at [`answer`], which requests there are and the forms of
//! the answers; then [`page`], which fetches, [`charset`], which decodes, and [`tags`], which finds the tags. The host makes
//! the requests and decides which addresses may be read; this crate does not know them.

pub mod answer;
pub mod charset;
mod observed;
pub mod page;
mod prescan;
pub mod query;
pub mod tags;

use std::time::Instant;

use skopos_sdk::about::{self, Description};
use skopos_sdk::http_handler::{self, Request, Response};
use skopos_sdk::log;

use answer::Call;

/// JSON Schema of the plugin's `config`.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct OpenGraph;

impl about::Guest for OpenGraph {
    fn describe() -> Description {
        observed::declare();
        Description {
            summary: "Reads the OpenGraph tags of web pages: GET /api/v1/scrap?url=.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl http_handler::Guest for OpenGraph {
    fn handle(config: String, request: Request) -> Response {
        observed::declare();
        let begun = Instant::now();
        let call = answer::route(&request);
        let response = respond(&config, &request, &call);
        observed::observe(&request.method, call.handler(), response.status, begun.elapsed());
        answer::with_cors(&request, response)
    }
}

fn respond(config: &str, request: &Request, call: &Call) -> Response {
    let mut response = match call {
        Call::Scrap => scrap(config, request.query.as_deref()),
        Call::Health => answer::healthy(),
        Call::Preflight => answer::preflight(request),
        Call::Method => answer::method_not_allowed(),
        Call::Unknown => answer::not_found(),
    };
    if request.method == "HEAD" {
        response.body.clear();
    }
    response
}

fn scrap(config: &str, query: Option<&str>) -> Response {
    let Some(written) = query.and_then(|query| query::last(query, "url")) else { return answer::url_missing() };
    let result = page::Limits::parse(config).and_then(|limits| page::fetch(&query::decode_once_more(&written), &limits));
    match result {
        Ok(page) => answer::scrap(&tags::read(&charset::decode(&page.body, page.content_type.as_deref()))),
        Err(failure) => {
            // Names and addresses stay in the log: the answer goes to whoever asked.
            log::info("a page was not read", &[("reason", &failure.reason)]);
            answer::failed(failure.message)
        }
    }
}

about::export!(OpenGraph);
http_handler::export!(OpenGraph);
