//! Follows one log file over scrapes, rotations, restarts: what was read and what was counted of it are one value of the store,
//! written once per scrape, so that no line is counted twice and none is lost, whenever the host is killed.
//!
//! A log is a row of *generations*: the file in use, and before it those that were rotated away and may hold unread lines, the
//! oldest first, each with a [`Cursor`]. When the path leads to another file, or to the same one with another content, it was
//! rotated. Then:
//! - the file we had is looked for among the rotated ones: by its inode, which a rename keeps, or by what stands before the
//!   position, which a copy keeps;
//! - what is among them that was not there at the last scrape is a generation that came and went in between;
//! - the path's file is the new last generation.
//!
//! Files are read by path, and names move while we look: whatever does not fit is looked at anew, and nothing is given up that was
//! missed only once.

pub(crate) mod cursor;
pub(crate) mod drain;
pub mod names;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use skopos_sdk::files::{self, Error};

use crate::counters::{Counters, Tally};
use crate::section::Followed;
use cursor::{Cursor, Known, Look, PRINT_BYTES, Print, Seen, siblings};
pub use drain::{Budget, LINE_BYTES_MAX};
use drain::{Drained, drain};

/// Looks at the names until they hold still.
const ROUNDS_MAX: usize = 5;
/// Generations with unread lines. Past this the oldest is given up.
const GENERATIONS_MAX: usize = 32;
/// Rotated generations that are read to their end and still looked at: a server writes on into a file for a moment after it was
/// renamed.
const OPEN_MAX: usize = 2;

/// What is stored of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The oldest first; the last is the file in use.
    pub(crate) generations: Vec<Cursor>,
    /// Rotated files with nothing to be read.
    known: Vec<Known>,
    /// What was counted.
    pub counters: Counters,
}

impl State {
    /// Where reading stands in the file in use.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.generations.last().map_or(0, |last| last.offset)
    }

    /// Bytes that are known to be unread, of all generations.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.generations.iter().map(Cursor::lag).sum()
    }

    /// Whether the file was ever seen.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.generations.is_empty()
    }
}

/// Reads what is new, as far as the budget goes. On an error the state is good, and what was counted so far is in it.
///
/// # Errors
/// When the file, or the folder it is in, cannot be read.
pub fn follow(path: &str, followed: &Followed, state: &mut State, budget: &mut Budget) -> Result<(), Error> {
    let mut tally = Tally::new(followed.patterns.len(), &followed.bounds);
    let done = rounds(path, followed, state, &mut tally, budget);
    tally.merge(&followed.patterns, &mut state.counters);
    done
}

fn rounds(path: &str, followed: &Followed, state: &mut State, tally: &mut Tally, budget: &mut Budget) -> Result<(), Error> {
    let mut sure = false;
    for _ in 0..ROUNDS_MAX {
        let names = match Names::look(path, followed, state.is_new()) {
            Ok(names) => names,
            // The call has read what it may.
            Err(Error::TooLarge) => return Ok(()),
            Err(error) => return Err(error),
        };
        let settled = match take_in(followed, state, &names, sure)? {
            Round::On => read_all(followed, state, &names, sure, tally, budget)?,
            other => other,
        };
        match settled {
            Round::On => {
                if names.live.is_some() {
                    let open = |seen: &&Seen| !state.generations.iter().any(|cursor| cursor.id == seen.id);
                    state.known = names.rotated.iter().filter(open).map(Known::of).collect();
                }
                return Ok(());
            }
            // What is missing may just be moving from name to name; the second time it is gone.
            Round::Missing => sure = true,
            Round::Moving => sure = false,
        }
    }
    Ok(())
}

/// How a look at the names ended.
enum Round {
    On,
    /// Something is not to be found.
    Missing,
    /// A name leads elsewhere than a moment ago.
    Moving,
}

/// The files of a log, as they were found.
struct Names {
    /// None between the rename and the new file.
    live: Option<Seen>,
    rotated: Vec<Seen>,
}

