use crate::state::CallState;
use crate::text::{one_line, shortened};
use crate::v0_1::imports::files::{Chunk, Entry, Error, Host, Metadata};

impl CallState {
    /// Reading files comes with the node exporter. Until then every path is refused, granted or not, and says so.
    fn no_files<T>(&self, path: &str) -> wasmtime::Result<Result<T, Error>> {
        let line = format!("read: {}", one_line(&shortened(path, 300)));
        self.access.refuse(&line, &line);
        Ok(Err(Error::Denied(format!("{line} (this host does not read files for plugins yet, with the grant neither)"))))
    }
}

impl Host for CallState {
    async fn read(&mut self, path: String, _: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        self.no_files(&path)
    }

    async fn read_at(&mut self, path: String, _: u64, _: u32) -> wasmtime::Result<Result<Chunk, Error>> {
        self.no_files(&path)
    }

    async fn read_link(&mut self, path: String) -> wasmtime::Result<Result<String, Error>> {
        self.no_files(&path)
    }

    async fn list(&mut self, path: String) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        self.no_files(&path)
    }

    async fn stat(&mut self, path: String) -> wasmtime::Result<Result<Metadata, Error>> {
        self.no_files(&path)
    }
}
