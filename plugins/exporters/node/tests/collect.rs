//! Files of the kernel as they are on machines that the test machine is not.

use plugin_node::{Node, SCHEMA};
use skopos_sdk::exporter::{Exposition, Guest};
use skopos_sdk::fake;
use skopos_sdk::host_info::{Filesystem, Space, SystemInfo};

fn section(extra: &str) -> String {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
    let properties = schema["properties"].as_object().expect("properties");
    let mut section: serde_json::Map<String, serde_json::Value> =
        properties.iter().filter_map(|(key, p)| Some((key.clone(), p.get("default")?.clone()))).collect();
    let extra: serde_json::Value = serde_json::from_str(extra).expect("JSON");
    section.extend(extra.as_object().expect("an object").clone());
    serde_json::Value::Object(section).to_string()
}

fn system() -> SystemInfo {
    SystemInfo {
        sysname: "Linux".into(),
        nodename: "vm".into(),
        release: "6.1".into(),
        version: "#1".into(),
        machine: "x86_64".into(),
        domainname: "(none)".into(),
        boot_time: 1,
        page_size: 4096,
        clock_ticks: 100,
        cpu_count: 2,
    }
}

fn collect(host: &fake::Host, extra: &str) -> String {
    let _entered = host.enter();
    match Node::collect(section(extra), String::new()).expect("it answers") {
        Exposition::Text(text) => text,
        Exposition::Families(_) => panic!("a text is expected"),
    }
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
}

#[test]
fn files_become_series() {
    let host = fake::Host::default();
    host.set_system(system());
    host.write_file(
        "/proc/stat",
        "cpu  9 9\ncpu0 100 200 300 400 5 6 7 8 9 10\nintr 77 1 2\nctxt 5\nbtime 1000\nprocesses 3\nprocs_running 2\nprocs_blocked 1\n",
    );
    host.write_file("/proc/meminfo", "MemTotal:  2 kB\nActive(anon): 3 kB\nHugePages_Total:   4\nbad\n");
    host.write_file("/proc/net/dev", "a|b\nc|d\n  eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    host.write_file("/proc/net/netstat", "TcpExt: ListenDrops Other\nTcpExt: 7 8\n");
    host.write_file("/proc/net/snmp", "Ip: Forwarding DefaultTTL\nIp: 1 64\n");
    host.write_file("/proc/net/snmp6", "Udp6InErrors 3\nIp6InOctets 4\n");
    host.write_file("/proc/net/sockstat", "sockets: used 5\nTCP: inuse 1 mem 2\n");
    host.write_file("/proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 1 1\n");
    host.write_file("/run/udev/data/b8:0", "S:x\nE:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=S1\n");
    host.write_file("/etc/os-release", "NAME=\"My \\\"OS\\\"\"\nID=my\nVERSION_ID='22.04.1'\n");
    host.write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1200000\n");
    host.write_file("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
    host.write_file("/sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    host.write_file("/sys/devices/system/cpu/cpu0/topology/core_id", "1\n");
    host.write_file("/sys/class/dmi/id/sys_vendor", "ACME\n");
    let space = Space { size: 10, free: 5, available: 4, files: 3, files_free: 2 };
    let mounted = |device: &str, point: &str, fs_type: &str, space| Filesystem {
        device: device.into(),
        mount_point: point.into(),
        fs_type: fs_type.into(),
        read_only: true,
        space,
    };
    host.set_filesystems(vec![
        mounted("/dev/sda", "/", "ext4", Ok(space)),
        mounted("proc", "/proc", "proc", Ok(space)),
        mounted("srv:/x", "/nfs", "nfs", Err("it did not answer".into())),
    ]);
    let text = collect(&host, "{}");
    for line in [
        "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0.08",
        "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0.1",
        "node_cpu_core_throttles_total{package=\"0\",core=\"1\"} 3",
        "node_cpu_scaling_frequency_hertz{cpu=\"0\"} 1200000000",
        "node_intr_total 77",
        "# TYPE node_forks_total counter",
        "node_memory_MemTotal_bytes 2048",
        "node_memory_Active_anon_bytes 3072",
        "node_memory_HugePages_Total 4",
        "node_network_receive_multicast_total{device=\"eth0\"} 8",
        "node_network_transmit_compressed_total{device=\"eth0\"} 16",
        "node_netstat_TcpExt_ListenDrops 7",
        "node_netstat_Ip_Forwarding 1",
        "node_netstat_Udp6_InErrors 3",
        "node_netstat_Ip6_InOctets 4",
        "node_sockstat_TCP_mem_bytes 8192",
        "node_disk_read_bytes_total{device=\"sda\"} 1536",
        "node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",path=\"\",wwn=\"\",model=\"Disk\",serial=\"S1\",revision=\"\"} 1",
        "node_os_version{id=\"my\",id_like=\"\",name=\"My \\\"OS\\\"\"} 22.04",
        "node_dmi_info{system_vendor=\"ACME\"} 1",
        "node_filesystem_avail_bytes{device=\"/dev/sda\",mountpoint=\"/\",fstype=\"ext4\"} 4",
        "node_filesystem_readonly{device=\"/dev/sda\",mountpoint=\"/\",fstype=\"ext4\"} 1",
        "node_filesystem_device_error{device=\"srv:/x\",mountpoint=\"/nfs\",fstype=\"nfs\"} 1",
        "node_scrape_collector_success{collector=\"meminfo\"} 1",
        "node_scrape_collector_success{collector=\"pressure\"} 0",
    ] {
        has(&text, line);
    }
    for absent in ["sda1", "TcpExt_Other", "DefaultTTL", "mountpoint=\"/proc\"", "node_filesystem_size_bytes{device=\"srv:/x\""] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn collectors_are_chosen() {
    let host = fake::Host::default();
    host.set_system(system());
    host.write_file("/proc/loadavg", "1.5 2 3 1/2 3\n");
    let text = collect(&host, r#"{"collectors": ["loadavg", "uname", "stat"], "disable": ["uname"]}"#);
    has(&text, "node_load1 1.5");
    assert!(!text.contains("node_uname_info") && !text.contains("meminfo"));
    has(&text, "node_scrape_collector_success{collector=\"stat\"} 0");
    let _entered = host.enter();
    let error = Node::collect(section(r#"{"netdev_device_exclude": "("}"#), String::new()).expect_err("no pattern");
    assert!(format!("{error:?}").contains("netdev_device_exclude"), "{error:?}");
}

#[test]
fn the_schema_names_the_collectors() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
    let named: Vec<&str> = schema["$defs"]["collector"]["enum"].as_array().expect("a list").iter().filter_map(|v| v.as_str()).collect();
    let built: Vec<&str> = plugin_node::collect::COLLECTORS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, built);
}
