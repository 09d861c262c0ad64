//! The `node` exporter beside Debian's `prometheus-node-exporter` on the same machine: the same series, and values that lie between
//! those of its scrapes before and after.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use test_support::{Setup, Skopos, find_program, free_port, get, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

const CONFIG: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - {job_name: node, exporter: node}\n";

/// How many the exporter has.
const COLLECTORS: usize = 23;

/// What is deliberately not built, and why. Beginnings of names.
const NOT_BUILT: [(&str, &str); 8] = [
    ("node_timex_", "timex: no file tells it, and a component makes no system calls"),
    ("node_time_zone_offset_seconds", "time: a component has no time zone"),
    ("node_selinux_", "selinux: later"),
    ("node_textfile_", "textfile: a folder of the operator's; later"),
    ("node_schedstat_", "schedstat: later"),
    ("node_hwmon_", "hwmon: later"),
    ("node_exporter_build_info", "it is not node_exporter: skopos_node_build_info instead"),
    ("node_scrape_collector_", "of the collectors that are not built"),
];

/// Of the exporter's own process.
const PROCESS: [&str; 3] = ["go_", "process_", "promhttp_"];

/// What is something else in the next moment: the series are compared, the values are not.
const FLICKERS: [&str; 12] = [
    "node_procs_",
    "node_disk_io_now",
    "node_sockstat_",
    "node_nf_conntrack_",
    "node_filefd_allocated",
    "node_udp_queues",
    "node_scrape_collector_duration",
    "node_netstat_Tcp_CurrEstab",
    "node_arp_entries",
    "node_load1",
    "node_memory_Dirty",
    "node_memory_Writeback",
];

/// The filters that the plugin has unless told otherwise; Debian's own differ from upstream's.
const FLAGS: [&str; 4] = [
    "--collector.netdev.device-exclude=",
    "--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$",
];

struct Peer {
    child: Child,
    url: String,
}

impl Peer {
    fn start() -> Option<Self> {
        let program = find_program("prometheus-node-exporter")?;
        let port = free_port();
        let child = Command::new(program)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(FLAGS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let peer = Self { child, url: format!("http://127.0.0.1:{port}/metrics") };
        wait_for("node_exporter to listen", LIMIT, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(peer)
    }

    /// Values by series, and kinds by name.
    fn scrape(&self) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut values, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for line in get(&self.url).body.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                kinds.insert(name.to_owned(), kind.to_owned());
            } else if let (false, Some((series, value))) = (line.starts_with('#'), line.rsplit_once(' ')) {
                values.insert(series_key(series), value.parse().expect("a number"));
            }
        }
        (values, kinds)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Name and labels in order. None of the values that occur has a quote or a comma in it, but the name of a system may.
fn series_key(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return format!("{series}{{}}") };
    let mut pairs: Vec<&str> = labels.trim_end_matches('}').split("\",").map(|pair| pair.trim_end_matches('"')).collect();
    pairs.sort_unstable();
    let shown: Vec<&str> = pairs.into_iter().filter(|pair| !pair.ends_with('=')).collect();
    format!("{name}{{{}}}", shown.join(";"))
}

