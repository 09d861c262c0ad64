//! `otlp` and `tracing`.

use http_client::HttpConfig;
use model::config::{ConfigError, Node, NodeValue, Section};
use remote::{OtlpOptions, Translation};

use super::Elsewhere;

const STRATEGIES: [&str; 4] =
    ["UnderscoreEscapingWithSuffixes", "NoUTF8EscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes", "NoTranslation"];

impl Elsewhere<'_> {
    pub(super) fn otlp(&mut self, node: Option<&Node>, legacy_names: bool) -> Result<(), ConfigError> {
        let Some(node) = node else { return Ok(()) };
        let mut section = Section::new(node)?;
        let all = section.optional("promote_all_resource_attributes").map_or(Ok(false), Node::as_bool)?;
        let promoted = attributes(section.optional("promote_resource_attributes"), "promoted")?;
        let ignored = attributes(section.optional("ignore_resource_attributes"), "ignored")?;
        if all && !promoted.is_empty() {
            return Err(
                node.error("'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously")
            );
        }
        if !all && !ignored.is_empty() {
            return Err(node.error("'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true"));
        }
        let mut flag = |key: &str, default: bool| section.optional(key).map_or(Ok(default), Node::as_bool);
        let mut options = OtlpOptions {
            promoted,
            promote_all: all,
            ignored,
            keep_identifying: flag("keep_identifying_resource_attributes", false)?,
            custom_buckets: flag("convert_histograms_to_nhcb", false)?,
            promote_scope: flag("promote_scope_metadata", false)?,
            keep_leading_underscore: !flag("label_name_underscore_sanitization", true)?,
            join_underscores: !flag("label_name_preserve_multiple_underscores", true)?,
            ..OtlpOptions::default()
        };
        if let Some(strategy) = section.optional("translation_strategy") {
            let text = strategy.as_str()?;
            options.strategy = Translation::parse(text).ok_or_else(|| {
                strategy.error(format!("unsupported OTLP translation strategy {text:?}: expected one of {}", STRATEGIES.join(", ")))
            })?;
            if legacy_names && text.starts_with("No") {
                return Err(strategy.error(format!("OTLP translation strategy {text:?} is not allowed when UTF8 is disabled")));
            }
        }
        section.finish()?;
        self.otlp = options;
        Ok(())
    }

    pub(super) fn tracing(&mut self, node: Option<&Node>) -> Result<(), ConfigError> {
        let Some(node) = node else { return Ok(()) };
        let mut section = Section::new(node)?;
        if let Some(kind) = section.optional("client_type").filter(|k| !matches!(k.as_str(), Ok("grpc" | "http"))) {
            return Err(kind.error(format!("expected tracing client type to be http or grpc, but got {}", kind.as_str()?)));
        }
        if section.optional("endpoint").is_none_or(|endpoint| endpoint.as_str() == Ok("")) {
            return Err(node.error("tracing endpoint must be set"));
        }
        if let Some(fraction) = section.optional("sampling_fraction") {
            fraction.as_number::<f64>()?;
        }
        section.optional("insecure").map(Node::as_bool).transpose()?;
        for (name, position, value) in section.optional("headers").map_or(Ok(&[][..]), Node::as_mapping)? {
            value.as_str()?;
            if name.eq_ignore_ascii_case("authorization") {
                let message = "authorization header configuration is not yet supported".to_owned();
                return Err(ConfigError { path: value.path.clone(), position: *position, message });
            }
        }
        if let Some(compression) = section.optional("compression").filter(|c| !matches!(c.as_str(), Ok("" | "gzip"))) {
            return Err(compression.error(format!("invalid compression type {} provided, valid options: gzip", compression.as_str()?)));
        }
        section.optional("timeout").map(Node::as_duration_ms).transpose()?;
        if let Some(tls) = section.optional("tls_config") {
            // The one key of the HTTP client block that stands here.
            let block = Node {
                value: NodeValue::Mapping(vec![("tls_config".to_owned(), tls.position, tls.clone())]),
                path: node.path.clone(),
                position: node.position,
            };
            HttpConfig::from_section(&mut Section::new(&block)?, self.base_dir)?;
        }
        section.finish()?;
        self.warn(node, "Skopos sends no traces of itself: tracing has no effect");
        Ok(())
    }
}

/// A list of attributes' names. Empty ones and repetitions are refused, as upstream.
fn attributes(node: Option<&Node>, what: &str) -> Result<Vec<String>, ConfigError> {
    let mut seen: Vec<String> = Vec::new();
    for entry in node.map_or(Ok(&[][..]), Node::as_sequence)? {
        let name = entry.as_str()?.trim();
        if name.is_empty() {
            return Err(entry.error(format!("empty {what} OTel resource attribute")));
        }
        if seen.iter().any(|seen| seen == name) {
            return Err(entry.error(format!("duplicated {what} OTel resource attribute {name:?}")));
        }
        seen.push(name.to_owned());
    }
    Ok(seen)
}
