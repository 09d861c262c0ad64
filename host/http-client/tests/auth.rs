//! Who the caller is: passwords, tokens and headers, from texts and from files that change.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{client, get, ok, server};
use http_client::HttpError;
use test_support::TempFolder;

fn json(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn files_are_read_for_each_request() {
    let folder = TempFolder::new("auth-files");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (address, requests) = server(|_, _| ok(""));
    let url = format!("http://{address}/");
    let basic = client(&format!("basic_auth: {{username_file: {}, password_file: {}}}", path("user"), path("password")));
    let result = get(&basic, &url).await;
    assert!(matches!(&result, Err(HttpError::Invalid(text)) if text.contains("failed to read") && text.contains("password")), "{result:?}");
    folder.write("user", "ann\n");
    for (password, expected) in [("s3cret", "Basic YW5uOnMzY3JldA=="), ("other\n", "Basic YW5uOm90aGVy")] {
        folder.write("password", password);
        get(&basic, &url).await.expect("sent");
        let request = requests.recv().expect("asked");
        assert!(request.contains(&format!("authorization: {expected}\r\n")), "{request}");
    }
    let bearer = client(&format!(
        "{{authorization: {{type: Token, credentials_file: {}}}, http_headers: {{X-One: {{values: [a, b], secrets: [c], files: [{}]}}}}}}",
        path("token"),
        path("header")
    ));
    for text in ["first", "second"] {
        folder.write("token", text);
        folder.write("header", text);
        get(&bearer, &url).await.expect("sent");
        let request = requests.recv().expect("asked");
        assert!(request.contains(&format!("authorization: Token {text}\r\n")), "{request}");
        let ones: Vec<&str> = request.lines().filter_map(|l| l.strip_prefix("x-one: ")).collect();
        assert_eq!(ones, ["a", "b", "c", text]);
    }
    // A name and a password in the URL count where nothing else does.
    get(&client("{}"), format!("http://ann:s3cret@{address}/")).await.expect("sent");
    assert!(requests.recv().expect("asked").contains("authorization: Basic YW5uOnMzY3JldA==\r\n"));
}

/// A server of tokens that counts them.
fn token_server(expires: u64, wants_body: bool) -> (std::net::SocketAddr, Arc<AtomicUsize>, std::sync::mpsc::Receiver<String>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let (address, requests) = server(move |head, body| {
        let in_header = head.contains("authorization: Basic bWUlMkZ4OnMlMkJj\r\n");
        let in_body = body.contains("client_id=me%2Fx&client_secret=s%2Bc");
        if (wants_body && !in_body) || (!wants_body && !in_header) {
            return json("401 Unauthorized", r#"{"error":"invalid_client","error_description":"who are you?"}"#);
        }
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        json("200 OK", &format!(r#"{{"access_token":"t{number}","token_type":"bearer","expires_in":{expires}}}"#))
    });
    (address, count, requests)
}

#[tokio::test]
async fn oauth2_tokens_are_kept_until_they_expire() {
    let (tokens, count, asked) = token_server(3600, false);
    let (address, requests) = server(|_, _| ok(""));
    let url = format!("http://{address}/");
    let block = format!(
        "oauth2: {{client_id: me/x, client_secret: s+c, token_url: 'http://{tokens}/token', scopes: [a, 'b:c'], endpoint_params: {{aud: x y}}}}"
    );
    let client = Arc::new(client(&block));
    // Ten at once wait for one token.
    let sent: Vec<_> =
        (0..10).map(|_| (Arc::clone(&client), url.clone())).map(|(c, u)| tokio::spawn(async move { get(&c, u).await })).collect();
    for one in sent {
        one.await.expect("no panic").expect("sent");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    for _ in 0..10 {
        assert!(requests.recv().expect("asked").contains("authorization: Bearer t1\r\n"));
    }
    let form = asked.recv().expect("asked for a token");
    assert!(form.starts_with("POST /token ") && form.ends_with("grant_type=client_credentials&scope=a+b%3Ac&aud=x+y"), "{form}");
}

#[tokio::test]
async fn oauth2_asks_again_and_finds_the_servers_way() {
    // It expires within the time by which tokens count as expired early, so each request needs a new one.
    let (tokens, count, asked) = token_server(5, true);
    let (address, requests) = server(|_, _| ok(""));
    let url = format!("http://{address}/");
    let client = client(&format!("oauth2: {{client_id: me/x, client_secret: s+c, token_url: 'http://{tokens}/token'}}"));
    for number in 1..=3 {
        get(&client, &url).await.expect("sent");
        assert!(requests.recv().expect("asked").contains(&format!("authorization: Bearer t{number}\r\n")));
    }
    assert_eq!((count.load(Ordering::SeqCst), asked.try_iter().count()), (3, 4), "the header is tried once");
}

#[tokio::test]
async fn oauth2_takes_up_a_new_secret_and_says_what_failed() {
    let folder = TempFolder::new("oauth2");
    let good = Arc::new(Mutex::new("Basic bWU6b25l".to_owned()));
    let wanted = Arc::clone(&good);
    let (tokens, _asked) = server(move |head, _| {
        let wanted = wanted.lock().expect("alone").clone();
        if head.contains(&wanted) {
            json("200 OK", &format!(r#"{{"access_token":"of-{}"}}"#, &wanted[9..]))
        } else {
            json("400 Bad Request", r#"{"error":"invalid_client"}"#)
        }
    });
    let (address, requests) = server(|_, _| ok(""));
    let url = format!("http://{address}/");
    let file = folder.write("secret", "one\n");
    let client = client(&format!(
        "oauth2: {{client_id: me, client_secret_file: {}, token_url: 'http://{tokens}/token?key=hidden'}}",
        file.display()
    ));
    get(&client, &url).await.expect("sent");
    assert!(requests.recv().expect("asked").contains("Bearer of-6b25l\r\n"));
    folder.write("secret", "two\n");
    let result = get(&client, &url).await;
    let Err(HttpError::Invalid(text)) = result else { panic!("{result:?}") };
    assert!(text.contains("answered 400: invalid_client") && text.contains("/token") && !text.contains("hidden"), "{text}");
    *good.lock().expect("alone") = "Basic bWU6dHdv".to_owned();
    get(&client, &url).await.expect("sent");
    assert!(requests.recv().expect("asked").contains("Bearer of-6dHdv\r\n"));
}

#[tokio::test]
async fn tokens_and_passwords_stay_with_their_origin() {
    let (tokens, _count, _asked) = token_server(3600, false);
    let (second, second_requests) = server(|_, _| ok("here"));
    let (first, first_requests) =
        server(move |_, _| format!("HTTP/1.1 302 Found\r\nLocation: http://{second}/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    for (block, secret) in [
        (format!("oauth2: {{client_id: me/x, client_secret: s+c, token_url: 'http://{tokens}/'}}"), "authorization: Bearer"),
        ("{basic_auth: {username: ann, password: s3cret}}".to_owned(), "authorization: Basic"),
        ("{http_headers: {X-Key: {secrets: [s3cret]}}}".to_owned(), "x-key: s3cret"),
    ] {
        let response = get(&client(&block), format!("http://{first}/")).await.expect("followed");
        assert_eq!((response.body.as_slice(), response.redirects), (b"here".as_slice(), 1));
        assert!(first_requests.recv().expect("asked").contains(secret), "{block}");
        let there = second_requests.recv().expect("asked");
        assert!(!there.contains("authorization") && !there.contains("s3cret"), "{there}");
    }
    let response = get(&client("follow_redirects: false"), format!("http://{first}/")).await.expect("an answer");
    assert_eq!((response.status, response.redirects), (302, 0));
}
