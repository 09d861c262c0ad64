//! What the API has beside queries, and what hostile or large requests meet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Seen, ask, ask_of, open, state};
use http_body_util::BodyExt;
use model::seams::{Select, SelectError, SelectRequest, SelectedGroup};
use model::{LabelSet, Matcher, TimeRange};
use serde_json::{Value, json};
use web::{Admin, State};

async fn tree(query: &str) -> Value {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let answer = ask(&format!("GET /api/v1/parse_query?query={query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()["data"].clone()
}

#[tokio::test]
async fn syntax_trees() {
    let selector = |name: &str| {
        json!({"type": "vectorSelector", "name": name, "offset": 0, "timestamp": null, "startOrEnd": null, "anchored": false, "smoothed": false,
            "matchers": [{"name": "__name__", "value": name, "type": "="}]})
    };
    assert_eq!(tree("up").await, selector("up"));
    let matched = tree(r#"a{b!~"c"}[5m] offset -1m @ 7.5"#).await;
    let expected = json!({"type": "matrixSelector", "name": "a", "range": 300_000, "offset": -60_000, "timestamp": 7_500, "startOrEnd": null,
        "anchored": false, "smoothed": false,
        "matchers": [{"name": "b", "value": "c", "type": "!~"}, {"name": "__name__", "value": "a", "type": "="}]});
    assert_eq!(matched, expected);
    assert_eq!(
        tree("a - on (x) group_left (y) b").await,
        json!({"type": "binaryExpr", "op": "-", "bool": false, "lhs": selector("a"), "rhs": selector("b"),
            "matching": {"card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"], "fillValues": {"lhs": null, "rhs": null}}})
    );
    assert_eq!(
        tree("1 > bool 2").await,
        json!({"type": "binaryExpr", "op": ">", "bool": true, "matching": null, "lhs": {"type": "numberLiteral", "val": "1"},
            "rhs": {"type": "numberLiteral", "val": "2"}})
    );
    assert_eq!(
        tree("topk(3, a) by (x)").await,
        json!({"type": "aggregation", "op": "topk", "grouping": ["x"], "without": false, "param": {"type": "numberLiteral", "val": "3"},
            "expr": selector("a")})
    );
    let call = tree("round(-(a))").await;
    assert_eq!(call["func"], json!({"name": "round", "argTypes": ["vector", "scalar"], "variadic": 1, "returnType": "vector"}));
    assert_eq!(call["args"], json!([{"type": "unaryExpr", "op": "-", "expr": {"type": "parenExpr", "expr": selector("a")}}]));
    let subquery = tree("max_over_time(a[1h:5m] @ end())").await["args"][0].clone();
    assert_eq!(
        subquery,
        json!({"type": "subquery", "expr": selector("a"), "range": 3_600_000, "step": 300_000, "offset": 0, "timestamp": null, "startOrEnd": "end"})
    );
    // The last operator is the outermost, and a chain of any length is written without recursion.
    let chain = tree("a and b or c").await;
    assert_eq!((&chain["op"], &chain["lhs"]["op"], &chain["matching"]["card"]), (&json!("or"), &json!("and"), &json!("many-to-many")));
    let long = vec!["a"; 20_000].join("+");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = ask_of(state(&Seen::default()), "POST /api/v1/parse_query", &form, &format!("query={}", long.replace('+', "%2B"))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.matches("binaryExpr").count() == 19_999 && answer.body.ends_with("}}"), "{} bytes", answer.body.len());
    let wrong = ask("GET /api/v1/parse_query?query=up%7B").await;
    assert!(wrong.status == 400 && wrong.body.contains("invalid parameter \\\"query\\\""), "{}", wrong.body);
}

#[tokio::test]
async fn relabelling_step_by_step() {
    let asked = |parameters: &str| format!("GET /api/v1/targets/relabel_steps?{parameters}");
    let answer = ask(&asked("scrapePool=node&labels=%7B%22__address__%22:%22a:1%22,%22job%22:%22gone%22%7D")).await;
    let steps = &answer.json()["data"]["steps"];
    assert_eq!(steps[0]["output"], json!({"__address__": "a:1", "instance": "a:1", "job": "gone"}), "{}", answer.body);
    assert_eq!(steps[0]["rule"]["target_label"], "instance");
    assert_eq!((&steps[0]["keep"], &steps[1]["keep"], &steps[1]["output"]), (&json!(true), &json!(false), &json!({})));
    for (parameters, text) in [
        ("labels=%7B%7D", "no scrapePool parameter provided"),
        ("scrapePool=node", "no labels parameter provided"),
        ("scrapePool=node&labels=%7B", "failed to parse labels: "),
        ("scrapePool=node&labels=%7B%22a%22:1%7D", "failed to parse labels: "),
        ("scrapePool=none&labels=%7B%22a%22:%221%22%7D", "error retrieving scrape config: "),
    ] {
        let answer = ask(&asked(parameters)).await;
        assert!(answer.status == 400 && answer.json()["error"].as_str().is_some_and(|e| e.starts_with(text)), "{}", answer.body);
    }
    assert_eq!(ask("GET /api/v1/scrape_pools/config?scrapePool=node").await.json()["data"], json!({"yaml": "job_name: node\n"}));
    assert_eq!(ask("GET /api/v1/scrape_pools/config?scrapePool=x").await.status, 400);
    assert_eq!(ask("GET /api/v1/scrape_pools/config").await.status, 400);
}

#[tokio::test]
async fn features_and_notices() {
    let mut state = state(&Seen::default());
    state.plugins = Arc::new(|| json!({"plugins": [{"name": "dns", "kinds": ["discovery"]}, {"name": "slack", "kinds": ["channel"]}]}));
    let features = ask_of(state.clone(), "GET /api/v1/features", &[], "").await.json()["data"].clone();
    assert_eq!(features["service_discovery_providers"], json!({"dns": true, "static": true}));
    assert_eq!((&features["promql_functions"]["rate"], &features["promql_functions"]["info"]), (&json!(true), &json!(false)));
    state.limits.features = promql::Features { functions: true, ..promql::Features::default() };
    let features = ask_of(state.clone(), "GET /api/v1/features", &[], "").await.json()["data"].clone();
    assert_eq!((&features["promql_functions"]["info"], &features["promql_operators"]["limitk"]), (&json!(true), &json!(true)));
    assert_eq!((&features["promql"]["anchored"], &features["promql"]["fill"]), (&json!(false), &json!(false)), "flags of their own");
    assert_eq!(ask("GET /api/v1/notifications").await.json()["data"], json!([]));
    state.runtime = Arc::new(|| web::RuntimeInfo { reload_failed: Some(1_700_000_000_000), ..web::RuntimeInfo::default() });
    let failed = json!({"text": "Configuration reload has failed.", "date": "2023-11-14T22:13:20Z", "active": true});
    assert_eq!(ask_of(state.clone(), "GET /api/v1/notifications", &[], "").await.json()["data"], json!([failed]));
    let response = open(state, "GET /api/v1/notifications/live").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let event = response.into_body().frame().await.expect("an event").expect("good").into_data().expect("data");
    let text = String::from_utf8(event.to_vec()).expect("text");
    let data = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).expect("one event");
    assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), failed);
}

