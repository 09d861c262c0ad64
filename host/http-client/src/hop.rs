//! One request of a chain of redirects.

use std::error::Error as StdError;
use std::io;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy;
use url::Url;

use crate::HttpError;
use crate::auth::basic;
use crate::proxy::decoded;

/// One request of a chain of redirects.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// 0 for the request itself.
    pub(crate) number: usize,
}

impl Hop {
    /// `more` is for a proxy on the way.
    pub(crate) fn to_request(&self, more: Option<(HeaderName, HeaderValue)>) -> Result<http::Request<Full<Bytes>>, HttpError> {
        let mut url = self.url.clone();
        let credentials = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        // Neither fails for a URL with a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|e| HttpError::Invalid(format!("{url} cannot be asked for: {e}")))?;
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        // A name and a password in the URL count where nothing else does, as upstream.
        if credentials != (String::new(), String::new())
            && let (header::Entry::Vacant(entry), Ok(mut value)) =
                (headers.entry(header::AUTHORIZATION), HeaderValue::from_str(&basic(&credentials.0, &credentials.1)))
        {
            value.set_sensitive(true);
            entry.insert(value);
        }
        headers.extend(more);
        Ok(request)
    }

    /// Where a redirect leads, None if the response is none. Another origin gets no credentials and no configured header.
    pub(crate) fn redirected(&self, status: StatusCode, response_headers: &HeaderMap) -> Result<Option<Self>, HttpError> {
        let keeps_method = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = response_headers.get(header::LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| HttpError::Redirect("the redirect's address is not text".to_owned()))?;
        let url = self.url.join(location).map_err(|e| HttpError::Redirect(format!("the redirect to {location:?} leads nowhere: {e}")))?;
        let mut headers = self.headers.clone();
        if url.origin() != self.url.origin() {
            let kept = [header::ACCEPT, header::ACCEPT_ENCODING, header::USER_AGENT, header::ACCEPT_LANGUAGE];
            headers = headers.into_iter().filter_map(|(n, v)| n.filter(|n| kept.contains(n)).map(|n| (n, v))).collect();
        }
        let (method, body) = if keeps_method { (self.method.clone(), self.body.clone()) } else { (Method::GET, Bytes::new()) };
        if !keeps_method {
            headers.remove(header::CONTENT_TYPE);
        }
        Ok(Some(Self { url, method, headers, body, number: self.number + 1 }))
    }
}

pub(crate) fn parse_url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|e| HttpError::Invalid(format!("{text:?} is not a URL: {e}")))?;
    if !url.has_host() && matches!(url.scheme(), "http" | "https") {
        return Err(HttpError::Invalid(format!("{text:?} names no host")));
    }
    Ok(url)
}

/// Without the brackets that IPv6 addresses have in URLs.
pub(crate) fn plain_host(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether the other side ended a connection before it began to answer.
pub(crate) fn is_closed_connection(error: &legacy::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(layer) = cause {
        if let Some(io) = layer.downcast_ref::<io::Error>() {
            return !error.is_connect()
                && matches!(io.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof);
        }
        if layer.downcast_ref::<hyper::Error>().is_some_and(|e| e.is_incomplete_message() || e.is_canceled()) {
            return true;
        }
        cause = layer.source();
    }
    false
}
