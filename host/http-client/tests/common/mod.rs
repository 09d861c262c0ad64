//! Servers and proxies in threads, on ports of their own. They end with the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use http_client::{AnyAddress, Client, Egress, HttpConfig, HttpError, Request, Resolver, Response};
use model::config::Section;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

pub(crate) fn config(text: &str) -> HttpConfig {
    let node = yaml::parse(text).expect("YAML");
    let mut section = Section::new(&node).expect("a mapping");
    HttpConfig::from_section(&mut section, ".".as_ref()).expect("a good block")
}

pub(crate) fn client_with(text: &str, egress: impl Egress + 'static) -> Client {
    let resolver = Arc::new(Resolver::with_servers::<&str>(&[]).expect("no server needed"));
    Client::new(&config(text), resolver, Arc::new(egress)).expect("a client")
}

pub(crate) fn client(text: &str) -> Client {
    client_with(text, AnyAddress)
}

pub(crate) async fn get(client: &Client, url: impl Into<String>) -> Result<Response, HttpError> {
    client.send(Request { timeout: Duration::from_secs(10), ..Request::get(url) }).await
}

/// Up to the end of the head.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Every connection in a thread of its own.
pub(crate) fn listen(serve: impl FnMut(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut serve_one = serve.clone();
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            thread::spawn(move || serve_one(stream));
        }
    });
    address
}

/// Answers each request by what `answer` makes of its head and body, and hands out both.
pub(crate) fn server(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> (SocketAddr, Receiver<String>) {
    let (seen, requests) = channel();
    let (answer, seen) = (Arc::new(answer), Arc::new(Mutex::new(seen)));
    let address = listen(move |mut stream| talk(&mut stream, &*answer, &seen));
    (address, requests)
}

fn talk(stream: &mut (impl Read + Write), answer: &dyn Fn(&str, &str) -> String, seen: &Mutex<Sender<String>>) {
    let head = read_head(stream);
    if head.is_empty() {
        return;
    }
    let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    let text = answer(&head, &body);
    let _ = seen.lock().expect("no test panics here").send(format!("{head}{body}"));
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

/// A CA and what it signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM texts.
pub(crate) struct Signed {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).expect("names");
        params.distinguished_name.push(DnType::CommonName, "a server");
        change(&mut params);
        let cert = params.signed_by(&key, &self.0).expect("signed");
        Signed { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// As `openssl req -x509` makes it: a CA of itself.
pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    Signed { cert: params.self_signed(&key).expect("signed").pem(), key: key.serialize_pem() }
}

/// What a TLS server is told and saw.
#[derive(Default)]
pub(crate) struct Tls {
    /// PEM of a CA whose client certificates are wanted.
    pub(crate) client_ca: Option<String>,
    pub(crate) only_12: bool,
    /// Names that were asked for.
    pub(crate) names: Arc<Mutex<Vec<Option<String>>>>,
}

/// PEM to DER.
pub(crate) fn der(pem: &str) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().collect()
}

/// An HTTPS server: `ok("fine")` to everything.
pub(crate) fn tls_server(signed: &Signed, tls: Tls) -> SocketAddr {
    use rustls::pki_types::pem::PemObject;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls.only_12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13, &rustls::version::TLS12] };
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).expect("versions");
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(der(pem).remove(0)).expect("a CA");
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("roots");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivatePkcs8KeyDer::from_pem_slice(signed.key.as_bytes()).expect("a key");
    let config = Arc::new(builder.with_single_cert(der(&signed.cert), PrivateKeyDer::Pkcs8(key)).expect("a certificate"));
    let names = tls.names;
    listen(move |mut tcp| {
        let mut session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut stream = rustls::Stream::new(&mut session, &mut tcp);
        let head = read_head(&mut stream);
        names.lock().expect("no test panics here").push(stream.conn.server_name().map(str::to_owned));
        if !head.is_empty() {
            let _ = stream.write_all(ok("fine").as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    })
}

/// Copies both ways until either side ends.
pub(crate) fn splice(a: TcpStream, b: TcpStream) {
    let (mut a2, mut b2) = (a.try_clone().expect("a socket"), b.try_clone().expect("a socket"));
    let (mut a, mut b) = (a, b);
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut a, &mut b);
        let _ = b.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut b2, &mut a2);
    let _ = a2.shutdown(std::net::Shutdown::Write);
    let _ = there.join();
}