#[tokio::test]
async fn other_sites_read_what_the_operator_lets_them() {
    let with = |pattern: &str| State { cors_origin: Some(model::Pattern::new(pattern).expect("good")), ..state(&Seen::default()) };
    let form = ("content-type", "application/x-www-form-urlencoded");
    let site = ("origin", "https://grafana.example");
    for (pattern, told) in [(r"https://grafana\.example", "https://grafana.example"), (".*", "*"), ("https://other", "")] {
        for (request, body) in [
            ("GET /api/v1/query?query=1", ""),
            ("OPTIONS /api/v1/query", ""),
            ("POST /api/v1/query", "query=1"),
            ("GET /api/v1/nonsense", ""),
        ] {
            let answer = ask_of(with(pattern), request, &[site, form, ("sec-fetch-site", "cross-site")], body).await;
            assert_eq!(answer.header("access-control-allow-origin"), told, "{pattern} {request}");
            let good = request.contains("nonsense") || answer.status < 300;
            assert!(
                good || (told.is_empty() && request.starts_with("POST") && answer.status == 403),
                "{pattern} {request} {}",
                answer.status
            );
        }
        // Reading is all: nothing can be changed, and nothing else can be read.
        assert_eq!(ask_of(with(pattern), "POST /-/reload", &[site], "").await.status, 403);
        assert_eq!(ask_of(with(pattern), "POST /api/v1/admin/tsdb/snapshot", &[site], "").await.status, 403);
        assert_eq!(ask_of(with(pattern), "GET /metrics", &[site], "").await.header("access-control-allow-origin"), "");
    }
    assert_eq!(ask_of(with(".*"), "GET /api/v1/query?query=1", &[], "").await.header("access-control-allow-origin"), "");
    let answer = ask_of(state(&Seen::default()), "OPTIONS /api/v1/query", &[site], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, ""));
}

