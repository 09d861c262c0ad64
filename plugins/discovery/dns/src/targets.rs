//! From records to target groups, with the labels that Prometheus sets.

use std::net::{IpAddr, Ipv6Addr};

use skopos_sdk::discovery::TargetGroup;
use skopos_sdk::dns::{Answer, Rdata};

use crate::section::{RecordType, Section};

/// The groups of one name: one of all its addresses, or one for each record that has labels of its own. Sorted, each target
/// once, so that the same records always give the same list whatever their order.
#[must_use]
pub fn groups(name: &str, section: &Section, answers: Vec<Answer>) -> Vec<TargetGroup> {
    match section.record_type {
        RecordType::A | RecordType::Aaaa => addresses(name, section.port, answers).into_iter().collect(),
        RecordType::Srv | RecordType::Mx | RecordType::Ns => named(name, section, answers),
    }
}

fn addresses(name: &str, port: u16, answers: Vec<Answer>) -> Option<TargetGroup> {
    let mut addresses: Vec<IpAddr> = answers
        .into_iter()
        .filter_map(|answer| match answer.data {
            Rdata::Address(text) => text.parse().ok().map(plain),
            // A CNAME on the way to the address.
            Rdata::Name(_) | Rdata::Mx(_) | Rdata::Srv(_) | Rdata::Txt(_) => None,
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return None;
    }
    Some(TargetGroup {
        source: name.to_owned(),
        targets: addresses.into_iter().map(|address| join(&address.to_string(), port)).collect(),
        labels: vec![("__meta_dns_name".to_owned(), name.to_owned())],
    })
}

/// Prometheus writes an IPv4 address in IPv6 clothes as the former.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn named(name: &str, section: &Section, answers: Vec<Answer>) -> Vec<TargetGroup> {
    let mut found: Vec<(String, u16)> = answers
        .into_iter()
        .filter_map(|answer| match (section.record_type, answer.data) {
            (RecordType::Srv, Rdata::Srv(record)) => Some((record.target, record.port)),
            (RecordType::Mx, Rdata::Mx(record)) => Some((record.exchange, section.port)),
            (RecordType::Ns, Rdata::Name(target)) => Some((target, section.port)),
            _ => None,
        })
        .map(|(target, port)| (target.trim_end_matches('.').to_owned(), port))
        // The root as target says that there is no such service (RFC 2782) or that mail is not taken (RFC 7505).
        .filter(|(target, _)| !target.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(target, port)| named_group(name, section.record_type, &target, port)).collect()
}

fn named_group(name: &str, record_type: RecordType, target: &str, port: u16) -> TargetGroup {
    let address = join(target, port);
    // The label keeps the final dot of the record, the address does not.
    let rooted = format!("{target}.");
    let mut labels = vec![("__meta_dns_name".to_owned(), name.to_owned())];
    match record_type {
        RecordType::Srv => {
            labels.push(("__meta_dns_srv_record_port".to_owned(), port.to_string()));
            labels.push(("__meta_dns_srv_record_target".to_owned(), rooted));
        }
        RecordType::Mx => labels.push(("__meta_dns_mx_record_target".to_owned(), rooted)),
        RecordType::Ns => labels.push(("__meta_dns_ns_record_target".to_owned(), rooted)),
        RecordType::A | RecordType::Aaaa => {}
    }
    TargetGroup { source: format!("{name}/{address}"), targets: vec![address], labels }
}

fn join(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
