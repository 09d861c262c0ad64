//! How much memory there is for us.

use std::fs;
use std::path::{Path, PathBuf};

/// A third of the machine's memory or of the control group's limit, whichever is smaller. None where the system says neither.
pub(crate) fn default_budget() -> Option<u64> {
    limit(Path::new("/")).map(|bytes| bytes / 3)
}

/// What queries together may take: a quarter.
pub(crate) fn default_query_memory() -> Option<u64> {
    limit(Path::new("/")).map(|bytes| bytes / 4)
}

/// The smallest of all limits, below a root.
fn limit(root: &Path) -> Option<u64> {
    machine(root).into_iter().chain(groups(root)).min()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of our control group and of those above it, of version 2 and of version 1. In a container the group's path often leads
/// nowhere, and its limit lies at the top.
fn groups(root: &Path) -> Vec<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (top, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            some if some.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let top = root.join(top);
        let mut dir: PathBuf = top.join(path.trim_start_matches('/'));
        loop {
            // "max", or of version 1 a number next to 2^63, is no limit.
            let number = fs::read_to_string(dir.join(file)).ok().and_then(|text| text.trim().parse::<u64>().ok());
            limits.extend(number.filter(|bytes| (1..1 << 60).contains(bytes)));
            if dir == top || !dir.pop() {
                break;
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_the_smallest_limit_counts() {
        let dir = std::env::temp_dir().join(format!("skopos-memory-{}", std::process::id()));
        let put = |path: &str, text: &str| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        };
        assert_eq!(limit(&dir), None);
        put("proc/meminfo", "MemFree: 1 kB\nMemTotal:       4000 kB\n");
        assert_eq!(limit(&dir), Some(4_096_000));
        put("proc/self/cgroup", "0::/system.slice/skopos.service\n");
        put("sys/fs/cgroup/system.slice/skopos.service/memory.max", "max\n");
        put("sys/fs/cgroup/system.slice/memory.max", "2000000\n");
        assert_eq!(limit(&dir), Some(2_000_000), "of the group above");
        put("proc/self/cgroup", "5:cpu,memory:/docker/abc\n4:pids:/x\n");
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
        assert_eq!(limit(&dir), Some(1_000_000), "version 1, in a container");
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&dir), Some(4_096_000));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