/// A storage of so many series that are made when they are asked for.
struct Many(usize);

impl Many {
    fn capped(&self, limit: usize) -> usize {
        if limit == 0 { self.0 } else { limit.min(self.0) }
    }
}

impl Select for Many {
    fn select(&self, _: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        Ok(Vec::new())
    }
    fn label_names(&self, _: &[Vec<Matcher>], _: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        Ok((0..self.capped(limit)).map(|n| format!("label_{n:07}")).collect())
    }
    fn label_values(&self, _: &str, _: &[Vec<Matcher>], _: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        Ok((0..self.capped(limit)).map(|n| format!("value_{n:07}")).collect())
    }
    fn series(&self, _: &[Vec<Matcher>], _: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        Ok((0..self.capped(limit)).map(|n| LabelSet::from_pairs([("__name__", "up"), ("instance", &format!("{n:07}"))])).collect())
    }
}

/// Series, values and names of a million series without a limit: they go out in pieces while they are written, at most so many bytes,
/// and what was cut says so in JSON that is whole.
#[tokio::test]
async fn c10_all_series_are_streamed_and_capped() {
    const SERIES: usize = 1_000_000;
    let many = State { select: Arc::new(Many(SERIES)), ..state(&Seen::default()) };
    for path in ["series?match[]=up", "label/instance/values", "labels"] {
        let request = format!("GET /api/v1/{path}");
        let mut body = open(many.clone(), &request).await.into_body();
        let (mut pieces, mut longest, mut bytes, mut commas) = (0, 0, 0, 0);
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a piece").into_data().expect("data");
            (pieces, longest, bytes) = (pieces + 1, longest.max(data.len()), bytes + data.len());
            commas += data.windows(2).filter(|pair| *pair == b",\"" || *pair == b",{").count();
        }
        println!("{path}: {bytes} bytes in {pieces} pieces, the longest {longest}");
        assert!(pieces > 100 && longest < 1 << 20, "{path}: {pieces} pieces, the longest {longest}");
        assert!(commas >= SERIES - 1, "{path}: {commas}");
        let capped = State { limits: web::Limits { answer_bytes: 1 << 20, ..web::Limits::default() }, ..many.clone() };
        let answer = ask_of(capped, &request, &[], "").await;
        let (json, length) = (answer.json(), answer.body.len());
        assert!(length < (1 << 20) + (128 << 10), "{path}: {length} bytes");
        assert!(json["warnings"][0].as_str().is_some_and(|text| text.contains("set limit")), "{}", json["warnings"]);
        let limited = ask_of(many.clone(), &format!("{request}{}limit=3", if path.contains('?') { '&' } else { '?' }), &[], "").await;
        assert_eq!(limited.json()["data"].as_array().map(Vec::len), Some(3));
        assert_eq!(limited.json()["warnings"], json!(["results truncated due to limit"]));
    }
    // A turn that nobody waits for any more is given back.
    let limits = web::Limits { queries: 1, query_timeout: Duration::from_secs(20), ..web::Limits::default() };
    let one = State { select: Arc::new(Many(SERIES / 10)), limits, ..many };
    let router = web::router(one);
    let begun = Instant::now();
    for _ in 0..5 {
        let response = crate::support::through(router.clone(), "GET /api/v1/series?match[]=up", &[], "").await;
        assert_eq!(response.status(), 200);
        drop(response);
    }
    println!("five answers that nobody read: {:?}", begun.elapsed());
    assert_eq!(crate::support::through(router, "GET /api/v1/labels?limit=1", &[], "").await.status(), 200);
}

