//! What becomes of an attempt: arrived, to be repeated, or failed for good.

use std::time::SystemTime;

use skopos_sdk::channel::{Receipt, SendError};
use skopos_sdk::{delivery, http};

const WHO: &str = "Slack";

/// Slack answers 200 and `ok`.
///
/// # Errors
/// With the words of the answer, which name the cause: `no_service`, `channel_not_found`, `invalid_payload`; or as
/// [`delivery::refused`].
pub fn of_response(response: &http::Response, now: SystemTime) -> Result<Receipt, SendError> {
    if !(200..300).contains(&response.status) {
        return Err(delivery::refused(WHO, response, now));
    }
    match refusal(response, String::from_utf8_lossy(&response.body).trim()) {
        None => Ok(Receipt { id: String::new() }),
        Some(reason) => Err(delivery::last_word(format!("Slack refused the message: {}", delivery::quoted(&reason)))),
    }
}

/// No answer came.
#[must_use]
pub fn of_error(error: &http::Error) -> SendError {
    match error {
        http::Error::TooLarge => delivery::last_word("the answer is too large to be Slack's; is api_url an incoming webhook?".to_owned()),
        error => delivery::unanswered(WHO, error),
    }
}

/// Why a message was not taken although the status says so: Slack's other interfaces answer 200 with `{"ok": false}`.
fn refusal(response: &http::Response, text: &str) -> Option<String> {
    let json = delivery::header(response, "content-type")
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !json {
        return (text != "ok").then(|| text.to_owned());
    }
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    if value.get("ok").and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    Some(value.get("error").and_then(serde_json::Value::as_str).unwrap_or(text).to_owned())
}
