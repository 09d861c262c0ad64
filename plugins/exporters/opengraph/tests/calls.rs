//! Whole calls against the SDK's fake of the host.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use plugin_opengraph::OpenGraph;
use serde_json::{Value, json};
use skopos_sdk::fake::{self, Host};
use skopos_sdk::http::Error as HttpError;
use skopos_sdk::http_handler::{Guest, Request, Response};

fn ask(host: &Host, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let _entered = host.enter();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    OpenGraph::handle(
        "{}".to_owned(),
        Request {
            method: method.to_owned(),
            mount: String::new(),
            path: path.to_owned(),
            query,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: vec![],
            remote: "192.0.2.9:1234".to_owned(),
            user: None,
        },
    )
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

fn page(headers: &'static [(&'static str, &'static str)], status: u16, body: &'static [u8]) -> Host {
    let host = Host::default();
    host.on_http(move |_| Ok(fake::response(status, headers, body)));
    host
}

const PAGE: &[u8] = b"<meta property=og:title content=T><meta property=og:image content=i.png>";

#[test]
fn a_page_is_fetched_and_read() {
    let expected = json!({"scrap": {"title": "T", "url": null, "type": null, "image": "i.png", "description": null, "author": null}});
    for (target, fetched) in [
        ("/api/v1/scrap?url=https%3A%2F%2Fa.example%2F%3Fq%3D1", "https://a.example/?q=1"),
        ("/api/v1/scrap/?url=https://a.example/", "https://a.example/"),
        ("/api/v1/scrap?url=https%253A%252F%252Fa.example%252F", "https://a.example/"),
        ("/api/v1/scrap?x=1&url=%20HTTP://a.example ", "HTTP://a.example"),
    ] {
        let host = page(&[("Content-Type", "text/html")], 404, PAGE);
        let response = ask(&host, "GET", target, &[]);
        assert_eq!((response.status, body(&response)), (200, expected.clone()), "{target}");
        let request = host.http_requests().pop().unwrap();
        assert_eq!(request.url, fetched);
        assert_eq!((request.max_redirects, request.max_body, request.timeout_ms), (Some(5), Some(2 << 20), Some(5000)));
    }
}

#[test]
fn the_answer_is_in_the_services_order() {
    let response = ask(&page(&[], 200, PAGE), "GET", "/api/v1/scrap?url=http://a", &[]);
    let expected = r#"{"scrap":{"title":"T","url":null,"type":null,"image":"i.png","description":null,"author":null}}"#;
    assert_eq!(String::from_utf8(response.body).unwrap(), expected);
}

#[test]
fn the_header_names_the_character_set() {
    let host = page(&[("content-type", "text/html; Charset=\"EUC-KR\"")], 200, b"<meta property=og:title content='\xc7\xd1\xb1\xdb'>");
    assert_eq!(body(&ask(&host, "GET", "/api/v1/scrap?url=http://a", &[]))["scrap"]["title"], "한글");
}

#[test]
fn without_an_address_the_answer_is_fastapis() {
    let host = Host::default();
    for target in ["/api/v1/scrap", "/api/v1/scrap/", "/api/v1/scrap?uri=x"] {
        let response = ask(&host, "GET", target, &[]);
        assert_eq!(response.status, 422);
        assert_eq!(body(&response), json!({"detail": [{"loc": ["query", "url"], "msg": "field required", "type": "value_error.missing"}]}));
    }
}

#[test]
fn failures_are_400_and_tell_nothing_of_the_network() {
    for (url, error) in [
        ("file:///etc/passwd", None),
        ("gopher://a", None),
        ("http:/a", None),
        ("", None),
        ("http://10.0.0.1/", Some(HttpError::Denied("http: http://10.0.0.1/".to_owned()))),
        ("http://a", Some(HttpError::Invalid("10.0.0.1".to_owned()))),
        ("http://a", Some(HttpError::Timeout)),
        ("http://a", Some(HttpError::TooLarge)),
        ("http://a", Some(HttpError::Dns("10.0.0.1".to_owned()))),
        ("http://a", Some(HttpError::Connect("10.0.0.1:80 refused".to_owned()))),
        ("http://a", Some(HttpError::Tls("10.0.0.1".to_owned()))),
        ("http://a", Some(HttpError::Protocol("10.0.0.1".to_owned()))),
    ] {
        let host = Host::default();
        let scripted = error.clone();
        host.on_http(move |_| Err(scripted.clone().expect("nothing else is asked for")));
        let response = ask(&host, "GET", &format!("/api/v1/scrap?url={url}"), &[]);
        let body = body(&response);
        assert_eq!((response.status, &body["code"]), (400, &json!(-20000)), "{url} {error:?}");
        let message = body["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains("10.0.0.1"), "{message}");
        assert_eq!(host.http_requests().is_empty(), error.is_none(), "{url}");
    }
}

#[test]
fn too_many_redirects_are_a_failure_and_a_page_with_that_status_is_not() {
    let host = page(&[("Location", "http://b/")], 302, PAGE);
    assert_eq!(ask(&host, "GET", "/api/v1/scrap?url=http://a", &[]).status, 400);
    let host = page(&[], 302, PAGE);
    assert_eq!(ask(&host, "GET", "/api/v1/scrap?url=http://a", &[]).status, 200);
}

#[test]
fn other_requests() {
    let origin = ("origin", "https://web.example");
    for (method, path, headers, status, answer) in [
        ("GET", "/health_check", vec![], 200, "\"OK\""),
        ("GET", "/", vec![], 404, "{\"detail\":\"Not Found\"}"),
        ("POST", "/", vec![], 404, "{\"detail\":\"Not Found\"}"),
        ("POST", "/api/v1/scrap", vec![], 405, "{\"detail\":\"Method Not Allowed\"}"),
        ("OPTIONS", "/api/v1/scrap", vec![], 405, "{\"detail\":\"Method Not Allowed\"}"),
        ("OPTIONS", "/api/v1/scrap", vec![origin, ("access-control-request-method", "GET")], 200, "OK"),
        ("HEAD", "/api/v1/scrap?url=http://a", vec![], 200, ""),
    ] {
        let response = ask(&page(&[], 200, PAGE), method, path, &headers);
        assert_eq!((response.status, String::from_utf8(response.body).unwrap().as_str()), (status, answer), "{method} {path}");
    }
}

#[test]
fn other_sites_may_read_the_answer() {
    let host = page(&[], 200, PAGE);
    let header = |response: &Response, name: &str| response.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
    let response = ask(&host, "GET", "/api/v1/scrap?url=http://a", &[("Origin", "https://web.example")]);
    assert_eq!(header(&response, "access-control-allow-origin").as_deref(), Some("https://web.example"));
    assert_eq!(header(&response, "access-control-allow-credentials").as_deref(), Some("true"));
    let asked = [("Origin", "https://web.example"), ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "x-a")];
    let response = ask(&host, "OPTIONS", "/api/v1/scrap", &asked);
    assert_eq!(header(&response, "access-control-allow-headers").as_deref(), Some("x-a"));
    assert!(header(&response, "access-control-allow-methods").unwrap().contains("GET"));
    assert_eq!(header(&ask(&host, "GET", "/", &[]), "access-control-allow-origin"), None);
}

#[test]
fn requests_are_counted_and_timed() {
    let host = page(&[], 200, PAGE);
    for (method, target) in [("GET", "/api/v1/scrap?url=http://a"), ("GET", "/api/v1/scrap"), ("GET", "/x"), ("BREW", "/x"), ("TEA", "/x")]
    {
        ask(&host, method, target, &[]);
    }
    let count =
        |method, status, handler| host.metric("http_requests_total", &[("method", method), ("status", status), ("handler", handler)]);
    assert_eq!(count("GET", "2xx", "/api/v1/scrap"), Some(1.0));
    assert_eq!(count("GET", "4xx", "/api/v1/scrap"), Some(1.0));
    assert_eq!(count("GET", "4xx", "none"), Some(1.0));
    assert_eq!(count("other", "4xx", "none"), Some(2.0));
    assert_eq!(host.observations("http_request_duration_seconds", &[("handler", "/api/v1/scrap")]).len(), 2);
    assert_eq!(host.observations("http_request_duration_highr_seconds", &[]).len(), 5);
    assert!(host.declared("http_requests_total").is_some());
}
