use std::error::Error;
use std::fmt;
use std::io;

use crate::ResolveError;
use crate::egress::Refused;

/// Why a request has no response. The text is for people and ends without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The address policy refused an address or a URL.
    Denied(String),
    /// The request itself makes no sense.
    Invalid(String),
    /// The time given was over.
    Timeout,
    /// The decoded body passed the limit, in bytes.
    TooLarge {
        /// The limit that was passed.
        limit: u64,
    },
    /// The name does not resolve.
    Dns(String),
    /// No connection.
    Connect(String),
    /// The handshake failed, or the certificate was refused.
    Tls(String),
    /// A redirect leads nowhere.
    Redirect(String),
    /// The connection broke, or what came is not what HTTP or gzip allow.
    Protocol(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Invalid(text) | Self::Redirect(text) | Self::Protocol(text) => f.write_str(text),
            Self::Timeout => f.write_str("timed out"),
            Self::TooLarge { limit } => write!(f, "the body is larger than the limit of {limit} bytes"),
            Self::Dns(text) => write!(f, "name resolution failed: {text}"),
            Self::Connect(text) => write!(f, "no connection: {text}"),
            Self::Tls(text) => write!(f, "TLS: {text}"),
        }
    }
}

impl Error for HttpError {}

/// Finds out what stands behind reqwest's error, which says it in layers.
pub(crate) fn from_reqwest(error: &reqwest::Error) -> HttpError {
    if error.is_timeout() {
        return HttpError::Timeout;
    }
    let mut innermost: &dyn Error = error;
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(layer) = cause {
        if let Some(refused) = layer.downcast_ref::<Refused>() {
            return HttpError::Denied(refused.0.clone());
        }
        if let Some(resolve) = layer.downcast_ref::<ResolveError>() {
            return HttpError::Dns(resolve.to_string());
        }
        if let Some(tls) = layer.downcast_ref::<rustls::Error>() {
            return HttpError::Tls(tls.to_string());
        }
        // An io::Error does not name what it wraps as its source but the source of that.
        if let Some(tls) = layer.downcast_ref::<io::Error>().and_then(io::Error::get_ref).and_then(|e| e.downcast_ref::<rustls::Error>()) {
            return HttpError::Tls(tls.to_string());
        }
        innermost = layer;
        cause = layer.source();
    }
    if error.is_connect() { HttpError::Connect(innermost.to_string()) } else { HttpError::Protocol(innermost.to_string()) }
}
