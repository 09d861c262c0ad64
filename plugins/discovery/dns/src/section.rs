//! One entry of `dns_sd_configs`.

use serde::Deserialize;
use skopos_sdk::config;
use skopos_sdk::dns;
use skopos_sdk::types::Error;

/// What the operator wrote, checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// Each once, in the order written.
    pub names: Vec<String>,
    /// Which records to ask for.
    pub record_type: RecordType,
    /// For every type but SRV.
    pub port: u16,
}

/// The types of record that name targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Services with their ports.
    Srv,
    /// Mail exchangers.
    Mx,
    /// Name servers.
    Ns,
}

impl RecordType {
    /// What the host is asked for.
    #[must_use]
    pub fn question(self) -> dns::RecordType {
        match self {
            Self::A => dns::RecordType::A,
            Self::Aaaa => dns::RecordType::Aaaa,
            Self::Srv => dns::RecordType::Srv,
            Self::Mx => dns::RecordType::Mx,
            Self::Ns => dns::RecordType::Ns,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, rename = "type")]
    record_type: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    refresh_interval: Option<String>,
}

/// Reads and checks an entry. The rules are those of Prometheus.
///
/// # Errors
/// [`Error::Config`] with what to write instead.
pub fn parse(text: &str) -> Result<Section, Error> {
    let written: Written = config::parse(text)?;
    if written.names.is_empty() {
        return Err(Error::Config("names: at least one name is needed".to_owned()));
    }
    // The interval is the host's to keep; here it is only checked, so that a slip does not pass in silence.
    if let Some(interval) = &written.refresh_interval {
        config::duration_ms(interval).map_err(|error| Error::Config(format!("refresh_interval: {error}")))?;
    }
    let record_type = match written.record_type.as_deref().unwrap_or("SRV").to_ascii_uppercase().as_str() {
        "SRV" => RecordType::Srv,
        "A" => RecordType::A,
        "AAAA" => RecordType::Aaaa,
        "MX" => RecordType::Mx,
        "NS" => RecordType::Ns,
        other => return Err(Error::Config(format!("type: {other:?} is none of SRV, A, AAAA, MX and NS"))),
    };
    let port = written.port.unwrap_or(0);
    if port == 0 && record_type != RecordType::Srv {
        return Err(Error::Config("port: needed for every type but SRV, whose records have one".to_owned()));
    }
    let mut names = Vec::new();
    for name in written.names {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Section { names, record_type, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_prometheus_accepts() {
        for (text, record_type, port) in [
            (r#"{"names":["a"]}"#, RecordType::Srv, 0),
            (r#"{"names":["a"],"type":"A","port":80}"#, RecordType::A, 80),
            (r#"{"names":["a"],"type":"aaaa","port":80,"refresh_interval":"1m30s"}"#, RecordType::Aaaa, 80),
            (r#"{"names":["a"],"type":"mx","port":25}"#, RecordType::Mx, 25),
            (r#"{"names":["a","a"],"type":"NS","port":53}"#, RecordType::Ns, 53),
            (r#"{"names":["a"],"type":"SRV","port":9}"#, RecordType::Srv, 9),
        ] {
            let expected = Section { names: vec!["a".to_owned()], record_type, port };
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_field() {
        for (text, field) in [
            (r#"{}"#, "names"),
            (r#"{"names":[]}"#, "names"),
            (r#"{"names":["a"],"type":"A"}"#, "port"),
            (r#"{"names":["a"],"type":"A","port":0}"#, "port"),
            (r#"{"names":["a"],"type":"TXT","port":80}"#, "type"),
            (r#"{"names":["a"],"refresh_interval":"soon"}"#, "refresh_interval"),
            (r#"{"names":["a"],"name":1}"#, "name"),
            (r#"{"names":["a"],"port":70000}"#, "70000"),
        ] {
            let Err(Error::Config(message)) = parse(text) else { panic!("{text} must be refused") };
            assert!(message.contains(field), "{text}: {message}");
        }
    }
}
