use std::error::Error;
use std::fmt;
use std::io;

use crate::verify::explain;

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

/// Finds out what stands behind an error that is said in layers. What is none of ours is [`HttpError::Protocol`].
pub(crate) fn from_layers(error: &(dyn Error + 'static)) -> HttpError {
    let mut innermost: &dyn Error = error;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(layer) = cause {
        if let Some(ours) = layer.downcast_ref::<HttpError>() {
            return ours.clone();
        }
        if let Some(tls) = layer.downcast_ref::<rustls::Error>() {
            return HttpError::Tls(explain(tls));
        }
        // An io::Error does not name what it wraps as its source but the source of that.
        if let Some(wrapped) = layer.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return match wrapped.downcast_ref::<rustls::Error>() {
                Some(tls) => HttpError::Tls(explain(tls)),
                None => from_layers(wrapped),
            };
        }
        innermost = layer;
        cause = layer.source();
    }
    HttpError::Protocol(innermost.to_string())
}
