//! Expands the template fields of a channel for a message.

use std::collections::BTreeMap;

use model::seams::TemplateField;
use model::{Notification, TimestampMs};
use template::{AlertmanagerFunctions, Limits, Mode, Template, TemplateError, Value};

use crate::notification::data;

/// The templates that users may call without having written them.
const DEFAULTS: &str = include_str!("default.tmpl");
/// Longest title of a message, in characters.
const TITLE_CHARS_MAX: usize = 200;

/// The templates of the host and of the configuration's files.
#[derive(Clone, Debug)]
pub(crate) struct Templates(Template);

/// What the templates of a message gave.
pub(crate) struct Expanded {
    /// One for each field, in order.
    pub(crate) fields: Vec<String>,
    /// What went wrong, for the log and the pages.
    pub(crate) errors: Vec<String>,
}

impl Templates {
    /// Reads the files; one that is wrong refuses the configuration.
    pub(crate) fn new(files: &[(String, String)]) -> Result<Self, TemplateError> {
        let functions = AlertmanagerFunctions { now: 0 };
        let mut template = Template::parse("default.tmpl", DEFAULTS, &functions)?;
        for (name, text) in files {
            template = template.parse_with(name, text, &functions)?;
        }
        Ok(Self(template))
    }

    /// Whether a text is a template that can be read.
    pub(crate) fn check(&self, text: &str) -> Result<(), TemplateError> {
        self.0.parse_with("field", text, &AlertmanagerFunctions { now: 0 }).map(drop)
    }

    fn expand(&self, name: &str, text: &str, html: bool, data: &Value, now: TimestampMs) -> Result<String, TemplateError> {
        let functions = AlertmanagerFunctions { now };
        let mode = if html { Mode::Html } else { Mode::Text };
        self.0.parse_with(name, text, &functions)?.expand(mode, data, &functions, &Limits::default())
    }

    /// Fills in title and text of the message, and expands the fields. A template that fails does not keep the message back:
    /// where people read, the error stands in its place; an address or a colour is left empty.
    pub(crate) fn expand_all(
        &self,
        notification: &mut Notification,
        route_labels: &BTreeMap<String, String>,
        fields: &[TemplateField],
        now: TimestampMs,
    ) -> Expanded {
        let data = data(notification, route_labels);
        let mut errors = Vec::new();
        let mut expand = |name: &str, text: &str, html: bool| match self.expand(name, text, html, &data, now) {
            Ok(text) => text,
            Err(error) => {
                errors.push(format!("{name}: {error}"));
                if is_prose(name) { format!("<error expanding template: {error}>") } else { String::new() }
            }
        };
        let title: String = expand("title", r#"{{ template "__subject" . }}"#, false).chars().take(TITLE_CHARS_MAX).collect();
        notification.text = expand("text", r#"{{ template "__skopos_text" . }}"#, false);
        let fields = fields.iter().map(|field| expand(&field.pointer, &field.text, field.html)).collect();
        notification.title = title;
        Expanded { fields, errors }
    }
}

/// Whether a field is read by people, rather than by the service.
fn is_prose(pointer: &str) -> bool {
    let name = pointer.rsplit('/').find(|part| !part.bytes().all(|b| b.is_ascii_digit())).unwrap_or(pointer);
    ["text", "title", "fallback", "pretext", "message", "body", "subject", "description", "footer", "html", "value", "content", "summary"]
        .iter()
        .any(|word| name.contains(word))
        && !name.contains("link")
        && !name.contains("url")
}
