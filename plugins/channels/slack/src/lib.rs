//! Delivers notifications to Slack's incoming webhooks: serves `slack_configs` as Alertmanager has them.
//!
//! Start reading at [`section`], what the operator writes, [`payload`], what Slack gets, and [`verdict`], what becomes of its
//! answer. Templates are expanded by the host before the call; the address of the webhook is a secret that this crate sees as
//! a token only.

pub mod payload;
pub mod safety;
pub mod section;
pub mod verdict;

use std::time::SystemTime;

use skopos_sdk::about::{self, Description};
use skopos_sdk::channel::{self, Notification, Receipt, SendError};
use skopos_sdk::{delivery, http, log};

/// JSON Schema of one entry of `slack_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// Of Slack's answer, which is `ok` or a few words.
const ANSWER_BYTES_MAX: u64 = 16 << 10;

/// The plugin.
pub struct Slack;

impl about::Guest for Slack {
    fn describe() -> Description {
        Description {
            summary: "Notifications to Slack through an incoming webhook.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl channel::Guest for Slack {
    fn send(config: String, notification: Notification) -> Result<Receipt, SendError> {
        let section = section::parse(&config).map_err(delivery::last_word)?;
        let (payload, changed) = payload::build(&section, &notification);
        for what in changed {
            log::warn("the message was changed to fit Slack's rules", &[("receiver", &notification.receiver), ("what", &what)]);
        }
        let body = serde_json::to_vec(&payload).map_err(|error| delivery::last_word(format!("the message is no JSON: {error}")))?;
        let request = http::Request {
            method: "POST".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body,
            timeout_ms: section.timeout_ms,
            max_body: Some(ANSWER_BYTES_MAX),
            client: section.http_config.as_ref().map(|_| "/http_config".to_owned()),
            ..http::get(section.api_url)
        };
        match http::fetch(&request) {
            Ok(response) => verdict::of_response(&response, SystemTime::now()),
            Err(error) => Err(verdict::of_error(&error)),
        }
    }
}

about::export!(Slack);
channel::export!(Slack);
