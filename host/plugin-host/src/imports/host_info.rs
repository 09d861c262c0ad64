use crate::state::CallState;
use crate::v0_1::imports::host_info::{Error, Filesystem, Host, SystemInfo};

const LINE: &str = "host-info: true";

impl CallState {
    /// Comes with the node exporter. Until then it is refused, granted or not, and says so.
    fn no_host_info<T>(&self) -> wasmtime::Result<Result<T, Error>> {
        self.access.refuse(LINE, LINE);
        Ok(Err(Error::Denied(format!("{LINE} (this host does not tell plugins facts of the machine yet, with the grant neither)"))))
    }
}

impl Host for CallState {
    async fn filesystems(&mut self) -> wasmtime::Result<Result<Vec<Filesystem>, Error>> {
        self.no_host_info()
    }

    async fn system(&mut self) -> wasmtime::Result<Result<SystemInfo, Error>> {
        self.no_host_info()
    }
}
