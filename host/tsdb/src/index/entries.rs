//! What the index has of each series, by number.

use super::{NO_GROUP, Place};

/// Entries in a piece: it goes when all of them are gone.
const PIECE_ENTRIES: usize = 1024;

/// Numbers there are. They are not used again before a restart: at a hundred thousand new series a minute, and each gone after an hour,
/// they last for a month.
const NUMBERS: usize = u32::MAX as usize;

/// Entries by ascending number. What is gone costs nothing but eight bytes for each thousand.
#[derive(Default)]
pub(super) struct Entries {
    pieces: Vec<Option<Vec<Entry>>>,
    len: usize,
}

/// A series' labels, as a stretch of the arena of pairs, and its first place.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Piece of the arena, and place in it.
    pub(super) piece: u16,
    pub(super) start: u16,
    pub(super) len: u32,
    pub(super) place: Place,
}

/// A series that left the index.
pub(super) const GONE: u16 = u16::MAX;

const EMPTY: Entry = Entry { piece: GONE, start: 0, len: 0, place: Place { group: NO_GROUP, slot: 0 } };

impl Entries {
    /// Numbers that were given, those of series that are gone included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no number left.
    pub(super) fn is_full(&self) -> bool {
        self.len >= NUMBERS
    }

    /// The entry of a number that was given.
    pub(super) fn get(&self, id: u32) -> Entry {
        let piece = self.pieces.get(id as usize / PIECE_ENTRIES).and_then(Option::as_ref);
        piece.and_then(|piece| piece.get(id as usize % PIECE_ENTRIES)).copied().unwrap_or(EMPTY)
    }

    /// Where a series that is there has its first column.
    pub(super) fn place_mut(&mut self, id: u32) -> Option<&mut Place> {
        let piece = self.pieces.get_mut(id as usize / PIECE_ENTRIES)?.as_mut()?;
        piece.get_mut(id as usize % PIECE_ENTRIES).filter(|entry| entry.piece != GONE).map(|entry| &mut entry.place)
    }

    /// Gives the next number.
    pub(super) fn push(&mut self, entry: Entry) {
        let at = self.len % PIECE_ENTRIES;
        if at == 0 {
            self.pieces.push(None);
        }
        self.len += 1;
        let Some(last) = self.pieces.last_mut() else { return };
        if entry.piece == GONE && last.is_none() {
            return;
        }
        // The first that is there brings room for the gone ones before it.
        let piece = last.get_or_insert_with(|| Vec::with_capacity(PIECE_ENTRIES));
        piece.resize(at, EMPTY);
        piece.push(entry);
    }

    /// Gives the next number to a series that is gone.
    pub(super) fn push_gone(&mut self) {
        self.push(EMPTY);
    }

    /// Numbers of series that are there, ascending.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> {
        self.pieces.iter().zip(0_u32..).flat_map(|(piece, number)| {
            let entries = piece.iter().flatten().zip(number * PIECE_ENTRIES as u32..);
            entries.filter(|(entry, _)| entry.piece != GONE).map(|(_, id)| id)
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().flatten().map(|piece| piece.capacity() * size_of::<Entry>()).sum();
        self.pieces.capacity() * size_of::<Option<Vec<Entry>>>() + pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_costs_nothing() {
        let there = |start: u16| Entry { piece: 0, start, len: 1, ..EMPTY };
        let mut entries = Entries::default();
        let kept = [5_u32, 1023, 3000, 3001, 90_000];
        for id in 0..100_000_u32 {
            if kept.contains(&id) { entries.push(there(id as u16)) } else { entries.push_gone() }
        }
        assert_eq!(entries.live().collect::<Vec<_>>(), kept);
        assert_eq!(entries.len(), 100_000);
        for id in [0, 4, 5, 6, 1023, 1024, 3000, 3001, 3002, 90_000, 99_999] {
            let entry = entries.get(id);
            assert_eq!(entry.piece == GONE, !kept.contains(&id), "{id}");
            assert!(entry.piece == GONE || entry.start == id as u16, "{id}");
            assert_eq!(entries.place_mut(id).is_some(), kept.contains(&id), "{id}");
        }
        assert!(entries.heap_bytes() < 3 * (PIECE_ENTRIES + 1) * size_of::<Entry>() + 128 * 24, "{}", entries.heap_bytes());
    }
}
