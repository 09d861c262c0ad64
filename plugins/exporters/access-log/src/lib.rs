//! Follows access logs of nginx, Apache and others, and counts requests: `exporter: access-log`. Beside that it stands in for a small
//! web service of this name: `POST /access-log`, `GET /stats`.
//!
//! Start reading at [`collect`](mod@collect), one scrape, [`follow`], how a log is read across rotations and restarts, and [`format`](mod@format), what
//! a line may be. Of the service, at [`answer`], what each request is answered with (restify's JSON errors included), and
//! [`store`], how its counts last over calls, crashes and restarts.

pub mod answer;
pub mod collect;
pub mod counters;
pub mod export;
pub mod follow;
pub mod format;
pub mod line;
pub mod paths;
pub mod section;
pub mod store;

use skopos_sdk::about::{self, Description};
use skopos_sdk::exporter::{self, Exposition};
use skopos_sdk::http_handler::{self, Request, Response};
use skopos_sdk::log;
use skopos_sdk::metrics::{self, Kind};
use skopos_sdk::types::Error;

use answer::{Call, Failure};
use store::Counts;

/// JSON Schema of a job's `exporter_config`, and of the plugin's `config`, where there is nothing to set.
pub const SCHEMA: &str = include_str!("schema.json");

const LOGS: &str = "access_log_total";
const CLIENTS: &str = "access_client_ip_current";

/// The plugin.
pub struct AccessLog;

impl about::Guest for AccessLog {
    fn describe() -> Description {
        // So that the counter is there, at 0, before the first request.
        declare();
        Description {
            summary: "Follows access logs and counts requests; stands in for the access-log service.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl http_handler::Guest for AccessLog {
    fn handle(_config: String, request: Request) -> Response {
        declare();
        let answered = match answer::route(&request.method, &request.path) {
            Ok(Call::Log) => log_request(&request),
            Ok(Call::Stats) => store::read().map(|counts| answer::stats(counts.logs)).map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        publish();
        answered.unwrap_or_else(|failure| {
            if let Failure::Store(reason) = &failure {
                log::warn("the store does not work", &[("reason", reason)]);
            }
            answer::failed(&failure)
        })
    }
}

fn log_request(request: &Request) -> Result<Response, Failure> {
    let client = answer::client(&request.body)?;
    let recorded = store::record(&client)?;
    if !recorded.client_kept {
        log::warn("the store is full: this request is counted, its client address is not", &[("client", &client)]);
    }
    metrics::counter_add(LOGS, &[], 1.0);
    log::info("access", &[("client", &client)]);
    Ok(answer::created(&request.headers))
}

fn declare() {
    metrics::declare(LOGS, Kind::Counter, "Access Log - total log requests", "");
    metrics::counter_add(LOGS, &[], 0.0);
    metrics::declare(CLIENTS, Kind::Gauge, "Access Log - current unique IP addresses", "");
}

/// Sets the gauge to what the store holds. Calls run at once, so one that was slow could set an older count last: whoever sets
/// it looks again, and the last one to set it has seen the newest.
fn publish() {
    const TRIES: usize = 16;
    let mut shown = None;
    for _ in 0..TRIES {
        match store::read() {
            Ok(Counts { clients, .. }) if shown != Some(clients) => {
                metrics::gauge_set(CLIENTS, &[], clients as f64);
                shown = Some(clients);
            }
            Ok(_) | Err(_) => return,
        }
    }
}

impl exporter::Guest for AccessLog {
    fn collect(config: String, target: String) -> Result<Exposition, Error> {
        collect::collect(&config, &target)
    }
}

about::export!(AccessLog);
exporter::export!(AccessLog);
http_handler::export!(AccessLog);