/// One spelling of each path; names of labels in any characters; and who may not come in may not come in by any spelling.
#[tokio::test]
async fn c11_unicode_api_one_path_and_the_same_rights_for_all_spellings() {
    let memory = promql::Memory::new();
    let series = r#"{"http.requests", "a.b"="x", "a/b"="y", "이름"="값", a_b="z"}"#;
    memory.load_text(series, "1+0x40", 15_000).expect("a good series");
    let named = State { select: Arc::new(memory), ..state(&Seen::default()) };
    for (name, values) in [
        ("U__a_2e_b", json!(["x"])),
        ("a.b", json!(["x"])),
        ("U__a_2f_b", json!(["y"])),
        ("U___c774__b984_", json!(["값"])),
        ("%EC%9D%B4%EB%A6%84", json!(["값"])),
        ("U__a__b", json!(["z"])),
        ("a_b", json!(["z"])),
        ("U__a_zz_b", json!([])),
        ("U__", json!([])),
    ] {
        let answer = ask_of(named.clone(), &format!("GET /api/v1/label/{name}/values"), &[], "").await;
        assert!([200, 400].contains(&answer.status), "{name}: {}", answer.body);
        assert_eq!(answer.json().get("data").cloned().unwrap_or(json!([])), values, "{name}");
    }
    let mut statuses = BTreeSet::new();
    let spellings = [
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/a%2fb/values",
        "/api/v1/label/a%252Fb/values",
        "/api/v1/label/a%00/values",
        "/api/v1/label/%/values",
        "/api/v1/label/%c0%af/values",
        "//api//v1/query?query=1",
        "/api/v1//query?query=1",
        "/api/v1/query/?query=1",
        "/api/v1/%71uery?query=1",
        "/API/V1/query?query=1",
        "/api/v1/query;x?query=1",
        "/api/v1/./query?query=1",
        "/x/../api/v1/query?query=1",
        "/api\\v1\\query?query=1",
        "/api/v1/admin/tsdb/%64elete_series",
        "/api/v1/admin//tsdb/snapshot",
    ];
    for path in spellings {
        for method in ["GET", "POST", "DELETE", "HEAD"] {
            let answer = ask_of(named.clone(), &format!("{method} {path}"), &[], "").await;
            assert!([404, 405].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
            statuses.insert(answer.status);
        }
    }
    // With users, no spelling gets further than any other.
    let users = crate::support::with_users(named, "ann");
    for path in spellings.into_iter().chain(["/api/v1/query?query=1", "/", "/metrics", "/-/healthy", "/nothing"]) {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = ask_of(users.clone(), &format!("{method} {path}"), &[], "").await;
            assert_eq!((answer.status, answer.body.as_str()), (401, "Unauthorized\n"), "{method} {path}");
        }
    }
    println!("{} spellings, refused with {statuses:?}", spellings.len());
}

