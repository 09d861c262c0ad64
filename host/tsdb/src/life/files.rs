//! Small files that are replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

/// The end of the name of a file that is not finished.
pub(crate) const TMP: &str = ".tmp";

/// Puts `bytes` in the place of the file at `path`, so that a crash leaves the old content or the new one. Returns once the new
/// one would survive a power cut.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let tmp = with_suffix(path, TMP);
    match disk.remove(&tmp) {
        // Left over from an attempt that failed. It may have failed to sync: never trusted, so never written to again.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let write = || {
        let file = disk.create_new(&tmp)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        drop(file);
        disk.rename(&tmp, path)
    };
    write().inspect_err(|_| {
        // At once, so that a full disk gets the bytes back.
        let _ = disk.remove(&tmp);
    })?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// The path with more at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The whole content. None if the file is not there.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// `magic`, version 1, `body` and a CRC-32C of all of it.
pub(crate) fn seal(magic: &[u8; 8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 16);
    out.extend_from_slice(magic);
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(body);
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The body of what [`seal`] made. None if it is not that.
pub(crate) fn unseal<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (content, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    content.strip_prefix(magic)?.strip_prefix(&1_u32.to_le_bytes())
}
