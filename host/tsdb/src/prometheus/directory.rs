//! A data directory of Prometheus.

use std::path::{Path, PathBuf};

use super::block::Block;
use super::error::Error;
use super::file::names;
use super::head::{self, HeadReport};
use super::meta::{Meta, is_ulid};
use crate::backfill::Buffer;

/// A data directory of Prometheus that nobody writes: it is stopped, or this is a snapshot.
pub struct Directory {
    dir: PathBuf,
    blocks: Vec<(PathBuf, Meta)>,
}

/// What a directory holds, by the names in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Something of Prometheus: a block, or a segment of its log.
    pub of_prometheus: Option<String>,
    /// Something of ours.
    pub of_skopos: Option<String>,
}

impl Contents {
    /// Looks at the names in a directory. What cannot be listed holds nothing.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        let below =
            |folder: &'static str| names(&dir.join(folder)).unwrap_or_default().into_iter().map(move |name| format!("{folder}/{name}"));
        let is_number = |path: &String| path.split('/').next_back().is_some_and(|name| name.len() == 8 && name.parse::<u64>().is_ok());
        let block = names(dir).unwrap_or_default().into_iter().find(|name| is_ulid(name) && dir.join(name).join("meta.json").is_file());
        let segment = || below("wal").find(is_number);
        let ours = |path: &String| path.ends_with(".block") || path.ends_with(".log");
        Self { of_prometheus: block.or_else(segment), of_skopos: below("blocks").chain(below("wal")).find(ours) }
    }
}

impl Directory {
    /// Looks at what is there: of blocks no more than their `meta.json` is read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let mut blocks = Vec::new();
        std::fs::read_dir(dir).map_err(Error::io(dir))?;
        for name in names(dir)? {
            let path = dir.join(&name);
            // What Prometheus was writing or deleting when it ended has another name.
            if is_ulid(&name) && path.is_dir() {
                let meta = Meta::read(&path.join("meta.json"))?;
                blocks.push((path, meta));
            }
        }
        // By time, and of equal times the one that was written first, whose samples count.
        blocks.sort_by(|(_, a), (_, b)| (a.time_min, a.out_of_order, &a.ulid).cmp(&(b.time_min, b.out_of_order, &b.ulid)));
        // A block may be given itself.
        if blocks.is_empty() && dir.join("meta.json").is_file() {
            blocks.push((dir.to_owned(), Meta::read(&dir.join("meta.json"))?));
        }
        Ok(Self { dir: dir.to_owned(), blocks })
    }

    /// The blocks, by time.
    pub fn blocks(&self) -> impl Iterator<Item = (&Path, &Meta)> {
        self.blocks.iter().map(|(path, meta)| (path.as_path(), meta))
    }

    /// Opens one of them.
    pub fn block(path: &Path) -> Result<Block, Error> {
        Block::open(path)
    }

    /// Whether there is a log.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.dir.join("wal").is_dir()
    }

    /// Reads what is in no block yet into memory, packed. As Prometheus has it when it starts, samples of the log that are older
    /// than the end of the newest block are in blocks already, and are left out.
    pub fn head(&self) -> Result<(Buffer, HeadReport), Error> {
        let valid_from = self.blocks.iter().filter(|(_, meta)| !meta.out_of_order).map(|(_, meta)| meta.time_max).max();
        head::read(&self.dir, valid_from)
    }

    /// Who has the directory open, as far as it can be seen. Prometheus' lock file holds nothing, and Debian's is asked to make one
    /// first, so on Linux the files that processes have open count as well.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        let lock = std::fs::File::open(self.dir.join("lock")).ok();
        if lock.is_some_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))) {
            return Some("another process".to_owned());
        }
        let wal = self.dir.join("wal").canonicalize().ok()?;
        let processes = names(Path::new("/proc")).ok()?;
        let has_it = |process: &&String| {
            let files = Path::new("/proc").join(process).join("fd");
            let open = std::fs::read_dir(files).into_iter().flatten().flatten();
            process.bytes().all(|byte| byte.is_ascii_digit())
                && open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|file| file.starts_with(&wal))
        };
        processes.iter().find(has_it).map(|process| format!("process {process}"))
    }
}
