//! Posts notifications to any address, as Alertmanager's JSON: serves `webhook_configs` as Alertmanager has them.
//!
//! Start reading at [`section`], what the operator writes, [`message`], what is posted, [`payload`], what is posted in its place,
//! and [`verdict`], what becomes of the answer. The address is a secret that this crate sees as a token only.

pub mod message;
pub mod payload;
pub mod section;
pub mod time;
pub mod verdict;

use std::time::SystemTime;

use skopos_sdk::about::{self, Description};
use skopos_sdk::channel::{self, Notification, Receipt, SendError};
use skopos_sdk::{delivery, http};

/// JSON Schema of one entry of `webhook_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// Of an answer: enough for an error.
const ANSWER_BYTES_MAX: u64 = 16 << 10;

/// The plugin.
pub struct Webhook;

impl about::Guest for Webhook {
    fn describe() -> Description {
        Description {
            summary: "Notifications as Alertmanager's JSON to any address.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl channel::Guest for Webhook {
    fn send(config: String, notification: Notification) -> Result<Receipt, SendError> {
        let section = section::parse(&config).map_err(delivery::last_word)?;
        let body = match section.payload {
            Some(payload) => serde_json::to_vec(&payload::unfolded(payload)),
            None => serde_json::to_vec(&message::build(&notification, section.max_alerts)),
        };
        let request = http::Request {
            method: "POST".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.map_err(|error| delivery::last_word(format!("the message is no JSON: {error}")))?,
            timeout_ms: section.timeout_ms,
            max_body: Some(ANSWER_BYTES_MAX),
            client: section.http_config.as_ref().map(|_| "/http_config".to_owned()),
            ..http::get(section.url)
        };
        match http::fetch(&request) {
            Ok(response) => verdict::of_response(&response, SystemTime::now()),
            Err(error) => Err(verdict::of_error(&error)),
        }
    }
}

about::export!(Webhook);
channel::export!(Webhook);