impl Names {
    fn look(path: &str, followed: &Followed, is_new: bool) -> Result<Self, Error> {
        let live = match Seen::look(path) {
            Ok(live) => Some(live),
            Err(Error::NotFound) if !is_new => None,
            Err(error) => return Err(error),
        };
        let rotated = siblings(path, &followed.rotated, live.as_ref().map(|live| live.id))?;
        Ok(Self { live, rotated })
    }

    fn of(&self, cursor: &Cursor) -> Option<&Seen> {
        self.live.iter().chain(&self.rotated).find(|seen| seen.id == cursor.id)
    }
}

/// Brings the generations up to what the names say.
fn take_in(followed: &Followed, state: &mut State, names: &Names, sure: bool) -> Result<Round, Error> {
    if forget_replaced(state, names)? {
        return Ok(Round::Moving);
    }
    let Some(live) = &names.live else { return Ok(Round::On) };
    let Some(last) = state.generations.last() else {
        state.generations.push(first(live, followed)?);
        // What was rotated before we came is not ours.
        state.known = names.rotated.iter().map(Known::of).collect();
        return Ok(Round::On);
    };
    if last.id != live.id {
        return rotate(state, names, live, sure);
    }
    match last.look(live)? {
        Look::Moved => Ok(Round::Moving),
        Look::Other => rotate(state, names, live, sure),
        Look::Same if last.offset == 0 => {
            // Nothing tells a file of which nothing was read from itself, truncated: only the copies made since do.
            let copies: Vec<Cursor> = fresh(state, names).into_iter().map(Cursor::at_start).collect();
            state.counters.rotations += copies.len() as u64;
            let at = state.generations.len() - 1;
            state.generations.splice(at..at, copies);
            Ok(Round::On)
        }
        Look::Same => Ok(Round::On),
    }
}

/// Drops rotated generations whose inode has another content by now, and notes the sizes of the others. True if names are moving.
fn forget_replaced(state: &mut State, names: &Names) -> Result<bool, Error> {
    let mut at = 0;
    while at < state.generations.len() {
        let in_use = at + 1 == state.generations.len();
        let cursor = &mut state.generations[at];
        let look = match names.of(cursor) {
            Some(seen) if !in_use => Some(cursor.look(seen)?),
            _ => None,
        };
        match look {
            Some(Look::Moved) => return Ok(true),
            Some(Look::Other) => {
                state.counters.gaps += u64::from(!cursor.ended);
                state.generations.remove(at);
                continue;
            }
            Some(Look::Same) | None => {}
        }
        if let Some(seen) = names.of(cursor) {
            cursor.seen(seen);
        }
        at += 1;
    }
    Ok(false)
}

/// Reads the generations in turn. [`Round::On`] also when the budget is spent.
fn read_all(
    followed: &Followed,
    state: &mut State,
    names: &Names,
    sure: bool,
    tally: &mut Tally,
    budget: &mut Budget,
) -> Result<Round, Error> {
    let last = state.generations.len().saturating_sub(1);
    let mut gone = Vec::new();
    for (at, cursor) in state.generations.iter_mut().enumerate() {
        let in_use = at == last && names.live.is_some();
        let Some(seen) = names.of(cursor) else {
            if !sure {
                return Ok(Round::Missing);
            }
            gone.push(at);
            continue;
        };
        match drain(&seen.path, cursor, followed, tally, budget) {
            Ok((outcome, read)) => {
                state.counters.read_bytes += read;
                match outcome {
                    Drained::ToEnd => {}
                    Drained::Spent => return Ok(Round::On),
                    Drained::Another if in_use => return Ok(Round::Moving),
                    Drained::Another if !sure => return Ok(Round::Missing),
                    Drained::Another => gone.push(at),
                }
            }
            // A rotated file that cannot be read must not keep the one in use from being read.
            Err(_) if !in_use => gone.push(at),
            Err(error) => return Err(error),
        }
    }
    if names.live.is_none() {
        return Ok(Round::On);
    }
    let kept_from = state.generations.len().saturating_sub(1 + OPEN_MAX);
    let mut at = 0;
    state.generations.retain(|cursor| {
        let missing = gone.contains(&at);
        // A rotated file that is empty has nothing to be known by.
        let keep = !missing && at >= kept_from && (at == last || cursor.size > 0);
        state.counters.gaps += u64::from(missing && !cursor.ended);
        at += 1;
        keep
    });
    Ok(Round::On)
}

