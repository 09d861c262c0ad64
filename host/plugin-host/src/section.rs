//! A plugin's section of the configuration, ready for calls: checked, with grants read off it, secrets replaced by tokens,
//! and template fields listed.

mod secrets;
mod tree;

use std::path::Path;

use http_client::HttpConfig;
use model::config::{ConfigError, Section};
use model::seams::TemplateField;
use serde_json::{Map, Value};

pub(crate) use secrets::Secrets;
use tree::to_node;
pub(crate) use tree::{locate, to_json};

use crate::files::pattern;
use crate::grants::{Grants, HttpGrant, UrlGrant};
use crate::schema::{Mark, Marked, Schema, SectionError};

/// Bytes of a section's text.
const SECTION_BYTES_MAX: usize = 1 << 20;

/// Keys of an HTTP client block whose values are secret.
const CLIENT_SECRETS: [&str; 7] = ["password", "credentials", "bearer_token", "client_secret", "key", "secrets", "proxy_url"];

/// One whose keys are names of headers and whose values are secret.
const CLIENT_SECRET_HEADERS: &str = "proxy_connect_header";

/// A section ready for calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// What the component gets, template fields still unexpanded.
    config: Value,
    /// With secrets, for the host's own use: `client` of a request points into it.
    pub(crate) plain: Value,
    /// What stands in the section is granted to its calls.
    pub(crate) grants: Grants,
    /// Tokens and what they stand for.
    pub(crate) secrets: Secrets,
    /// Template fields in order.
    pub(crate) templates: Vec<TemplateField>,
    /// Pointers of objects that `client` of a request may name.
    pub(crate) clients: Vec<String>,
}

impl Prepared {
    /// Reads a section. Without a schema it is passed on as it is, and grants nothing.
    /// Patterns of paths are made absolute, relative to `base_dir`, for the component too.
    pub(crate) fn new(text: &str, schema: Option<&Schema>, base_dir: &Path, reveal: bool) -> Result<Self, SectionError> {
        let whole = |message: String| SectionError { pointer: String::new(), message };
        if text.len() > SECTION_BYTES_MAX {
            return Err(whole(format!("the section is larger than {SECTION_BYTES_MAX} bytes")));
        }
        let text = if text.trim().is_empty() { "{}" } else { text };
        let mut plain: Value = serde_json::from_str(text).map_err(|e| whole(format!("the section is no JSON: {e}")))?;
        if plain.is_null() {
            plain = Value::Object(Map::new());
        }
        let marks = schema.map_or_else(|| Ok(Vec::new()), |schema| check(schema, &mut plain))?;
        for marked in marks.iter().filter(|marked| marked.mark == Mark::GrantRead) {
            absolute_path(&mut plain, &marked.pointer, base_dir)?;
        }
        let mut prepared = Self { config: plain.clone(), plain, ..Self::default() };
        for marked in &marks {
            prepared.take_grant(marked, marks.iter().any(|m| m.pointer == marked.pointer && m.mark == Mark::Secret));
        }
        for marked in &marks {
            prepared.take_mark(marked, reveal)?;
        }
        Ok(prepared)
    }

    fn take_grant(&mut self, marked: &Marked, secret: bool) {
        let Some(text) = self.plain.pointer(&marked.pointer).and_then(Value::as_str).filter(|text| marked.written && !text.is_empty())
        else {
            return;
        };
        // What a template adds is not granted, and the origin could be what it adds.
        if text.contains("{{") {
            return;
        }
        let grants = &mut self.grants;
        match marked.mark {
            Mark::GrantHttp => match text.strip_prefix("unix://") {
                Some(path) => grants.unix.push(path.to_owned()),
                None => {
                    // How Docker writes HTTP, with or without TLS.
                    let urls = match text.strip_prefix("tcp://") {
                        Some(rest) => vec![format!("http://{rest}"), format!("https://{rest}")],
                        None => vec![text.to_owned()],
                    };
                    grants.http.extend(urls.iter().filter_map(|url| UrlGrant::parse(url, secret)).map(HttpGrant::Below));
                }
            },
            Mark::GrantDns => grants.dns.push(text.trim_end_matches('.').to_ascii_lowercase()),
            Mark::GrantTcp => grants.tcp.push(text.to_owned()),
            Mark::GrantUdp => grants.udp.push(text.to_owned()),
            Mark::GrantIcmp => grants.icmp.push(text.to_owned()),
            Mark::GrantRead => grants.read.push(text.to_owned()),
            // What rotation makes of a log's name.
            Mark::GrantRotated => grants.read.extend(['.', '-', '_'].map(|separator| format!("{text}{separator}*"))),
            Mark::Secret | Mark::Template | Mark::TemplateHtml | Mark::HttpClient | Mark::Tls => {}
        }
    }

