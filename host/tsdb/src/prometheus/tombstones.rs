//! What was deleted from a block.
//!
//! Source: Prometheus, `tsdb/docs/format/tombstones.md`.

use std::collections::HashMap;
use std::path::Path;

use super::bytes::Cursor;
use super::error::Error;
use super::file::ReadFile;

const MAGIC: u32 = 0x0130_BA30;
const VERSION: u8 = 1;

/// Longest file that is read.
const BYTES_MAX: u64 = 1 << 30;

/// Closed intervals of deleted time by series.
pub(crate) type Tombstones = HashMap<u64, Vec<(i64, i64)>>;

/// None if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Tombstones, Error> {
    match ReadFile::read_whole(path, BYTES_MAX) {
        Err(Error::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => Ok(Tombstones::new()),
        Err(error) => Err(error),
        Ok(bytes) => parse(&bytes).map_err(|bad| Error::bad(path, 0, bad)),
    }
}

fn parse(bytes: &[u8]) -> Result<Tombstones, super::bytes::Bad> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32()? != MAGIC {
        return Err(super::bytes::Bad::new(0, "this is no file of tombstones"));
    }
    let version = cursor.u8()?;
    if version != VERSION {
        return Err(super::bytes::Bad::new(4, format!("tombstones of version {version} are not read, only {VERSION}")));
    }
    let length = cursor.remaining().checked_sub(4).ok_or_else(|| cursor.bad("the checksum is missing"))?;
    let body = cursor.take(length)?;
    if crc32c::crc32c(body) != cursor.u32()? {
        return Err(super::bytes::Bad::new(5, "the checksum of the tombstones is wrong"));
    }
    let mut body = Cursor::new(body);
    let mut tombstones = Tombstones::new();
    while !body.is_empty() {
        let read = (body.uvarint(), body.varint(), body.varint());
        let (Ok(series), Ok(from), Ok(to)) = read else {
            return Err(body.bad("a tombstone ends in the middle").within(5));
        };
        tombstones.entry(series).or_default().push((from, to));
    }
    Ok(tombstones)
}

/// The file of a block from which nothing was deleted.
pub(crate) fn empty() -> Vec<u8> {
    let mut bytes = MAGIC.to_be_bytes().to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32c::crc32c(&[]).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_said_and_an_empty_file_is_good() {
        let good = empty();
        assert_eq!(parse(&good), Ok(Tombstones::new()));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(parse(&bad).is_err(), "bit {bit} of byte {at}");
            }
            assert!(parse(&good[..at]).is_err(), "cut at {at}");
        }
    }
}
