use std::sync::Arc;

use crate::access::Access;
use crate::files::{self, Facts, FileError, Part, Rules, WAIT_MAX};
use crate::state::CallState;
use crate::text::{one_line, shortened};
use crate::v0_1::imports::files::{Chunk, Entry, Error, Host, Kind, Metadata};

impl CallState {
    /// Does `work` on a thread that may wait, under the grants, and for a bounded time. What hangs keeps its permit, so that a
    /// dead file server holds up a few threads and no more.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        path: String,
        work: impl FnOnce(&Rules<'_>, &str) -> Result<T, FileError> + Send + 'static,
    ) -> wasmtime::Result<Result<T, Error>> {
        let access = Arc::clone(&self.access);
        let waiting = async {
            let permit = Arc::clone(&access.standing.files).acquire_owned().await?;
            let access = Arc::clone(&access);
            let job = move || {
                let _permit = permit;
                let rules = Rules { grants: &access.grants, own_dirs: &access.means.own_dirs };
                let done = work(&rules, &path);
                note(&access, &path, &done);
                done
            };
            Ok::<_, wasmtime::Error>(tokio::task::spawn_blocking(job).await?)
        };
        match tokio::time::timeout(WAIT_MAX, waiting).await {
            Ok(done) => Ok(done?.map_err(|error| shown(&access, error))),
            Err(_) => Ok(Err(Error::Failed(format!("no answer within {} seconds", WAIT_MAX.as_secs())))),
        }
    }

    /// How much one operation may read now.
    fn file_bytes(&self, max: u32) -> u64 {
        u64::from(max).min(self.file_bytes_left)
    }

    /// Counts what was read; says once that the limit is reached.
    fn has_read(&mut self, bytes: usize) {
        self.file_bytes_left = self.file_bytes_left.saturating_sub(bytes as u64);
    }

    fn too_large(&self, max: u32) {
        if self.file_bytes(max) < u64::from(max) {
            let what = format!("more than {} MiB of files in one call", self.limits.file_bytes >> 20);
            self.access.standing.refuse(&what, "limits: {files: \u{2026}}");
        }
    }
}

/// Counts what the grants did.
fn note<T>(access: &Access, path: &str, done: &Result<T, FileError>) {
    let granted = || access.grants.read.iter().find(|pattern| files::pattern::leads_to(pattern, path));
    match done {
        Err(FileError::Denied(path)) => {
            let line = line_for(path);
            access.standing.refuse(&line, &line);
        }
        Err(FileError::Never(path, what)) => access.standing.refuse_for_good(&one_line(&shortened(path, 300)), what),
        _ => {
            if let Some(pattern) = granted() {
                access.standing.ledger.used(&format!("read: {pattern}"));
            }
        }
    }
}

fn line_for(path: &str) -> String {
    format!("read: {}", one_line(&shortened(path, 300)))
}

fn shown(access: &Access, error: FileError) -> Error {
    match error {
        FileError::Denied(path) => Error::Denied(line_for(&path)),
        FileError::Never(path, what) => Error::Denied(format!("{} is {what}, which no grant opens", one_line(&shortened(&path, 300)))),
        FileError::NotFound => Error::NotFound,
        FileError::TooLarge => Error::TooLarge,
        FileError::Failed(text) => Error::Failed(access.secrets.conceal(one_line(&shortened(&text, 1000)))),
    }
}

impl Host for CallState {
    async fn read(&mut self, path: String, max: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let bytes = self.file_bytes(max);
        let read = self.on_disk(path, move |rules, path| files::read(rules, path, bytes)).await?;
        match &read {
            Ok(data) => self.has_read(data.len()),
            Err(Error::TooLarge) => self.too_large(max),
            Err(_) => {}
        }
        Ok(read)
    }

    async fn read_at(&mut self, path: String, offset: u64, max: u32) -> wasmtime::Result<Result<Chunk, Error>> {
        let bytes = self.file_bytes(max);
        if bytes == 0 && max > 0 {
            // An empty part would mean the end of the file.
            self.too_large(max);
            return Ok(Err(Error::TooLarge));
        }
        let part = self.on_disk(path, move |rules, path| files::read_at(rules, path, offset, bytes)).await?;
        Ok(part.map(|Part { data, facts }| {
            self.has_read(data.len());
            Chunk { data, inode: facts.inode, device: facts.device, size: facts.size }
        }))
    }

    async fn read_link(&mut self, path: String) -> wasmtime::Result<Result<String, Error>> {
        self.on_disk(path, files::read_link).await
    }

    async fn list(&mut self, path: String) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let entries = self.on_disk(path, files::list).await?;
        Ok(entries.map(|entries| entries.into_iter().map(|(name, kind)| Entry { name, kind: kind_of(kind) }).collect()))
    }

    async fn stat(&mut self, path: String) -> wasmtime::Result<Result<Metadata, Error>> {
        let facts = self.on_disk(path, files::stat).await?;
        Ok(facts.map(|Facts { kind, size, modified, inode, device }| Metadata { kind: kind_of(kind), size, modified, inode, device }))
    }
}

fn kind_of(kind: files::Kind) -> Kind {
    match kind {
        files::Kind::File => Kind::File,
        files::Kind::Directory => Kind::Directory,
        files::Kind::Link => Kind::Link,
        files::Kind::Other => Kind::Other,
    }
}
