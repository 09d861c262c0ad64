//! Who may do what: sessions, messages on trial.

use std::sync::Arc;

use crate::support::{Seen, ask, ask_of, state};
use serde_json::json;
use web::Access;

#[tokio::test]
async fn a_session_says_what_a_page_must_know() {
    let answer = ask("GET /api/v1/session").await;
    assert_eq!((answer.status, answer.header("cache-control"), answer.header("access-control-allow-origin")), (200, "no-store", ""));
    let data = answer.json()["data"].clone();
    assert_eq!(data["token"].as_str().map(str::len), Some(64));
    let told =
        |data: &serde_json::Value| json!([data["read_only"], data["reason"], data["loopback"], data["tls"], data["users"], data["user"]]);
    assert_eq!(told(&data), json!([false, "none", true, false, false, null]));
    let mut open = state(&Seen::default());
    open.access = Arc::new(Access::new(false).expect("random numbers"));
    let data = ask_of(open, "GET /api/v1/session", &[], "").await.json()["data"].clone();
    assert_eq!(told(&data), json!([true, "no_users", false, false, false, null]));
    // Also while the log is read.
    let seen = Seen::default();
    seen.not_ready.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(ask_of(state(&seen), "GET /api/v1/session", &[], "").await.status, 200);
}

#[tokio::test]
async fn receivers_and_messages_on_trial() {
    let answer = ask("GET /api/v1/receivers").await;
    assert_eq!(answer.json()["data"], json!([{"name": "team", "integrations": ["slack", "webhook"]}]));
    let answer = ask("POST /api/v1/receivers/team/test").await;
    let results = [
        json!({"integration": "slack[0]", "ok": true, "error": ""}),
        json!({"integration": "webhook[0]", "ok": false, "error": "refused"}),
    ];
    assert_eq!((answer.status, &answer.json()["data"]["results"]), (200, &json!(results)), "{}", answer.body);
    let answer = ask("POST /api/v1/receivers/none/test").await;
    assert!(answer.status == 404 && answer.body.contains("no receiver"), "{}", answer.body);
    assert_eq!(ask("GET /api/v1/receivers/team/test").await.status, 405);
    // It is a change: not for other sites, not without the token, not on a read-only server.
    let mut open = state(&Seen::default());
    open.access = Arc::new(Access::new(false).expect("random numbers"));
    for (state, headers) in [
        (state(&Seen::default()), vec![("origin", "http://localhost:9090")]),
        (state(&Seen::default()), vec![("origin", "http://evil.example")]),
        (open, vec![]),
    ] {
        let answer = ask_of(state, "POST /api/v1/receivers/team/test", &headers, "").await;
        assert_eq!((answer.status, &answer.json()["errorType"]), (403, &json!("forbidden")), "{headers:?}");
    }
}
