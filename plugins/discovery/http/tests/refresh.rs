//! Whole calls against the SDK's fake of the host, with the corpus.

use plugin_http::{Http, SCHEMA};
use skopos_sdk::discovery::{Guest, TargetGroup};
use skopos_sdk::fake;
use skopos_sdk::http::Error as HttpError;
use skopos_sdk::types::Error;

const SECTION: &str = r#"{"url":"http://sd.example/targets","refresh_interval":"1m30s","authorization":{"credentials":"token"}}"#;

fn refresh_with(status: u16, content_type: &str, body: &str) -> Result<Vec<TargetGroup>, Error> {
    let host = fake::Host::default();
    let _entered = host.enter();
    let answer = fake::response(status, &[("content-type", content_type)], body);
    host.on_http(move |_| Ok(answer.clone()));
    let found = Http::refresh(SECTION.to_owned());
    let requests = host.http_requests();
    assert_eq!((requests.len(), requests[0].url.as_str(), requests[0].client.as_deref()), (1, "http://sd.example/targets", Some("")));
    let header = |name: &str| requests[0].headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    assert_eq!(header("accept").as_deref(), Some("application/json"));
    assert_eq!(header("x-prometheus-refresh-interval-seconds").as_deref(), Some("90"));
    found
}

#[test]
fn a_list_becomes_groups() {
    let body = r#"[{"targets":["a:1","b:2"],"labels":{"zone":"x","__meta_url":"elsewhere"}},{"targets":["c:3"]}]"#;
    let groups = refresh_with(200, "application/json; charset=UTF-8", body).unwrap();
    assert_eq!(groups[0].source, "http://sd.example/targets:0");
    assert_eq!(groups[0].targets, ["a:1", "b:2"]);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(groups[0].labels, [label("zone", "x"), label("__meta_url", "http://sd.example/targets")]);
    assert_eq!((groups[1].targets[0].as_str(), groups[1].labels.len()), ("c:3", 1));
    assert_eq!(refresh_with(200, "application/json", "[]"), Ok(Vec::new()), "an empty list is an answer");
}

#[test]
fn d7_everything_else_is_a_failure_with_its_reason() {
    for (status, content_type, body, part) in [
        (500, "application/json", "[]", "status 500, not 200"),
        (204, "application/json", "", "status 204"),
        (200, "text/html", "<html>", "content type is \"text/html\""),
        (200, "application/json; charset=latin1", "[]", "latin1"),
        (200, "", "[]", "content type is \"\""),
        (200, "application/json", "<html>", "not a list of targets"),
        (200, "application/json", "[{\"targets\": [\"a\"", "not a list of targets: EOF"),
        (200, "application/json", "[null]", "entry 1 is nothing"),
    ] {
        let Err(Error::Unavailable(text)) = refresh_with(status, content_type, body) else { panic!("{body} must fail") };
        assert!(text.starts_with("http://sd.example/targets: ") && text.contains(part), "{text}");
    }
    for (error, part) in [
        (HttpError::Timeout, "no full answer in time"),
        (HttpError::TooLarge, "larger than limits"),
        (HttpError::Connect("refused".to_owned()), "refused"),
        (HttpError::Denied("http: http://sd.example/".to_owned()), "grant http: http://sd.example/"),
    ] {
        let host = fake::Host::default();
        let _entered = host.enter();
        host.on_http(move |_| Err(error.clone()));
        let Err(Error::Unavailable(text)) = Http::refresh(SECTION.to_owned()) else { panic!("it must fail") };
        assert!(text.contains(part), "{text}");
    }
    assert!(matches!(Http::refresh(r#"{"url":"http://x/","refresh_interval":"soon"}"#.to_owned()), Err(Error::Config(_))));
}

#[test]
fn service_discovery_http() {
    let Some(folder) = test_support::conformance("service_discovery/http") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (name, text) = (entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path()).unwrap());
        let found = refresh_with(200, "application/json", &text);
        if found.as_ref().is_ok_and(|groups| !groups.is_empty()) != name.starts_with("invalid") {
            passed += 1
        } else {
            failed.push(format!("{name}: {found:?}"))
        }
    }
    println!("service_discovery/http: {passed} passed, {} failed, 0 skipped", failed.len());
    assert!(failed.is_empty() && passed >= 1, "{failed:?}");
}

#[test]
fn the_schema_is_json_and_marks_what_is_granted() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema.pointer("/x-skopos").and_then(|mark| mark.as_str()), Some("http-client"));
    assert_eq!(schema.pointer("/properties/url/x-skopos").and_then(|mark| mark.as_str()), Some("grant-http"));
}
