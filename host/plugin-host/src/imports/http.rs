use std::path::PathBuf;
use std::time::Duration;

use http_client::{HttpError, Request as Outgoing, Response as Incoming, Url};

use crate::access::SECRET_ORIGIN;
use crate::grants::line_for_url;
use crate::state::CallState;
use crate::text::{one_line, shortened};
use crate::v0_1::imports::http::{Error, Host, Request, Response, Timings};

/// Most redirects that are followed, whatever a component asks for.
const REDIRECTS_MAX: u32 = 20;

/// Headers of a request.
const HEADERS_MAX: usize = 200;

impl Host for CallState {
    async fn fetch(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        Ok(self.fetched(request).await.map_err(|error| self.concealed(error)))
    }
}

impl CallState {
    async fn fetched(&mut self, request: Request) -> Result<Response, Error> {
        self.refuse_unserved(&request)?;
        let unix_socket = self.granted_socket(request.unix_socket.as_deref())?;
        let secrets = &self.access.secrets;
        let (url_text, _) = secrets.reveal(&request.url);
        let url = Url::parse(&url_text).map_err(|e| Error::Invalid(format!("the URL cannot be read: {e}")))?;
        // Before the client asks, so that nothing of a refused request is prepared. A socket is granted by itself, and its
        // requests go nowhere else: the URL names the path alone.
        if unix_socket.is_none() && !self.access.grants.allows_url(&url) {
            let line = line_for_url(&url);
            return Err(Error::Denied(self.access.refuse(&line, &line)));
        }
        let (body, body_carries_secret) = secrets.reveal_bytes(request.body);
        let compressed = !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        let limit = self.limits.body_bytes;
        // A little before the call itself ends, so that the component can still say what happened.
        let left = self.time_left() * 19 / 20;
        let outgoing = Outgoing {
            method: request.method,
            url: url_text,
            headers: request.headers.into_iter().map(|(name, value)| (name, secrets.reveal(&value).0)).collect(),
            body,
            timeout: request.timeout_ms.map_or(left, |ms| Duration::from_millis(u64::from(ms)).min(left)),
            redirects_max: request.max_redirects.unwrap_or(10).min(REDIRECTS_MAX) as usize,
            body_bytes_max: request.max_body.unwrap_or(limit).min(limit),
            truncate: request.max_body.is_some_and(|max| max <= limit),
            accept_compressed: compressed,
            unix_socket,
        };
        let pointer = request.client.as_deref();
        let origin = body_carries_secret.then(|| url.origin().ascii_serialization());
        let sent = async {
            if request.new_connection {
                self.access.fresh_client(pointer)?.send(outgoing).await
            } else {
                self.access.client(pointer)?.send(outgoing).await
            }
        };
        let response = SECRET_ORIGIN.scope(origin, sent).await.map_err(error)?;
        Ok(self.answer(response))
    }

    /// What the contract offers and this host does not have yet is refused by name.
    fn refuse_unserved(&self, request: &Request) -> Result<(), Error> {
        if request.ip_version.is_some() {
            return Err(Error::Invalid("ip-version is not served yet: leave it out".to_owned()));
        }
        if request.headers.len() > HEADERS_MAX {
            return Err(Error::Invalid(format!("a request has at most {HEADERS_MAX} headers")));
        }
        // The host's name is part of what was granted.
        match request
            .headers
            .iter()
            .find(|(name, _)| ["host", "content-length", "transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str()))
        {
            Some((name, _)) => Err(Error::Invalid(format!("the header {name} is the host's to set"))),
            None => Ok(()),
        }
    }

    fn granted_socket(&self, path: Option<&str>) -> Result<Option<PathBuf>, Error> {
        let Some(path) = path else { return Ok(None) };
        let line = format!("unix: {}", one_line(&shortened(path, 300)));
        if !self.access.grants.allows_unix(path) {
            return Err(Error::Denied(self.access.refuse(&line, &line)));
        }
        self.access.standing.ledger.used(&line);
        Ok(Some(PathBuf::from(path)))
    }

    fn answer(&self, response: Incoming) -> Response {
        let secrets = &self.access.secrets;
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Response {
            status: response.status,
            headers: response.headers.into_iter().map(|(name, value)| (name, secrets.conceal(value))).collect(),
            body: response.body,
            truncated: response.truncated,
            final_url: secrets.conceal(response.final_url),
            remote_address: response.remote_address,
            http_version: response.http_version.to_owned(),
            // The client tells the phases before the first byte together.
            timings: Timings {
                resolve_us: 0,
                connect_us: 0,
                tls_us: 0,
                first_byte_us: micros(response.first_byte),
                transfer_us: micros(response.total.saturating_sub(response.first_byte)),
            },
            tls_peer: None,
        }
    }

    /// Errors quote URLs, and with them what was put in for tokens.
    fn concealed(&self, error: Error) -> Error {
        let conceal = |text: String| self.access.secrets.conceal(text);
        match error {
            Error::Denied(text) => Error::Denied(conceal(text)),
            Error::Invalid(text) => Error::Invalid(conceal(text)),
            Error::Dns(text) => Error::Dns(conceal(text)),
            Error::Connect(text) => Error::Connect(conceal(text)),
            Error::Tls(text) => Error::Tls(conceal(text)),
            Error::Protocol(text) => Error::Protocol(conceal(text)),
            Error::Timeout | Error::TooLarge => error,
        }
    }
}

fn error(error: HttpError) -> Error {
    match error {
        HttpError::Denied(text) => Error::Denied(text),
        HttpError::Invalid(text) => Error::Invalid(text),
        HttpError::Timeout => Error::Timeout,
        HttpError::TooLarge { .. } => Error::TooLarge,
        HttpError::Dns(text) => Error::Dns(text),
        HttpError::Connect(text) => Error::Connect(text),
        HttpError::Tls(text) => Error::Tls(text),
        HttpError::Redirect(text) | HttpError::Protocol(text) => Error::Protocol(text),
        other => Error::Protocol(other.to_string()),
    }
}