/// Rotated files that were not there at the last scrape, the oldest first.
fn fresh<'n>(state: &State, names: &'n Names) -> Vec<&'n Seen> {
    let open = |seen: &Seen| state.generations.iter().any(|cursor| cursor.id == seen.id);
    let mut fresh: Vec<&Seen> =
        names.rotated.iter().filter(|seen| !open(seen) && !state.known.iter().any(|known| known.is(seen))).collect();
    fresh.sort_by_cached_key(|seen| seen.modified());
    fresh
}

/// The first look at a file: from its beginning, or behind its last whole line.
fn first(live: &Seen, followed: &Followed) -> Result<Cursor, Error> {
    let mut cursor = Cursor::at_start(live);
    if followed.from_end && live.size > 0 {
        let from = live.size.saturating_sub(LINE_BYTES_MAX as u64);
        let chunk = files::read_at(&live.path, from, u32::try_from(LINE_BYTES_MAX).unwrap_or(u32::MAX))?;
        match chunk.data.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                cursor.offset = from + end as u64 + 1;
                cursor.tail = Print::of(&chunk.data[(end + 1).saturating_sub(PRINT_BYTES)..=end]);
            }
            None if from == 0 => {}
            None => {
                cursor.offset = from;
                cursor.skipping = true;
            }
        }
        let head = &live.head[..live.head.len().min(usize::try_from(cursor.offset).unwrap_or(usize::MAX))];
        cursor.head = Print::of(head);
    }
    Ok(cursor)
}

/// Takes in that the path leads to another file, or to another content.
fn rotate(state: &mut State, names: &Names, live: &Seen, sure: bool) -> Result<Round, Error> {
    let Some((last, others)) = state.generations.split_last() else { return Ok(Round::On) };
    let free = || names.rotated.iter().filter(|seen| !others.iter().any(|cursor| cursor.id == seen.id));
    let fresh = fresh(state, names);
    // The rename keeps the inode; the copy keeps the content, and is probably new.
    let by_content = fresh.iter().copied().chain(free()).filter(|seen| last.has_print() && seen.size >= last.offset);
    let mut rest = None;
    for seen in free().filter(|seen| seen.id == last.id).chain(by_content) {
        match last.look(seen)? {
            Look::Same => {
                rest = Some(seen);
                break;
            }
            Look::Other => {}
            Look::Moved => return Ok(Round::Moving),
        }
    }
    let drained = if rest.is_none() { free().find(|seen| last.holds(seen)) } else { None };
    let lost = rest.is_none() && drained.is_none();
    if lost && !sure {
        return Ok(Round::Missing);
    }
    let used = |seen: &Seen| rest.is_some_and(|rest| rest.id == seen.id) || drained.is_some_and(|drained| drained.id == seen.id);
    let next: Vec<Cursor> = fresh.into_iter().filter(|seen| !used(seen)).chain([live]).map(Cursor::at_start).collect();
    match (rest, state.generations.last_mut()) {
        (Some(rest), Some(last)) => {
            last.id = rest.id;
            last.seen(rest);
        }
        _ => {
            state.generations.pop();
        }
    }
    state.counters.rotations += 1;
    state.counters.gaps += u64::from(lost);
    state.generations.extend(next);
    while state.generations.len() > GENERATIONS_MAX {
        let given_up = state.generations.remove(0);
        state.counters.gaps += u64::from(!given_up.ended);
    }
    Ok(Round::On)
}
