//! The answer in the text format, families together and in order.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// As the kernel has it; not said which.
    Untyped,
}

/// Families by name.
#[derive(Default)]
pub struct Page {
    families: BTreeMap<String, (Kind, String)>,
}

impl Page {
    /// Adds a sample. The first of a family says its kind.
    pub fn add(&mut self, name: &str, kind: Kind, labels: &[(&str, &str)], value: f64) {
        if !self.families.contains_key(name) {
            self.families.insert(name.to_owned(), (kind, String::new()));
        }
        let Some((_, lines)) = self.families.get_mut(name) else { return };
        lines.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            lines.push(if at == 0 { '{' } else { ',' });
            lines.push_str(label);
            lines.push_str("=\"");
            escape(lines, value);
            lines.push('"');
        }
        if !labels.is_empty() {
            lines.push('}');
        }
        // Writing to a String does not fail.
        let _ = writeln!(lines, " {value}");
    }

    /// Takes over the families of another.
    pub fn append(&mut self, other: Self) {
        for (name, (kind, lines)) in other.families {
            self.families.entry(name).or_insert((kind, String::new())).1.push_str(&lines);
        }
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, (kind, lines)) in &self.families {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Untyped => "untyped",
            };
            let help = help(name);
            if !help.is_empty() {
                let _ = writeln!(text, "# HELP {name} {help}");
            }
            let _ = writeln!(text, "# TYPE {name} {kind}");
            text.push_str(lines);
        }
        text
    }
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// One line on a family, where its name does not say it all.
fn help(name: &str) -> &'static str {
    match name {
        "node_cpu_seconds_total" => "Time each processor spent in each mode.",
        "node_cpu_guest_seconds_total" => "Time each processor spent running guests; part of user and nice as well.",
        "node_cpu_frequency_hertz" | "node_cpu_scaling_frequency_hertz" => "How fast a processor runs now.",
        "node_boot_time_seconds" => "When the machine started, as a Unix time.",
        "node_context_switches_total" => "Switches from one task to another.",
        "node_forks_total" => "Processes and threads begun.",
        "node_intr_total" => "Interrupts handled.",
        "node_procs_running" => "Tasks that run or could run.",
        "node_procs_blocked" => "Tasks that wait for a disk.",
        "node_load1" | "node_load5" | "node_load15" => "Tasks that run or wait, averaged over the minutes in the name.",
        "node_disk_io_now" => "Requests under way.",
        "node_disk_io_time_seconds_total" => "Time with at least one request under way: its rate is the utilisation.",
        "node_disk_io_time_weighted_seconds_total" => "Time times requests under way: its rate is the mean queue.",
        "node_disk_read_bytes_total" => "Bytes read from a disk.",
        "node_disk_written_bytes_total" => "Bytes written to a disk.",
        "node_disk_info" => "What a disk is; always 1.",
        "node_filesystem_size_bytes" => "How much a file system holds.",
        "node_filesystem_free_bytes" => "What is free, reserved space included.",
        "node_filesystem_avail_bytes" => "What is free to users without privileges.",
        "node_filesystem_files" => "How many files a file system can have.",
        "node_filesystem_files_free" => "How many files more it can have.",
        "node_filesystem_readonly" => "1 for a file system that is mounted read-only.",
        "node_filesystem_device_error" => "1 for a file system that could not be asked.",
        "node_network_up" => "1 for a device that is up.",
        "node_network_info" => "What a network device is; always 1.",
        "node_network_receive_bytes_total" => "Bytes received by a device.",
        "node_network_transmit_bytes_total" => "Bytes sent by a device.",
        "node_pressure_cpu_waiting_seconds_total" => "Time in which some task waited for a processor.",
        "node_pressure_io_waiting_seconds_total" => "Time in which some task waited for a disk.",
        "node_pressure_io_stalled_seconds_total" => "Time in which every task waited for a disk.",
        "node_pressure_memory_waiting_seconds_total" => "Time in which some task waited for memory.",
        "node_pressure_memory_stalled_seconds_total" => "Time in which every task waited for memory.",
        "node_nf_conntrack_entries" => "Connections that are tracked.",
        "node_nf_conntrack_entries_limit" => "How many can be.",
        "node_filefd_allocated" => "Open files.",
        "node_filefd_maximum" => "How many there can be.",
        "node_entropy_available_bits" => "Bits of randomness at hand.",
        "node_time_seconds" => "The time of the machine, as a Unix time.",
        "node_uname_info" => "Names and versions of the system; always 1.",
        "node_os_info" => "What the distribution says of itself; always 1.",
        "node_os_version" => "Major and minor version of the distribution.",
        "node_dmi_info" => "What the firmware says of the machine; always 1.",
        "node_arp_entries" => "Neighbours known by their hardware addresses.",
        "node_scrape_collector_success" => "1 for a collector that found what it looks for.",
        "node_scrape_collector_duration_seconds" => "How long a collector took.",
        "skopos_node_build_info" => "This exporter: a plugin of Skopos, not node_exporter; always 1.",
        _ => "",
    }
}
