//! Network devices, protocols, sockets.

use std::collections::BTreeMap;

use skopos_sdk::host_info;

use super::{line, names, number, read};
use crate::page::{Kind, Page};
use crate::section::Section;

const DEVICES: &str = "/sys/class/net";

const RECEIVE: [&str; 8] = ["bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast"];
const TRANSMIT: [&str; 8] = ["bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed"];

pub(super) fn netdev(section: &Section, page: &mut Page) -> Result<(), String> {
    for line in read("/proc/net/dev")?.lines().skip(2) {
        // A name may have a colon, for an alias.
        let Some((device, rest)) = line.rsplit_once(':') else { continue };
        let device = device.trim();
        if section.traffic.has(device) {
            continue;
        }
        let columns: Vec<f64> = rest.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let directions = RECEIVE.iter().map(|name| ("receive", name)).chain(TRANSMIT.iter().map(|name| ("transmit", name)));
        for ((direction, name), value) in directions.zip(columns) {
            page.add(&format!("node_network_{direction}_{name}_total"), Kind::Counter, &[("device", device)], value);
        }
        if let Some(value) = number(&format!("{DEVICES}/{device}/statistics/rx_nohandler")) {
            page.add("node_network_receive_nohandler_total", Kind::Counter, &[("device", device)], value);
        }
    }
    Ok(())
}

/// Files of a device, and what they are called.
const PROPERTIES: [(&str, &str, Kind, f64); 17] = [
    ("addr_assign_type", "address_assign_type", Kind::Gauge, 1.0),
    ("carrier", "carrier", Kind::Gauge, 1.0),
    ("carrier_changes", "carrier_changes_total", Kind::Counter, 1.0),
    ("carrier_up_count", "carrier_up_changes_total", Kind::Counter, 1.0),
    ("carrier_down_count", "carrier_down_changes_total", Kind::Counter, 1.0),
    ("dev_id", "device_id", Kind::Gauge, 1.0),
    ("dormant", "dormant", Kind::Gauge, 1.0),
    ("flags", "flags", Kind::Gauge, 1.0),
    ("ifindex", "iface_id", Kind::Gauge, 1.0),
    ("iflink", "iface_link", Kind::Gauge, 1.0),
    ("link_mode", "iface_link_mode", Kind::Gauge, 1.0),
    ("mtu", "mtu_bytes", Kind::Gauge, 1.0),
    ("name_assign_type", "name_assign_type", Kind::Gauge, 1.0),
    ("netdev_group", "net_dev_group", Kind::Gauge, 1.0),
    // In megabits per second.
    ("speed", "speed_bytes", Kind::Gauge, 1e6 / 8.0),
    ("tx_queue_len", "transmit_queue_length", Kind::Gauge, 1.0),
    ("type", "protocol_type", Kind::Gauge, 1.0),
];

pub(super) fn netclass(section: &Section, page: &mut Page) -> Result<(), String> {
    let devices = names(DEVICES);
    if devices.is_empty() {
        return Err(format!("{DEVICES} has no devices"));
    }
    for device in devices.iter().filter(|device| !section.devices.has(device)) {
        // Some files refuse to be read while a device is down: then there is no such series.
        let text = |file: &str| line(&format!("{DEVICES}/{device}/{file}"));
        // What is no device (`bonding_masters`) has no index.
        if text("ifindex").is_none() {
            continue;
        }
        let state = text("operstate").unwrap_or_default();
        page.add("node_network_up", Kind::Gauge, &[("device", device)], f64::from(u8::from(state == "up")));
        let (address, broadcast) = (text("address").unwrap_or_default(), text("broadcast").unwrap_or_default());
        let (duplex, alias) = (text("duplex").unwrap_or_default(), text("ifalias").unwrap_or_default());
        let labels = [
            ("device", device.as_str()),
            ("address", &address),
            ("broadcast", &broadcast),
            ("duplex", &duplex),
            ("operstate", &state),
            ("ifalias", &alias),
        ];
        page.add("node_network_info", Kind::Gauge, &labels, 1.0);
        for (file, name, kind, unit) in PROPERTIES {
            if let Some(value) = number(&format!("{DEVICES}/{device}/{file}")) {
                page.add(&format!("node_network_{name}"), kind, &[("device", device)], value * unit);
            }
        }
    }
    Ok(())
}

pub(super) fn netstat(_: &Section, page: &mut Page) -> Result<(), String> {
    for path in ["/proc/net/netstat", "/proc/net/snmp"] {
        let text = read(path)?;
        let mut lines = text.lines();
        // Names and values alternate, each with the protocol in front.
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (Some((protocol, names)), Some((_, values))) = (names.split_once(':'), values.split_once(':')) else { continue };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                add_counted(page, protocol, name, value);
            }
        }
    }
    // A machine without IPv6 has none.
    for line in read("/proc/net/snmp6").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        if let Some(at) = name.find('6') {
            add_counted(page, &name[..=at], &name[at + 1..], value);
        }
    }
    Ok(())
}

fn add_counted(page: &mut Page, protocol: &str, name: &str, value: &str) {
    if let (true, Ok(value)) = (is_counted(protocol, name), value.parse()) {
        page.add(&format!("node_netstat_{protocol}_{name}"), Kind::Untyped, &[], value);
    }
}

