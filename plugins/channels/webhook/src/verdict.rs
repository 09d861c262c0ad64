//! What becomes of an attempt: arrived, to be repeated, or failed for good.

use std::time::{Duration, SystemTime};

use skopos_sdk::channel::{Receipt, SendError};
use skopos_sdk::http;

/// A longer wait than a day is a mistake of whoever asks for it: an alert is of no use then.
const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Characters of an answer that go into an error.
const QUOTED_CHARS_MAX: usize = 200;

/// A failure that another attempt would not change.
#[must_use]
pub fn last_word(message: String) -> SendError {
    SendError { message, retryable: false, retry_after_ms: None }
}

/// 2xx is arrived; 429 and 5xx are worth another attempt, anything else is not.
///
/// # Errors
/// With the beginning of the answer's text.
pub fn of_response(response: &http::Response, now: SystemTime) -> Result<Receipt, SendError> {
    if (200..300).contains(&response.status) {
        return Ok(Receipt { id: String::new() });
    }
    let retryable = response.status == 429 || response.status >= 500;
    let header = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let retry_after_ms = header.filter(|_| retryable).and_then(|(_, value)| retry_after(value, now));
    let text = String::from_utf8_lossy(&response.body);
    let words = if text.trim().is_empty() { String::new() } else { format!(": {}", quoted(text.trim())) };
    Err(SendError { message: format!("the webhook answered {}{words}", response.status), retryable, retry_after_ms })
}

/// No answer came. A refusal by the host names the grant to add; secrets are tokens to us, so nothing can leak.
#[must_use]
pub fn of_error(error: &http::Error) -> SendError {
    let (message, retryable) = match error {
        http::Error::Denied(grant) => (format!("the request was refused; to allow it, grant {grant}"), false),
        http::Error::Invalid(reason) => (format!("the request is not valid: {reason}"), false),
        http::Error::Timeout => ("the webhook did not answer in time".to_owned(), true),
        http::Error::TooLarge => ("the webhook's answer is too large".to_owned(), false),
        http::Error::Dns(reason) => (format!("the webhook's name does not resolve: {reason}"), true),
        http::Error::Connect(reason) => (format!("no connection to the webhook: {reason}"), true),
        http::Error::Tls(reason) => (format!("no secure connection to the webhook: {reason}"), true),
        http::Error::Protocol(reason) => (format!("the connection to the webhook broke: {reason}"), true),
    };
    SendError { message, retryable, retry_after_ms: None }
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
