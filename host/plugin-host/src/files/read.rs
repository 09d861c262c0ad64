//! What is done with what was opened. All of it may wait for a disk or a server: call it on a thread of its own.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Stat, readlinkat, statat};
use rustix::io::{Errno, pread, read as read_some};

use super::pattern;
use super::walk::{Need, Place, Walk, failed, kind_of};
use super::{ENTRIES_MAX, Facts, FileError, Kind, Part, Rules};

/// Bytes asked for at once. Much of `/proc` is made anew for each read, and whole only in the first.
const PIECE_BYTES: usize = 64 << 10;

/// A whole file of at most `max` bytes.
pub(crate) fn read(rules: &Rules<'_>, path: &str, max: u64) -> Result<Vec<u8>, FileError> {
    let file = Walk::new(rules, path, Need::Whole, true)?.open(Kind::File)?;
    if size_of(&file.stat) > max {
        return Err(FileError::TooLarge);
    }
    let data = read_up_to(&file.fd, None, max.saturating_add(1)).map_err(|e| failed(path, e))?;
    if data.len() as u64 > max { Err(FileError::TooLarge) } else { Ok(data) }
}

/// At most `max` bytes from `offset` on.
pub(crate) fn read_at(rules: &Rules<'_>, path: &str, offset: u64, max: u64) -> Result<Part, FileError> {
    let file = Walk::new(rules, path, Need::Whole, true)?.open(Kind::File)?;
    let data = read_up_to(&file.fd, Some(offset), max).map_err(|e| failed(path, e))?;
    // Only now, so that the size is not less than what was read.
    let stat = rustix::fs::fstat(&file.fd).map_err(|e| failed(path, e))?;
    Ok(Part { data, facts: facts_of(&stat) })
}

/// Where a link leads, as it stands in the link.
pub(crate) fn read_link(rules: &Rules<'_>, path: &str) -> Result<String, FileError> {
    let walk = Walk::new(rules, path, Need::Whole, false)?;
    let last = walk.last()?;
    if last.kind() != Kind::Link {
        return Err(FileError::Failed(format!("{path} is no link")));
    }
    let text = readlinkat(&last.fd, "", Vec::new()).map_err(|e| failed(path, e))?;
    text.into_string().map_err(|_| FileError::Failed(format!("{path} leads to a name that is no UTF-8")))
}

/// The entries of a directory by name, those only that a grant covers or leads through. Names that are no UTF-8 cannot be
/// asked for, and are left out.
pub(crate) fn list(rules: &Rules<'_>, path: &str) -> Result<Vec<(String, Kind)>, FileError> {
    let directory = Walk::new(rules, path, Need::Within, true)?.open(Kind::Directory)?;
    let above = path.trim_end_matches('/');
    let mut entries = Vec::new();
    for (seen, entry) in Dir::read_from(&directory.fd).map_err(|e| failed(path, e))?.enumerate() {
        if seen >= ENTRIES_MAX {
            return Err(FileError::TooLarge);
        }
        let entry = entry.map_err(|e| failed(path, e))?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let whole = format!("{above}/{name}");
        let shown = rules.grants.read.iter().any(|pattern| pattern::leads_to(pattern, &whole));
        if matches!(name, "." | "..") || !shown || directory.withholds(name) {
            continue;
        }
        if let Some(kind) = kind_of_entry(&directory, name, entry.file_type()) {
            entries.push((name.to_owned(), kind));
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// None for one that is gone by now. Not every file system says the kind of its entries.
fn kind_of_entry(directory: &Place, name: &str, file_type: FileType) -> Option<Kind> {
    if file_type != FileType::Unknown {
        return Some(kind_of(file_type));
    }
    let stat = statat(directory.fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(kind_of(FileType::from_raw_mode(stat.st_mode)))
}

/// Of what the path leads to. Opens nothing for reading, so a pipe or a device can be asked for too.
pub(crate) fn stat(rules: &Rules<'_>, path: &str) -> Result<Facts, FileError> {
    Ok(facts_of(&Walk::new(rules, path, Need::Whole, true)?.last()?.stat))
}

fn facts_of(stat: &Stat) -> Facts {
    let seconds = stat.st_mtime.saturating_mul(1000);
    let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
    Facts {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        size: size_of(stat),
        modified: seconds.saturating_add(millis),
        inode: stat.st_ino,
        device: stat.st_dev,
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// From where the file is, or from an offset.
fn read_up_to(fd: &OwnedFd, offset: Option<u64>, max: u64) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    let mut buffer = vec![0_u8; PIECE_BYTES.min(usize::try_from(max).unwrap_or(PIECE_BYTES))];
    loop {
        let left = max - data.len() as u64;
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(data);
        }
        let count = match offset {
            // Past the end of what an offset can be there is nothing.
            Some(offset) => match offset.checked_add(data.len() as u64).filter(|at| i64::try_from(*at).is_ok()) {
                Some(at) => pread(fd, &mut buffer[..room], at),
                None => return Ok(data),
            },
            None => read_some(fd, &mut buffer[..room]),
        };
        match count {
            Ok(0) => return Ok(data),
            Ok(count) => data.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
