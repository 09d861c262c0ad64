//! What becomes of a channel's attempt to deliver by HTTP: arrived, to be repeated, or failed for good; and what the sections of such
//! channels have in common.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::channel::SendError;
use crate::types::Error;
use crate::{config, http};

/// A longer wait than a day is a mistake of whoever asks for it: an alert is of no use then.
const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Characters of an answer that go into an error.
const QUOTED_CHARS_MAX: usize = 200;

/// Reads a section, with a text for people where it is wrong.
///
/// # Errors
/// As [`config::parse`].
pub fn section<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    config::parse(text).map_err(|error| match error {
        Error::Config(text) | Error::Unavailable(text) | Error::Internal(text) => text,
    })
}

/// Milliseconds that an attempt may take, from a duration as the operator writes it; empty and 0 say nothing.
///
/// # Errors
/// A text for people.
pub fn timeout_ms(written: &str) -> Result<Option<u32>, String> {
    let timeout = if written.is_empty() { 0 } else { config::duration_ms(written)? };
    Ok((timeout > 0).then(|| u32::try_from(timeout).unwrap_or(u32::MAX)))
}

/// A failure that another attempt would not change.
#[must_use]
pub fn last_word(message: String) -> SendError {
    SendError { message, retryable: false, retry_after_ms: None }
}

/// The answer of `who`, whose status says that it did not take the message: 429 and 5xx are worth another attempt, anything else is not.
#[must_use]
pub fn refused(who: &str, response: &http::Response, now: SystemTime) -> SendError {
    let retryable = response.status == 429 || response.status >= 500;
    let retry_after_ms = if retryable { header(response, "retry-after").and_then(|value| retry_after(value, now)) } else { None };
    let text = String::from_utf8_lossy(&response.body);
    let words = if text.trim().is_empty() { String::new() } else { format!(": {}", quoted(text.trim())) };
    SendError { message: format!("{who} answered {}{words}", response.status), retryable, retry_after_ms }
}

/// No answer of `who` came. A refusal by the host names the grant to add; secrets are tokens to a plugin, so nothing can leak.
#[must_use]
pub fn unanswered(who: &str, error: &http::Error) -> SendError {
    let (message, retryable) = match error {
        http::Error::Denied(grant) => (format!("the request was refused; to allow it, grant {grant}"), false),
        http::Error::Invalid(reason) => (format!("the request is not valid: {reason}"), false),
        http::Error::Timeout => (format!("{who} did not answer in time"), true),
        http::Error::TooLarge => (format!("the answer of {who} is too large"), false),
        http::Error::Dns(reason) => (format!("the webhook's name does not resolve: {reason}"), true),
        http::Error::Connect(reason) => (format!("no connection to the webhook: {reason}"), true),
        http::Error::Tls(reason) => (format!("no secure connection to the webhook: {reason}"), true),
        http::Error::Protocol(reason) => (format!("the connection to the webhook broke: {reason}"), true),
    };
    SendError { message, retryable, retry_after_ms: None }
}

/// A header of an answer; names are the same in any case.
#[must_use]
pub fn header<'a>(response: &'a http::Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The beginning of a text, in one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
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
