//! Clients' certificates: asked for, demanded or verified, and whether their names are among those allowed.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::names::alternative_names;

/// Takes any client's certificate unless an inner verifier refuses it or it bears none of the allowed names. Who sent it has
/// proved in any case to have its key.
#[derive(Debug)]
pub(crate) struct AnyClient {
    inner: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    /// `client_allowed_sans`; empty for any. Whoever has no certificate has none of these names either.
    names: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    pub(crate) fn new(
        inner: Option<Arc<dyn ClientCertVerifier>>,
        mandatory: bool,
        names: Vec<String>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { inner, mandatory: mandatory || !names.is_empty(), names, algorithms }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.as_ref().map_or(&[], |inner| inner.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(inner) = &self.inner {
            inner.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.names.is_empty() {
            let names = alternative_names(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
            if !names.iter().any(|name| self.names.contains(name)) {
                return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shows_no_certificate_has_none_of_the_names() {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        for (mandatory, names, expected) in
            [(false, &[][..], false), (false, &["a.example"], true), (true, &[], true), (true, &["a"], true)]
        {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(AnyClient::new(None, mandatory, names, algorithms).client_auth_mandatory(), expected);
        }
    }
}
