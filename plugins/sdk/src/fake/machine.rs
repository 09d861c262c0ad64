//! Facts of the machine, as a test tells them.

use super::Host;
use crate::imports::host_info::{Filesystem, SystemInfo};

/// Nothing told is nothing granted.
#[derive(Default)]
pub(super) struct Machine {
    filesystems: Option<Vec<Filesystem>>,
    system: Option<SystemInfo>,
}

impl Host {
    /// What is mounted. Before it is set it is denied.
    pub fn set_filesystems(&self, filesystems: Vec<Filesystem>) {
        self.state().machine.filesystems = Some(filesystems);
    }

    /// What the machine is. Before it is set it is denied.
    pub fn set_system(&self, system: SystemInfo) {
        self.state().machine.system = Some(system);
    }
}

pub(crate) mod host_info {
    use crate::fake::current;
    use crate::imports::host_info::{Error, Filesystem, SystemInfo};

    fn denied() -> Error {
        Error::Denied("host-info: true".to_owned())
    }

    pub(crate) fn filesystems() -> Result<Vec<Filesystem>, Error> {
        current().state().machine.filesystems.clone().ok_or_else(denied)
    }

    pub(crate) fn system() -> Result<SystemInfo, Error> {
        current().state().machine.system.clone().ok_or_else(denied)
    }
}
