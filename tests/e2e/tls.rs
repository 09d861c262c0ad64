//! Targets behind TLS, with certificates of every kind (faults A16), seen from outside: `up`, the reason, the time of expiry,
//! and what a certificate file that is renewed does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use test_support::Beside;

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

/// A server of metrics in threads, until the test ends.
fn server(certificate: rcgen::Certificate, key: &KeyPair) -> SocketAddr {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let _ = tcp.set_read_timeout(Some(Duration::from_secs(120)));
                let mut session = rustls::ServerConnection::new(config).expect("a session");
                let mut stream = rustls::Stream::new(&mut session, &mut tcp);
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nok 1\n";
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA"))
    }

    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> SocketAddr {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, "a server");
        change(&mut params);
        server(params.signed_by(&key, &self.0).expect("signed"), &key)
    }
}

fn job(name: &str, target: SocketAddr, tls: &str) -> String {
    format!("  - {{job_name: {name}, scheme: https, tls_config: {{{tls}}}, static_configs: [{{targets: ['{target}']}}]}}\n")
}

#[test]
fn a16_tls() {
    let (ca, other) = (Authority::new("our CA"), Authority::new("another CA"));
    let mut beside = Beside::start(BINARY, "a16-tls");
    beside.skopos().folder().write("ca.pem", ca.0.pem());
    let trust = "ca_file: ca.pem";
    let key = KeyPair::generate().expect("a key");
    let self_signed = CertificateParams::new(vec!["127.0.0.1".to_owned()]).and_then(|params| params.self_signed(&key)).expect("signed");
    let good = ca.server("127.0.0.1", |p| p.not_after = date_time_ymd(2222, 2, 3));
    let by_name = ca.server("inside.example", |p| p.not_after = date_time_ymd(2222, 2, 3));
    let jobs = [
        job("good", good, trust),
        job("by-name", by_name, &format!("{trust}, server_name: inside.example")),
        job("expired", ca.server("127.0.0.1", |p| p.not_after = date_time_ymd(2020, 2, 3)), trust),
        job("wrong-host", by_name, trust),
        job("self-signed", server(self_signed, &key), trust),
        job("unknown", other.server("127.0.0.1", |_| {}), "ca_file: ca.pem"),
        job("later", good, "ca_file: later.pem"),
    ];
    beside.add(&jobs.concat());
    beside.succeeds("good", 1);
    beside.succeeds("by-name", 1);
    beside.fails("expired", "the server's certificate expired on 2020-02-03 00:00:00 UTC");
    beside.fails("wrong-host", "the server's certificate is for inside.example, not for 127.0.0.1");
    beside.fails("self-signed", "self-signed and not trusted here");
    beside.fails("unknown", "a CA that is not trusted here");
    beside.fails("later", "failed to read");
    let skopos = beside.skopos();
    let ends = skopos.wait_query("scrape_certificate_not_after_timestamp_seconds", LIMIT, |r| r.len() == 2);
    println!("a16-tls: {}", serde_json::Value::from(ends));
    // 2222-02-03, as date(1) has it.
    assert_eq!(skopos.query("scrape_certificate_not_after_timestamp_seconds == 7955193600").len(), 2);
    assert_eq!(skopos.query("scrape_certificate_not_after_timestamp_seconds{job=\"good\"} - time() < 14 * 86400").len(), 0);
    // The file comes, without a reload.
    skopos.folder().write("later.pem", ca.0.pem());
    skopos.wait_query("up{job=\"later\"} == 1", LIMIT, |r| r.len() == 1);
    beside.others_are_unaffected(0);
}