    fn take_mark(&mut self, marked: &Marked, reveal: bool) -> Result<(), SectionError> {
        let Some(value) = self.config.pointer_mut(&marked.pointer) else { return Ok(()) };
        match marked.mark {
            Mark::Secret => {
                self.secrets.hide(value, reveal).map_err(|message| SectionError { pointer: marked.pointer.clone(), message })?
            }
            Mark::Template | Mark::TemplateHtml => {
                if let Value::String(text) = value {
                    self.templates.push(TemplateField {
                        pointer: marked.pointer.clone(),
                        text: text.clone(),
                        html: marked.mark == Mark::TemplateHtml,
                    });
                }
            }
            // What is no secret as a whole may hold a password.
            Mark::GrantHttp => {
                let text = value.as_str().unwrap_or_default();
                self.secrets.know_login(text).map_err(|message| SectionError { pointer: marked.pointer.clone(), message })?;
            }
            Mark::HttpClient | Mark::Tls => {
                self.clients.push(marked.pointer.clone());
                hide_client_secrets(value, &mut self.secrets, reveal, 0)
                    .map_err(|message| SectionError { pointer: marked.pointer.clone(), message })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The text for a call, with the results for the template fields in their order.
    pub(crate) fn config_text(&self, expanded: &[String]) -> String {
        if expanded.is_empty() {
            return self.config.to_string();
        }
        let mut config = self.config.clone();
        for (field, text) in self.templates.iter().zip(expanded) {
            if let Some(place) = config.pointer_mut(&field.pointer) {
                *place = Value::String(text.clone());
            }
        }
        config.to_string()
    }
}

/// Checks a section against its schema, and the HTTP client blocks in it against what they exclude, so that it is said when
/// the configuration is read and not when it is used. Files are not looked at.
pub(crate) fn check(schema: &Schema, plain: &mut Value) -> Result<Vec<Marked>, SectionError> {
    let marks = schema.check(plain)?;
    for marked in marks.iter().filter(|marked| marked.mark == Mark::HttpClient) {
        http_config(plain, &marked.pointer, Path::new("")).map_err(|e| client_error(&marked.pointer, e))?;
    }
    Ok(marks)
}

/// The HTTP client block at a place of a section: an object of its own, or, at the root, keys among the section's.
pub(crate) fn http_config(plain: &Value, pointer: &str, base_dir: &Path) -> Result<HttpConfig, ConfigError> {
    let mut value = plain.pointer(pointer).cloned().unwrap_or_default();
    if let (true, Value::Object(fields)) = (pointer.is_empty(), &mut value) {
        fields.retain(|key, _| HttpConfig::KEYS.contains(&key.as_str()));
    }
    let node = to_node(&value, "");
    let mut section = Section::new(&node)?;
    let config = HttpConfig::from_section(&mut section, base_dir)?;
    section.finish().map(|()| config)
}

/// Paths are written with dots there, pointers with slashes here.
fn client_error(pointer: &str, error: ConfigError) -> SectionError {
    let inside: String = error.path.split('.').filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect();
    SectionError { pointer: format!("{pointer}{inside}"), message: error.message }
}

fn absolute_path(plain: &mut Value, pointer: &str, base_dir: &Path) -> Result<(), SectionError> {
    let Some(Value::String(text)) = plain.pointer_mut(pointer) else { return Ok(()) };
    // What is empty names nothing, and what a template adds is not known here.
    if text.is_empty() || text.contains("{{") {
        return Ok(());
    }
    pattern::check(text).map_err(|message| SectionError { pointer: pointer.to_owned(), message })?;
    *text = pattern::absolute(base_dir, text);
    Ok(())
}

fn hide_client_secrets(value: &mut Value, secrets: &mut Secrets, reveal: bool, depth: usize) -> Result<(), String> {
    match value {
        Value::Object(fields) if depth < 8 => {
            for (name, password) in [("username", "password"), ("client_id", "client_secret")] {
                if let (Some(name), Some(password)) = (text_of(fields, name), text_of(fields, password)) {
                    secrets.know_forms(http_client::basic_forms(name, password))?;
                }
            }
            fields.iter_mut().try_for_each(|(key, value)| hide_client_secret(key, value, secrets, reveal, depth))
        }
        Value::Array(items) if depth < 8 => items.iter_mut().try_for_each(|item| hide_client_secrets(item, secrets, reveal, depth + 1)),
        _ => Ok(()),
    }
}

fn hide_client_secret(key: &str, value: &mut Value, secrets: &mut Secrets, reveal: bool, depth: usize) -> Result<(), String> {
    if CLIENT_SECRETS.contains(&key) {
        secrets.hide(value, reveal)
    } else if let (CLIENT_SECRET_HEADERS, Value::Object(headers)) = (key, &mut *value) {
        headers.values_mut().try_for_each(|value| secrets.hide(value, reveal))
    } else {
        hide_client_secrets(value, secrets, reveal, depth + 1)
    }
}

fn text_of<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn schema() -> Schema {
        let text = json!({"type": "object", "additionalProperties": false, "properties": {
            "api_url": {"type": "string", "x-skopos": ["grant-http", "secret"]},
            "text": {"type": "string", "x-skopos": "template", "default": "{{ .Status }}"},
            "channel": {"type": "string"},
            "port": {"type": "integer"},
            "link": {"type": "string", "x-skopos": ["template", "grant-http"]},
            "log": {"type": "string", "x-skopos": ["grant-read", "grant-rotated"]},
            "http_config": {"type": "object", "x-skopos": "http-client"},
        }});
        Schema::parse(&text.to_string(), "channel").expect("a schema").0
    }

    #[test]
    fn a_written_address_is_granted_and_its_secret_hidden() {
        let text =
            json!({"api_url": "https://hooks.example/T/key", "http_config": {"basic_auth": {"username": "u", "password": "hunter22"}}})
                .to_string();
        let prepared = Prepared::new(&text, Some(&schema()), Path::new("/etc/skopos"), false).expect("it fits");
        let shown = prepared.config_text(&[]);
        assert!(!shown.contains("hooks.example") && !shown.contains("hunter22") && shown.contains("\"u\""), "{shown}");
        assert_eq!(prepared.grants.lines(), ["http: https://hooks.example/<secret>"]);
        assert_eq!(prepared.templates, [TemplateField { pointer: "/text".into(), text: "{{ .Status }}".into(), html: false }]);
        let config: Value = serde_json::from_str(&prepared.config_text(&["firing".into()])).expect("JSON");
        assert_eq!(config["text"], "firing");
        let token = config["api_url"].as_str().expect("a token");
        assert_eq!(prepared.secrets.reveal(&format!("{token}/x")), ("https://hooks.example/T/key/x".to_owned(), true));
        assert_eq!(
            prepared.secrets.reveal_bytes(format!("a{token}b{token}").into_bytes()).0,
            b"ahttps://hooks.example/T/keybhttps://hooks.example/T/key"
        );
        assert_eq!(prepared.secrets.conceal("see https://hooks.example/T/key".into()), format!("see {token}"));
        assert_eq!(prepared.secrets.redact(format!("{token} hunter22")), "<secret> <secret>");
        assert!(!format!("{:?}", prepared.secrets).contains("hunter"));
    }

    #[test]
    fn a_block_among_the_sections_keys_is_checked_and_its_secrets_hidden() {
        let schema = json!({"type": "object", "x-skopos": "http-client", "properties": {
            "url": {"type": "string", "x-skopos": "grant-http"},
            "basic_auth": {"type": "object"},
        }});
        let schema = Schema::parse(&schema.to_string(), "discovery").expect("a schema").0;
        let good = json!({"url": "http://a.example/", "basic_auth": {"username": "u", "password": "hunter22"},
            "proxy_url": "http://u:pass22@p", "proxy_connect_header": {"x-key": ["header22"]}});
        let prepared = Prepared::new(&good.to_string(), Some(&schema), Path::new("/etc/skopos"), false).expect("it fits");
        let shown = prepared.config_text(&[]);
        // The tokens are random and may hold any digits.
        let secrets = ["hunter22", "pass22", "header22"];
        assert!(secrets.iter().all(|secret| !shown.contains(secret)) && shown.contains("http://a.example/"), "{shown}");
        assert_eq!(prepared.clients, [""]);
        assert!(http_config(&prepared.plain, "", Path::new("/etc")).is_ok());
        let bad = json!({"url": "http://a.example/", "basic_auth": {"username": "u", "username_file": "f"}});
        let error = Prepared::new(&bad.to_string(), Some(&schema), Path::new("/etc/skopos"), false).expect_err("both");
        assert_eq!((error.pointer.as_str(), error.message.contains("at most one of")), ("/basic_auth/username_file", true));
    }

    #[test]
    fn what_a_server_sends_back_is_found() {
        let text = json!({
            "link": "http://bob:pass%4022@a.example/x",
            "api_url": "https://eve:word22@hooks.example/T",
            "http_config": {"basic_auth": {"username": "ann", "password": "hunter22"}, "proxy_url": "http://p:proxy22@p.example"},
        });
        let prepared = Prepared::new(&text.to_string(), Some(&schema()), Path::new("/etc/skopos"), false).expect("it fits");
        let shown = prepared.config_text(&[]);
        assert!(shown.contains("bob:pass%4022@a.example"), "what is not marked secret stays: {shown}");
        for said in [
            "you sent Basic YW5uOmh1bnRlcjIy",
            "you sent Basic Ym9iOnBhc3NAMjI=",
            "you sent Basic Ym9iOnBhc3NAMjI",
            "http://bob:pass%4022@a.example/x: not a list",
            "pass@22",
            "Basic ZXZlOndvcmQyMg==",
            "word22 proxy22 cDpwcm94eTIy",
        ] {
            let shown = prepared.secrets.redact(said.to_owned());
            let left = ["22", "YW5u", "Ym9i", "ZXZl", "cDpw"].iter().any(|part| shown.contains(part));
            assert!(shown.contains("<secret>") && !left, "{said}: {shown}");
        }
        assert_eq!(prepared.secrets.redact("http://bob@a.example/".into()), "http://bob@a.example/");
    }

    #[test]
    fn a_log_is_granted_with_its_rotated_files() {
        let text = json!({"log": "/var/log/a.log"}).to_string();
        let prepared = Prepared::new(&text, Some(&schema()), Path::new("/etc/skopos"), false).expect("it fits");
        let lines = ["read: /var/log/a.log", "read: /var/log/a.log.*", "read: /var/log/a.log-*", "read: /var/log/a.log_*"];
        assert_eq!(prepared.grants.lines(), lines);
    }

    #[test]
    fn what_a_template_adds_is_not_granted() {
        let text = json!({"link": "http://{{ .CommonLabels.host }}/"}).to_string();
        assert_eq!(Prepared::new(&text, Some(&schema()), Path::new("/etc/skopos"), false).expect("it fits").grants, Grants::default());
    }

    #[test]
    fn with_reveal_the_component_sees_the_secret_and_logs_do_not() {
        let text = json!({"api_url": "https://hooks.example/T/key"}).to_string();
        let prepared = Prepared::new(&text, Some(&schema()), Path::new("/etc/skopos"), true).expect("it fits");
        assert!(prepared.config_text(&[]).contains("hooks.example"));
        assert_eq!(prepared.secrets.redact("https://hooks.example/T/key".into()), "<secret>");
    }
}
