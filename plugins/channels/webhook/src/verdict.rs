//! What becomes of an attempt: arrived, to be repeated, or failed for good.

use std::time::SystemTime;

use skopos_sdk::channel::{Receipt, SendError};
use skopos_sdk::{delivery, http};

/// 2xx is arrived.
///
/// # Errors
/// As [`delivery::refused`].
pub fn of_response(response: &http::Response, now: SystemTime) -> Result<Receipt, SendError> {
    if (200..300).contains(&response.status) { Ok(Receipt { id: String::new() }) } else { Err(delivery::refused(WHO, response, now)) }
}

/// No answer came.
#[must_use]
pub fn of_error(error: &http::Error) -> SendError {
    delivery::unanswered(WHO, error)
}

const WHO: &str = "the webhook";
