//! Whole calls against the SDK's fake of the host.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use plugin_slack::{SCHEMA, Slack};
use serde_json::{Value, json};
use skopos_sdk::channel::{Alert, Guest, Notification, Reason, SendError, Status};
use skopos_sdk::fake::{self, Host};
use skopos_sdk::http::{Error as HttpError, Request};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn notification(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Notification {
    Notification {
        id: "1".to_owned(),
        receiver: "ops".to_owned(),
        recipient: None,
        reason: Reason::Firing,
        status: Status::Firing,
        severity: String::new(),
        group_key: "{}".to_owned(),
        previous_receipt: None,
        sequence: 1,
        starts_at: 0,
        acknowledged_by: None,
        group_labels: vec![],
        common_labels: pairs(labels),
        common_annotations: pairs(annotations),
        alerts: vec![Alert {
            status: Status::Firing,
            fingerprint: "f".to_owned(),
            labels: pairs(labels),
            annotations: pairs(annotations),
            starts_at: 0,
            ends_at: None,
            value: Some(1.0),
            links: vec![],
        }],
        firing_count: 1,
        resolved_count: 0,
        links: vec![],
        images: vec![],
        external_url: "http://localhost:9090".to_owned(),
        title: "plain title".to_owned(),
        text: "plain text".to_owned(),
    }
}

/// Sends with `extra` over a small section; gives the request and the result.
fn send(host: &Host, extra: &Value, notification: Notification) -> (Option<Request>, Result<(), SendError>) {
    let _entered = host.enter();
    let mut section = json!({"api_url": "https://token-7/", "title": "t", "text": "x", "fallback": "f", "color": "danger"});
    for (key, value) in extra.as_object().unwrap() {
        section[key] = value.clone();
    }
    let result = Slack::send(section.to_string(), notification).map(|receipt| assert_eq!(receipt.id, ""));
    (host.http_requests().pop(), result)
}

fn body(extra: &Value, notification: Notification) -> Value {
    let host = Host::default();
    host.on_http(|_| Ok(fake::response(200, &[("Content-Type", "text/html")], "ok")));
    let (request, result) = send(&host, extra, notification);
    assert_eq!(result, Ok(()));
    serde_json::from_slice(&request.unwrap().body).unwrap()
}

#[test]
fn the_payload_is_alertmanagers() {
    let extra = json!({
        "channel": "#ops", "username": "Skopos", "icon_emoji": ":bell:", "icon_url": "https://i.example/x.png", "link_names": true,
        "message_text": "m", "title_link": "http://localhost:9090/#/alerts?receiver=ops", "pretext": "p", "callback_id": "c",
        "footer": "foot", "image_url": "http://i.example/i.png", "thumb_url": "http://i.example/t.png", "short_fields": true,
        "mrkdwn_in": ["text"], "fields": [{"title": "a", "value": "b"}, {"title": "c", "value": "d", "short": false}],
        "actions": [{"type": "button", "text": "go", "url": "https://r.example/", "style": "primary",
                     "confirm": {"text": "sure?", "ok_text": "yes"}}],
        "send_resolved": true, "timeout": "3s", "http_config": {"proxy_url": "http://proxy:3128"}
    });
    let host = Host::default();
    host.on_http(|_| Ok(fake::response(200, &[], "ok")));
    let (request, result) = send(&host, &extra, notification(&[("a", "b")], &[]));
    assert_eq!(result, Ok(()));
    let request = request.unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://token-7/"));
    assert_eq!((request.timeout_ms, request.client.as_deref()), (Some(3000), Some("/http_config")));
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({
        "channel": "#ops", "username": "Skopos", "icon_emoji": ":bell:", "icon_url": "https://i.example/x.png", "link_names": true,
        "text": "m",
        "attachments": [{
            "title": "t", "title_link": "http://localhost:9090/#/alerts?receiver=ops", "pretext": "p", "text": "x", "fallback": "f",
            "callback_id": "c", "footer": "foot", "image_url": "http://i.example/i.png", "thumb_url": "http://i.example/t.png",
            "color": "danger", "mrkdwn_in": ["text"],
            "fields": [{"title": "a", "value": "b", "short": true}, {"title": "c", "value": "d", "short": false}],
            "actions": [{"type": "button", "text": "go", "url": "https://r.example/", "style": "primary",
                         "confirm": {"text": "sure?", "ok_text": "yes"}}]
        }]
    });
    assert_eq!(sent, expected);
}

#[test]
fn empty_fields_are_left_out() {
    let sent = body(&json!({}), notification(&[], &[]));
    let expected = json!({"attachments": [{"title": "t", "text": "x", "fallback": "f", "callback_id": "", "footer": "", "color": "danger",
                                           "mrkdwn_in": ["fallback", "pretext", "text"]}]});
    assert_eq!(sent, expected);
}

#[test]
fn templates_that_give_nothing_do_not_swallow_an_alert() {
    let sent = body(&json!({"title": "", "text": "", "fallback": ""}), notification(&[], &[]));
    assert_eq!(sent["attachments"][0]["text"], "plain text");
    assert_eq!(sent["attachments"][0]["fallback"], "plain title");
}

#[test]
fn mentions_stay_the_operators_privilege() {
    let tagged = "<!channel> disk full on web1";
    for (labels, annotations, text, expected) in [
        (vec![("instance", "web1")], vec![], tagged, "<!channel> disk full on web1"),
        (vec![("path", "<!channel>")], vec![], "see <!channel>", "see &lt;!channel>"),
        (vec![], vec![("summary", "by <@U12>")], "by <@U12>", "by &lt;@U12>"),
        (vec![("a", "<"), ("b", "!here>")], vec![], "<!here>", "&lt;!here>"),
        (vec![("a", "x<!"), ("b", "here>")], vec![], "x<!here>", "x&lt;!here>"),
        (vec![("runbook", "<https://r.example|R>")], vec![], "<!here> <https://r.example|R>", "<!here> <https://r.example|R>"),
        (vec![("a", "\u{202e}gnp.exe")], vec![], "\u{202e}gnp.exe", "gnp.exe"),
    ] {
        let sent = body(&json!({"text": text}), notification(&labels, &annotations));
        assert_eq!(sent["attachments"][0]["text"], expected, "{labels:?} {annotations:?}");
    }
    let names = [("a", "@everyone")];
    assert_eq!(body(&json!({"text": "@everyone"}), notification(&names, &[]))["attachments"][0]["text"], "@everyone");
    let linked = body(&json!({"text": "@everyone", "link_names": true}), notification(&names, &[]));
    assert_eq!(linked["attachments"][0]["text"], "@\u{200b}everyone");
}

#[test]
fn addresses_that_are_no_web_addresses_are_left_out() {
    let sent = body(
        &json!({"title_link": "javascript:alert(1)", "image_url": "file:///etc/passwd", "actions": [{"type": "button", "text": "b", "url": "data:,x"}]}),
        notification(&[], &[]),
    );
    let attachment = &sent["attachments"][0];
    assert_eq!((attachment.get("title_link"), attachment.get("image_url"), attachment["actions"][0].get("url")), (None, None, None));
}

#[test]
fn long_texts_are_cut_between_characters() {
    for (field, max) in [("title", 1024), ("text", 16_000), ("footer", 300)] {
        for (length, expected) in [(max - 1, max - 1), (max, max), (max + 1, max), (max * 10, max)] {
            let sent = body(&json!({field: "가".repeat(length)}), notification(&[], &[]));
            let text = sent["attachments"][0][field].as_str().unwrap();
            assert_eq!(text.chars().count(), expected, "{field} of {length}");
            assert_eq!(text.ends_with('…'), length > max, "{field} of {length}");
        }
    }
    let many: Vec<Value> = (0..200).map(|i| json!({"title": i.to_string(), "value": "v", "type": "x"})).collect();
    let fields: Vec<Value> = many.iter().map(|field| json!({"title": field["title"], "value": "v"})).collect();
    let actions: Vec<Value> = many.iter().map(|_| json!({"type": "button", "text": "b", "name": "n"})).collect();
    let sent = body(&json!({"fields": fields, "actions": actions}), notification(&[], &[]));
    let count = |name: &str| sent["attachments"][0][name].as_array().unwrap().len();
    assert_eq!((count("fields"), count("actions")), (100, 5));
}

#[test]
fn answers_of_slack() {
    let json_type = [("Content-Type", "application/json; charset=utf-8")];
    for (status, headers, text, expected) in [
        (200, &[][..], "ok", None),
        (200, &[][..], "ok\n", None),
        (200, &json_type[..], r#"{"ok":true}"#, None),
        (200, &json_type[..], r#"{"ok":false,"error":"invalid_auth"}"#, Some((false, None, "invalid_auth"))),
        (200, &json_type[..], "ok", Some((false, None, "refused"))),
        (200, &[][..], "no_text", Some((false, None, "no_text"))),
        (400, &[][..], "invalid_payload", Some((false, None, "Slack answered 400: invalid_payload"))),
        (403, &[][..], "", Some((false, None, "Slack answered 403"))),
        (404, &[("Retry-After", "9")][..], "no_service", Some((false, None, "no_service"))),
        (410, &[][..], "channel_is_archived", Some((false, None, "channel_is_archived"))),
        (429, &[("Retry-After", "30")][..], "", Some((true, Some(30_000), "429"))),
        (429, &[("retry-after", " 0 ")][..], "", Some((true, Some(0), "429"))),
        (429, &[("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")][..], "", Some((true, Some(0), "429"))),
        (429, &[("Retry-After", "99999999999999999999999")][..], "", Some((true, Some(86_400_000), "429"))),
        (429, &[("Retry-After", "soon")][..], "", Some((true, None, "429"))),
        (429, &[("Retry-After", "-1")][..], "", Some((true, None, "429"))),
        (429, &[][..], "", Some((true, None, "429"))),
        (500, &[][..], "", Some((true, None, "500"))),
        (503, &[("Retry-After", "600")][..], "down", Some((true, Some(600_000), "503: down"))),
        (302, &[][..], "", Some((false, None, "302"))),
    ] {
        let host = Host::default();
        let headers_owned: Vec<(String, String)> = pairs(headers);
        host.on_http(move |_| {
            let headers: Vec<(&str, &str)> = headers_owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Ok(fake::response(status, &headers, text))
        });
        let (_, result) = send(&host, &json!({}), notification(&[], &[]));
        match (result, expected) {
            (Ok(()), None) => {}
            (Err(error), Some((retryable, retry_after_ms, part))) => {
                assert_eq!((error.retryable, error.retry_after_ms), (retryable, retry_after_ms), "{status} {headers:?} {text}");
                assert!(error.message.contains(part), "{status} {text}: {}", error.message);
            }
            (result, expected) => panic!("{status} {text}: {result:?} in place of {expected:?}"),
        }
    }
}

#[test]
fn a_date_in_retry_after_is_from_now_on() {
    let host = Host::default();
    host.on_http(|_| {
        let then = std::time::SystemTime::now() + std::time::Duration::from_secs(120);
        Ok(fake::response(429, &[("Retry-After", &httpdate::fmt_http_date(then))], ""))
    });
    let (_, result) = send(&host, &json!({}), notification(&[], &[]));
    let wait = result.unwrap_err().retry_after_ms.unwrap();
    assert!((60_000..=120_000).contains(&wait), "{wait}");
}

#[test]
fn without_an_answer() {
    for (error, retryable, part) in [
        (HttpError::Denied("http: https://hooks.slack.com/".to_owned()), false, "grant http: https://hooks.slack.com/"),
        (HttpError::Invalid("bad".to_owned()), false, "not valid"),
        (HttpError::Timeout, true, "in time"),
        (HttpError::TooLarge, false, "too large"),
        (HttpError::Dns("x".to_owned()), true, "resolve"),
        (HttpError::Connect("refused".to_owned()), true, "refused"),
        (HttpError::Tls("expired".to_owned()), true, "expired"),
        (HttpError::Protocol("reset".to_owned()), true, "reset"),
    ] {
        let host = Host::default();
        let answer = error.clone();
        host.on_http(move |_| Err(answer.clone()));
        let (_, result) = send(&host, &json!({}), notification(&[], &[]));
        let failed = result.unwrap_err();
        assert_eq!((failed.retryable, failed.message.contains(part)), (retryable, true), "{error:?}: {}", failed.message);
    }
}

#[test]
fn every_field_of_the_schema_is_read_and_marked_as_it_should_be() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let mut section = json!({});
    for (name, property) in properties {
        section[name] = match property["type"].as_str().unwrap() {
            "boolean" => json!(false),
            "array" => json!([]),
            "object" => json!({}),
            _ => json!(""),
        };
    }
    // An unknown field would be named before the address is missed.
    assert!(plugin_slack::section::parse(&section.to_string()).unwrap_err().contains("api_url is missing"));
    assert_eq!(properties["api_url"]["x-skopos"], json!(["grant-http", "secret"]));
    for (name, default) in [("title", "title"), ("title_link", "titlelink"), ("username", "username"), ("fallback", "fallback")] {
        assert_eq!(properties[name]["x-skopos"], "template", "{name}");
        assert_eq!(properties[name]["default"], format!("{{{{ template \"slack.default.{default}\" . }}}}"), "{name}");
    }
}
