//! What holds for every request: hosts, origins, spellings, headers, pages, and plugins that serve HTTP.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{Seen, ask, ask_of, mounted, state};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tower::ServiceExt;

#[tokio::test]
async fn hosts_that_are_not_ours_are_refused() {
    for (host, status) in
        [("localhost:9090", 200), ("127.0.0.1:9090", 200), ("[::1]:9090", 200), ("evil.example:9090", 403), ("192.168.1.1:9090", 403)]
    {
        for request in ["GET /api/v1/query?query=1", "GET /", "GET /-/healthy", "GET /metrics", "GET /api/v1/scrap"] {
            let answer = ask_of(state(&Seen::default()), request, &[("host", host)], "").await;
            assert_eq!(answer.status, status, "{host} {request}");
            assert!(status == 200 || answer.body.contains("set --web.external-url="), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn other_sites_change_nothing() {
    for (headers, status) in [
        (vec![], 200),
        // Our own pages send the token, which other sites cannot read.
        (vec![("origin", "http://localhost:9090"), ("sec-fetch-site", "same-origin")], 403),
        (vec![("origin", "http://localhost:9090"), ("sec-fetch-site", "same-origin"), ("x-skopos-token", "TOKEN")], 200),
        (vec![("origin", "http://evil.example"), ("x-skopos-token", "TOKEN")], 403),
        (vec![("origin", "http://localhost:9090"), ("x-skopos-token", "0123456789")], 403),
        (vec![("sec-fetch-site", "none")], 403),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("cookie", "a=b")], 403),
    ] {
        let seen = Seen::default();
        let state = state(&seen);
        let session = ask_of(state.clone(), "GET /api/v1/session", &[], "").await.json();
        let token = session["data"]["token"].as_str().expect("a token");
        let headers: Vec<(&str, &str)> = headers.into_iter().map(|(n, v)| (n, if v == "TOKEN" { token } else { v })).collect();
        let answer = ask_of(state, "POST /-/reload", &headers, "").await;
        assert_eq!((answer.status, seen.reloads.load(Ordering::SeqCst)), (status, usize::from(status == 200)), "{headers:?}");
    }
}

#[tokio::test]
async fn a_read_only_server_says_so() {
    let seen = Seen::default();
    let mut read_only = state(&seen);
    read_only.access = Arc::new(web::Access::new(false).expect("random numbers"));
    for request in [
        "POST /-/reload",
        "POST /-/quit",
        "POST /api/v1/admin/tsdb/snapshot",
        "POST /plugins/opengraph/x",
        "POST /plugins/opengraph/api/v1/query",
        "POST /api/v1/scrap",
    ] {
        let answer = ask_of(read_only.clone(), request, &[], "").await;
        assert!(answer.status == 403 && answer.body.contains("--web.config.file"), "{request}: {}", answer.body);
    }
    assert_eq!(seen.reloads.load(Ordering::SeqCst), 0);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(ask_of(read_only.clone(), "POST /api/v1/query", &form, "query=1").await.status, 200);
    assert_eq!(ask_of(read_only, "GET /api/v1/scrap", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_path_has_one_spelling() {
    for path in [
        "//api/v1/query?query=1",
        "/api//v1/query?query=1",
        "/api/v1/./query",
        "/x/../api/v1/query?query=1",
        "/api/v1/label/a%2fb/values",
        "/%61pi/v1/query?query=1",
        "/-/%72eload",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/../lib.rs",
        "/plugins/..%252f",
        "/d/%00",
        "/API/v1/query?query=1",
        "/api/v1/query/?query=1",
    ] {
        assert_eq!(ask(&format!("GET {path}")).await.status, 404, "{path}");
    }
    assert_eq!(ask("POST /-//reload").await.status, 404);
}

#[tokio::test]
async fn pages_and_files() {
    for path in ["/", "/targets", "/alerts", "/plugins", "/explore", "/d/home", "/d/home/slug", "/d/none?lang=ko"] {
        let answer = ask(&format!("GET {path}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-cache"), "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("script-src 'self' 'wasm-unsafe-eval'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe-inline")
        );
        assert_eq!((answer.header("x-content-type-options"), answer.header("referrer-policy")), ("nosniff", "same-origin"));
    }
    let html = ask("GET /").await.body;
    let script = html.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the page has a script");
    let answer = ask_of(state(&Seen::default()), &format!("GET {script}"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(
        (answer.status, answer.header("content-encoding"), answer.header("cache-control")),
        (200, "gzip", "public, max-age=31536000, immutable")
    );
    assert_eq!(ask("GET /assets/none.js").await.status, 404);
    for (path, location) in [
        ("/graph?g0.expr=up&g0.range_input=1h", "/explore?expr=up&range=1h"),
        ("/classic/graph?g0.expr=a&g0.tab=1&g1.expr=b%7Bc%3D%22d%22%7D", "/explore?expr=a&expr=b%7Bc%3D%22d%22%7D&tab=table"),
        (
            "/query?g0.expr=up&g0.show_tree=0&g0.range_input=6h&g0.end_input=2026-01-01+00%3A00",
            "/explore?expr=up&range=6h&end=2026-01-01+00%3A00",
        ),
        ("/query?expr=up&range=5m", "/explore?expr=up&range=5m"),
        ("/graph", "/explore"),
        ("/rules", "/alerts"),
        ("/classic/targets", "/targets"),
        ("/service-discovery", "/targets"),
        ("/status", "/api/v1/status/runtimeinfo"),
        ("/flags", "/api/v1/status/flags"),
        ("/config", "/api/v1/status/config"),
        ("/classic/tsdb-status", "/tsdb-status"),
    ] {
        let answer = ask(&format!("GET {path}")).await;
        assert_eq!((answer.status, answer.header("location")), (302, location));
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    for request in [
        "DELETE /api/v1/query",
        "POST /api/v1/targets",
        "PUT /",
        "POST /api/v1/label/job/values",
        "GET /api/v1/dashboards/home/panels/1/view",
    ] {
        let answer = ask(request).await;
        assert_eq!((answer.status, &answer.json()["status"]), (405, &json!("error")), "{request}");
        assert!(!answer.header("allow").is_empty());
    }
    let answer = ask_of(state(&Seen::default()), "OPTIONS /api/v1/query", &[("origin", "http://evil.example")], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin"), answer.header("allow")), (204, "", "GET,HEAD,POST"));
    for (request, allow) in [("OPTIONS /api/v1/rules", "GET,HEAD"), ("DELETE /api/v1/series", "GET,HEAD,POST")] {
        assert_eq!(ask(request).await.header("allow"), allow, "{request}");
    }
    let plugin = ask("OPTIONS /api/v1/scrap").await;
    assert!(plugin.status == 200 && plugin.body.starts_with("OPTIONS |/api/v1/scrap"), "{}", plugin.body);
}

#[tokio::test]
async fn plugins_serve_where_they_may() {
    let secret = [("cookie", "session=1"), ("authorization", "Bearer x"), ("x-skopos-token", "t")];
    for (request, body) in [
        ("GET /plugins/opengraph/a/b?c=d", r#"GET /plugins/opengraph|/a/b|Some("c=d")|127.0.0.1:4711|0|false"#),
        ("GET /api/v1/scrap?url=x", r#"GET |/api/v1/scrap|Some("url=x")|127.0.0.1:4711|0|false"#),
        ("GET /plugins/opengraph/", "GET /plugins/opengraph|/|None|127.0.0.1:4711|0|false"),
    ] {
        let answer = ask_of(state(&Seen::default()), request, &secret, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{request}");
        assert!(answer.header("content-security-policy").starts_with("sandbox"));
        assert_eq!(
            (answer.header("set-cookie"), answer.header("x-content-type-options"), answer.header("content-type")),
            ("", "nosniff", "text/html")
        );
        // What a browser would hold against the pages of Skopos too is not for a plugin to say.
        for name in ["clear-site-data", "strict-transport-security", "alt-svc", "nel", "report-to", "service-worker-allowed"] {
            assert_eq!(answer.header(name), "", "{request}: {name}");
        }
        assert_eq!(answer.header("x-of-its-own"), "1");
    }
    let posted = ask_of(state(&Seen::default()), "POST /plugins/opengraph/x", &[], "12345").await;
    assert!(posted.body.ends_with("|5|false"), "{}", posted.body);
    assert_eq!(ask_of(state(&Seen::default()), "POST /plugins/opengraph/x", &[], &"x".repeat(101)).await.status, 413);
    assert_eq!(ask("GET /plugins/opengraph/metrics").await.body, "og_calls 1\n");
    let none = ask("GET /plugins/dns/x").await;
    assert!(none.status == 404 && none.body.contains("plugins.dns.serve"), "{}", none.body);
}

#[tokio::test]
async fn a_listener_of_its_own() {
    let router = web::listener_router(mounted(), Arc::new(|| Some("m 1\n".to_owned())));
    for (method, path, host, expected) in [
        ("GET", "/metrics", "any.example", "m 1\n"),
        ("POST", "/access-log", "any.example", "POST |/access-log|None||2|false"),
        ("GET", "/", "x", "GET |/|None||0|false"),
    ] {
        let body = if method == "POST" { Body::from("{}") } else { Body::empty() };
        let request = Request::builder().method(method).uri(path).header("host", host).body(body).expect("a good request");
        let response = router.clone().oneshot(request).await.expect("it answers");
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-security-policy"].to_str().expect("text").starts_with("sandbox"));
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}

#[tokio::test]
async fn behind_a_prefix() {
    let mut prefixed = state(&Seen::default());
    prefixed.route_prefix = "/skopos/".to_owned();
    prefixed.external_url = "https://mon.example/skopos".to_owned();
    for (request, status) in [
        ("GET /skopos/api/v1/query?query=1", 200),
        ("GET /skopos/targets", 200),
        ("GET /skopos/", 200),
        ("GET /skopos/plugins/opengraph/x", 200),
        ("GET /skopos/api/v1/scrap", 200),
        ("POST /skopos/-/reload", 200),
        ("GET /", 302),
        ("GET /api/v1/query?query=1", 404),
    ] {
        let answer = ask_of(prefixed.clone(), request, &[("host", "mon.example")], "").await;
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
    }
    let page = ask_of(prefixed.clone(), "GET /skopos/d/home/x", &[("host", "mon.example")], "").await;
    assert_asks_below(&page.body, "/skopos/");
    // A proxy that takes the prefix away.
    prefixed.route_prefix = "/".to_owned();
    prefixed.external_url = "https://mon.example/a&b/".to_owned();
    let page = ask_of(prefixed.clone(), "GET /targets", &[("host", "mon.example")], "").await;
    assert_asks_below(&page.body, "/a&amp;b/");
    prefixed.external_url = "https://mon.example".to_owned();
    let page = ask_of(prefixed, "GET /targets", &[("host", "mon.example")], "").await;
    assert_asks_below(&page.body, "/assets/");
}

/// Every file that the page names lies there.
fn assert_asks_below(html: &str, prefix: &str) {
    let named: Vec<&str> = [" src=\"", " href=\""].iter().flat_map(|start| html.split(start).skip(1)).collect();
    assert!(named.len() >= 3 && named.iter().all(|name| name.starts_with(prefix)), "{prefix}: {html}");
}
