//! One entry of `slack_configs`, template fields already expanded.

use serde::Deserialize;
use serde_json::Value;
use skopos_sdk::delivery;

/// What the operator wrote. Fields left out are empty: defaults stand in the schema, and the host fills them in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are Alertmanager's")]
pub struct Section {
    /// The webhook, as the host's token for it.
    pub api_url: String,
    /// Where to connect by; the host reads it, here only its presence counts.
    pub http_config: Option<Value>,
    /// Milliseconds for an attempt, from `timeout`.
    #[serde(skip)]
    pub timeout_ms: Option<u32>,
    /// Where to, if the webhook allows to choose.
    pub channel: String,
    /// The sender's name.
    pub username: String,
    /// The sender's picture, as `:emoji:`.
    pub icon_emoji: String,
    /// The sender's picture, as an address.
    pub icon_url: String,
    /// Whether Slack makes links of `@name`.
    pub link_names: bool,
    /// Text above the attachment.
    pub message_text: String,
    /// Of the bar.
    pub color: String,
    /// The attachment's heading.
    pub title: String,
    /// Where the heading leads.
    pub title_link: String,
    /// Text above the bar.
    pub pretext: String,
    /// The attachment's text.
    pub text: String,
    /// The whole in one line.
    pub fallback: String,
    /// Comes back with actions.
    pub callback_id: String,
    /// Small, below.
    pub footer: String,
    /// A picture below the text.
    pub image_url: String,
    /// A small picture beside the text.
    pub thumb_url: String,
    /// For fields that do not say `short`.
    pub short_fields: bool,
    /// Where Slack's markup is read; empty for Alertmanager's three.
    pub mrkdwn_in: Vec<String>,
    /// A small table.
    pub fields: Vec<Field>,
    /// Buttons.
    pub actions: Vec<Action>,
    /// Read by the host, which asks for resolved messages or does not.
    pub send_resolved: bool,
    timeout: String,
    api_url_file: String,
    app_token: String,
    app_token_file: String,
    app_url: String,
    update_message: bool,
}

/// A row of the attachment's table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// Bold, above the value.
    pub title: String,
    /// May be of several lines.
    pub value: String,
    /// As `short_fields` if left out.
    pub short: Option<bool>,
}

/// A button.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// `button`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What stands on it.
    pub text: String,
    /// Where it leads.
    pub url: String,
    /// `default`, `primary` or `danger`.
    pub style: String,
    /// For the app that answers.
    pub name: String,
    /// For the app that answers.
    pub value: String,
    /// Asks first.
    pub confirm: Option<Confirm>,
}

/// What a button asks before it acts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confirm {
    /// The question.
    pub text: String,
    /// Above the question.
    pub title: String,
    /// On the button that goes on.
    pub ok_text: String,
    /// On the button that does not.
    pub dismiss_text: String,
}

/// Reads an entry, and refuses by name what is not served yet.
///
/// # Errors
/// A text for people.
pub fn parse(text: &str) -> Result<Section, String> {
    let mut section: Section = delivery::section(text)?;
    for (name, written) in [
        ("app_token", !section.app_token.is_empty()),
        ("app_token_file", !section.app_token_file.is_empty()),
        ("app_url", !section.app_url.is_empty()),
        ("update_message", section.update_message),
    ] {
        if written {
            return Err(format!("{name} is not served yet: Skopos posts to incoming webhooks; remove it and set api_url"));
        }
    }
    if !section.api_url_file.is_empty() {
        return Err("api_url_file is not served yet: write the address itself, as api_url".to_owned());
    }
    if section.api_url.is_empty() {
        return Err("api_url is missing: set it here, or slack_api_url under global".to_owned());
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
            ("{}", "api_url is missing"),
            (r#"{"api_url":"u","app_token":"x"}"#, "app_token is not served"),
            (r#"{"api_url":"u","app_token_file":"x"}"#, "app_token_file is not served"),
            (r#"{"api_url":"u","app_url":"x"}"#, "app_url is not served"),
            (r#"{"api_url":"u","update_message":true}"#, "update_message is not served"),
            (r#"{"api_url_file":"/x"}"#, "api_url_file is not served"),
            (r#"{"api_url":"u","timeout":"soon"}"#, "not a duration"),
            (r#"{"api_url":"u","colour":"x"}"#, "colour"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn reads_what_is_served() {
        let section =
            parse(r##"{"api_url":"u","channel":"#a","timeout":"3s","fields":[{"title":"t","value":"v"}],"send_resolved":true}"##).unwrap();
        assert_eq!((section.channel.as_str(), section.timeout_ms, section.fields[0].short), ("#a", Some(3000), None));
    }
}
