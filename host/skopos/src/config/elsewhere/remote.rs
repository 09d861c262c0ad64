//! `remote_write` and `remote_read`.

use http_client::{HttpConfig, RESERVED_HEADERS};
use model::config::{ConfigError, Node, Section};

use super::Elsewhere;

/// Ways of clouds to sign a request, which are checked for being there and no further.
const CLOUD_AUTH: [&str; 3] = ["sigv4", "azuread", "google_iam"];

const MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

impl Elsewhere<'_> {
    pub(super) fn remote_write(&mut self, list: Option<&Node>) -> Result<(), ConfigError> {
        let mut names = Vec::new();
        for node in list.map_or(Ok(&[][..]), Node::as_sequence)? {
            if node.is_null() {
                return Err(node.error("empty or null remote write config section"));
            }
            let mut section = Section::new(node)?;
            self.remote(&mut section, "write", &mut names)?;
            for key in ["send_exemplars", "send_native_histograms", "round_robin_dns"] {
                section.optional(key).map(Node::as_bool).transpose()?;
            }
            if let Some(message) = section.optional("protobuf_message").filter(|m| m.as_str() != Ok("")) {
                let text = message.as_str()?;
                if !MESSAGES.contains(&text) {
                    return Err(message.error(format!(
                        "invalid protobuf_message value: unknown type for remote write protobuf message {text}, supported: {}",
                        MESSAGES.join(", ")
                    )));
                }
            }
            let what = "remote write relabeling rule in remote write config";
            scrape::relabel::rules_from_node(section.optional("write_relabel_configs"), what, false)?;
            if let Some(queue) = section.optional("queue_config") {
                queue_config(queue)?;
            }
            if let Some(metadata) = section.optional("metadata_config") {
                let mut section = Section::new(metadata)?;
                section.optional("send").map(Node::as_bool).transpose()?;
                section.optional("send_interval").map(Node::as_duration_ms).transpose()?;
                section.optional("max_samples_per_send").map(Node::as_number::<i64>).transpose()?;
                section.finish()?;
            }
            cloud_auth(&mut section)?;
            section.finish()?;
            self.warn(node, "NO SAMPLE IS SENT there: remote_write is read and checked, and not supported yet");
        }
        Ok(())
    }

    pub(super) fn remote_read(&mut self, list: Option<&Node>) -> Result<(), ConfigError> {
        let mut names = Vec::new();
        for node in list.map_or(Ok(&[][..]), Node::as_sequence)? {
            if node.is_null() {
                return Err(node.error("empty or null remote read config section"));
            }
            let mut section = Section::new(node)?;
            self.remote(&mut section, "read", &mut names)?;
            for key in ["read_recent", "filter_external_labels"] {
                section.optional(key).map(Node::as_bool).transpose()?;
            }
            section.optional("chunked_read_limit").map(Node::as_bytes).transpose()?;
            section.optional("required_matchers").map(Node::as_string_map).transpose()?;
            section.finish()?;
            self.warn(node, "queries do NOT see what is stored there: remote_read is read and checked, and not supported yet");
        }
        Ok(())
    }

    /// What both have in common.
    fn remote(&self, section: &mut Section<'_>, what: &str, names: &mut Vec<String>) -> Result<(), ConfigError> {
        let url = section.optional("url").filter(|node| node.as_str() != Ok(""));
        let Some(url) = url else { return Err(section.node().error(format!("url for remote_{what} is empty"))) };
        if url.as_str()?.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(url.error(format!("the url for remote_{what} holds a space or a control character")));
        }
        section.optional("remote_timeout").map(Node::as_duration_ms).transpose()?;
        if let Some(node) = section.optional("name").filter(|node| node.as_str() != Ok("")) {
            let name = node.as_str()?.to_owned();
            if names.contains(&name) {
                return Err(node.error(format!("found multiple remote {what} configs with job name {name:?}")));
            }
            names.push(name);
        }
        for (name, position, value) in section.optional("headers").map_or(Ok(&[][..]), Node::as_mapping)? {
            value.as_str()?;
            let lower = name.to_ascii_lowercase();
            let message = if lower == "authorization" {
                "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter"
                    .to_owned()
            } else if RESERVED_HEADERS.contains(&lower.as_str()) {
                format!("{name} is a reserved header. It must not be changed")
            } else {
                continue;
            };
            return Err(ConfigError { path: value.path.clone(), position: *position, message });
        }
        HttpConfig::from_section(section, self.base_dir).map(drop)
    }
}

fn queue_config(node: &Node) -> Result<(), ConfigError> {
    let mut section = Section::new(node)?;
    let mut positive = |key: &str, default: i64| {
        let entry = section.optional(key);
        let value = entry.map_or(Ok(default), Node::as_number::<i64>)?;
        if value <= 0 {
            return Err(entry.unwrap_or(node).error(format!("remote write queue {key} must be positive")));
        }
        Ok(value)
    };
    positive("capacity", 10_000)?;
    let (max, min) = (positive("max_shards", 50)?, positive("min_shards", 1)?);
    positive("max_samples_per_send", 2_000)?;
    if min > max {
        return Err(node.error("remote write queue min_shards must not be greater than max_shards"));
    }
    for key in ["batch_send_deadline", "min_backoff", "max_backoff", "sample_age_limit"] {
        section.optional(key).map(Node::as_duration_ms).transpose()?;
    }
    section.optional("retry_on_http_429").map(Node::as_bool).transpose()?;
    section.finish()
}

/// At most one way to sign requests. The sections themselves are a plugin's to read, once there is one.
pub(super) fn cloud_auth(section: &mut Section<'_>) -> Result<(), ConfigError> {
    let plain =
        ["basic_auth", "authorization", "oauth2"].iter().filter(|key| section.node().get(key).is_some_and(|n| !n.is_null())).count();
    let mut count = plain;
    for key in CLOUD_AUTH {
        let Some(node) = section.optional(key) else { continue };
        node.as_mapping()?;
        count += 1;
        if count > 1 {
            return Err(node.error("at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured"));
        }
    }
    Ok(())
}
