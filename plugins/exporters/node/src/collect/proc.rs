//! What `/proc` has in one file each.

use super::read;
use crate::page::{Kind, Page};
use crate::section::Section;

pub(super) fn meminfo(_: &Section, page: &mut Page) -> Result<(), String> {
    for line in read("/proc/meminfo")?.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let mut words = rest.split_whitespace();
        let Some(value) = words.next().and_then(|word| word.parse::<f64>().ok()) else { continue };
        // As in Active(anon).
        let name = name.replace('(', "_").replace(')', "");
        match words.next() {
            Some("kB") => page.add(&format!("node_memory_{name}_bytes"), Kind::Gauge, &[], value * 1024.0),
            _ => page.add(&format!("node_memory_{name}"), Kind::Gauge, &[], value),
        }
    }
    Ok(())
}

pub(super) fn stat(_: &Section, page: &mut Page) -> Result<(), String> {
    for line in read("/proc/stat")?.lines() {
        let mut words = line.split_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next().and_then(|word| word.parse::<f64>().ok())) else { continue };
        let (name, kind) = match key {
            "intr" => ("node_intr_total", Kind::Counter),
            "ctxt" => ("node_context_switches_total", Kind::Counter),
            "processes" => ("node_forks_total", Kind::Counter),
            "btime" => ("node_boot_time_seconds", Kind::Gauge),
            "procs_running" => ("node_procs_running", Kind::Gauge),
            "procs_blocked" => ("node_procs_blocked", Kind::Gauge),
            _ => continue,
        };
        page.add(name, kind, &[], value);
    }
    Ok(())
}

pub(super) fn loadavg(_: &Section, page: &mut Page) -> Result<(), String> {
    let text = read("/proc/loadavg")?;
    for (name, word) in ["node_load1", "node_load5", "node_load15"].iter().zip(text.split_whitespace()) {
        page.add(name, Kind::Gauge, &[], word.parse().map_err(|_| format!("/proc/loadavg has {word:?} for a number"))?);
    }
    Ok(())
}

/// Those that are about paging and about processes killed for want of memory, as node_exporter does unless told otherwise.
pub(super) fn vmstat(_: &Section, page: &mut Page) -> Result<(), String> {
    for line in read("/proc/vmstat")?.lines() {
        let Some((name, value)) = line.split_once(' ') else { continue };
        let wanted = ["oom_kill", "pgpg", "pswp"].iter().any(|begin| name.starts_with(begin));
        let faults = name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"));
        if let (true, Ok(value)) = (wanted || faults, value.trim().parse()) {
            page.add(&format!("node_vmstat_{name}"), Kind::Untyped, &[], value);
        }
    }
    Ok(())
}

pub(super) fn filefd(_: &Section, page: &mut Page) -> Result<(), String> {
    let text = read("/proc/sys/fs/file-nr")?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [allocated, _, maximum] = numbers[..] else { return Err("/proc/sys/fs/file-nr has not three numbers".to_owned()) };
    page.add("node_filefd_allocated", Kind::Gauge, &[], allocated);
    page.add("node_filefd_maximum", Kind::Gauge, &[], maximum);
    Ok(())
}

pub(super) fn entropy(_: &Section, page: &mut Page) -> Result<(), String> {
    let number = |name: &str| super::number(&format!("/proc/sys/kernel/random/{name}"));
    page.add("node_entropy_available_bits", Kind::Gauge, &[], number("entropy_avail").ok_or("the kernel does not tell its entropy")?);
    if let Some(size) = number("poolsize") {
        page.add("node_entropy_pool_size_bits", Kind::Gauge, &[], size);
    }
    Ok(())
}

/// Where the kernel counts it (`CONFIG_PSI`), in microseconds.
pub(super) fn pressure(_: &Section, page: &mut Page) -> Result<(), String> {
    for (resource, some, full) in [
        ("cpu", "node_pressure_cpu_waiting_seconds_total", None),
        ("io", "node_pressure_io_waiting_seconds_total", Some("node_pressure_io_stalled_seconds_total")),
        ("memory", "node_pressure_memory_waiting_seconds_total", Some("node_pressure_memory_stalled_seconds_total")),
    ] {
        for line in read(&format!("/proc/pressure/{resource}"))?.lines() {
            let total = line.split_whitespace().find_map(|word| word.strip_prefix("total=")?.parse::<f64>().ok());
            let name = if line.starts_with("some") { Some(some) } else { full };
            if let (Some(name), Some(total)) = (name, total) {
                page.add(name, Kind::Counter, &[], total / 1e6);
            }
        }
    }
    Ok(())
}
