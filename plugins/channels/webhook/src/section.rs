//! One entry of `webhook_configs`, the texts of `payload` already expanded.

use serde::Deserialize;
use serde_json::Value;
use skopos_sdk::delivery;

/// What the operator wrote. Fields left out are empty: defaults stand in the schema, and the host fills them in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Where to post, as the host's token for it.
    pub url: String,
    /// Where to connect by; the host reads it, here only its presence counts.
    pub http_config: Option<Value>,
    /// Milliseconds for an attempt, from `timeout`.
    #[serde(skip)]
    pub timeout_ms: Option<u32>,
    /// Of a message; 0 for no limit.
    pub max_alerts: u64,
    /// In the place of the message.
    pub payload: Option<Value>,
    /// Read by the host, which asks for resolved messages or does not.
    pub send_resolved: bool,
    timeout: String,
    url_file: String,
}

/// Reads an entry, and refuses by name what is not served yet.
///
/// # Errors
/// A text for people.
pub fn parse(text: &str) -> Result<Section, String> {
    let mut section: Section = delivery::section(text)?;
    if !section.url_file.is_empty() {
        return Err("url_file is not served yet: write the address itself, as url".to_owned());
    }
    if section.url.is_empty() {
        return Err("url is missing".to_owned());
    }
    section.timeout_ms = delivery::timeout_ms(&section.timeout)?;
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name() {
        for (text, part) in [
            ("{}", "url is missing"),
            (r#"{"url_file":"/x"}"#, "url_file is not served"),
            (r#"{"url":"u","timeout":"soon"}"#, "not a duration"),
            (r#"{"url":"u","max_alerts":-1}"#, "-1"),
            (r#"{"url":"u","urls":"x"}"#, "urls"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn reads_what_is_served() {
        let section = parse(r#"{"url":"u","timeout":"3s","max_alerts":2,"send_resolved":true,"payload":{"a":["b"]}}"#).unwrap();
        assert_eq!((section.timeout_ms, section.max_alerts, section.send_resolved), (Some(3000), 2, true));
        assert_eq!(section.payload, Some(serde_json::json!({"a": ["b"]})));
    }
}