fn key_of(metric: &Value) -> String {
    let labels = metric.as_object().expect("labels");
    let mut pairs: Vec<String> = labels
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "__name__" | "job" | "instance"))
        .map(|(name, value)| format!("{name}=\"{}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort_unstable();
    format!("{}{{{}}}", labels["__name__"].as_str().unwrap_or_default(), pairs.join(";"))
}

/// What one scrape stored.
fn stored(skopos: &Skopos) -> BTreeMap<String, f64> {
    let own = |name: &str| name.starts_with("node_") || name.starts_with("skopos_node_");
    let series = skopos.query("{job=\"node\"}");
    let values = series.iter().map(|s| (key_of(&s["metric"]), s["value"][1].as_str().and_then(|v| v.parse().ok()).expect("a number")));
    values.filter(|(key, _)| own(key)).collect()
}

#[test]
fn the_same_series_as_node_exporter() {
    let Some(peer) = Peer::start() else {
        assert!(std::env::var_os("SKOPOS_CI").is_none(), "prometheus-node-exporter is absent: apt-get install prometheus-node-exporter");
        println!("node: skipped, prometheus-node-exporter is not installed");
        return;
    };
    let skopos = Setup::new(BINARY, "node").config(CONFIG).start();
    skopos.wait_query("up{job=\"node\"} == 1", LIMIT, |r| r.len() == 1);
    let scraped_at = || skopos.query_value("timestamp(up{job=\"node\"})").unwrap_or(0.0);
    // Twice: the first finds all files cold.
    let mut report = Vec::new();
    for _ in 0..2 {
        let (before, kinds) = peer.scrape();
        let from = scraped_at();
        wait_for("a scrape after that", LIMIT, || (scraped_at() > from + 0.5).then_some(()));
        // One that began before the peer's may be among them: the next one is not.
        let from = scraped_at();
        wait_for("one more", LIMIT, || (scraped_at() > from + 0.5).then_some(()));
        let ours = stored(&skopos);
        let collectors = ours.keys().filter(|series| series.starts_with("node_scrape_collector_success")).count();
        assert_eq!(collectors, COLLECTORS, "each says whether it found what it looks for");
        let (after, _) = peer.scrape();
        report = compare(&ours, &before, &after, &kinds);
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
    cost(&skopos);
}

/// What is wrong, after printing what is right.
#[expect(clippy::print_stdout, reason = "counts belong into the output")]
fn compare(
    ours: &BTreeMap<String, f64>,
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    kinds: &BTreeMap<String, String>,
) -> Vec<String> {
    let (mut equal, mut compared, mut wrong) = (0, 0, Vec::new());
    let (mut missing, mut extra) = (0, 0);
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for (series, first) in before.iter().filter(|(series, _)| !PROCESS.iter().any(|begin| series.starts_with(begin))) {
        let Some(value) = ours.get(series) else {
            match NOT_BUILT.iter().find(|(begin, _)| series.starts_with(begin)) {
                Some((_, why)) => *left_out.entry(why).or_default() += 1,
                // What went away meanwhile was not to be found.
                None if !after.contains_key(series) => {}
                None => {
                    missing += 1;
                    wrong.push(format!("missing: {series}"));
                }
            }
            continue;
        };
        equal += 1;
        let name = series.split('{').next().unwrap_or_default();
        let (Some(last), false) = (after.get(series), FLICKERS.iter().any(|begin| name.starts_with(begin))) else { continue };
        compared += 1;
        let (low, high) = (first.min(*last), first.max(*last));
        let slack = match kinds.get(name).map_or("", String::as_str) {
            // What cannot change, and what says so by not having changed.
            _ if fixed(name) => 0.0,
            // Room of memory and disks was elsewhere in between, while others compile.
            "gauge" if name.starts_with("node_memory_") || name.starts_with("node_filesystem_") => 0.25 * high.abs() + f64::from(1 << 24),
            "gauge" if low == high => 0.0,
            "gauge" => 0.25 * high.abs() + 1.0,
            // Counters grow; those of time are rounded, and the kernel lets idle time go back a little.
            _ => 1e-9 * high.abs() + 0.05,
        };
        if !(low - slack..=high + slack).contains(value) {
            wrong.push(format!("{series}: {value} is not within {low} and {high}"));
        }
    }
    for series in ours.keys().filter(|series| !before.contains_key(*series) && !after.contains_key(*series)) {
        if !series.starts_with("skopos_node_build_info") {
            extra += 1;
            wrong.push(format!("extra: {series}"));
        }
    }
    println!(
        "node: {equal} series equal, {missing} missing, {extra} extra; {compared} values compared, {} of them off",
        wrong.len() - missing - extra
    );
    for (why, count) in left_out {
        println!("node: not built: {count} series, {why}");
    }
    wrong
}

fn fixed(name: &str) -> bool {
    name.ends_with("_info") || name.contains("Total_bytes") || name.ends_with("_Total") || name.ends_with("_filesystem_size_bytes")
}

/// What a scrape costs, as the process and the scraper tell it.
#[expect(clippy::print_stdout, reason = "what was measured is printed")]
fn cost(skopos: &Skopos) {
    let ticks = || -> u64 {
        let stat = skopos.proc_file("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    };
    let scrapes = || skopos.query_value("count_over_time(up{job=\"node\"}[10m])").unwrap_or(0.0);
    let (ticks_before, scrapes_before) = (ticks(), scrapes());
    std::thread::sleep(Duration::from_secs(10));
    let (ticks, scrapes) = (ticks() - ticks_before, scrapes() - scrapes_before);
    let took = skopos.query_value("avg_over_time(scrape_duration_seconds{job=\"node\"}[10s])").unwrap_or(0.0);
    let samples = skopos.query_value("scrape_samples_scraped{job=\"node\"}").unwrap_or(0.0);
    let bytes: usize = stored(skopos).iter().map(|(series, value)| series.len() + value.to_string().len() + 2).sum();
    println!(
        "node: a scrape of {samples} samples, about {bytes} bytes, took {:.1} ms and {:.1} ms of the whole process' CPU time (unoptimised host, {scrapes} scrapes)",
        took * 1000.0,
        ticks as f64 * 10.0 / scrapes.max(1.0)
    );
}
