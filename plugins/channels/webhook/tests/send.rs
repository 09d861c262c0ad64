//! Whole calls against the SDK's fake of the host.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use plugin_webhook::{SCHEMA, Webhook};
use serde_json::{Value, json};
use skopos_sdk::channel::{Alert, Guest, Link, Notification, Reason, SendError, Status};
use skopos_sdk::fake::{self, Host};
use skopos_sdk::http::{Error as HttpError, Request};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn alert(status: Status, labels: &[(&str, &str)]) -> Alert {
    Alert {
        status,
        fingerprint: "0123456789abcdef".to_owned(),
        labels: pairs(labels),
        annotations: pairs(&[("summary", "디스크가 거의 찼습니다 <b>&")]),
        starts_at: 1_700_000_000_120,
        ends_at: (status == Status::Resolved).then_some(1_700_000_060_000),
        value: Some(1.0),
        links: vec![Link { rel: "source".to_owned(), title: "Source".to_owned(), url: "http://s/graph?g0.expr=up".to_owned() }],
    }
}

fn notification(alerts: Vec<Alert>) -> Notification {
    let firing = alerts.iter().filter(|alert| alert.status == Status::Firing).count();
    Notification {
        id: "1".to_owned(),
        receiver: "ops".to_owned(),
        recipient: None,
        reason: Reason::Firing,
        status: if firing > 0 { Status::Firing } else { Status::Resolved },
        severity: String::new(),
        group_key: "{}:{alertname=\"Disk\"}".to_owned(),
        previous_receipt: None,
        sequence: 1,
        starts_at: 0,
        acknowledged_by: None,
        group_labels: pairs(&[("alertname", "Disk")]),
        common_labels: pairs(&[("alertname", "Disk")]),
        common_annotations: vec![],
        firing_count: u32::try_from(firing).unwrap(),
        resolved_count: u32::try_from(alerts.len() - firing).unwrap(),
        alerts,
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
    let mut section = json!({"url": "https://token-7/"});
    for (key, value) in extra.as_object().unwrap() {
        section[key] = value.clone();
    }
    let result = Webhook::send(section.to_string(), notification).map(|receipt| assert_eq!(receipt.id, ""));
    (host.http_requests().pop(), result)
}

fn text(extra: &Value, notification: Notification) -> String {
    let host = Host::default();
    host.on_http(|_| Ok(fake::response(204, &[], "")));
    let (request, result) = send(&host, extra, notification);
    assert_eq!(result, Ok(()));
    String::from_utf8(request.unwrap().body).unwrap()
}

#[test]
fn the_message_is_alertmanagers_in_its_order() {
    let host = Host::default();
    host.on_http(|_| Ok(fake::response(200, &[], "")));
    let extra = json!({"timeout": "3s", "http_config": {"proxy_url": "http://proxy:3128"}});
    let (request, result) = send(&host, &extra, notification(vec![alert(Status::Firing, &[("path", "/"), ("alertname", "Disk")])]));
    assert_eq!(result, Ok(()));
    let request = request.unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://token-7/"));
    assert_eq!((request.timeout_ms, request.client.as_deref()), (Some(3000), Some("/http_config")));
    assert_eq!(request.headers, pairs(&[("content-type", "application/json")]));
    let expected = concat!(
        r#"{"receiver":"ops","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Disk","path":"/"},"#,
        r#""annotations":{"summary":"디스크가 거의 찼습니다 <b>&"},"startsAt":"2023-11-14T22:13:20.12Z","endsAt":"0001-01-01T00:00:00Z","#,
        r#""generatorURL":"http://s/graph?g0.expr=up","fingerprint":"0123456789abcdef"}],"notification_reason":"first notification","#,
        r#""groupLabels":{"alertname":"Disk"},"commonLabels":{"alertname":"Disk"},"commonAnnotations":{},"#,
        r#""externalURL":"http://localhost:9090","version":"4","groupKey":"{}:{alertname=\"Disk\"}","truncatedAlerts":0}"#,
    );
    assert_eq!(String::from_utf8(request.body).unwrap(), expected);
}

#[test]
fn what_is_cut_off_counts_neither_in_the_status_nor_in_what_alerts_share() {
    let alerts = vec![
        alert(Status::Firing, &[("alertname", "Disk"), ("job", "b"), ("tier", "1")]),
        alert(Status::Resolved, &[("alertname", "Disk"), ("job", "a"), ("tier", "2")]),
        alert(Status::Firing, &[("alertname", "Disk"), ("job", "c"), ("tier", "2")]),
    ];
    for (max_alerts, jobs, status, truncated, common) in [
        (0, vec!["a", "b", "c"], "firing", 0, json!({"alertname": "Disk"})),
        (3, vec!["a", "b", "c"], "firing", 0, json!({"alertname": "Disk"})),
        (2, vec!["a", "b"], "firing", 1, json!({"alertname": "Disk"})),
        (1, vec!["a"], "resolved", 2, json!({"alertname": "Disk", "job": "a", "tier": "2"})),
    ] {
        let sent: Value = serde_json::from_str(&text(&json!({"max_alerts": max_alerts}), notification(alerts.clone()))).unwrap();
        let shown: Vec<&str> = sent["alerts"].as_array().unwrap().iter().map(|alert| alert["labels"]["job"].as_str().unwrap()).collect();
        assert_eq!((shown, sent["status"].as_str().unwrap()), (jobs, status), "{max_alerts}");
        assert_eq!((&sent["truncatedAlerts"], &sent["commonLabels"]), (&json!(truncated), &common), "{max_alerts}");
    }
    // The host's own limit counts as well.
    let mut many = notification(vec![alert(Status::Firing, &[])]);
    many.firing_count = 5000;
    let sent: Value = serde_json::from_str(&text(&json!({}), many)).unwrap();
    assert_eq!(sent["truncatedAlerts"], 4999);
}

#[test]
fn a_payload_takes_the_place_of_the_message() {
    let payload = json!({"text": "FIRING 디스크", "count": "3", "list": ["a", true], "object": "{\"k\": null}"});
    let sent: Value = serde_json::from_str(&text(&json!({"payload": payload}), notification(vec![]))).unwrap();
    assert_eq!(sent, json!({"text": "FIRING 디스크", "count": 3, "list": ["a", true], "object": {"k": null}}));
}

#[test]
fn answers() {
    for (status, headers, text, expected) in [
        (200, &[][..], "ok", None),
        (299, &[][..], "", None),
        (301, &[][..], "", Some((false, None, "301"))),
        (400, &[("Retry-After", "9")][..], "no such hook", Some((false, None, "the webhook answered 400: no such hook"))),
        (401, &[][..], "", Some((false, None, "401"))),
        (429, &[("Retry-After", "30")][..], "", Some((true, Some(30_000), "429"))),
        (429, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")][..], "", Some((true, Some(0), "429"))),
        (429, &[("Retry-After", "99999999999999999999999")][..], "", Some((true, Some(86_400_000), "429"))),
        (429, &[("Retry-After", "soon")][..], "", Some((true, None, "429"))),
        (500, &[][..], "", Some((true, None, "500"))),
        (503, &[("Retry-After", "600")][..], "down\n", Some((true, Some(600_000), "503: down"))),
    ] {
        let host = Host::default();
        let headers_owned = pairs(headers);
        host.on_http(move |_| {
            let headers: Vec<(&str, &str)> = headers_owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Ok(fake::response(status, &headers, text))
        });
        let (_, result) = send(&host, &json!({}), notification(vec![]));
        match (result, expected) {
            (Ok(()), None) => {}
            (Err(error), Some((retryable, retry_after_ms, part))) => {
                assert_eq!((error.retryable, error.retry_after_ms), (retryable, retry_after_ms), "{status} {headers:?}");
                assert!(error.message.contains(part), "{status}: {}", error.message);
            }
            (result, expected) => panic!("{status}: {result:?} in place of {expected:?}"),
        }
    }
}

#[test]
fn without_an_answer() {
    for (error, retryable, part) in [
        (HttpError::Denied("http: https://h.example/".to_owned()), false, "grant http: https://h.example/"),
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
        let (_, result) = send(&host, &json!({}), notification(vec![]));
        let failed = result.unwrap_err();
        assert_eq!((failed.retryable, failed.message.contains(part)), (retryable, true), "{error:?}: {}", failed.message);
    }
}

#[test]
fn every_field_of_the_schema_is_read() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut section = json!({});
    for (name, property) in schema["properties"].as_object().unwrap() {
        section[name] = match property["type"].as_str() {
            Some("boolean") => json!(false),
            Some("integer") => json!(0),
            Some("object") => json!({}),
            _ => json!(""),
        };
    }
    // An unknown field would be named before the address is missed.
    assert!(plugin_webhook::section::parse(&section.to_string()).unwrap_err().contains("url is missing"));
    assert_eq!(schema["properties"]["url"]["x-skopos"], json!(["grant-http", "secret"]));
}
