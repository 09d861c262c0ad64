//! Disks and file systems.

use skopos_sdk::host_info;

use super::read;
use crate::page::{Kind, Page};
use crate::section::Section;

/// Columns of `/proc/diskstats` after the device (kernel documentation, `iostats`), with the unit of each.
const COLUMNS: [(&str, Kind, f64); 17] = [
    ("node_disk_reads_completed_total", Kind::Counter, 1.0),
    ("node_disk_reads_merged_total", Kind::Counter, 1.0),
    // Sectors are of 512 bytes here whatever the disk has.
    ("node_disk_read_bytes_total", Kind::Counter, 512.0),
    ("node_disk_read_time_seconds_total", Kind::Counter, 0.001),
    ("node_disk_writes_completed_total", Kind::Counter, 1.0),
    ("node_disk_writes_merged_total", Kind::Counter, 1.0),
    ("node_disk_written_bytes_total", Kind::Counter, 512.0),
    ("node_disk_write_time_seconds_total", Kind::Counter, 0.001),
    ("node_disk_io_now", Kind::Gauge, 1.0),
    ("node_disk_io_time_seconds_total", Kind::Counter, 0.001),
    ("node_disk_io_time_weighted_seconds_total", Kind::Counter, 0.001),
    ("node_disk_discards_completed_total", Kind::Counter, 1.0),
    ("node_disk_discards_merged_total", Kind::Counter, 1.0),
    ("node_disk_discarded_sectors_total", Kind::Counter, 1.0),
    ("node_disk_discard_time_seconds_total", Kind::Counter, 0.001),
    ("node_disk_flush_requests_total", Kind::Counter, 1.0),
    ("node_disk_flush_requests_time_seconds_total", Kind::Counter, 0.001),
];

pub(super) fn diskstats(section: &Section, page: &mut Page) -> Result<(), String> {
    for line in read("/proc/diskstats")?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [major, minor, device, columns @ ..] = &words[..] else { continue };
        if section.disks.has(device) {
            continue;
        }
        info(page, device, major, minor);
        for ((name, kind, unit), word) in COLUMNS.iter().zip(columns) {
            if let Ok(value) = word.parse::<f64>() {
                page.add(name, *kind, &[("device", device)], value * unit);
            }
        }
    }
    Ok(())
}

/// What udev knows of a disk, where it runs.
fn info(page: &mut Page, device: &str, major: &str, minor: &str) {
    let text = read(&format!("/run/udev/data/b{major}:{minor}")).unwrap_or_default();
    let property =
        |key: &str| text.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
    let serial = [property("SCSI_IDENT_SERIAL"), property("ID_SERIAL_SHORT")].into_iter().find(|s| !s.is_empty()).unwrap_or_default();
    let labels = [
        ("device", device),
        ("major", major),
        ("minor", minor),
        ("path", property("ID_PATH")),
        ("wwn", property("ID_WWN")),
        ("model", property("ID_MODEL")),
        ("serial", serial),
        ("revision", property("ID_REVISION")),
    ];
    page.add("node_disk_info", Kind::Gauge, &labels, 1.0);
    if !property("ID_FS_USAGE").is_empty() {
        let labels = [
            ("device", device),
            ("type", property("ID_FS_TYPE")),
            ("usage", property("ID_FS_USAGE")),
            ("uuid", property("ID_FS_UUID")),
            ("version", property("ID_FS_VERSION")),
        ];
        page.add("node_disk_filesystem_info", Kind::Gauge, &labels, 1.0);
    }
    if !property("DM_NAME").is_empty() {
        let labels = [
            ("device", device),
            ("name", property("DM_NAME")),
            ("uuid", property("DM_UUID")),
            ("vg_name", property("DM_VG_NAME")),
            ("lv_name", property("DM_LV_NAME")),
            ("lv_layer", property("DM_LV_LAYER")),
        ];
        page.add("node_disk_device_mapper_info", Kind::Gauge, &labels, 1.0);
    }
}

pub(super) fn filesystem(section: &Section, page: &mut Page) -> Result<(), String> {
    for mounted in host_info::filesystems().map_err(|e| format!("{e:?}"))? {
        if section.mount_points.has(&mounted.mount_point) || section.fs_types.has(&mounted.fs_type) {
            continue;
        }
        let labels =
            [("device", mounted.device.as_str()), ("mountpoint", mounted.mount_point.as_str()), ("fstype", mounted.fs_type.as_str())];
        let mut add = |name: &str, value: f64| page.add(&format!("node_filesystem_{name}"), Kind::Gauge, &labels, value);
        add("device_error", f64::from(u8::from(mounted.space.is_err())));
        let Ok(space) = mounted.space else { continue };
        add("size_bytes", space.size as f64);
        add("free_bytes", space.free as f64);
        add("avail_bytes", space.available as f64);
        add("files", space.files as f64);
        add("files_free", space.files_free as f64);
        add("readonly", f64::from(u8::from(mounted.read_only)));
    }
    Ok(())
}
