//! Through proxies: plain, by CONNECT and by SOCKS, and what the address policy still checks then. And through sockets of
//! the file system.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use common::{Authority, Tls, client, client_with, get, listen, ok, read_head, server, splice, tls_server};
use http_client::{Egress, HttpError, Request, Url};

/// A proxy that tunnels, and keeps the heads it got.
fn connect_proxy(refuse: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let address = listen(move |mut stream| {
        let head = read_head(&mut stream);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        kept.lock().expect("alone").push(head);
        if let Some(answer) = refuse {
            let _ = stream.write_all(answer.as_bytes());
            return;
        }
        let there = TcpStream::connect(target).expect("the target is there");
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n");
        splice(stream, there);
    });
    (address, heads)
}

#[tokio::test]
async fn plain_requests_name_the_whole_url_and_the_caller() {
    let (proxy, requests) = server(|_, _| ok("by proxy"));
    let with_headers = client(&format!("{{proxy_url: 'http://ann:s%33cret@{proxy}', proxy_connect_header: {{X-Connect: [only]}}}}"));
    let response = get(&with_headers, "http://target.example:8080/metrics?a=b").await.expect("the proxy answers");
    assert_eq!((response.body.as_slice(), response.remote_address), (b"by proxy".as_slice(), proxy.to_string()));
    let request = requests.recv().expect("asked");
    assert!(request.starts_with("GET http://target.example:8080/metrics?a=b HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("host: target.example:8080\r\n") && request.contains("proxy-authorization: Basic YW5uOnMzY3JldA==\r\n"),
        "{request}"
    );
    assert!(!request.to_lowercase().contains("x-connect"), "headers of CONNECT belong to CONNECT: {request}");
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let ca = Authority::new("our CA");
    let target = tls_server(&ca.sign(&["127.0.0.1"], |_| {}), Tls::default());
    let (proxy, heads) = connect_proxy(None);
    let ca_lines: String = ca.pem().trim().lines().map(|line| format!("    {line}\n")).collect();
    let block = format!(
        "tls_config:\n  ca: |\n{ca_lines}proxy_url: http://ann:s3cret@{proxy}\nproxy_connect_header: {{X-Connect: [one, two]}}\nauthorization: {{credentials: t0ken}}\n"
    );
    let response = get(&client(&block), format!("https://{target}/")).await.expect("tunnelled");
    assert_eq!((response.body.as_slice(), response.remote_address), (b"fine".as_slice(), proxy.to_string()));
    assert!(response.certificate_not_after.is_some());
    let head = heads.lock().expect("alone").remove(0).to_lowercase();
    assert!(head.starts_with(&format!("connect {target} http/1.1\r\n")), "{head}");
    assert!(head.contains("x-connect: one\r\nx-connect: two\r\n") && head.contains("proxy-authorization: basic "), "{head}");
    assert!(!head.contains("t0ken"), "credentials are the target's: {head}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_answer() {
    for (answer, part) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "a name and a password (407)"),
        ("HTTP/1.1 403 Forbidden by policy\r\n\r\n", "403 Forbidden by policy"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not answer CONNECT"),
        ("", "closed the connection"),
    ] {
        let (proxy, _heads) = connect_proxy(Some(answer));
        let error = get(&client(&format!("proxy_url: http://{proxy}")), "https://target.example/").await.expect_err(answer);
        let text = error.to_string();
        assert!(text.contains(part) && text.contains(&format!("the proxy {proxy}")), "{answer:?}: {text}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let error = get(&client(&format!("proxy_url: http://{free}")), "http://target.example/").await.expect_err("nobody is there");
    assert!(
        matches!(&error, HttpError::Connect(text) if text.contains(&format!("the proxy {free}: ")) && text.contains("refused")),
        "{error:?}"
    );
    let head = format!("HTTP/1.1 200 OK\r\n{}", "X-Long: y\r\n".repeat(10_000));
    let (proxy, _heads) = connect_proxy(Some(head.leak()));
    let error = get(&client(&format!("proxy_url: http://{proxy}")), "https://target.example/").await.expect_err("too much");
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn socks_resolves_at_the_proxy() {
    let (target, _requests) = server(|_, _| ok("by socks"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let proxy = listen(move |mut stream| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).expect("a greeting");
        let _ = stream.write_all(&[5, 2]);
        let mut login = [0; 12];
        stream.read_exact(&mut login).expect("a name and a password");
        let _ = stream.write_all(&[1, 0]);
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("a request");
        let mut rest = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut rest).expect("a name and a port");
        kept.lock().expect("alone").push((login.to_vec(), head[3], String::from_utf8_lossy(&rest[..rest.len() - 2]).into_owned()));
        let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        splice(stream, TcpStream::connect(target).expect("the target is there"));
    });
    let response = get(&client(&format!("proxy_url: socks5://ann:s3cret@{proxy}")), "http://only.the.proxy.knows/").await.expect("through");
    assert_eq!(response.body, b"by socks");
    let (login, kind, name) = seen.lock().expect("alone").remove(0);
    assert_eq!((login.as_slice(), kind, name.as_str()), (b"\x01\x03ann\x06s3cret".as_slice(), 3, "only.the.proxy.knows"));
}

#[tokio::test]
async fn no_proxy_goes_directly() {
    let (proxy, requests) = server(|_, _| ok("by proxy"));
    let (target, _requests) = server(|_, _| ok("directly"));
    let ask = async |block: String| String::from_utf8(get(&client(&block), format!("http://{target}/")).await.expect("an answer").body);
    assert_eq!(ask(format!("proxy_url: http://{proxy}")).await.as_deref(), Ok("by proxy"));
    assert!(requests.recv().expect("asked").starts_with(&format!("GET http://{target}/ ")));
    assert_eq!(ask(format!("{{proxy_url: 'http://{proxy}', no_proxy: '127.0.0.0/8, other.example'}}")).await.as_deref(), Ok("directly"));
}

/// Loopback and one name are refused, as for a plugin.
struct NoLoopback;

impl Egress for NoLoopback {
    fn check_url(&self, url: &Url, _: usize) -> Result<(), String> {
        if url.path() == "/secret" { Err("that path is not granted".to_owned()) } else { Ok(()) }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        if address.is_loopback() { Err(format!("{host} is at {address}, which is refused")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn the_policy_holds_behind_a_proxy_at_every_hop() {
    let (proxy, requests) = server(|head, _| {
        let to = head.split("to=").nth(1).and_then(|rest| rest.split(' ').next());
        to.map_or_else(
            || ok("by proxy"),
            |to| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        )
    });
    // The proxy itself is at a refused address, and contacted all the same: the operator wrote it.
    let client = client_with(&format!("{{proxy_url: 'http://{proxy}', authorization: {{credentials: t0ken}}}}"), NoLoopback);
    assert_eq!(
        get(&client, "http://unknown-here.invalid/").await.map(|r| r.body),
        Ok(b"by proxy".to_vec()),
        "a name that only the proxy knows"
    );
    let _ = requests.recv();
    for (url, part) in [
        ("http://127.0.0.1/", "is refused"),
        ("http://localhost/", "is refused"),
        ("http://far.invalid/secret", "not granted"),
        ("http://far.invalid/?to=http://127.0.0.1/", "is refused"),
        ("http://far.invalid/?to=http://localhost:9/", "is refused"),
        ("http://far.invalid/?to=/secret", "not granted"),
        ("http://far.invalid/?to=file:///etc/passwd", "only http and https"),
    ] {
        let result = get(&client, url).await;
        assert!(matches!(&result, Err(HttpError::Denied(text)) if text.contains(part)), "{url}: {result:?}");
        for request in requests.try_iter() {
            assert!(request.starts_with("GET http://far.invalid/?to="), "{request}");
        }
    }
    let response = get(&client, "http://far.invalid/?to=http://other.invalid/x").await.expect("followed");
    assert_eq!(response.final_url, "http://other.invalid/x");
    assert!(requests.recv().expect("asked").contains("t0ken"));
    let second = requests.recv().expect("asked");
    assert!(second.starts_with("GET http://other.invalid/x ") && !second.contains("t0ken"), "{second}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_of_the_file_system() {
    let folder = test_support::TempFolder::new("socket");
    let path = folder.path().join("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().take(2) {
            let mut stream = stream;
            let head = read_head(&mut stream);
            let answer = if head.starts_with("GET /away ") {
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else {
                ok(&head)
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let request = |path: &std::path::Path, url: &str| Request { unix_socket: Some(path.to_owned()), ..Request::get(url) };
    let client = client_with("{}", NoLoopback);
    let response = client.send(request(&path, "http://docker/containers/json?all=1")).await.expect("answered");
    let head = String::from_utf8(response.body).expect("text");
    assert!(head.starts_with("GET /containers/json?all=1 HTTP/1.1\r\n") && head.contains("host: docker\r\n"), "{head}");
    assert_eq!(response.remote_address, path.display().to_string());
    let result = client.send(request(&path, "http://docker/away")).await;
    assert!(matches!(&result, Err(HttpError::Redirect(text)) if text.contains("from the socket")), "{result:?}");
    let result = client.send(request(&folder.path().join("nobody.sock"), "http://docker/")).await;
    assert!(matches!(&result, Err(HttpError::Connect(text)) if text.contains("nobody.sock")), "{result:?}");
}
