//! Lists in their order, however long they are: numbers of what they are made of are sorted in runs, and each is looked up once more when
//! it is its turn.

mod series;
mod values;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{ControlFlow, Range};

use model::seams::SelectError;
use model::{LabelSet, Matcher, TimeRange, stop};

pub(super) use self::series::Series;
pub(super) use self::values::Values;
use super::{LABELS_AT_ONCE, SERIES_BYTES, failed, go_on, worked};
use crate::db::Inner;
use crate::index::Index;
use crate::life::blocks::Loaded;
use crate::pace;

/// What is sorted at a time.
pub(super) const RUN: usize = 16 << 10;
/// Entries that all runs hold together while they become one, about.
pub(super) const HELD: usize = 16 << 10;
/// Entries that are sorted between two looks.
const SORTED_AT_ONCE: usize = 2 << 10;
/// Entries that a run looks up at a time, at least.
const AT_ONCE_MIN: usize = 32;

/// What is listed, and where it is found.
pub(super) trait Listing {
    /// An entry of the list.
    type Entry: Ord;
    /// A block, with what is remembered of it meanwhile.
    type Opened<'b>;

    /// Series of the head that have all its entries between them.
    fn in_head(&self, db: &Inner) -> Result<Vec<u32>, SelectError>;

    /// The entry of one of these; none if the series has left the head since.
    fn of_head(&self, index: &Index, series: u32) -> Option<Self::Entry>;

    /// A block that is one of those of the range.
    fn open<'b>(&self, loaded: &'b Loaded) -> Result<Self::Opened<'b>, SelectError>;

    /// Makes runs of what the block has; what is not behind `after` need not come.
    fn in_block(
        &self,
        opened: &mut Self::Opened<'_>,
        after: Option<&Self::Entry>,
        runs: &mut OfBlock<'_, Self::Entry>,
    ) -> Result<(), SelectError>;

    /// The entries of some numbers of a run, in their order; what turns out not to be of the list is left out.
    fn of_block(&self, opened: &mut Self::Opened<'_>, numbers: &[u32]) -> Result<Vec<Self::Entry>, SelectError>;
}

/// Sizes, which tests choose small.
pub(super) struct Cursor {
    /// As [`RUN`].
    pub(super) run: usize,
    /// As [`HELD`].
    pub(super) held: usize,
}

/// Some entries of one place, sorted.
struct Run<E> {
    /// Which of the blocks; none is the head.
    block: Option<usize>,
    /// What to look up.
    numbers: Numbers,
    /// The next entries, the next one last.
    held: Vec<E>,
}

/// Numbers of a run.
enum Numbers {
    /// The next one last.
    List(Vec<u32>),
    /// In the order of the entries.
    Range(Range<u32>),
}

impl Numbers {
    /// So many of the next ones, the next one last.
    fn take(&mut self, most: usize) -> Vec<u32> {
        match self {
            Self::List(list) => list.split_off(list.len().saturating_sub(most)),
            Self::Range(range) => {
                let next = range.start..range.start + range.len().min(most) as u32;
                range.start = next.end;
                next.rev().collect()
            }
        }
    }
}

/// All runs.
struct Runs<E> {
    all: Vec<Run<E>>,
    /// Entries that new runs may hold.
    room: usize,
    /// As [`Cursor::run`].
    size: usize,
}

/// A series of a run left the head before it was its turn: what it had is in a block that was not looked at, or nowhere.
struct Lost;

impl<E: Ord> Runs<E> {
    /// Sorts entries and keeps their numbers, and as many of the first entries as there is room for.
    fn add(&mut self, block: Option<usize>, mut entries: Vec<(E, u32)>) -> Result<(), SelectError> {
        stop::take(entries.len() * (size_of::<u32>() + SERIES_BYTES / 8));
        // In parts, with a look after each; the whole is then cheap to sort.
        for some in entries.chunks_mut(SORTED_AT_ONCE) {
            some.sort_unstable_by(|a, b| b.cmp(a));
            worked(some.len() * pace::LABELS)?;
        }
        entries.sort_by(|a, b| b.cmp(a));
        let first_held = entries.len() - entries.len().min(self.room);
        self.room -= entries.len() - first_held;
        let (mut numbers, mut held) = (Vec::with_capacity(first_held), Vec::with_capacity(entries.len() - first_held));
        for (at, (entry, number)) in entries.into_iter().enumerate() {
            if at < first_held {
                numbers.push(number);
            } else {
                held.push(entry);
            }
        }
        self.all.push(Run { block, numbers: Numbers::List(numbers), held });
        Ok(())
    }
}

/// Runs of one block.
pub(super) struct OfBlock<'r, E> {
    runs: &'r mut Runs<E>,
    block: usize,
}

