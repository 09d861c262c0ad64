//! Asks an HTTP service for scrape targets: serves `http_sd_configs` as Prometheus has them.
//!
//! Start reading at `refresh`. Credentials, certificates and proxies are the host's: the whole section is its HTTP client
//! block, and the component sees tokens where secrets stand.

use serde::Deserialize;
use skopos_sdk::about::{self, Description};
use skopos_sdk::discovery::{self, TargetGroup};
use skopos_sdk::http::{self, Request};
use skopos_sdk::types::Error;
use skopos_sdk::{config, targets};

/// JSON Schema of one entry of `http_sd_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// The label that names the service.
const META_URL: &str = "__meta_url";

/// The plugin.
pub struct Http;

/// What the component itself needs of its section; the rest is the host's.
#[derive(Deserialize)]
struct Section {
    url: String,
    #[serde(default = "default_interval")]
    refresh_interval: String,
}

fn default_interval() -> String {
    "60s".to_owned()
}

impl about::Guest for Http {
    fn describe() -> Description {
        Description {
            summary: "Scrape targets that an HTTP service lists as JSON.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl discovery::Guest for Http {
    fn refresh(config: String) -> Result<Vec<TargetGroup>, Error> {
        let section: Section = config::parse(&config)?;
        let interval =
            config::duration_ms(&section.refresh_interval).map_err(|error| Error::Config(format!("refresh_interval: {error}")))?;
        let header = |name: &str, value: String| (name.to_owned(), value);
        let request = Request {
            headers: vec![
                header("accept", "application/json".to_owned()),
                header("x-prometheus-refresh-interval-seconds", (interval as f64 / 1000.0).to_string()),
            ],
            // The section itself is the HTTP client block.
            client: Some(String::new()),
            ..http::get(section.url.clone())
        };
        let unavailable = |reason: String| Error::Unavailable(format!("{}: {reason}", section.url));
        let response = http::fetch(&request).map_err(|error| unavailable(targets::reason(&error)))?;
        if response.status != 200 {
            return Err(unavailable(format!("it answered with status {}, not 200", response.status)));
        }
        let content_type = response.headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value.as_str());
        if !is_json(content_type) {
            return Err(unavailable(format!("its content type is {content_type:?}, not application/json")));
        }
        let entries = targets::from_json(&response.body).map_err(|error| unavailable(format!("not a list of targets: {error}")))?;
        Ok(targets::groups(&section.url, META_URL, entries))
    }
}

/// `application/json`, in UTF-8 if it says so.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().as_deref() == Some("application/json") && parts.all(|part| part == "charset=utf-8" || part == "charset=\"utf-8\"")
}

about::export!(Http);
discovery::export!(Http);
