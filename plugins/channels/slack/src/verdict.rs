//! What becomes of an attempt: arrived, to be repeated, or failed for good.

use std::time::{Duration, SystemTime};

use skopos_sdk::channel::{Receipt, SendError};
use skopos_sdk::http;

/// A longer wait than a day is a mistake of whoever asks for it: an alert is of no use then.
const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Characters of Slack's answer that go into an error.
const QUOTED_CHARS_MAX: usize = 200;

/// A failure that another attempt would not change.
#[must_use]
pub fn last_word(message: String) -> SendError {
    SendError { message, retryable: false, retry_after_ms: None }
}

/// Slack answers 200 and `ok`. 429 and what its servers get wrong is worth another attempt, anything else is not.
///
/// # Errors
/// With the words of the answer, which name the cause: `no_service`, `channel_not_found`, `invalid_payload`.
pub fn of_response(response: &http::Response, now: SystemTime) -> Result<Receipt, SendError> {
    let text = String::from_utf8_lossy(&response.body);
    let text = text.trim();
    if (200..300).contains(&response.status) {
        return match refusal(response, text) {
            None => Ok(Receipt { id: String::new() }),
            Some(reason) => Err(last_word(format!("Slack refused the message: {}", quoted(&reason)))),
        };
    }
    let retryable = response.status == 429 || response.status >= 500;
    let retry_after_ms = if retryable { header(response, "retry-after").and_then(|value| retry_after(value, now)) } else { None };
    let words = if text.is_empty() { String::new() } else { format!(": {}", quoted(text)) };
    Err(SendError { message: format!("Slack answered {}{words}", response.status), retryable, retry_after_ms })
}

/// No answer came. A refusal by the host names the grant to add; secrets are tokens to us, so nothing can leak.
#[must_use]
pub fn of_error(error: &http::Error) -> SendError {
    let (message, retryable) = match error {
        http::Error::Denied(grant) => (format!("the request was refused; to allow it, grant {grant}"), false),
        http::Error::Invalid(reason) => (format!("the request is not valid: {reason}"), false),
        http::Error::Timeout => ("Slack did not answer in time".to_owned(), true),
        http::Error::TooLarge => ("the answer is too large to be Slack's; is api_url an incoming webhook?".to_owned(), false),
        http::Error::Dns(reason) => (format!("the webhook's name does not resolve: {reason}"), true),
        http::Error::Connect(reason) => (format!("no connection to the webhook: {reason}"), true),
        http::Error::Tls(reason) => (format!("no secure connection to the webhook: {reason}"), true),
        http::Error::Protocol(reason) => (format!("the connection to the webhook broke: {reason}"), true),
    };
    SendError { message, retryable, retry_after_ms: None }
}

/// Why a message was not taken although the status says so: Slack's other interfaces answer 200 with `{"ok": false}`.
fn refusal(response: &http::Response, text: &str) -> Option<String> {
    let json =
        header(response, "content-type").is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !json {
        return (text != "ok").then(|| text.to_owned());
    }
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    if value.get("ok").and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    Some(value.get("error").and_then(serde_json::Value::as_str).unwrap_or(text).to_owned())
}

fn header<'a>(response: &'a http::Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Seconds, or a date (RFC 9110, 10.2.3), as milliseconds from now, at most a day. A date that is past is 0.
fn retry_after(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000).min(WAIT_MS_MAX));
    }
    let wait = httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or(Duration::ZERO);
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).min(WAIT_MS_MAX))
}

fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}
