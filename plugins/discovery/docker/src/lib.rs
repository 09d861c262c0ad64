//! Asks a Docker Engine for its containers: serves `docker_sd_configs` as Prometheus has them.
//!
//! Start reading at `refresh`; [`containers`] makes targets of what the Engine's API (`/containers/json`, `/networks`) says.
//! The socket, credentials and certificates are the host's.

pub mod containers;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use skopos_sdk::about::{self, Description};
use skopos_sdk::discovery::{self, TargetGroup};
use skopos_sdk::http::{self, Request};
use skopos_sdk::types::Error;
use skopos_sdk::{config, targets};

/// JSON Schema of one entry of `docker_sd_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Docker;

/// What the component itself needs of its section; the rest is the host's. Defaults are the schema's.
#[derive(Debug, Deserialize)]
pub struct Section {
    host: String,
    /// For containers without a TCP port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The address of containers in the host's network.
    #[serde(default = "default_host")]
    pub host_networking_host: String,
    /// Whether a container in several networks is a target in the first alone.
    #[serde(default = "yes")]
    pub match_first_network: bool,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    refresh_interval: Option<String>,
    #[serde(default)]
    tls_config: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Filter {
    name: String,
    values: Vec<String>,
}

fn default_port() -> u16 {
    80
}

fn default_host() -> String {
    "localhost".to_owned()
}

fn yes() -> bool {
    true
}

impl about::Guest for Docker {
    fn describe() -> Description {
        Description {
            summary: "Scrape targets from the containers of a Docker Engine.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl discovery::Guest for Docker {
    fn refresh(config: String) -> Result<Vec<TargetGroup>, Error> {
        let section: Section = config::parse(&config)?;
        if let Some(interval) = &section.refresh_interval {
            config::duration_ms(interval).map_err(|error| Error::Config(format!("refresh_interval: {error}")))?;
        }
        let found: Vec<containers::Container> = ask(&section, &format!("/containers/json{}", section.query()?))?;
        let networks: Vec<containers::Network> = ask(&section, "/networks")?;
        Ok(containers::groups(&section, found, networks))
    }
}

impl Section {
    fn query(&self) -> Result<String, Error> {
        if self.filters.is_empty() {
            return Ok(String::new());
        }
        let mut filters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for filter in &self.filters {
            filters.entry(&filter.name).or_default().extend(filter.values.iter().map(String::as_str));
        }
        let json = serde_json::to_string(&filters).map_err(|error| Error::Config(format!("filters: {error}")))?;
        let escaped = json.bytes().fold(String::new(), |mut text, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(char::from(byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
            text
        });
        Ok(format!("?filters={escaped}"))
    }

    /// The socket, if it is one, and where URLs begin.
    fn base(&self) -> (Option<String>, String) {
        let host = self.host.trim_end_matches('/');
        if let Some(path) = self.host.strip_prefix("unix://") {
            return (Some(path.to_owned()), "http://docker".to_owned());
        }
        let scheme = if self.tls_config.is_some() { "https" } else { "http" };
        (None, host.strip_prefix("tcp://").map_or_else(|| host.to_owned(), |rest| format!("{scheme}://{rest}")))
    }
}

fn ask<T: DeserializeOwned>(section: &Section, path: &str) -> Result<T, Error> {
    let (unix_socket, base) = section.base();
    // The section itself is the HTTP client block.
    let request = Request { unix_socket, client: Some(String::new()), ..http::get(format!("{base}{path}")) };
    let unavailable =
        |reason: String| Error::Unavailable(format!("{}, {}: {reason}", section.host, path.split('?').next().unwrap_or_default()));
    let response = http::fetch(&request).map_err(|error| unavailable(targets::reason(&error)))?;
    if response.status != 200 {
        let said: String = String::from_utf8_lossy(&response.body).trim().chars().take(200).collect();
        return Err(unavailable(format!("status {}, not 200: {said}", response.status)));
    }
    serde_json::from_slice(&response.body).map_err(|error| unavailable(format!("not what a Docker Engine answers: {error}")))
}

about::export!(Docker);
discovery::export!(Docker);
