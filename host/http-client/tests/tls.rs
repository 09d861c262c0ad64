//! Certificates of every kind of wrongness: refused, in words that say what to do (faults A16).

mod common;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Authority, Signed, Tls, client, get, listen, self_signed, tls_server};
use http_client::HttpError;
use rcgen::{CertificateParams, date_time_ymd};

fn indented(pem: &str) -> String {
    pem.trim().lines().map(|line| format!("    {line}\n")).collect()
}

fn trusting(ca: &str, more: &str) -> String {
    format!("tls_config:\n  ca: |\n{}{more}", indented(ca))
}

#[expect(clippy::print_stdout, reason = "the words are for people to judge")]
async fn refused(what: &str, config: &str, url: String, parts: &[&str]) {
    match get(&client(config), url).await {
        Err(HttpError::Tls(text)) => {
            println!("a16 {what}: {text}");
            for part in parts {
                assert!(text.contains(part), "{what}: {text}, wanted {part:?}");
            }
        }
        other => panic!("{what} must be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a16_tls_certificates_are_refused_with_the_reason() {
    let ca = Authority::new("our CA");
    let trust = trusting(&ca.pem(), "");
    let of = |signed: &Signed| format!("https://{}/", tls_server(signed, Tls::default()));
    let none = |_: &mut CertificateParams| {};
    let response = get(&client(&trust), of(&ca.sign(&["127.0.0.1"], none))).await.expect("a good certificate");
    assert_eq!((response.status, response.body.as_slice()), (200, b"fine".as_slice()));
    // rcgen's default end.
    assert_eq!(response.certificate_not_after, Some(67_090_118_400));

    let expired = ca.sign(&["127.0.0.1"], |p| p.not_after = date_time_ymd(2020, 2, 3));
    refused("expired", &trust, of(&expired), &["expired on 2020-02-03 00:00:00 UTC", "renewed"]).await;
    let early = ca.sign(&["127.0.0.1"], |p| p.not_before = date_time_ymd(4000, 1, 1));
    refused("not valid yet", &trust, of(&early), &["not valid before 4000-01-01 00:00:00 UTC", "clocks"]).await;
    let foreign = ca.sign(&["web.example", "www.example"], none);
    refused("wrong host", &trust, of(&foreign), &["is for web.example, www.example, not for 127.0.0.1", "server_name"]).await;
    refused("no host", &trust, of(&ca.sign(&[], none)), &["names no host at all"]).await;
    let alone = self_signed(&["127.0.0.1"], none);
    refused("self-signed", &trust, of(&alone), &["self-signed", "tls_config.ca_file"]).await;
    let other = Authority::new("another CA").sign(&["127.0.0.1"], none);
    refused("unknown issuer", &trust, of(&other), &["a CA that is not trusted here", "tls_config.ca_file"]).await;

    // What `openssl req -x509` makes is accepted where the operator gave that very certificate, and not past its end.
    let response = get(&client(&trusting(&alone.cert, "")), of(&alone)).await.expect("a certificate that was given");
    assert_eq!(response.status, 200);
    let old = self_signed(&["127.0.0.1"], |p| p.not_after = date_time_ymd(2020, 2, 3));
    refused("given and expired", &trusting(&old.cert, ""), of(&old), &["expired on 2020-02-03"]).await;
    let elsewhere = self_signed(&["web.example"], none);
    refused("given and for another", &trusting(&elsewhere.cert, ""), of(&elsewhere), &["is for web.example, not for 127.0.0.1"]).await;
    assert_eq!(get(&client("tls_config: {insecure_skip_verify: true}"), of(&old)).await.map(|r| r.status), Ok(200));
}

#[tokio::test]
async fn a16_tls_10_is_refused() {
    // What a server of the last century answers: an alert, or a hello of its own version.
    const ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    for (what, bytes) in [("alert", ALERT.to_vec()), ("hello", hello)] {
        let address = listen(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&bytes);
            let _ = stream.read(&mut [0; 64]);
        });
        refused(&format!("TLS 1.0, {what}"), "{}", format!("https://{address}/"), &["no version of TLS that is allowed", "min_version"])
            .await;
    }
    let signed = self_signed(&["127.0.0.1"], |_| {});
    let address = tls_server(&signed, Tls { only_12: true, ..Tls::default() });
    let only_13 = trusting(&signed.cert, "  min_version: TLS13\n");
    refused("TLS 1.2 where 1.3 is wanted", &only_13, format!("https://{address}/"), &["no version of TLS that is allowed"]).await;
    let any = trusting(&signed.cert, "  min_version: TLS10\n");
    assert_eq!(get(&client(&any), format!("https://{address}/")).await.map(|r| r.status), Ok(200), "TLS 1.2 is spoken");
}

