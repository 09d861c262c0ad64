//! `tls_server_config`: certificates and what may be negotiated, as rustls takes them.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use model::config::{ConfigError, Node, Section, nearest};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

use super::client::AnyClient;

/// Longest file of certificates or keys, in bytes.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Reads the section and what it names. None for an empty section, which encrypts nothing.
pub(crate) fn server_config(
    node: &Node,
    base: &Path,
    http2: bool,
    warnings: &mut Vec<String>,
) -> Result<Option<ServerConfig>, ConfigError> {
    let mut section = Section::new(node)?;
    let cert = pem(&mut section, base, "cert", "cert_file")?;
    let key = pem(&mut section, base, "key", "key_file")?;
    let client_ca = pem(&mut section, base, "client_ca", "client_ca_file")?;
    let kind = section.optional("client_auth_type");
    let sans = section.optional("client_allowed_sans");
    let min = section.optional("min_version");
    let max = section.optional("max_version");
    let mut provider = ring::default_provider();
    if let Some(node) = section.optional("cipher_suites") {
        cipher_suites(node, &mut provider)?;
    }
    let prefer_ours = section.optional("prefer_server_cipher_suites").map_or(Ok(true), Node::as_bool)?;
    if let Some(node) = section.optional("curve_preferences") {
        curves(node, &mut provider)?;
    }
    section.finish()?;
    let versions = versions(min, max, warnings)?;
    if cert.is_none() && key.is_none() && client_ca.is_none() && kind.is_none() {
        return Ok(None);
    }
    let cert = cert.ok_or_else(|| node.error("cert_file is missing (or cert, with the certificates themselves)"))?;
    let key = key.ok_or_else(|| node.error("key_file is missing (or key, with the key itself)"))?;
    let provider = Arc::new(provider);
    let verifier = verifier(kind, client_ca, sans, &provider, warnings)?;
    let chain = certificates(&cert)?;
    let private = PrivateKeyDer::from_pem_slice(&key.bytes)
        .map_err(|error| key.node.error(format!("{}no private key in PEM can be read: {error}", key.place)))?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| node.error(format!("versions, cipher suites and curves do not fit each other: {error}")))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|error| cert.node.error(format!("{}the certificate and the key cannot be used: {error}", cert.place)))?;
    config.ignore_client_order = prefer_ours;
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Some(config))
}

/// A text in PEM and where it was named.
struct Pem<'a> {
    node: &'a Node,
    /// The file with a colon, for errors; empty where the text stands in the configuration.
    place: String,
    bytes: Vec<u8>,
}

fn pem<'a>(section: &mut Section<'a>, base: &Path, inline: &str, file: &str) -> Result<Option<Pem<'a>>, ConfigError> {
    let given = |node: &&Node| node.as_str().is_ok_and(|text| !text.is_empty()) || node.as_str().is_err();
    let (text, name) = (section.optional(inline).filter(given), section.optional(file).filter(given));
    match (text, name) {
        (Some(_), Some(node)) => Err(node.error(format!("{inline} and {file} are given both: one of them is enough"))),
        (Some(node), None) => Ok(Some(Pem { node, place: String::new(), bytes: node.as_str()?.as_bytes().to_vec() })),
        (None, Some(node)) => {
            let path = base.join(node.as_str()?);
            let bytes = read(&path).map_err(|error| node.error(format!("{}: {error}", path.display())))?;
            Ok(Some(Pem { node, place: format!("{}: ", path.display()), bytes }))
        }
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("this is not a file".to_owned());
    }
    file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > PEM_BYTES_MAX { Err("more than 1 MiB is not a certificate".to_owned()) } else { Ok(bytes) }
}

fn certificates(pem: &Pem<'_>) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    let chain = read.map_err(|error| pem.node.error(format!("{}the certificates cannot be read: {error}", pem.place)))?;
    if chain.is_empty() {
        return Err(pem.node.error(format!("{}there is no certificate in PEM", pem.place)));
    }
    Ok(chain)
}

const KINDS: [&str; 6] = [
    "NoClientCert",
    "RequestClientCert",
    // Upstream's older name of the next.
    "RequireClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
];

