//! Processors, clocks, and what the machine and its system are called.

use std::time::SystemTime;

use skopos_sdk::host_info;

use super::{line, names, number, read};
use crate::page::{Kind, Page};
use crate::section::Section;

const CPUS: &str = "/sys/devices/system/cpu";

/// Columns of `/proc/stat` (`proc_stat(5)`); guests follow.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

pub(super) fn cpu(_: &Section, page: &mut Page) -> Result<(), String> {
    let ticks = host_info::system().map_err(|e| format!("{e:?}"))?.clock_ticks;
    for line in read("/proc/stat")?.lines() {
        let mut words = line.split_whitespace();
        // The line without a number is the sum.
        let Some(cpu) = words.next().and_then(|word| word.strip_prefix("cpu")).filter(|cpu| !cpu.is_empty()) else { continue };
        let seconds: Vec<f64> = words.filter_map(|word| word.parse::<f64>().ok()).map(|count| count / f64::from(ticks.max(1))).collect();
        for (mode, seconds) in MODES.iter().zip(&seconds) {
            page.add("node_cpu_seconds_total", Kind::Counter, &[("cpu", cpu), ("mode", mode)], *seconds);
        }
        for (mode, seconds) in ["user", "nice"].iter().zip(seconds.iter().skip(MODES.len())) {
            page.add("node_cpu_guest_seconds_total", Kind::Counter, &[("cpu", cpu), ("mode", mode)], *seconds);
        }
    }
    throttling(page);
    Ok(())
}

/// How often a processor was slowed down because it was hot, where it says so: once for each core and for each package.
fn throttling(page: &mut Page) {
    let mut seen: Vec<(String, String)> = Vec::new();
    for cpu in cpus() {
        let folder = format!("{CPUS}/{cpu}");
        // A machine that does not say so for its first processor says so for none.
        let Some(cores) = number(&format!("{folder}/thermal_throttle/core_throttle_count")) else { return };
        let (Some(package), Some(core)) =
            (line(&format!("{folder}/topology/physical_package_id")), line(&format!("{folder}/topology/core_id")))
        else {
            continue;
        };
        if !seen.iter().any(|(known, _)| *known == package)
            && let Some(count) = number(&format!("{folder}/thermal_throttle/package_throttle_count"))
        {
            page.add("node_cpu_package_throttles_total", Kind::Counter, &[("package", &package)], count);
        }
        if !seen.contains(&(package.clone(), core.clone())) {
            page.add("node_cpu_core_throttles_total", Kind::Counter, &[("package", &package), ("core", &core)], cores);
            seen.push((package, core));
        }
    }
}

fn cpus() -> Vec<String> {
    let is_cpu = |name: &String| name.strip_prefix("cpu").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    names(CPUS).into_iter().filter(is_cpu).collect()
}

pub(super) fn cpufreq(_: &Section, page: &mut Page) -> Result<(), String> {
    for cpu in cpus() {
        let folder = format!("{CPUS}/{cpu}/cpufreq");
        // Those that have none have no such folder, and are not asked six times.
        let files = names(&folder);
        for (file, name) in [
            ("cpuinfo_cur_freq", "node_cpu_frequency_hertz"),
            ("cpuinfo_max_freq", "node_cpu_frequency_max_hertz"),
            ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz"),
            ("scaling_cur_freq", "node_cpu_scaling_frequency_hertz"),
            ("scaling_max_freq", "node_cpu_scaling_frequency_max_hertz"),
            ("scaling_min_freq", "node_cpu_scaling_frequency_min_hertz"),
        ] {
            if files.iter().any(|there| there == file)
                && let Some(kilohertz) = number(&format!("{folder}/{file}"))
            {
                page.add(name, Kind::Gauge, &[("cpu", &cpu[3..])], kilohertz * 1000.0);
            }
        }
    }
    Ok(())
}