/// What changes something is never a GET, and a POST of another site's page, of whatever kind, changes nothing.
#[tokio::test]
async fn c12_post_get_swap_changes_nothing() {
    let seen = Seen::default();
    let changed = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&changed);
    let one_more = move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    };
    let (delete, clean, snapshot) = (one_more.clone(), one_more.clone(), one_more);
    let admin = Admin {
        delete: Arc::new(move |_, _| {
            delete();
            Ok(())
        }),
        clean: Arc::new(move || {
            clean();
            Ok(())
        }),
        snapshot: Arc::new(move |_| {
            snapshot();
            Ok("a".to_owned())
        }),
    };
    let state = State { admin: Some(admin), ..state(&seen) };
    let changes = [
        "/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/v1/admin/tsdb/clean_tombstones",
        "/api/v1/admin/tsdb/snapshot",
        "/-/reload",
        "/-/quit",
        "/api/v1/receivers/team/test",
    ];
    for path in changes {
        for method in ["GET", "HEAD", "DELETE", "PATCH"] {
            let answer = ask_of(state.clone(), &format!("{method} {path}"), &[], "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"] {
            for (name, value) in [
                ("origin", "http://evil.example"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("cookie", "a=b"),
            ] {
                let answer = ask_of(state.clone(), &format!("POST {path}"), &[("content-type", kind), (name, value)], "match[]=up").await;
                assert_eq!((answer.status, &answer.json()["errorType"]), (403, &json!("forbidden")), "{path} {kind} {name}: {value}");
            }
        }
    }
    let all = (changed.load(std::sync::atomic::Ordering::SeqCst), seen.reloads.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(all, (0, 0), "changes and reloads");
    // A method in a parameter or a header is no method.
    let disguised = [("x-http-method-override", "POST"), ("x-method-override", "POST")];
    let answer = ask_of(state.clone(), "GET /api/v1/admin/tsdb/delete_series?match[]=up&_method=POST", &disguised, "").await;
    assert_eq!(answer.status, 405);
    // A question in a body that is no form is refused, not read as something else.
    for kind in ["text/plain", "application/json", ""] {
        let answer = ask_of(state.clone(), "POST /api/v1/query", &[("content-type", kind)], "query=1").await;
        assert_eq!(answer.status, 400, "{kind}");
    }
    // As a script sends it, it works.
    assert_eq!(ask_of(state, "POST /api/v1/admin/tsdb/delete_series?match[]=up", &[], "").await.status, 204);
    assert_eq!(changed.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn answers_that_stream_are_compressed_too() {
    let many = State { select: Arc::new(Many(50_000)), ..state(&Seen::default()) };
    let plain = ask_of(many.clone(), "GET /api/v1/labels", &[], "").await.body;
    for (accepted, used) in [("gzip", "gzip"), ("zstd, gzip", "zstd"), ("zstd;q=0.1, gzip", "gzip")] {
        let response = crate::support::through(web::router(many.clone()), "GET /api/v1/labels", &[("accept-encoding", accepted)], "").await;
        assert_eq!(response.headers()["content-encoding"], used);
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a whole body").to_vec();
        let mut text = String::new();
        if used == "gzip" {
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).expect("gzip");
        } else {
            text = String::from_utf8(zstd::decode_all(&bytes[..]).expect("zstd")).expect("text");
        }
        assert!(text == plain && bytes.len() * 3 < plain.len(), "{used}: {} bytes of {}", bytes.len(), plain.len());
    }
}

/// What is served is described, and what is described is served.
#[tokio::test]
async fn the_description_names_every_address() {
    let (router, text) = (include_str!("../../src/router.rs"), include_str!("../../src/api/openapi.yaml"));
    let part = router.split_once("fn api()").and_then(|(_, rest)| rest.split_once("not served yet, by name")).expect("the table").0;
    let served: BTreeSet<&str> = part.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let lines = text.lines().skip_while(|line| *line != "paths:").take_while(|line| *line != "components:");
    let described: BTreeSet<&str> =
        lines.filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':').map(|_| &line[2..line.len() - 1])).collect();
    assert_eq!(served, described);
    assert!(served.len() > 40, "{served:?}");
    let answer = ask("GET /api/v1/openapi.yaml").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, text));
    assert!(answer.header("content-type").starts_with("application/yaml"), "{}", answer.header("content-type"));
}
