//! From the hash of a series' labels to its column: one entry per series that a sender writes.

use hashbrown::HashTable;
use model::TimestampMs;
use model::seams::ColumnId;

use crate::hash::Key;

/// Not resolved yet: the series is new in this request.
pub(crate) const LANE_NEW: u32 = u32::MAX;
/// Its labels are wrong.
pub(crate) const LANE_INVALID: u32 = u32::MAX - 1;
/// Storage takes no new series.
pub(crate) const LANE_REFUSED: u32 = u32::MAX - 2;
/// A stale marker in this request ended it, so that its column is given up when its row is written.
pub(crate) const LANE_ENDED: u32 = u32::MAX - 3;
/// Free.
const LANE_FREE: u32 = u32::MAX - 4;
/// No lane has this number or a higher one.
pub(crate) const LANE_STATES: u32 = LANE_FREE;

/// What is known of a series. 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    /// Bytes of the labels' part of its message. 0 with 2.0, where it says nothing.
    pub(crate) labels_len: u32,
    /// Its group and its column there.
    pub(crate) lane: u32,
    pub(crate) column: ColumnId,
    /// The entry that followed last time.
    pub(crate) next: u32,
    /// Of the newest sample that was taken.
    pub(crate) newest: TimestampMs,
}

/// The entries of a sender.
#[derive(Default)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
    table: HashTable<u32>,
    free: Vec<u32>,
    /// Entries that this request brought, to be taken back if it turns out to be none.
    new: Vec<u32>,
    /// The entry that was found last.
    last: u32,
    /// The first of the last request.
    first: u32,
}

impl Cache {
    /// A request begins.
    pub(crate) fn begin(&mut self) {
        self.new.clear();
        self.last = u32::MAX;
    }

    /// What most likely comes next.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(u32, &Entry)> {
        let at = match self.entries.get(self.last as usize) {
            Some(last) => last.next,
            None => self.first,
        };
        self.entries.get(at as usize).map(|entry| (at, entry))
    }

    /// It came.
    #[inline]
    pub(crate) fn follow(&mut self, at: u32) {
        self.last = at;
    }

    /// The entry of a key, made if it is not there; from now on it is what follows the one before.
    pub(crate) fn find_or_insert(&mut self, key: Key, labels_len: u32) -> u32 {
        let entries = &self.entries;
        let found = self.table.find(key.hash, |at| entries[*at as usize].key == key).copied();
        let at = found.unwrap_or_else(|| self.insert(key, labels_len));
        // An entry that was gone from the table while the order still named it may come first.
        match self.entries.get_mut(self.last as usize) {
            Some(last) => last.next = at,
            None => self.first = at,
        }
        self.last = at;
        at
    }

    fn insert(&mut self, key: Key, labels_len: u32) -> u32 {
        let entry = Entry { key, labels_len, lane: LANE_NEW, column: ColumnId(0), next: u32::MAX, newest: TimestampMs::MIN };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                // By an eighth, where a vector would double.
                if self.entries.len() == self.entries.capacity() {
                    self.entries.reserve_exact((self.entries.len() / 8).max(64));
                }
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let entries = &self.entries;
        self.table.insert_unique(key.hash, at, |at| entries[*at as usize].key.hash);
        self.new.push(at);
        at
    }

    #[inline]
    pub(crate) fn entry(&mut self, at: u32) -> &mut Entry {
        &mut self.entries[at as usize]
    }

    /// Forgets what the request brought and nothing came of: all that was not resolved.
    pub(crate) fn forget_unresolved(&mut self) {
        for at in std::mem::take(&mut self.new) {
            if self.entries[at as usize].lane >= LANE_STATES {
                self.forget(at);
            }
        }
    }

    /// Forgets a series.
    pub(crate) fn forget(&mut self, at: u32) {
        let entry = self.entries[at as usize];
        if entry.lane == LANE_FREE {
            return;
        }
        if let Ok(found) = self.table.find_entry(entry.key.hash, |held| *held == at) {
            found.remove();
        }
        // The order keeps what came after it; the key of a free entry is nobody's.
        self.entries[at as usize] = Entry { key: Key::default(), labels_len: u32::MAX, lane: LANE_FREE, newest: TimestampMs::MIN, ..entry };
        self.free.push(at);
    }

    /// Forgets the series that `gone` names.
    pub(crate) fn forget_where(&mut self, mut gone: impl FnMut(&Entry) -> bool) {
        for at in 0..self.entries.len() as u32 {
            let entry = &self.entries[at as usize];
            if entry.lane < LANE_STATES && gone(entry) {
                self.forget(at);
            }
        }
        if self.table.len() < self.table.capacity() / 4 {
            let entries = &self.entries;
            self.table.shrink_to(self.table.len() * 2, |at| entries[*at as usize].key.hash);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.table.allocation_size() + (self.free.capacity() + self.new.capacity()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key { hash: number.wrapping_mul(0x9E37_79B9_7F4A_7C15), check: number as u32 }
    }

    fn pass(cache: &mut Cache, numbers: &[u64]) -> Vec<(u32, bool)> {
        cache.begin();
        let mut found = Vec::new();
        for number in numbers {
            let expected = cache.expected().filter(|(_, entry)| entry.key == key(*number)).map(|(at, _)| at);
            match expected {
                Some(at) => cache.follow(at),
                None => {
                    cache.find_or_insert(key(*number), 10);
                }
            }
            let at = cache.last;
            cache.entry(at).lane = 0;
            found.push((at, expected.is_some()));
        }
        found
    }

    #[test]
    fn the_order_is_learnt() {
        assert_eq!(size_of::<Entry>(), 40);
        let mut cache = Cache::default();
        assert!(pass(&mut cache, &[1, 2, 3, 4]).iter().all(|(_, expected)| !expected));
        assert!(pass(&mut cache, &[1, 2, 3, 4]).iter().all(|(_, expected)| *expected));
        // One leaves, one comes: two lookups, then it is known.
        assert_eq!(pass(&mut cache, &[1, 3, 5, 4]), [(0, true), (2, false), (4, false), (3, false)]);
        assert!(pass(&mut cache, &[1, 3, 5, 4]).iter().all(|(_, expected)| *expected));
    }

    #[test]
    fn what_is_forgotten_comes_anew() {
        let mut cache = Cache::default();
        pass(&mut cache, &[1, 2, 3]);
        cache.forget(1);
        cache.forget(1);
        assert_eq!(cache.len(), 2);
        assert_eq!(pass(&mut cache, &[1, 2, 3]), [(0, true), (1, false), (2, false)]);
        cache.forget_where(|entry| entry.key != key(2));
        assert_eq!(cache.len(), 1);
        cache.begin();
        cache.find_or_insert(key(9), 1);
        cache.forget_unresolved();
        assert_eq!(cache.len(), 1);
    }
}
