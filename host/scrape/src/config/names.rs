//! Which names and formats targets are asked for.

use exposition::Format;
use model::config::{ConfigError, Node, Section};

use crate::protocols::{Escaping, Protocol};

/// The two keys about names.
pub(super) struct Names {
    pub(super) legacy: bool,
    pub(super) escaping: Option<Escaping>,
}

impl Names {
    pub(super) fn from_section(section: &mut Section<'_>, default: Self) -> Result<Self, ConfigError> {
        let legacy = match section.optional("metric_name_validation_scheme").map(|node| (node, node.as_str())) {
            None | Some((_, Ok(""))) => default.legacy,
            Some((_, Ok("utf8"))) => false,
            Some((_, Ok("legacy"))) => true,
            Some((node, text)) => return Err(node.error(format!("unknown name validation scheme {:?}: expected utf8 or legacy", text?))),
        };
        let Some(node) = section.optional("metric_name_escaping_scheme") else {
            // What global says for UTF-8 means nothing to a job that is limited to the classic characters.
            let escaping = default.escaping.filter(|escaping| !(legacy && *escaping == Escaping::AllowUtf8));
            return Ok(Self { legacy, escaping });
        };
        let escaping = match node.as_str()? {
            "" => None,
            "allow-utf-8" if legacy => {
                return Err(node.error("utf8 metric names requested but validation scheme is not set to UTF8"));
            }
            text => Some(Escaping::from_name(text).ok_or_else(|| {
                node.error(format!("unknown escaping scheme {text:?}: expected allow-utf-8, underscores, dots or values"))
            })?),
        };
        Ok(Self { legacy, escaping })
    }
}

const PROTOCOLS: [&str; 5] =
    ["PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4", "PrometheusText1.0.0"];

/// None for the one that is not read.
fn protocol(node: &Node) -> Result<Option<Protocol>, ConfigError> {
    let text = node.as_str()?;
    if PROTOCOLS.contains(&text) {
        return Ok(Protocol::from_name(text));
    }
    Err(node.error(format!("unknown scrape protocol {text:?}: expected one of {}", PROTOCOLS.join(", "))))
}

/// What targets are asked for, in this order. One that allows protobuf alone is asked for text all the same, with a warning: no
/// sample is lost by it.
pub(super) fn scrape_protocols(node: &Node, warnings: &mut Vec<ConfigError>) -> Result<Vec<Protocol>, ConfigError> {
    let (mut seen, mut known): (Vec<&str>, Vec<Protocol>) = (Vec::new(), Vec::new());
    for entry in node.as_sequence()? {
        let (text, protocol) = (entry.as_str()?, protocol(entry)?);
        if seen.contains(&text) {
            return Err(entry.error(format!("duplicated protocol in scrape_protocols, got {text}")));
        }
        seen.push(text);
        known.extend(protocol);
    }
    if seen.is_empty() {
        return Err(node.error("scrape_protocols cannot be empty"));
    }
    if known.is_empty() {
        warnings.push(node.error("PrometheusProto is not read yet: targets are asked for the text format instead"));
        known.push(Protocol::Text0);
    }
    Ok(known)
}

pub(super) fn fallback_protocol(node: Option<&Node>, warnings: &mut Vec<ConfigError>) -> Result<Option<Format>, ConfigError> {
    let Some(node) = node else { return Ok(None) };
    let format = protocol(node)?.map(Protocol::format);
    if format.is_none() {
        warnings.push(node.error("PrometheusProto is not read yet: an answer without a useful content type fails the scrape"));
    }
    Ok(format)
}