impl<E: Ord> OfBlock<'_, E> {
    /// How many entries a run is to have.
    fn size(&self) -> usize {
        self.runs.size
    }

    /// Of entries in any order.
    fn add(&mut self, entries: Vec<(E, u32)>) -> Result<(), SelectError> {
        self.runs.add(Some(self.block), entries)
    }

    /// Of numbers that are in the order of their entries.
    fn add_sorted(&mut self, numbers: Numbers) {
        if let Numbers::List(list) = &numbers {
            stop::take(list.len() * size_of::<u32>());
        }
        self.runs.all.push(Run { block: Some(self.block), numbers, held: Vec::new() });
    }
}

impl<E> Run<E> {
    /// The next entry; looks up so many if none is held.
    fn next<L: Listing<Entry = E>>(
        &mut self,
        (listing, db): (&L, &Inner),
        opened: &mut [L::Opened<'_>],
        at_once: usize,
    ) -> Result<Option<E>, Next> {
        while self.held.is_empty() {
            let numbers = self.numbers.take(at_once);
            if numbers.is_empty() {
                return Ok(None);
            }
            worked(numbers.len() * pace::LABELS * 2)?;
            self.held = match self.block {
                None => {
                    let index = db.index();
                    numbers.iter().map(|series| listing.of_head(&index, *series)).collect::<Option<_>>().ok_or(Lost)?
                }
                Some(at) => listing.of_block(opened.get_mut(at).ok_or(Lost)?, &numbers)?,
            };
        }
        Ok(self.held.pop())
    }
}

/// Why there is no next one.
enum Next {
    Failed(SelectError),
    Lost,
}

impl From<SelectError> for Next {
    fn from(error: SelectError) -> Self {
        Self::Failed(error)
    }
}

impl From<Lost> for Next {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl Cursor {
    /// Hands on the entries of a list that have times in the range, each once, at most `limit` (0: all). Locks nothing meanwhile.
    pub(super) fn each<L: Listing>(
        &self,
        db: &Inner,
        (listing, range, limit): (&L, TimeRange, usize),
        each: &mut dyn FnMut(&L::Entry) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        if range.start > range.end {
            return Ok(());
        }
        let mut last: Option<L::Entry> = None;
        let mut left = if limit == 0 { usize::MAX } else { limit };
        loop {
            let mut runs = Runs { all: Vec::new(), room: self.held, size: self.run };
            // The head first: rows go from there to blocks and never back.
            self.runs_of_head((listing, db), last.as_ref(), &mut runs)?;
            let blocks = db.blocks.within(range);
            let mut opened = Vec::with_capacity(blocks.len());
            for (block, loaded) in blocks.iter().enumerate() {
                let mut one = listing.open(loaded)?;
                listing.in_block(&mut one, last.as_ref(), &mut OfBlock { runs: &mut runs, block })?;
                opened.push(one);
            }
            go_on()?;
            match self.merge((listing, db), (&mut runs.all, &mut opened), (&mut last, &mut left), each) {
                Ok(()) => return Ok(()),
                Err(Next::Failed(error)) => return Err(error),
                // Anew, from there on: removing series is rare.
                Err(Next::Lost) => {}
            }
        }
    }

    fn merge<L: Listing>(
        &self,
        of: (&L, &Inner),
        (runs, opened): (&mut [Run<L::Entry>], &mut [L::Opened<'_>]),
        (last, left): (&mut Option<L::Entry>, &mut usize),
        each: &mut dyn FnMut(&L::Entry) -> ControlFlow<()>,
    ) -> Result<(), Next> {
        let at_once = (self.held / runs.len().max(1)).clamp(AT_ONCE_MIN, LABELS_AT_ONCE);
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next(of, opened, at_once)?.map(|entry| Reverse((entry, at))));
        }
        while let Some(Reverse((entry, at))) = heads.pop() {
            worked(pace::LABELS)?;
            heads.extend(runs[at].next(of, opened, at_once)?.map(|entry| Reverse((entry, at))));
            if last.as_ref().is_some_and(|last| entry <= *last) {
                continue;
            }
            if each(&entry).is_break() {
                return Ok(());
            }
            *last = Some(entry);
            *left -= 1;
            if *left == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Of the head, what is behind `after`.
    fn runs_of_head<L: Listing>(
        &self,
        (listing, db): (&L, &Inner),
        after: Option<&L::Entry>,
        runs: &mut Runs<L::Entry>,
    ) -> Result<(), SelectError> {
        for some in listing.in_head(db)?.chunks(self.run) {
            let mut entries = Vec::with_capacity(some.len());
            {
                let index = db.index();
                for series in some {
                    worked(pace::LABELS * 2)?;
                    // What is gone already is in a block that will be looked at, or nowhere.
                    let entry = listing.of_head(&index, *series);
                    entries.extend(entry.filter(|entry| after.is_none_or(|after| entry > after)).map(|entry| (entry, *series)));
                }
            }
            runs.add(None, entries)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
