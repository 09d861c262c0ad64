//! Whole calls against the SDK's fake of the host: answers, crashes, races, restarts.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use plugin_access_log::{AccessLog, store};
use skopos_sdk::about::Guest as _;
use skopos_sdk::fake::Host;
use skopos_sdk::http_handler::{Guest, Request, Response};

fn call(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    AccessLog::handle(
        "{}".to_owned(),
        Request {
            method: method.to_owned(),
            mount: String::new(),
            path: path.to_owned(),
            query: None,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
            remote: "192.0.2.9:1234".to_owned(),
            user: None,
        },
    )
}

fn post(client: &str) -> u16 {
    call("POST", "/access-log", &[], &format!("{{\"clientIp\": {client:?}}}")).status
}

fn stats() -> String {
    String::from_utf8(call("GET", "/stats", &[], "").body).unwrap()
}

#[test]
fn answers() {
    let json = "application/json";
    for (method, path, accept, body, status, content_type, text) in [
        ("POST", "/access-log", Some("*/*"), r#"{"clientIp":"a"}"#, 201, json, "\"Created\""),
        ("POST", "/access-log", None, r#"{"clientIp":"a"}"#, 201, json, "\"Created\""),
        ("POST", "/access-log", Some("text/html, application/json;q=0.1"), r#"{"clientIp":"a"}"#, 201, json, "\"Created\""),
        ("POST", "/access-log", Some("text/plain"), r#"{"clientIp":"a"}"#, 201, "text/plain", "Created"),
        ("POST", "/access-log", Some("text/plain, */*;q=0"), r#"{"clientIp":"a"}"#, 201, "text/plain", "Created"),
        ("GET", "/stats", None, "", 200, json, "{\"logs\":0}"),
        ("GET", "/", None, "", 404, json, r#"{"code":"ResourceNotFound","message":"/ does not exist"}"#),
        ("GET", "/stats/", None, "", 404, json, r#"{"code":"ResourceNotFound","message":"/stats/ does not exist"}"#),
        ("GET", "/access-log", None, "", 405, json, r#"{"code":"MethodNotAllowed","message":"GET is not allowed"}"#),
        ("DELETE", "/stats", None, "", 405, json, r#"{"code":"MethodNotAllowed","message":"DELETE is not allowed"}"#),
    ] {
        let host = Host::default();
        let _entered = host.enter();
        let headers: Vec<(&str, &str)> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let response = call(method, path, &headers, body);
        assert_eq!(response.status, status, "{method} {path} {accept:?}");
        assert_eq!(response.headers[0].1, content_type, "{method} {path} {accept:?}");
        assert_eq!(String::from_utf8(response.body).unwrap(), text, "{method} {path} {accept:?}");
    }
}

#[test]
fn a_bad_body_is_400_and_counts_nothing() {
    let host = Host::default();
    let _entered = host.enter();
    let deep = "[".repeat(100_000);
    for body in ["", "clientIp=1.2.3.4", "{", "null", "{\"clientIp\":\"a\"} x", "\u{feff}{}", deep.as_str()] {
        let response = call("POST", "/access-log", &[], body);
        assert_eq!(response.status, 400, "{:.20}", body);
        assert!(String::from_utf8(response.body).unwrap().starts_with("{\"code\":\"InvalidContent\""), "{:.20}", body);
    }
    assert_eq!(stats(), "{\"logs\":0}");
    assert_eq!(host.metric("access_log_total", &[]), Some(0.0));
    assert_eq!(host.kv_keys(), Vec::<String>::new());
}

#[test]
fn json_without_a_client_is_counted_as_undefined() {
    let host = Host::default();
    let _entered = host.enter();
    for body in ["{}", "[]", "5", "\"x\"", "{\"clientIp\":\"undefined\"}"] {
        assert_eq!(call("POST", "/access-log", &[], body).status, 201, "{body}");
    }
    assert_eq!(call("POST", "/access-log", &[], "{\"clientIp\":null}").status, 201);
    assert_eq!(host.kv_keys(), ["client/null", "client/undefined", "state"]);
    assert_eq!(host.metric("access_client_ip_current", &[]), Some(2.0));
}

#[test]
fn the_counter_is_there_before_the_first_request_and_begins_anew_after_a_restart_while_the_rest_goes_on() {
    let host = Host::default();
    let _entered = host.enter();
    AccessLog::describe();
    assert_eq!(host.metric("access_log_total", &[]), Some(0.0));
    assert_eq!(host.declared("access_log_total").as_deref(), Some("Access Log - total log requests"));
    for client in ["a", "b", "a"] {
        assert_eq!(post(client), 201);
    }
    assert_eq!(host.metric("access_log_total", &[]), Some(3.0));
    assert_eq!(host.metric("access_client_ip_current", &[]), Some(2.0));
    host.restart();
    assert_eq!(stats(), "{\"logs\":3}");
    assert_eq!(host.metric("access_client_ip_current", &[]), Some(2.0), "any call sets the gauge");
    assert_eq!(post("c"), 201);
    assert_eq!(host.metric("access_log_total", &[]), Some(1.0));
    assert_eq!(host.metric("access_client_ip_current", &[]), Some(3.0));
    assert_eq!(stats(), "{\"logs\":4}");
}

#[test]
fn a_call_killed_at_any_write_leaves_exact_counts() {
    // A new address takes three writes; the fourth is past the end.
    for writes in 0..4 {
        let host = Host::default();
        let _entered = host.enter();
        assert_eq!(post("first"), 201);
        host.kill_after_kv_writes(Some(writes));
        let killed = catch_unwind(AssertUnwindSafe(|| post("second"))).is_err();
        host.kill_after_kv_writes(None);
        assert_eq!(killed, writes < 3, "{writes}");
        let logged = 1 + u64::from(writes > 0);
        // Whoever comes next finishes what was left, whether the same address or another.
        assert_eq!(post("first"), 201);
        let counts = store::read().unwrap();
        assert_eq!(counts.logs, logged + 1, "killed before write {writes}");
        let keys = host.kv_keys().iter().filter(|key| key.starts_with("client/")).count() as u64;
        assert_eq!((counts.clients, keys), (logged, logged), "killed before write {writes}");
        assert_eq!(post("second"), 201);
        assert_eq!(store::read().unwrap().clients, 2, "killed before write {writes}");
    }
}

#[test]
fn calls_at_once_count_every_request_and_every_address_once() {
    let host = Host::default();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let host = host.clone();
            scope.spawn(move || {
                let _entered = host.enter();
                for request in 0..50 {
                    // Half of the addresses are shared by all threads.
                    let client = if request % 2 == 0 { format!("shared-{request}") } else { format!("{thread}-{request}") };
                    assert_eq!(post(&client), 201);
                }
            });
        }
    });
    let _entered = host.enter();
    let counts = store::read().unwrap();
    assert_eq!((counts.logs, counts.clients), (400, 25 + 8 * 25));
    assert_eq!(host.metric("access_log_total", &[]), Some(400.0));
    assert_eq!(host.metric("access_client_ip_current", &[]), Some(225.0));
}

#[test]
fn a_full_store_goes_on_counting_requests() {
    let host = Host::default();
    let _entered = host.enter();
    host.limit_kv_keys(3);
    for client in ["a", "b", "c", "d", "a"] {
        assert_eq!(post(client), 201);
    }
    let counts = store::read().unwrap();
    assert_eq!((counts.logs, counts.clients), (5, 2));
    assert!(host.log_lines().iter().any(|(_, line)| line.contains("the store is full")));
}

#[test]
fn without_its_grant_it_says_so_in_the_log_and_counts_nothing() {
    let host = Host::default();
    let _entered = host.enter();
    host.deny_kv(true);
    assert_eq!(post("a"), 500);
    assert_eq!(host.metric("access_log_total", &[]), Some(0.0));
    assert!(host.log_lines().iter().any(|(_, line)| line.contains("grant kv")));
}
