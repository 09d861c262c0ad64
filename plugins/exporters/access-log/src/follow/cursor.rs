//! Which file a position belongs to: inode and device, and prints of what was read, because inodes come again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skopos_sdk::files::{self, Chunk, Error, Kind};

use super::names;

/// Bytes of a print.
pub(crate) const PRINT_BYTES: usize = 256;
/// Rotated files that are looked at.
const SIBLINGS_MAX: usize = 128;

/// What names a file while it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl Id {
    pub(crate) fn of(chunk: &Chunk) -> Self {
        Self { device: chunk.device, inode: chunk.inode }
    }
}

/// Some bytes of a file, by their hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print {
    pub(crate) len: usize,
    hash: String,
}

impl Print {
    /// Of all of them.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let hash = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { len: bytes.len(), hash }
    }

    /// Whether these bytes begin with it.
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.len && Self::of(&bytes[..self.len]) == *self
    }
}

/// How far one file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(flatten)]
    pub(crate) id: Id,
    /// Behind the end of the last line that was counted.
    pub(crate) offset: u64,
    /// Of the file when it was last seen.
    pub(crate) size: u64,
    /// All whole lines there were have been counted.
    #[serde(default)]
    pub(crate) ended: bool,
    /// The line at the offset is too long: what is before its end is not counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) skipping: bool,
    /// Of the file's beginning.
    #[serde(default)]
    pub(crate) head: Print,
    /// Of what stands before the offset.
    #[serde(default)]
    pub(crate) tail: Print,
}

/// What a path leads to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The cursor's content, grown or as it was.
    Same,
    /// Other content.
    Other,
    /// Another file than a moment ago: names are moving.
    Moved,
}

impl Cursor {
    pub(crate) fn at_start(seen: &Seen) -> Self {
        Self { id: seen.id, size: seen.size, head: Print::of(&seen.head), ..Self::default() }
    }

    /// Whether there is something to know it by, beside its inode.
    pub(crate) fn has_print(&self) -> bool {
        self.tail.len > 0 || self.head.len > 0
    }

    /// Whether bytes from just before the offset on are its own. Before anything was read, the beginning has to do.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        if self.tail.len > 0 { self.tail.begins(bytes) } else { self.offset > 0 || self.head.begins(bytes) }
    }

    /// What is known to be unread.
    pub(crate) fn lag(&self) -> u64 {
        if self.ended { 0 } else { self.size.saturating_sub(self.offset) }
    }

    /// Notes what the file is now.
    pub(crate) fn seen(&mut self, seen: &Seen) {
        self.ended &= seen.size == self.size;
        self.size = seen.size;
    }

    /// Whether a file that was seen holds what was read under this cursor, by what stands before the offset.
    ///
    /// # Errors
    /// Of reading it.
    pub(crate) fn look(&self, seen: &Seen) -> Result<Look, Error> {
        let from = self.offset - self.tail.len as u64;
        let max = if self.offset == 0 { self.head.len } else { self.tail.len };
        match files::read_at(&seen.path, from, u32::try_from(max).unwrap_or(0)) {
            Ok(chunk) if Id::of(&chunk) != seen.id => Ok(Look::Moved),
            Ok(chunk) if chunk.size >= self.offset && self.fits(&chunk.data) => Ok(Look::Same),
            Ok(_) => Ok(Look::Other),
            Err(Error::NotFound) => Ok(Look::Moved),
            Err(error) => Err(error),
        }
    }

    /// Whether a file begins as this one, and ends before the offset: a copy that holds nothing new.
    pub(crate) fn holds(&self, sibling: &Seen) -> bool {
        self.head.len > 0 && sibling.size < self.offset && self.head.begins(&sibling.head)
    }
}

/// A file as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) id: Id,
    pub(crate) size: u64,
    pub(crate) head: Vec<u8>,
}

impl Seen {
    pub(crate) fn look(path: &str) -> Result<Self, Error> {
        let chunk = files::read_at(path, 0, u32::try_from(PRINT_BYTES).unwrap_or(u32::MAX))?;
        Ok(Self { path: path.to_owned(), id: Id::of(&chunk), size: chunk.size, head: chunk.data })
    }

    /// Unix milliseconds of the last change; the past for one that is gone by now.
    pub(crate) fn modified(&self) -> i64 {
        files::stat(&self.path).map_or(i64::MIN, |metadata| metadata.modified)
    }
}

/// A rotated file that was there before, and has nothing to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    #[serde(flatten)]
    id: Id,
    size: u64,
    head: Print,
}

impl Known {
    pub(crate) fn of(seen: &Seen) -> Self {
        Self { id: seen.id, size: seen.size, head: Print::of(&seen.head) }
    }

    pub(crate) fn is(&self, seen: &Seen) -> bool {
        // An empty file has nothing to know it by: its inode may be another file's by now, and if not, what came is new all the same.
        self.id == seen.id && seen.size >= self.size && self.head.begins(&seen.head) && (self.size > 0 || seen.size == 0)
    }
}

/// The rotated files of a log, each once, those with the same inode as `live` left out. None if the operator has not granted to
/// look for them.
///
/// # Errors
/// Of reading the directory.
pub(crate) fn siblings(path: &str, rotated: &str, live: Option<Id>) -> Result<Vec<Seen>, Error> {
    let (folder, name) = if rotated.is_empty() { path } else { rotated }.rsplit_once('/').unwrap_or_default();
    let entries = match files::list(if folder.is_empty() { "/" } else { folder }) {
        Ok(entries) => entries,
        Err(Error::NotFound | Error::Denied(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_rotated = |entry: &str| {
        if rotated.is_empty() {
            names::is_rotated(name, entry)
        } else {
            crate::paths::glob(name.as_bytes(), entry.as_bytes()) && !names::is_packed(entry)
        }
    };
    let found = entries.iter().filter(|entry| matches!(entry.kind, Kind::File | Kind::Link) && is_rotated(&entry.name));
    let mut seen: Vec<Seen> = Vec::new();
    for entry in found.take(SIBLINGS_MAX) {
        let entry_path = format!("{folder}/{}", entry.name);
        if entry_path == path {
            continue;
        }
        match Seen::look(&entry_path) {
            Ok(file) if Some(file.id) != live && seen.iter().all(|other| other.id != file.id) => seen.push(file),
            Ok(_) | Err(Error::NotFound | Error::Denied(_) | Error::Failed(_)) => {}
            Err(Error::TooLarge) => return Err(Error::TooLarge),
        }
    }
    Ok(seen)
}
