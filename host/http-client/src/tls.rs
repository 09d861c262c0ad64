use std::sync::{Arc, OnceLock};

use model::config::{ConfigError, Node, Section};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::HttpError;
use crate::config::Secret;

/// `tls_config`, as in Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    ca: Option<Secret>,
    cert: Option<Secret>,
    key: Option<Secret>,
    insecure_skip_verify: bool,
    tls13_only: bool,
    tls12_only: bool,
}

impl TlsSettings {
    pub(crate) fn from_node(node: &Node, base_dir: &std::path::Path) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let ca = Secret::text_or_file(&mut section, "ca", base_dir)?;
        let cert = Secret::text_or_file(&mut section, "cert", base_dir)?;
        let key = Secret::text_or_file(&mut section, "key", base_dir)?;
        if cert.is_some() != key.is_some() {
            return Err(node.error("exactly one of cert and key is given; a client certificate needs both"));
        }
        if let Some(name) = section.optional("server_name") {
            return Err(name.error("server_name is not supported yet: use the certificate's name in the address"));
        }
        let insecure_skip_verify = section.optional("insecure_skip_verify").map_or(Ok(false), Node::as_bool)?;
        let min = version(section.optional("min_version"))?;
        let max = version(section.optional("max_version"))?;
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(node.error("tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified"));
        }
        if max.is_some_and(|max| max < 12) {
            return Err(node.error("TLS below 1.2 is not supported"));
        }
        section.finish()?;
        Ok(Self { ca, cert, key, insecure_skip_verify, tls13_only: min == Some(13), tls12_only: max == Some(12) })
    }

    /// Reads the files that are named.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match (self.tls12_only, self.tls13_only) {
            (true, _) => &[&rustls::version::TLS12],
            (_, true) => &[&rustls::version::TLS13],
            _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|e| HttpError::Tls(e.to_string()))?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        match self.cert.as_ref().zip(self.key.as_ref()) {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let chain = certificates(&cert.read().map_err(HttpError::Tls)?, "the client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key.read().map_err(HttpError::Tls)?.as_bytes())
                    .map_err(|e| HttpError::Tls(format!("the client key: {e}")))?;
                builder.with_client_auth_cert(chain, key).map_err(|e| HttpError::Tls(format!("the client certificate: {e}")))
            }
        }
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, HttpError> {
        let Some(ca) = &self.ca else { return Ok(native_roots()) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&ca.read().map_err(HttpError::Tls)?, "tls_config.ca")? {
            roots.add(certificate).map_err(|e| HttpError::Tls(format!("tls_config.ca: {e}")))?;
        }
        Ok(Arc::new(roots))
    }
}

/// The machine's CA certificates, read once for the process: a hundred and more, which takes milliseconds.
fn native_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            // Not an error: a machine without CA certificates can still speak plain HTTP.
            tracing::debug!("this machine has no CA certificates: https needs the package ca-certificates or tls_config.ca_file");
        }
        Arc::new(roots)
    }))
}

fn version(node: Option<&Node>) -> Result<Option<u8>, ConfigError> {
    let Some(node) = node else { return Ok(None) };
    match node.as_str()? {
        "TLS10" => Ok(Some(10)),
        "TLS11" => Ok(Some(11)),
        "TLS12" => Ok(Some(12)),
        "TLS13" => Ok(Some(13)),
        other => Err(node.error(format!("unknown TLS version {other:?}: write TLS12 or TLS13"))),
    }
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|e| HttpError::Tls(format!("{what}: {e}")))?;
    if chain.is_empty() { Err(HttpError::Tls(format!("{what} holds no certificate"))) } else { Ok(chain) }
}

/// What `insecure_skip_verify` asks for: signatures are checked, the chain and the name are not.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
