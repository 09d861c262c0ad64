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

fn protocol(node: &Node) -> Result<Protocol, ConfigError> {
    let text = node.as_str()?;
    let known = Protocol::from_name(text);
    known.ok_or_else(|| node.error(format!("unknown scrape protocol {text:?}: expected one of {}", PROTOCOLS.join(", "))))
}

/// What targets are asked for, in this order.
pub(super) fn scrape_protocols(node: &Node) -> Result<Vec<Protocol>, ConfigError> {
    let mut known: Vec<Protocol> = Vec::new();
    for entry in node.as_sequence()? {
        let protocol = protocol(entry)?;
        if known.contains(&protocol) {
            return Err(entry.error(format!("duplicated protocol in scrape_protocols, got {}", entry.as_str()?)));
        }
        known.push(protocol);
    }
    if known.is_empty() {
        return Err(node.error("scrape_protocols cannot be empty"));
    }
    Ok(known)
}

pub(super) fn fallback_protocol(node: Option<&Node>) -> Result<Option<Format>, ConfigError> {
    node.map(|node| protocol(node).map(Protocol::format)).transpose()
}
