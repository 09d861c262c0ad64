//! Judges the certificates of servers, and says in words what is wrong with them.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, InvalidMessage, OtherError, PeerIncompatible, RootCertStore, SignatureScheme,
};

use crate::certificate::{Certificate, time_text};

/// Which certificates are accepted.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

#[derive(Debug)]
enum Trust {
    /// What `insecure_skip_verify` asks for: signatures are checked, the chain and the name are not.
    Anyone,
    /// This machine has no CA certificates, and the configuration names none. It still speaks plain HTTP.
    NoOne,
    Chain {
        inner: Arc<WebPkiServerVerifier>,
        /// What the operator gave as `ca`. A server may show one of them as its own: `openssl req -x509` makes such.
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl Verifier {
    pub(crate) fn unverified(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, trust: Trust::Anyone }
    }

    pub(crate) fn new(provider: Arc<CryptoProvider>, roots: Arc<RootCertStore>, pinned: Vec<CertificateDer<'static>>) -> Self {
        let built = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        // It fails for want of roots alone.
        Self { provider, trust: built.map_or(Trust::NoOne, |inner| Trust::Chain { inner, pinned }) }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = |text: String| Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Reason(text))))));
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::NoOne => refused(
                "this machine has no CA certificates to check the server's with: install the package ca-certificates, or set tls_config.ca_file".into(),
            ),
            Trust::Chain { inner, pinned } => {
                let error = match inner.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => error,
                };
                let error = if pinned.iter().any(|pinned| pinned == certificate) {
                    match verify_pinned(certificate, name, now) {
                        Ok(()) => return Ok(ServerCertVerified::assertion()),
                        Err(error) => error,
                    }
                } else {
                    error
                };
                match explain_certificate(&error, certificate, name) {
                    Some(text) => refused(text),
                    None => Err(error),
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that the operator gave: its time and its name are left to check.
fn verify_pinned(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let read = Certificate::read(certificate).ok_or(CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if seconds > read.not_after {
        return Err(CertificateError::Expired.into());
    }
    if seconds < read.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
}

/// None for what rustls says well enough itself.
fn explain_certificate(error: &rustls::Error, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Option<String> {
    let rustls::Error::InvalidCertificate(why) = error else { return None };
    let read = Certificate::read(certificate);
    let name = name.to_str();
    Some(match why {
        // webpki looks at the whole chain: it may be an issuer's certificate that is out of its time.
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let since = match why {
                CertificateError::ExpiredContext { not_after, .. } => i64::try_from(not_after.as_secs()).ok(),
                _ => read.as_ref().map(|read| read.not_after),
            };
            let since = since.map_or_else(String::new, |seconds| format!(" on {}", time_text(seconds)));
            format!("the server's certificate expired{since}: it must be renewed there")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let from = read.as_ref().map_or_else(String::new, |read| format!(" before {}", time_text(read.not_before)));
            format!("the server's certificate is not valid{from}: check the clocks of both machines")
        }
        CertificateError::NotValidForName => format!("the server's certificate is not for {name}: set tls_config.server_name"),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("the server's certificate names no host at all (subjectAltName), so it is not for {name}: it must be made anew")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let mut names = presented.iter().take(5).map(|name| plain_name(name)).collect::<Vec<_>>().join(", ");
            if presented.len() > 5 {
                names.push_str(&format!(" and {} more", presented.len() - 5));
            }
            format!("the server's certificate is for {names}, not for {name}: use that name in the address, or set tls_config.server_name")
        }
        _ if read.as_ref().is_some_and(|read| read.self_issued) => {
            "the server's certificate is self-signed and not trusted here: give it as tls_config.ca_file".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate was issued by a CA that is not trusted here: give the CA's certificate as tls_config.ca_file, and \
             let the server send its intermediate certificates too"
                .to_owned()
        }
        CertificateError::BadEncoding => "the server's certificate cannot be read".to_owned(),
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate was not issued for servers (extended key usage)".to_owned()
        }
        _ => return None,
    })
}

/// webpki writes names as `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
fn plain_name(text: &str) -> &str {
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(text);
    inner.trim_matches('"')
}

/// What a failed handshake means.
pub(crate) fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason.to_string(),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => "the server speaks no version of TLS that is allowed: TLS 1.2 and 1.3 are, within tls_config.min_version and max_version"
            .to_owned(),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) => {
            "the server wants a client certificate: set tls_config.cert_file and key_file".to_owned()
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied),
        ) => format!("the server refused our client certificate ({alert:?}): check tls_config.cert_file, or set it if it is not set"),
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know the name it was asked for: set tls_config.server_name".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server shares no way of encryption with us, or wants a client certificate (handshake_failure)".to_owned()
        }
        rustls::Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge) => {
            "the server's certificates are larger than 64 KiB".to_owned()
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "what answers there does not speak TLS: perhaps the scheme should be http".to_owned()
        }
        other => other.to_string(),
    }
}

/// Carries words through rustls.
#[derive(Debug)]
struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reason {}
