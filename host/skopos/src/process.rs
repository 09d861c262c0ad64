//! Facts about this process, from `/proc`.

use std::fs;

/// What the metrics `process_*` say. Zero where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFacts {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) open_files: u64,
    pub(crate) open_files_max: u64,
    pub(crate) threads: u64,
}

/// Ticks a second in `/proc/self/stat`: 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes of a page: `/proc/self/statm` counts in pages, and `status` in KiB, which needs no page size.
const KIB: u64 = 1024;

impl ProcessFacts {
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The second field is the program's name in parentheses and may hold blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name));
            line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * KIB
        };
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open_files_max = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
        Self {
            cpu_seconds: (number(11) + number(12)) as f64 / TICKS_PER_SECOND,
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            open_files_max: open_files_max.unwrap_or(0),
            threads: number(17),
        }
    }
}