/// Of the hundreds that there are, those that node_exporter has unless told otherwise.
fn is_counted(protocol: &str, name: &str) -> bool {
    matches!(
        (protocol, name),
        (_, "InErrors" | "InErrs")
            | ("Ip", "Forwarding")
            | ("Ip6" | "IpExt", "InOctets" | "OutOctets")
            | ("Icmp" | "Icmp6", "InMsgs" | "OutMsgs")
            | ("TcpExt", "TCPSynRetrans" | "TCPTimeouts")
            | ("Tcp", "ActiveOpens" | "InSegs" | "OutSegs" | "OutRsts" | "PassiveOpens" | "RetransSegs" | "CurrEstab")
            | ("Udp" | "Udp6", "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors")
    ) || (protocol == "TcpExt" && (name.starts_with("Listen") || name.starts_with("Syncookies")))
}

pub(super) fn sockstat(_: &Section, page: &mut Page) -> Result<(), String> {
    let page_size = host_info::system().map_err(|e| format!("{e:?}"))?.page_size;
    for path in ["/proc/net/sockstat", "/proc/net/sockstat6"] {
        // The second is missing on a machine without IPv6.
        let text = if path.ends_with('6') { read(path).unwrap_or_default() } else { read(path)? };
        for line in text.lines() {
            let Some((protocol, rest)) = line.split_once(':') else { continue };
            let words: Vec<&str> = rest.split_whitespace().collect();
            for (name, value) in words.chunks_exact(2).filter_map(|pair| Some((pair[0], pair[1].parse::<f64>().ok()?))) {
                page.add(&format!("node_sockstat_{protocol}_{name}"), Kind::Gauge, &[], value);
                if name == "mem" {
                    page.add(&format!("node_sockstat_{protocol}_mem_bytes"), Kind::Gauge, &[], value * f64::from(page_size));
                }
            }
        }
    }
    Ok(())
}

pub(super) fn softnet(_: &Section, page: &mut Page) -> Result<(), String> {
    for (row, line) in read("/proc/net/softnet_stat")?.lines().enumerate() {
        let words: Vec<u64> = line.split_whitespace().filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
        let [processed, dropped, squeezed, ..] = words[..] else { continue };
        // Since Linux 5.10 a line says whose it is: processors that are off have none.
        let cpu = words.get(12).copied().unwrap_or(row as u64).to_string();
        for (name, value) in [("processed", processed), ("dropped", dropped), ("times_squeezed", squeezed)] {
            page.add(&format!("node_softnet_{name}_total"), Kind::Counter, &[("cpu", &cpu)], value as f64);
        }
    }
    Ok(())
}

pub(super) fn arp(_: &Section, page: &mut Page) -> Result<(), String> {
    let mut devices: BTreeMap<String, u32> = BTreeMap::new();
    for line in read("/proc/net/arp")?.lines().skip(1) {
        if let Some(device) = line.split_whitespace().nth(5) {
            *devices.entry(device.to_owned()).or_default() += 1;
        }
    }
    for (device, count) in devices {
        page.add("node_arp_entries", Kind::Gauge, &[("device", &device)], f64::from(count));
    }
    Ok(())
}

pub(super) fn udp_queues(_: &Section, page: &mut Page) -> Result<(), String> {
    let mut any = false;
    for (path, ip) in [("/proc/net/udp", "v4"), ("/proc/net/udp6", "v6")] {
        let Ok(text) = read(path) else { continue };
        any = true;
        let (mut sent, mut received) = (0_u64, 0_u64);
        // `tx:rx` in the fifth column, hexadecimal.
        for queues in text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(4)?.split_once(':')) {
            sent = sent.saturating_add(u64::from_str_radix(queues.0, 16).unwrap_or(0));
            received = received.saturating_add(u64::from_str_radix(queues.1, 16).unwrap_or(0));
        }
        for (queue, bytes) in [("tx", sent), ("rx", received)] {
            page.add("node_udp_queues", Kind::Gauge, &[("queue", queue), ("ip", ip)], bytes as f64);
        }
    }
    if any { Ok(()) } else { Err("/proc/net/udp is not there".to_owned()) }
}

pub(super) fn conntrack(_: &Section, page: &mut Page) -> Result<(), String> {
    let value = |name: &str| number(&format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok_or("connections are not tracked");
    page.add("node_nf_conntrack_entries", Kind::Gauge, &[], value("count")?);
    page.add("node_nf_conntrack_entries_limit", Kind::Gauge, &[], value("max")?);
    let text = read("/proc/net/stat/nf_conntrack")?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let mut sums = vec![0_u64; names.len()];
    // A line for each processor, hexadecimal.
    for line in lines {
        for (sum, word) in sums.iter_mut().zip(line.split_whitespace()) {
            *sum = sum.saturating_add(u64::from_str_radix(word, 16).unwrap_or(0));
        }
    }
    for (name, sum) in names.iter().zip(sums) {
        if matches!(*name, "found" | "invalid" | "ignore" | "insert" | "insert_failed" | "drop" | "early_drop" | "search_restart") {
            page.add(&format!("node_nf_conntrack_stat_{name}"), Kind::Gauge, &[], sum as f64);
        }
    }
    Ok(())
}