pub(super) fn time(_: &Section, page: &mut Page) -> Result<(), String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|e| e.to_string())?;
    page.add("node_time_seconds", Kind::Gauge, &[], now.as_secs_f64());
    const SOURCES: &str = "/sys/devices/system/clocksource";
    for folder in names(SOURCES) {
        let Some(device) = folder.strip_prefix("clocksource") else { continue };
        let words = |file: &str| line(&format!("{SOURCES}/{folder}/{file}")).unwrap_or_default();
        for source in words("available_clocksource").split_whitespace() {
            page.add("node_time_clocksource_available_info", Kind::Gauge, &[("device", device), ("clocksource", source)], 1.0);
        }
        let current = words("current_clocksource");
        if !current.is_empty() {
            page.add("node_time_clocksource_current_info", Kind::Gauge, &[("device", device), ("clocksource", &current)], 1.0);
        }
    }
    Ok(())
}

pub(super) fn uname(_: &Section, page: &mut Page) -> Result<(), String> {
    let system = host_info::system().map_err(|e| format!("{e:?}"))?;
    let labels = [
        ("sysname", system.sysname.as_str()),
        ("release", &system.release),
        ("version", &system.version),
        ("machine", &system.machine),
        ("nodename", &system.nodename),
        ("domainname", &system.domainname),
    ];
    page.add("node_uname_info", Kind::Gauge, &labels, 1.0);
    Ok(())
}

/// `os-release(5)`.
pub(super) fn os(_: &Section, page: &mut Page) -> Result<(), String> {
    let text = read("/etc/os-release").or_else(|_| read("/usr/lib/os-release"))?;
    let value = |key: &str| {
        let written = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        unquoted(written.unwrap_or_default())
    };
    let keys = [
        "build_id",
        "id",
        "id_like",
        "image_id",
        "image_version",
        "name",
        "pretty_name",
        "variant",
        "variant_id",
        "version",
        "version_codename",
        "version_id",
    ];
    let values: Vec<String> = keys.iter().map(|key| value(&key.to_ascii_uppercase())).collect();
    let labels: Vec<(&str, &str)> = keys.iter().copied().zip(values.iter().map(String::as_str)).collect();
    page.add("node_os_info", Kind::Gauge, &labels, 1.0);
    let version = value("VERSION_ID");
    let mut parts = version.splitn(3, '.');
    let number = [parts.next(), parts.next()].into_iter().flatten().collect::<Vec<_>>().join(".");
    if let Ok(number) = number.parse() {
        let short: Vec<(&str, &str)> = labels.iter().copied().filter(|(key, _)| matches!(*key, "id" | "id_like" | "name")).collect();
        page.add("node_os_version", Kind::Gauge, &short, number);
    }
    Ok(())
}

/// A value as a shell would read it.
fn unquoted(written: &str) -> String {
    let written = written.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| written.strip_prefix(*quote)?.strip_suffix(*quote));
    let mut plain = String::new();
    let mut escaped = false;
    for c in quoted.unwrap_or(written).chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

/// Those that the host may read: serial numbers are for the superuser.
pub(super) fn dmi(_: &Section, page: &mut Page) -> Result<(), String> {
    const FOLDER: &str = "/sys/class/dmi/id";
    let keys = [
        "bios_date",
        "bios_release",
        "bios_vendor",
        "bios_version",
        "board_asset_tag",
        "board_name",
        "board_serial",
        "board_vendor",
        "board_version",
        "chassis_asset_tag",
        "chassis_serial",
        "chassis_vendor",
        "chassis_version",
        "product_family",
        "product_name",
        "product_serial",
        "product_sku",
        "product_uuid",
        "product_version",
        "sys_vendor",
    ];
    let there = names(FOLDER);
    let found: Vec<(&str, String)> = keys
        .iter()
        .filter(|key| there.iter().any(|name| name == *key))
        .filter_map(|key| Some((if *key == "sys_vendor" { "system_vendor" } else { key }, line(&format!("{FOLDER}/{key}"))?)))
        .collect();
    if found.is_empty() {
        return Err(format!("{FOLDER} is not there"));
    }
    let labels: Vec<(&str, &str)> = found.iter().map(|(key, value)| (*key, value.as_str())).collect();
    page.add("node_dmi_info", Kind::Gauge, &labels, 1.0);
    Ok(())
}
