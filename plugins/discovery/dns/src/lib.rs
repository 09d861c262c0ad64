//! Finds scrape targets in DNS: serves `dns_sd_configs` as Prometheus has them.
//!
//! Start reading at [`section`], what the operator writes, and [`targets`], what becomes of the records. Names are resolved by
//! the host, with its servers and search list; this crate knows no DNS protocol.

pub mod section;
pub mod targets;

use skopos_sdk::about::{self, Description};
use skopos_sdk::discovery::{self, TargetGroup};
use skopos_sdk::dns;
use skopos_sdk::types::Error;

/// JSON Schema of one entry of `dns_sd_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Dns;

impl about::Guest for Dns {
    fn describe() -> Description {
        Description {
            summary: "Scrape targets from DNS records: A, AAAA, SRV, MX and NS.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl discovery::Guest for Dns {
    fn refresh(config: String) -> Result<Vec<TargetGroup>, Error> {
        let section = section::parse(&config)?;
        let mut groups = Vec::new();
        let mut failed = Vec::new();
        for name in &section.names {
            match dns::resolve(name, section.record_type.question()) {
                Ok(answers) => groups.extend(targets::groups(name, &section, answers)),
                // The name does not exist: it has no targets, as with Prometheus.
                Err(dns::Error::NotFound) => {}
                Err(error) => failed.push(format!("{name}: {}", reason(&error))),
            }
        }
        // The answer is the full list, so one name that failed would lose its targets: the host keeps the last list instead.
        if failed.is_empty() { Ok(groups) } else { Err(Error::Unavailable(failed.join("; "))) }
    }
}

fn reason(error: &dns::Error) -> String {
    match error {
        dns::Error::Denied(grant) => format!("refused; to allow it, grant {grant}"),
        dns::Error::NotFound => "no such name".to_owned(),
        dns::Error::Timeout => "the DNS server did not answer in time".to_owned(),
        dns::Error::Failed(text) => text.clone(),
    }
}

about::export!(Dns);
discovery::export!(Dns);