#[tokio::test]
async fn a16_what_is_no_tls_says_so() {
    let plain = listen(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    refused("plain HTTP", "{}", format!("https://{plain}/"), &["does not speak TLS", "http"]).await;
    let closing = listen(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    refused("closed", "{}", format!("https://{closing}/"), &["closed the connection during the handshake"]).await;
}

/// A chain of 16 KiB is taken; one that never ends is not read for ever.
#[tokio::test]
async fn a16_long_chains_are_bounded() {
    let ca = Authority::new("our CA");
    let many: Vec<String> = (0..700).map(|n| format!("host-{n:04}.example.org")).collect();
    let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
    names.push("127.0.0.1");
    let long = ca.sign(&names, |_| {});
    println!("a16 chain: {} bytes", common::der(&long.cert).iter().map(|c| c.len()).sum::<usize>());
    let trust = trusting(&ca.pem(), "");
    let address = tls_server(&long, Tls::default());
    assert_eq!(get(&client(&trust), format!("https://{address}/")).await.map(|r| r.status), Ok(200));
    let wrong = tls_server(&ca.sign(&names[..700], |_| {}), Tls::default());
    refused("16 KiB for others", &trust, format!("https://{wrong}/"), &["and 695 more, not for 127.0.0.1"]).await;

    // A handshake message of 16 MiB, in records of 16 KiB.
    let sent = Arc::new(Mutex::new(0_usize));
    let counter = Arc::clone(&sent);
    let address = listen(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let mut record = vec![22, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        while *counter.lock().expect("alone") < 64 << 20 && stream.write_all(&record).is_ok() {
            *counter.lock().expect("alone") += record.len();
            record = vec![22, 3, 3, 0x40, 0];
            record.resize(5 + 0x4000, 0);
        }
    });
    let result = get(&client("{}"), format!("https://{address}/")).await;
    assert!(matches!(result, Err(HttpError::Tls(_))), "{result:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("a16 endless chain: the server wrote {} bytes before the connection was dropped: {result:?}", sent.lock().expect("alone"));
}

#[tokio::test]
async fn server_name_is_asked_for_and_verified() {
    let ca = Authority::new("our CA");
    let tls = Tls::default();
    let names = Arc::clone(&tls.names);
    let address = tls_server(&ca.sign(&["inside.example"], |_| {}), tls);
    let good = trusting(&ca.pem(), "  server_name: inside.example\n");
    assert_eq!(get(&client(&good), format!("https://{address}/")).await.map(|r| r.status), Ok(200));
    assert_eq!(names.lock().expect("alone").as_slice(), [Some("inside.example".to_owned())]);
    let bad = trusting(&ca.pem(), "  server_name: other.example\n");
    refused("server_name", &bad, format!("https://{address}/"), &["is for inside.example, not for other.example"]).await;
}

#[tokio::test]
async fn certificates_and_keys_are_read_again_when_they_change() {
    let folder = test_support::TempFolder::new("tls-files");
    let (ours, theirs) = (Authority::new("our CA"), Authority::new("another CA"));
    let server = ours.sign(&["127.0.0.1"], |_| {});
    let address = tls_server(&server, Tls { client_ca: Some(ours.pem()), ..Tls::default() });
    let url = format!("https://{address}/");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!("tls_config: {{ca_file: {}, cert_file: {}, key_file: {}}}", path("ca"), path("cert"), path("key"));
    // Nothing is there yet: that is said when it is used.
    let client = client(&config);
    refused_now(&client, &url, "ca: ").await;
    let mine = ours.sign(&["me"], |_| {});
    folder.write("ca", theirs.pem());
    folder.write("cert", &mine.cert);
    folder.write("key", &mine.key);
    refused_now(&client, &url, "a CA that is not trusted here").await;
    folder.write("ca", ours.pem());
    assert_eq!(get(&client, &url).await.map(|r| r.status), Ok(200), "the new CA counts");
    let foreign = theirs.sign(&["me"], |_| {});
    folder.write("cert", &foreign.cert);
    refused_now(&client, &url, "do not belong together").await;
    folder.write("key", &foreign.key);
    let result = get(&client, &url).await;
    assert!(matches!(&result, Err(HttpError::Tls(text)) if text.contains("client certificate")), "{result:?}");
    folder.write("cert", "no certificate");
    refused_now(&client, &url, "tls_config.cert holds no certificate").await;
    folder.write("cert", &mine.cert);
    folder.write("key", &mine.key);
    assert_eq!(get(&client, &url).await.map(|r| r.status), Ok(200));
}

async fn refused_now(client: &http_client::Client, url: &str, part: &str) {
    let result = get(client, url).await;
    assert!(matches!(&result, Err(HttpError::Tls(text)) if text.contains(part)), "wanted {part:?}: {result:?}");
}

/// A server behind TLS that serves any number of requests on a connection; says how many it had.
fn keeping_server(signed: &Signed, h2: bool) -> (std::net::SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    use rustls::pki_types::pem::PemObject;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(signed.key.as_bytes()).expect("a key");
    let mut config = builder.with_no_client_auth().with_single_cert(common::der(&signed.cert), key.into()).expect("a certificate");
    config.alpn_protocols = if h2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    let (acceptor, connections) = (tokio_rustls::TlsAcceptor::from(Arc::new(config)), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("bound");
    let (listener, counter) = (tokio::net::TcpListener::from_std(listener).expect("on a runtime"), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let io = hyper_util::rt::TokioIo::new(stream);
                let fine = hyper::service::service_fn(|_: http::Request<hyper::body::Incoming>| async {
                    Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(hyper::body::Bytes::from("fine"))))
                });
                let _ = if h2 {
                    hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new()).serve_connection(io, fine).await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, fine).await
                };
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn connections_are_kept_with_tls_and_http2_where_offered() {
    let ca = Authority::new("our CA");
    let signed = ca.sign(&["127.0.0.1"], |_| {});
    for (h2, version) in [(true, "2"), (false, "1.1")] {
        let (address, connections) = keeping_server(&signed, h2);
        let client = client(&trusting(&ca.pem(), ""));
        let request = http_client::Request::get(format!("https://{address}/"));
        let prepared = client.prepare(request).expect("it can be asked for");
        for _ in 0..20 {
            let mut body = Vec::new();
            let response = client.send_prepared(&prepared, &mut body).await.expect("an answer");
            assert_eq!((response.status, response.http_version, body.as_slice()), (200, version, b"fine".as_slice()));
            assert!(response.certificate_not_after.is_some());
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1, "HTTP/{version}");
    }
}
