//! The plugin's section: which collectors, and what they leave out.

use regex_lite::Regex;
use serde::Deserialize;
use skopos_sdk::config;
use skopos_sdk::types::Error;

/// As the host hands it over, defaults filled in.
#[derive(Deserialize)]
struct Written {
    collectors: Option<Vec<String>>,
    #[serde(default)]
    disable: Vec<String>,
    filesystem_mount_points_exclude: String,
    filesystem_fs_types_exclude: String,
    diskstats_device_exclude: String,
    netdev_device_exclude: String,
    netclass_ignored_devices: String,
}

/// Ready for use.
pub struct Section {
    collectors: Option<Vec<String>>,
    disable: Vec<String>,
    /// Mount points to leave out.
    pub mount_points: Exclude,
    /// Types of file systems to leave out.
    pub fs_types: Exclude,
    /// Disks to leave out.
    pub disks: Exclude,
    /// Network devices whose traffic to leave out.
    pub traffic: Exclude,
    /// Network devices whose properties to leave out.
    pub devices: Exclude,
}

/// Names to leave out; nothing for an empty pattern.
pub struct Exclude(Option<Regex>);

impl Exclude {
    fn parse(key: &str, pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() {
            return Ok(Self(None));
        }
        Regex::new(pattern).map(|regex| Self(Some(regex))).map_err(|e| Error::Config(format!("{key}: {e}")))
    }

    /// Whether a name is left out.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

impl Section {
    /// Reads the section.
    ///
    /// # Errors
    /// A pattern that is none, by its key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let written: Written = config::parse(text)?;
        Ok(Self {
            mount_points: Exclude::parse("filesystem_mount_points_exclude", &written.filesystem_mount_points_exclude)?,
            fs_types: Exclude::parse("filesystem_fs_types_exclude", &written.filesystem_fs_types_exclude)?,
            disks: Exclude::parse("diskstats_device_exclude", &written.diskstats_device_exclude)?,
            traffic: Exclude::parse("netdev_device_exclude", &written.netdev_device_exclude)?,
            devices: Exclude::parse("netclass_ignored_devices", &written.netclass_ignored_devices)?,
            collectors: written.collectors,
            disable: written.disable,
        })
    }

    /// Whether a collector runs.
    #[must_use]
    pub fn has(&self, collector: &str) -> bool {
        let is_it = |name: &String| name == collector;
        self.collectors.as_ref().is_none_or(|only| only.iter().any(is_it)) && !self.disable.iter().any(is_it)
    }
}
