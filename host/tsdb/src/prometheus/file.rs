//! Files of Prometheus, which are read alone: they belong to somebody else, so they are opened without the right to write and
//! never mapped (a file that is cut under a mapping ends the process). This is why they do not go through [`crate::disk`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// A file and its length when it was opened.
pub(crate) struct ReadFile {
    pub(crate) path: PathBuf,
    content: Content,
    pub(crate) length: u64,
}

enum Content {
    File(File),
    /// For tests and the fuzzer.
    Bytes(Vec<u8>),
}

impl ReadFile {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        // Before opening: a FIFO that nobody writes to would never open.
        if !std::fs::metadata(path).map_err(Error::io(path))?.is_file() {
            return Err(Error::format(path, 0, "this is not a regular file"));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        Ok(Self { path: path.to_owned(), content: Content::File(file), length })
    }

    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { path: PathBuf::from("memory"), length: bytes.len() as u64, content: Content::Bytes(bytes) }
    }

    /// Exactly so many bytes. A length that the file does not have is refused before anything is allocated.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.length) {
            let what = format!("{length} bytes should be here, and the file ends at {}", self.length);
            return Err(Error::format(&self.path, offset, what));
        }
        match &self.content {
            Content::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset).map_err(Error::io(&self.path))?;
                Ok(bytes)
            }
            Content::Bytes(bytes) => Ok(bytes[offset as usize..offset as usize + length].to_vec()),
        }
    }

    /// Up to so many bytes; fewer only at the end of the file.
    pub(crate) fn read_up_to(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let left = self.length.saturating_sub(offset);
        self.read(offset.min(self.length), usize::try_from(left).map_or(length, |left| left.min(length)))
    }

    /// A file of at most `most` bytes as a whole.
    pub(crate) fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
        let file = Self::open(path)?;
        if file.length > most {
            return Err(Error::format(path, most, format!("the file is longer than {most} bytes")));
        }
        file.read(0, file.length as usize)
    }

    pub(crate) fn bad(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::format(&self.path, offset, what)
    }
}

/// Names in a directory, sorted; none if there is no such directory.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(dir)(error)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>().map_err(Error::io(dir))?;
    names.sort_unstable();
    Ok(names)
}

/// The numbered files of a directory, in the order of their numbers.
pub(crate) fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let all = names(dir)?;
    let numbered = all.iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())).filter_map(|name| {
        let number = name.parse().ok()?;
        Some((number, dir.join(name)))
    });
    let mut numbered: Vec<(u64, PathBuf)> = numbered.collect();
    numbered.sort_unstable();
    Ok(numbered)
}
