//! Asks the API of a running server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_client::{AnyAddress, Client, HttpConfig, HttpError, Request};
use model::config::Section;
use serde_json::Value;

use crate::config::parse_file;
use crate::files::Files;
use crate::start::resolver;

/// Longest wait: the server has a limit of its own below it.
const TIMEOUT: Duration = Duration::from_secs(150);

/// Longest address that is asked with GET; what is longer goes into a body.
const URL_BYTES_MAX: usize = 4000;

/// A server and how it is reached.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    client: Client,
    base: String,
    /// Sent with each request.
    headers: Vec<(String, String)>,
}

impl Server {
    /// `http_config` is a file with the HTTP client block. No connection is made. The error is for people.
    pub(crate) fn new(url: &str, http_config: Option<&Path>) -> Result<Self, String> {
        let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let config = match http_config {
            None => HttpConfig::default(),
            Some(path) => {
                let name = path.display().to_string();
                let root = parse_file(&Files::Disk, path, &name).map_err(|e| e.to_string())?;
                let located = |error| format!("{name}:{error}");
                let mut section = Section::new(&root).map_err(located)?;
                let config = HttpConfig::from_section(&mut section, path.parent().unwrap_or(Path::new(""))).map_err(located)?;
                section.finish().map_err(located)?;
                config
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| format!("failed to start: {e}"))?;
        let client = {
            let _inside = runtime.enter();
            Client::new(&config, resolver(&[])?, Arc::new(AnyAddress)).map_err(|e| e.to_string())?
        };
        Ok(Self { runtime, client, base: base.trim_end_matches('/').to_owned(), headers: Vec::new() })
    }

    /// The same, with these headers on each request.
    pub(crate) fn with_headers(self, headers: &[(String, String)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    /// Posts a body. The status and the text of the answer.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>, timeout: Duration) -> Result<(u16, String), String> {
        let mut request = Request { method: "POST".to_owned(), body, ..Request::get(format!("{}{path}", self.base)) };
        // What the user says takes the place of what is said without.
        let own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let others = headers.iter().filter(|(name, _)| !own(name)).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        request.headers = others.chain(self.headers.iter().cloned()).collect();
        (request.timeout, request.body_bytes_max) = (timeout, 1 << 20);
        let response = self.runtime.block_on(self.client.send(request)).map_err(|error| self.unreachable(&error))?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }

    /// A page of at most so many bytes.
    pub(crate) fn page(&self, path: &str, bytes_max: u64) -> Result<(u16, Vec<u8>), String> {
        let mut request = Request::get(format!("{}{path}", self.base));
        (request.timeout, request.body_bytes_max) = (TIMEOUT, bytes_max);
        let response = self.runtime.block_on(self.client.send(request)).map_err(|error| self.unreachable(&error))?;
        Ok((response.status, response.body))
    }

    /// The `data` of an answer and its warnings. The error is what the server says, or what to do where none answers.
    pub(crate) fn ask(&self, path: &str, parameters: &[(&str, String)]) -> Result<(Value, Vec<String>), String> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let query = query.join("&");
        let url = format!("{}{path}", self.base);
        let mut request = if url.len() + query.len() < URL_BYTES_MAX {
            Request::get(if query.is_empty() { url.clone() } else { format!("{url}?{query}") })
        } else {
            let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
            Request { method: "POST".to_owned(), headers, body: query.into_bytes(), ..Request::get(url.clone()) }
        };
        request.headers.extend(self.headers.iter().cloned());
        (request.timeout, request.body_bytes_max) = (TIMEOUT, 512 << 20);
        let response = self.runtime.block_on(self.client.send(request)).map_err(|error| self.unreachable(&error))?;
        let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) else {
            let hint =
                if response.status == 401 { "; give user and password with --http.config.file" } else { "; is it a Skopos or Prometheus?" };
            return Err(format!("{url} answered {} without JSON{hint}", response.status));
        };
        let texts =
            |value: &Value| value.as_array().map(|l| l.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect()).unwrap_or_default();
        if answer["status"] == "success" {
            let mut notes: Vec<String> = texts(&answer["warnings"]);
            notes.extend::<Vec<String>>(texts(&answer["infos"]));
            return Ok((answer["data"].take(), notes));
        }
        let (kind, text) = (answer["errorType"].as_str().unwrap_or("error"), answer["error"].as_str().unwrap_or("no reason given"));
        Err(format!("query error: {kind}: {text}"))
    }

    /// The status and the text of a page.
    pub(crate) fn status(&self, path: &str) -> Result<(u16, String), String> {
        let mut request = Request::get(format!("{}{path}", self.base));
        (request.timeout, request.body_bytes_max) = (TIMEOUT, 1 << 20);
        let response = self.runtime.block_on(self.client.send(request)).map_err(|error| self.unreachable(&error))?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }

    fn unreachable(&self, error: &HttpError) -> String {
        let hint = if crate::promtool::is_called() { "" } else { " --url names another address" };
        format!("{}: {error}. Is it running there?{hint}", self.base)
    }
}

/// Percent-encodes what is not plain.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
