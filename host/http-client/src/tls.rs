use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use model::config::{ConfigError, Node, Section};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::HttpError;
use crate::config::Secret;
use crate::verify::Verifier;

/// `tls_config`, as in Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    ca: Option<Secret>,
    cert: Option<Secret>,
    key: Option<Secret>,
    /// Asked for (SNI) and verified in place of the host's name.
    pub(crate) server_name: Option<ServerName<'static>>,
    insecure_skip_verify: bool,
    tls13_only: bool,
    tls12_only: bool,
}

/// What tells that a file has changed, also when it was replaced within the same second or by a link elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(u64, SystemTime, u64)>);

impl TlsSettings {
    pub(crate) fn from_node(node: &Node, base_dir: &Path) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let ca = Secret::text_or_file(&mut section, "ca", base_dir)?;
        let cert = Secret::text_or_file(&mut section, "cert", base_dir)?;
        let key = Secret::text_or_file(&mut section, "key", base_dir)?;
        match (cert.is_some(), key.is_some()) {
            (true, false) => {
                return Err(node.error("exactly one of key or key_file must be configured when a client certificate is configured"));
            }
            (false, true) => {
                return Err(node.error("exactly one of cert or cert_file must be configured when a client key is configured"));
            }
            _ => {}
        }
        let server_name = section.optional("server_name").filter(|node| node.as_str() != Ok("")).map(server_name).transpose()?;
        let insecure_skip_verify = section.optional("insecure_skip_verify").map_or(Ok(false), Node::as_bool)?;
        let min = version(section.optional("min_version"))?;
        let max = version(section.optional("max_version"))?;
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(node.error("tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified"));
        }
        if max.is_some_and(|max| max < 12) {
            return Err(node.error("tls_config.max_version below TLS12 leaves nothing: versions older than TLS 1.2 are never spoken"));
        }
        section.finish()?;
        Ok(Self { ca, cert, key, server_name, insecure_skip_verify, tls13_only: min == Some(13), tls12_only: max == Some(12) })
    }

    /// One for each file that is named. Others than before mean that the configuration is to be made anew.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        [&self.ca, &self.cert, &self.key].into_iter().filter_map(|secret| secret.as_ref()?.path()).map(Stamp::of).collect()
    }

    /// Reads the files that are named.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match (self.tls12_only, self.tls13_only) {
            (true, _) => &[&rustls::version::TLS12],
            (_, true) => &[&rustls::version::TLS13],
            _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let verifier = if self.insecure_skip_verify {
            Verifier::unverified(Arc::clone(&provider))
        } else {
            let (roots, pinned) = self.roots()?;
            Verifier::new(Arc::clone(&provider), roots, pinned)
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|e| HttpError::Tls(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match self.cert.as_ref().zip(self.key.as_ref()) {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let chain = certificates(&cert.read().map_err(HttpError::Tls)?, "tls_config.cert")?;
                let key = PrivateKeyDer::from_pem_slice(key.read().map_err(HttpError::Tls)?.as_bytes())
                    .map_err(|e| HttpError::Tls(format!("tls_config.key holds no key in PEM format: {e}")))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| HttpError::Tls(format!("tls_config.cert and tls_config.key do not belong together: {e}")))
            }
        }
    }

    fn roots(&self) -> Result<(Arc<RootCertStore>, Vec<CertificateDer<'static>>), HttpError> {
        let Some(ca) = &self.ca else { return Ok((native_roots(), Vec::new())) };
        let mut roots = RootCertStore::empty();
        let given = certificates(&ca.read().map_err(HttpError::Tls)?, "tls_config.ca")?;
        for certificate in &given {
            roots.add(certificate.clone()).map_err(|e| HttpError::Tls(format!("tls_config.ca: {e}")))?;
        }
        Ok((Arc::new(roots), given))
    }
}

impl Stamp {
    fn of(path: &PathBuf) -> Self {
        let Ok(metadata) = std::fs::metadata(path) else { return Self(None) };
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self(Some((metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), inode)))
    }
}

/// The machine's CA certificates, read once for the process: a hundred and more, which takes milliseconds.
fn native_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    }))
}

fn server_name(node: &Node) -> Result<ServerName<'static>, ConfigError> {
    let text = node.as_str()?;
    ServerName::try_from(text.to_owned()).map_err(|_| node.error(format!("server_name: {text:?} is neither a host's name nor an address")))
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
    if chain.is_empty() { Err(HttpError::Tls(format!("{what} holds no certificate in PEM format"))) } else { Ok(chain) }
}
