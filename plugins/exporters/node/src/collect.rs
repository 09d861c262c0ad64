//! What is collected, by node_exporter's names of collectors.

mod disk;
mod machine;
mod net;
mod proc;

use skopos_sdk::files::{self, Error};

use crate::page::Page;
use crate::section::Section;

/// Adds to the page; the error says why there is nothing.
pub type Collect = fn(&Section, &mut Page) -> Result<(), String>;

/// All of them.
pub const COLLECTORS: [(&str, Collect); 23] = [
    ("arp", net::arp),
    ("conntrack", net::conntrack),
    ("cpu", machine::cpu),
    ("cpufreq", machine::cpufreq),
    ("diskstats", disk::diskstats),
    ("dmi", machine::dmi),
    ("entropy", proc::entropy),
    ("filefd", proc::filefd),
    ("filesystem", disk::filesystem),
    ("loadavg", proc::loadavg),
    ("meminfo", proc::meminfo),
    ("netclass", net::netclass),
    ("netdev", net::netdev),
    ("netstat", net::netstat),
    ("os", machine::os),
    ("pressure", proc::pressure),
    ("sockstat", net::sockstat),
    ("softnet", net::softnet),
    ("stat", proc::stat),
    ("time", machine::time),
    ("udp_queues", net::udp_queues),
    ("uname", machine::uname),
    ("vmstat", proc::vmstat),
];

/// Bytes of one file: `/proc/stat` of a thousand processors is far below.
const FILE_BYTES_MAX: u32 = 4 << 20;

/// The text of a file. Not all of what the kernel shows is UTF-8.
fn read(path: &str) -> Result<String, String> {
    match files::read(path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(Error::NotFound) => Err(format!("{path} is not there")),
        Err(Error::Denied(line)) => Err(format!("{path} is not granted: {line}")),
        Err(Error::TooLarge) => Err(format!("{path} is too large")),
        Err(Error::Failed(reason)) => Err(reason),
    }
}

/// The text of a file without the blanks around it, or none.
fn line(path: &str) -> Option<String> {
    Some(read(path).ok()?.trim().to_owned())
}

/// The number that a file has, decimal or as `0x1003`.
fn number(path: &str) -> Option<f64> {
    let text = line(path)?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|n| n as f64),
        None => text.parse().ok(),
    }
}

/// Names in a directory.
fn names(path: &str) -> Vec<String> {
    files::list(path).map_or_else(|_| Vec::new(), |list| list.into_iter().map(|entry| entry.name).collect())
}
