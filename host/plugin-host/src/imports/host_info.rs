use std::sync::Arc;

use crate::machine_facts::{self, Mounted, Room};
use crate::state::CallState;
use crate::v0_1::imports::host_info::{Error, Filesystem, Host, Space, SystemInfo};

const LINE: &str = "host-info: true";

impl CallState {
    /// The error to answer without the grant.
    fn no_host_info(&self) -> Option<Error> {
        if self.access.grants.host_info {
            self.access.standing.ledger.used(LINE);
            return None;
        }
        Some(Error::Denied(self.access.refuse(LINE, LINE)))
    }
}

impl Host for CallState {
    async fn filesystems(&mut self) -> wasmtime::Result<Result<Vec<Filesystem>, Error>> {
        if let Some(error) = self.no_host_info() {
            return Ok(Err(error));
        }
        let files = Arc::clone(&self.access.standing.files);
        let mounted = machine_facts::filesystems(files, Arc::clone(&self.access.means.unanswering)).await;
        Ok(mounted.map(|list| list.into_iter().map(filesystem).collect()).map_err(Error::Failed))
    }

    async fn system(&mut self) -> wasmtime::Result<Result<SystemInfo, Error>> {
        if let Some(error) = self.no_host_info() {
            return Ok(Err(error));
        }
        // Files of the kernel alone: nothing there waits.
        Ok(machine_facts::system().map_err(Error::Failed).map(|system| SystemInfo {
            sysname: system.sysname,
            nodename: system.nodename,
            release: system.release,
            version: system.version,
            machine: system.machine,
            domainname: system.domainname,
            boot_time: system.boot_time,
            page_size: system.page_size,
            clock_ticks: system.clock_ticks,
            cpu_count: system.cpu_count,
        }))
    }
}

fn filesystem((mounted, room): (Mounted, Result<Room, String>)) -> Filesystem {
    let space = |Room { size, free, available, files, files_free }| Space { size, free, available, files, files_free };
    Filesystem {
        device: mounted.device,
        mount_point: mounted.mount_point,
        fs_type: mounted.fs_type,
        read_only: mounted.read_only,
        space: room.map(space),
    }
}