fn verifier(
    kind: Option<&Node>,
    client_ca: Option<Pem<'_>>,
    sans: Option<&Node>,
    provider: &Arc<CryptoProvider>,
    warnings: &mut Vec<String>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, ConfigError> {
    let name = kind.map_or(Ok("NoClientCert"), Node::as_str)?;
    let name = if name.is_empty() { "NoClientCert" } else { name };
    let (verified, mandatory) = match (name, kind) {
        ("NoClientCert", _) => {
            if let Some(pem) = client_ca {
                return Err(pem.node.error("clients' certificates are not asked for: client_auth_type: RequireAndVerifyClientCert does"));
            }
            if let Some(node) = sans {
                return Err(node.error("clients' certificates are not asked for: client_auth_type: RequireAndVerifyClientCert does"));
            }
            return Ok(None);
        }
        ("RequestClientCert", _) => (false, false),
        ("RequireClientCert" | "RequireAnyClientCert", _) => (false, true),
        ("VerifyClientCertIfGiven", _) => (true, false),
        ("RequireAndVerifyClientCert", _) => (true, true),
        (other, Some(node)) => {
            let hint = nearest(other, KINDS.into_iter()).map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            return Err(node.error(format!("{other:?} is not a kind of client authentication{hint} There are {}", KINDS.join(", "))));
        }
        (_, None) => return Ok(None),
    };
    let names = sans.map_or(Ok(Vec::new()), Node::as_strings)?;
    if let (Some(node), false, false) = (sans, verified, names.is_empty()) {
        let why = "anybody can make a certificate with these names, and nobody verifies it: client_auth_type: RequireAndVerifyClientCert with \
                   client_ca_file does";
        warnings.push(node.error(why).to_string());
    }
    let inner: Option<Arc<dyn ClientCertVerifier>> = match (verified, client_ca, kind) {
        (false, ..) => None,
        (true, Some(pem), _) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&pem)? {
                roots.add(certificate).map_err(|error| pem.node.error(format!("{}{error}", pem.place)))?;
            }
            let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            if !mandatory {
                builder = builder.allow_unauthenticated();
            }
            Some(builder.build().map_err(|error| pem.node.error(format!("{}{error}", pem.place)))?)
        }
        (true, None, kind) => {
            let message = format!("{name} needs client_ca_file, the certificates that clients' are verified with");
            return Err(kind.map_or_else(
                || ConfigError { path: String::new(), position: Default::default(), message: message.clone() },
                |node| node.error(&message),
            ));
        }
    };
    Ok(Some(Arc::new(AnyClient::new(inner, mandatory, names, provider.signature_verification_algorithms))))
}

/// By upstream's names, which for TLS 1.2 are IANA's. Those of TLS 1.3 cannot be left out, as upstream's neither.
fn cipher_suites(node: &Node, provider: &mut CryptoProvider) -> Result<(), ConfigError> {
    let is_13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let name_of = |suite: &SupportedCipherSuite| iana(suite.suite());
    let ours = provider.cipher_suites.clone();
    let mut chosen: Vec<SupportedCipherSuite> = ours.iter().copied().filter(is_13).collect();
    let entries = node.as_sequence()?;
    for entry in entries {
        let wanted = entry.as_str()?;
        // Upstream knows this one by two names.
        let short = |name: &str| name.trim_end_matches("_SHA256").to_owned();
        let found = ours
            .iter()
            .find(|suite| name_of(suite) == wanted || (wanted.ends_with("CHACHA20_POLY1305") && short(&name_of(suite)) == wanted));
        let Some(suite) = found else {
            let names: Vec<String> = ours.iter().map(name_of).collect();
            return Err(entry.error(format!("the cipher suite {wanted:?} is not supported: there are {}", names.join(", "))));
        };
        if !chosen.contains(suite) {
            chosen.push(*suite);
        }
    }
    if !entries.is_empty() {
        provider.cipher_suites = chosen;
    }
    Ok(())
}

fn iana(suite: CipherSuite) -> String {
    let name = suite.as_str().unwrap_or("unknown");
    name.replacen("TLS13_", "TLS_", 1)
}

fn curves(node: &Node, provider: &mut CryptoProvider) -> Result<(), ConfigError> {
    let mut chosen: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for entry in node.as_sequence()? {
        chosen.push(match entry.as_str()? {
            "X25519" => ring::kx_group::X25519,
            "CurveP256" => ring::kx_group::SECP256R1,
            "CurveP384" => ring::kx_group::SECP384R1,
            other => return Err(entry.error(format!("the curve {other:?} is not supported: there are X25519, CurveP256, CurveP384"))),
        });
    }
    if !chosen.is_empty() {
        provider.kx_groups = chosen;
    }
    Ok(())
}

fn versions(
    min: Option<&Node>,
    max: Option<&Node>,
    warnings: &mut Vec<String>,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let number = |node: &Node| match node.as_str()? {
        "TLS10" => Ok(10),
        "TLS11" => Ok(11),
        "TLS12" | "" => Ok(12),
        "TLS13" => Ok(13),
        other => Err(node.error(format!("{other:?} is not a version: there are TLS12 and TLS13"))),
    };
    let lowest = min.map_or(Ok(12), number)?;
    let highest = match max {
        Some(node) if node.as_str()?.is_empty() => 13,
        Some(node) => number(node)?,
        None => 13,
    };
    if let (Some(node), 10 | 11) = (min, lowest) {
        warnings.push(node.error("versions below TLS12 are broken and not spoken: TLS12 is the lowest").to_string());
    }
    if let (Some(node), 10 | 11) = (max, highest) {
        return Err(node.error("versions below TLS12 are broken and not spoken: there are TLS12 and TLS13"));
    }
    if let (Some(node), true) = (max, lowest > highest) {
        return Err(node.error("max_version is below min_version"));
    }
    let all = [(13, &version::TLS13), (12, &version::TLS12)];
    Ok(all.into_iter().filter(|(number, _)| (lowest..=highest).contains(number)).map(|(_, version)| version).collect())
}
