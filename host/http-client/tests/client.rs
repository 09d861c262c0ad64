//! The client against servers that misbehave. Servers are threads that answer with prepared bytes.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use http_client::{AddressClass, AnyAddress, Client, Egress, HttpConfig, HttpError, Request, Resolver, Response, Url, classify};
use model::config::Section;

/// Answers each connection with the next of `answers`, and hands out the requests it got.
fn serve(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let _ = seen.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, requests)
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// As a plugin with `http: [public, <origin>]` has it.
struct PublicAnd(String);

impl Egress for PublicAnd {
    fn check_url(&self, _: &Url, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        if host == self.0 || classify(address) == AddressClass::Public { Ok(()) } else { Err(format!("{address} is not public")) }
    }
}

fn client(config: &str, egress: impl Egress + 'static) -> Client {
    let node = yaml::parse(config).expect("YAML");
    let mut section = Section::new(&node).expect("a mapping");
    let config = HttpConfig::from_section(&mut section, ".".as_ref()).expect("a good block");
    let resolver = Arc::new(Resolver::with_servers::<&str>(&[]).expect("no server needed"));
    Client::new(&config, resolver, Arc::new(egress)).expect("a client")
}

async fn get(client: &Client, url: String) -> Result<Response, HttpError> {
    client.send(Request { timeout: Duration::from_secs(5), ..Request::get(url) }).await
}

#[tokio::test]
async fn a15_credentials_stay_with_their_origin() {
    let (second, second_requests) = serve(vec![answer("200 OK", "here")]);
    let (first, first_requests) = serve(vec![answer(&format!("302 Found\r\nLocation: http://{second}/b"), "")]);
    let client = client("{authorization: {credentials: s3cret}, http_headers: {X-Tenant: {values: [one]}}}", AnyAddress);
    let response = get(&client, format!("http://{first}/a")).await.expect("followed");
    assert_eq!((response.status, response.body.as_slice(), response.redirects), (200, b"here".as_slice(), 1));
    assert!(first_requests.recv().expect("asked").contains("s3cret"));
    let second_request = second_requests.recv().expect("asked").to_lowercase();
    assert!(!second_request.contains("s3cret") && !second_request.contains("x-tenant"), "{second_request}");
}

#[tokio::test]
async fn a15_redirect_loop_ends() {
    let loop_answer = answer("302 Found\r\nLocation: /again", "");
    let (address, _requests) = serve(vec![loop_answer; 20]);
    let response = get(&client("{}", AnyAddress), format!("http://{address}/")).await.expect("the last redirect is the response");
    assert_eq!((response.status, response.redirects), (302, 10));
}

#[tokio::test]
async fn a15_redirects_are_checked_like_requests() {
    for (to, part) in [
        ("http://127.0.0.2:1/", "127.0.0.2 is not public"),
        ("http://localhost:1/", "is not public"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is not public"),
        ("http://[::ffff:10.0.0.1]/", "is not public"),
        ("http://0x7f.2/", "127.0.0.2 is not public"),
        ("file:///etc/passwd", "only http and https"),
    ] {
        let (address, _requests) = serve(vec![answer(&format!("302 Found\r\nLocation: {to}"), "")]);
        let result = get(&client("{}", PublicAnd("127.0.0.1".to_owned())), format!("http://{address}/")).await;
        assert!(matches!(&result, Err(HttpError::Denied(text)) if text.contains(part)), "{to}: {result:?}");
    }
}

#[tokio::test]
async fn a17_broken_http_is_an_error() {
    for (raw, what) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "two lengths"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "bad chunk size"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort", "short body"),
        ("this is not HTTP\r\n\r\n", "not HTTP"),
    ] {
        // Twice: a GET whose connection closes early is tried once more.
        let (address, _requests) = serve(vec![raw.to_owned(), raw.to_owned()]);
        let result = get(&client("{}", AnyAddress), format!("http://{address}/")).await;
        assert!(matches!(result, Err(HttpError::Protocol(_))), "{what}: {result:?}");
    }
    let many = (0..10_000).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let (address, _requests) = serve(vec![format!("HTTP/1.1 200 OK\r\n{many}\r\n"); 2]);
    let result = get(&client("{}", AnyAddress), format!("http://{address}/")).await;
    assert!(matches!(result, Err(HttpError::Protocol(_))), "too many headers: {result:?}");
}

#[tokio::test]
async fn limits_hold() {
    let (address, _requests) = serve(vec![answer("200 OK", &"x".repeat(2000)); 2]);
    let client = client("{}", AnyAddress);
    let request = Request { body_bytes_max: 1000, ..Request::get(format!("http://{address}/")) };
    assert_eq!(client.send(request.clone()).await.map(|r| r.body.len()), Err(HttpError::TooLarge { limit: 1000 }));
    let cut = client.send(Request { truncate: true, ..request }).await.expect("cut off");
    assert_eq!((cut.body.len(), cut.truncated), (1000, true));
}

#[tokio::test]
async fn nobody_there_and_nobody_answers() {
    let client = client("{}", AnyAddress);
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let result = get(&client, format!("http://{free}/")).await;
    assert!(matches!(&result, Err(HttpError::Connect(text)) if text.to_lowercase().contains("refused")), "{result:?}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", silent.local_addr().expect("bound"));
    let result = client.send(Request { timeout: Duration::from_millis(200), ..Request::get(url) }).await;
    assert_eq!(result.map(|r| r.status), Err(HttpError::Timeout));
    let result = get(&client, "http://no-such-host.invalid/".to_owned()).await;
    assert!(matches!(result, Err(HttpError::Dns(_))), "{result:?}");
}
