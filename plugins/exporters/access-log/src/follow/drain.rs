//! Reads one file from its position on, whole lines only, as far as the budget goes.

use std::time::{Duration, Instant};

use skopos_sdk::files::{self, Error};

use super::cursor::{Cursor, Id, PRINT_BYTES, Print};
use crate::counters::Tally;
use crate::line;
use crate::section::Followed;

/// Longer lines are counted as unmatched, without being kept in memory.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Read at once.
const CHUNK_BYTES: u64 = 512 << 10;
/// Of all files of a call. A backlog is caught up over several calls; what is left is the lag.
const CALL_BYTES: u64 = 64 << 20;
/// Of all files of a call: well below what a call may compute, so that no call ends without having moved on.
const CALL_TIME: Duration = Duration::from_millis(300);

/// What a call may still read.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    until: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: CALL_BYTES, until: Instant::now() + CALL_TIME }
    }
}

impl Budget {
    /// Of so many bytes, for tests.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes, until: Instant::now() + Duration::from_secs(3600) }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.bytes == 0 || Instant::now() >= self.until
    }
}

/// How reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// At the end of the last whole line there is.
    ToEnd,
    /// At the end of what may be read now.
    Spent,
    /// The path leads to another file by now, or to another content.
    Another,
}

/// Counts what is new. The position is where the last counted line ends.
///
/// # Errors
/// Of reading the file.
pub(crate) fn drain(
    path: &str,
    cursor: &mut Cursor,
    followed: &Followed,
    tally: &mut Tally,
    budget: &mut Budget,
) -> Result<(Drained, u64), Error> {
    let mut read = 0;
    loop {
        if budget.is_spent() {
            return Ok((Drained::Spent, read));
        }
        // What stands before the position is read along, so that it is of the same moment as what follows.
        let before = cursor.tail.len;
        let max = CHUNK_BYTES.min(budget.bytes.max(2 * LINE_BYTES_MAX as u64)) + before as u64;
        let chunk = match files::read_at(path, cursor.offset - before as u64, u32::try_from(max).unwrap_or(u32::MAX)) {
            Ok(chunk) => chunk,
            Err(Error::NotFound) => return Ok((Drained::Another, read)),
            Err(Error::TooLarge) => {
                budget.bytes = 0;
                return Ok((Drained::Spent, read));
            }
            Err(error) => return Err(error),
        };
        if Id::of(&chunk) != cursor.id || chunk.size < cursor.offset || !cursor.fits(&chunk.data) {
            return Ok((Drained::Another, read));
        }
        (cursor.size, cursor.ended) = (chunk.size, false);
        let consumed = lines(&chunk.data[before..], &mut cursor.skipping, followed, tally);
        if consumed == 0 {
            cursor.ended = true;
            return Ok((Drained::ToEnd, read));
        }
        let done = &chunk.data[..before + consumed];
        if cursor.offset == 0 {
            cursor.head = Print::of(&done[..done.len().min(PRINT_BYTES)]);
        }
        cursor.tail = Print::of(&done[done.len().saturating_sub(PRINT_BYTES)..]);
        cursor.offset += consumed as u64;
        read += consumed as u64;
        budget.bytes = budget.bytes.saturating_sub(consumed as u64);
    }
}

/// Counts whole lines; gives the bytes that are done with.
fn lines(data: &[u8], skipping: &mut bool, followed: &Followed, tally: &mut Tally) -> usize {
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &data[at..]) {
        let line = &data[at..at + end];
        at += end + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if std::mem::take(skipping) || line.len() > LINE_BYTES_MAX {
            tally.unmatched();
        } else if !line.is_empty() {
            match line::parse(&followed.formats, line) {
                Some(entry) => tally.add(&entry, &followed.patterns),
                None => tally.unmatched(),
            }
        }
    }
    if *skipping || data.len() - at > LINE_BYTES_MAX {
        *skipping = true;
        at = data.len();
    }
    at
}
