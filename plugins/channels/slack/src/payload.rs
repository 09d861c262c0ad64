//! The JSON that Slack gets: one attachment, in Alertmanager's form.

use serde::Serialize;
use skopos_sdk::channel::Notification;

use crate::safety::{Safety, web_address};
use crate::section::{Action, Confirm, Section};

/// Alertmanager's limit on the title.
const TITLE_CHARS_MAX: usize = 1024;
/// Slack cuts a message off at 40,000 characters; text and pretext are together in one.
const TEXT_CHARS_MAX: usize = 16_000;
/// Slack's limit on a footer.
const FOOTER_CHARS_MAX: usize = 300;
/// Of a field: a table cell, not a document.
const FIELD_CHARS_MAX: usize = 2000;
/// Names, ids, colours, addresses.
const SHORT_CHARS_MAX: usize = 3000;
/// Slack's limit on the buttons of an attachment.
const ACTIONS_MAX: usize = 5;
/// What an attachment can show; Slack itself advises far fewer.
const FIELDS_MAX: usize = 100;

/// The message. Empty fields are left out, as Alertmanager does, but for those it always sends.
#[derive(Debug, Serialize)]
pub struct Payload {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "is_false")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<TableField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Button>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    mrkdwn_in: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TableField {
    title: String,
    value: String,
    short: bool,
}

#[derive(Debug, Serialize)]
struct Button {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Question>,
}

#[derive(Debug, Serialize)]
struct Question {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The message, and what had to be changed for it to fit, for the log.
#[must_use]
pub fn build(section: &Section, notification: &Notification) -> (Payload, Vec<String>) {
    let mut fit = Fit { safety: Safety::of(notification, section.link_names), changed: Vec::new() };
    if fit.safety.tagged || fit.safety.named {
        fit.changed.push("a label or annotation could call people: mentions are sent as plain text".to_owned());
    }
    let attachment = attachment(section, notification, &mut fit);
    let payload = Payload {
        channel: fit.text("channel", &section.channel, SHORT_CHARS_MAX),
        username: fit.text("username", &section.username, SHORT_CHARS_MAX),
        icon_emoji: fit.text("icon_emoji", &section.icon_emoji, SHORT_CHARS_MAX),
        icon_url: fit.address("icon_url", &section.icon_url),
        link_names: section.link_names,
        text: fit.text("message_text", &section.message_text, TEXT_CHARS_MAX),
        attachments: [attachment],
    };
    (payload, fit.changed)
}

fn attachment(section: &Section, notification: &Notification, fit: &mut Fit) -> Attachment {
    let mut attachment = Attachment {
        title: fit.text("title", &section.title, TITLE_CHARS_MAX),
        title_link: fit.address("title_link", &section.title_link),
        pretext: fit.text("pretext", &section.pretext, TEXT_CHARS_MAX),
        text: fit.text("text", &section.text, TEXT_CHARS_MAX),
        fallback: fit.text("fallback", &section.fallback, TEXT_CHARS_MAX),
        callback_id: fit.text("callback_id", &section.callback_id, SHORT_CHARS_MAX),
        fields: fields(section, fit),
        actions: actions(section, fit),
        image_url: fit.address("image_url", &section.image_url),
        thumb_url: fit.address("thumb_url", &section.thumb_url),
        footer: fit.text("footer", &section.footer, FOOTER_CHARS_MAX),
        color: fit.text("color", &section.color, SHORT_CHARS_MAX),
        mrkdwn_in: section.mrkdwn_in.clone(),
    };
    if attachment.mrkdwn_in.is_empty() {
        attachment.mrkdwn_in = ["fallback", "pretext", "text"].map(str::to_owned).to_vec();
    }
    let shows = [&attachment.title, &attachment.pretext, &attachment.text, &attachment.fallback, &section.message_text];
    if shows.iter().all(|text| text.is_empty()) && attachment.fields.is_empty() {
        // Slack refuses a message without text; an alert must arrive whatever the templates made of it.
        attachment.fallback = fit.text("fallback", &notification.title, TEXT_CHARS_MAX);
        attachment.text = fit.text("text", &notification.text, TEXT_CHARS_MAX);
        fit.changed.push("the templates gave no text at all: the plain text of the notification is sent".to_owned());
    }
    attachment
}

fn fields(section: &Section, fit: &mut Fit) -> Vec<TableField> {
    if section.fields.len() > FIELDS_MAX {
        fit.changed.push(format!("{} fields: the first {FIELDS_MAX} are sent", section.fields.len()));
    }
    section
        .fields
        .iter()
        .take(FIELDS_MAX)
        .map(|field| TableField {
            title: fit.text("fields.title", &field.title, FIELD_CHARS_MAX),
            value: fit.text("fields.value", &field.value, FIELD_CHARS_MAX),
            short: field.short.unwrap_or(section.short_fields),
        })
        .collect()
}

fn actions(section: &Section, fit: &mut Fit) -> Vec<Button> {
    if section.actions.len() > ACTIONS_MAX {
        fit.changed.push(format!("{} actions: Slack shows {ACTIONS_MAX}, the first are sent", section.actions.len()));
    }
    section.actions.iter().take(ACTIONS_MAX).map(|action| button(action, fit)).collect()
}

fn button(action: &Action, fit: &mut Fit) -> Button {
    Button {
        kind: fit.text("actions.type", &action.kind, SHORT_CHARS_MAX),
        text: fit.text("actions.text", &action.text, SHORT_CHARS_MAX),
        url: fit.address("actions.url", &action.url),
        style: fit.text("actions.style", &action.style, SHORT_CHARS_MAX),
        name: fit.text("actions.name", &action.name, SHORT_CHARS_MAX),
        value: fit.text("actions.value", &action.value, SHORT_CHARS_MAX),
        confirm: action.confirm.as_ref().map(|confirm| question(confirm, fit)),
    }
}

fn question(confirm: &Confirm, fit: &mut Fit) -> Question {
    Question {
        text: fit.text("actions.confirm.text", &confirm.text, SHORT_CHARS_MAX),
        title: fit.text("actions.confirm.title", &confirm.title, SHORT_CHARS_MAX),
        ok_text: fit.text("actions.confirm.ok_text", &confirm.ok_text, SHORT_CHARS_MAX),
        dismiss_text: fit.text("actions.confirm.dismiss_text", &confirm.dismiss_text, SHORT_CHARS_MAX),
    }
}

/// Makes texts fit, and remembers what it did.
struct Fit {
    safety: Safety,
    changed: Vec<String>,
}

impl Fit {
    fn text(&mut self, field: &str, text: &str, chars_max: usize) -> String {
        let (clean, cut) = self.safety.clean(text, chars_max);
        if cut {
            self.changed.push(format!("{field} is cut off after {chars_max} characters"));
        }
        clean
    }

    fn address(&mut self, field: &str, url: &str) -> String {
        let url = url.trim();
        if url.is_empty() {
            return String::new();
        }
        let clean: String = url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        let fits = clean.chars().nth(SHORT_CHARS_MAX).is_none();
        if let Some(address) = web_address(&clean).filter(|_| fits) {
            return address.to_owned();
        }
        self.changed.push(format!("{field} is left out: it is no http or https address, or longer than {SHORT_CHARS_MAX} characters"));
        String::new()
    }
}
