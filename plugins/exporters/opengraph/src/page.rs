//! Fetching a page, within limits.

use serde::Deserialize;
use skopos_sdk::http::{self, Error as HttpError};
use skopos_sdk::{config, types};

/// Some sites answer only what calls itself a browser; the name says who it is all the same.
const USER_AGENT: &str = "Mozilla/5.0 (compatible; Skopos-OpenGraph)";

/// From the plugin's `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the whole page.
    pub timeout_ms: u32,
    /// Of the decompressed body; what stands behind is not looked at.
    pub body_bytes_max: u64,
    /// The one past it is a failure.
    pub redirects_max: u32,
}

/// What came.
#[derive(Debug)]
pub struct Page {
    /// The header, if there is one.
    pub content_type: Option<String>,
    /// The beginning of the body, or all of it.
    pub body: Vec<u8>,
}

/// Why there is no page.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// For whoever asked: no addresses, nothing of the inside of a network.
    pub message: &'static str,
    /// For the log.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    max_body: Option<u64>,
    #[serde(default)]
    max_redirects: Option<u32>,
}

impl Limits {
    /// Reads the plugin's `config`.
    ///
    /// # Errors
    /// Names the field.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure { message: "the server's configuration is wrong", reason };
        let written: Written = config::parse(text).map_err(|error| {
            let (types::Error::Config(reason) | types::Error::Unavailable(reason) | types::Error::Internal(reason)) = error;
            wrong(reason)
        })?;
        let timeout =
            config::duration_ms(written.timeout.as_deref().unwrap_or("5s")).map_err(|error| wrong(format!("timeout: {error}")))?;
        Ok(Self {
            timeout_ms: u32::try_from(timeout).unwrap_or(u32::MAX),
            body_bytes_max: written.max_body.unwrap_or(2 << 20),
            redirects_max: written.max_redirects.unwrap_or(5),
        })
    }
}

/// Fetches a page. Its status is not looked at: pages that say "not found" have tags, too.
///
/// # Errors
/// With words for whoever asked.
pub fn fetch(url: &str, limits: &Limits) -> Result<Page, Failure> {
    let url = url.trim();
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(Failure { message: "only http and https addresses can be read", reason: format!("url: {url:.200?}") });
    }
    let headers = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"), ("user-agent", USER_AGENT)];
    let request = http::Request {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        timeout_ms: Some(limits.timeout_ms),
        max_redirects: Some(limits.redirects_max),
        max_body: Some(limits.body_bytes_max),
        ..http::get(url)
    };
    let response = http::fetch(&request).map_err(|error| failure(&error))?;
    let header = |name: &str| response.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if matches!(response.status, 301 | 302 | 303 | 307 | 308) && header("location").is_some() {
        return Err(Failure { message: "the page redirects too often", reason: format!("more than {} redirects", limits.redirects_max) });
    }
    Ok(Page { content_type: header("content-type").cloned(), body: response.body })
}

fn failure(error: &HttpError) -> Failure {
    let (message, reason) = match error {
        HttpError::Denied(grant) => ("this address may not be read", format!("refused; to allow it, grant {grant}")),
        HttpError::Invalid(reason) => ("this is not a web address", reason.clone()),
        HttpError::Timeout => ("the page took too long", "timeout".to_owned()),
        HttpError::TooLarge => ("the page is too large", "too large".to_owned()),
        HttpError::Dns(reason) => ("the host's name does not resolve", reason.clone()),
        HttpError::Connect(reason) => ("the host does not answer", reason.clone()),
        HttpError::Tls(reason) => ("there is no secure connection to the host", reason.clone()),
        HttpError::Protocol(reason) => ("the host's answer cannot be read", reason.clone()),
    };
    Failure { message, reason }
}
