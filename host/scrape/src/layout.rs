//! What the last body of a target looked like: for each sample, what stood before its value and where it led.
//!
//! 12 bytes a line: a key of length, family kind and keyed hash of the bytes from the end of the last sample's line up to
//! the value (comments between belong to it), and a slot.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use model::FamilyKind;
use model::seams::ColumnId;

/// Bits of a key below the hash: 16 for the length, 2 for the kind of the family.
const LENGTH_BITS: u32 = 16;
const HASH_SHIFT: u32 = 18;

/// The key of bytes that are too long to have one. The hash of no other bytes is looked for under it.
const NO_KEY: u64 = u64::MAX;

/// Entries ahead that are compared before the whole layout is looked through.
const WINDOW: usize = 16;

/// Misses in a body before the whole layout is indexed.
const MISSES_MAX: u32 = 16;

/// What a line leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A column of the target's group.
    Column(ColumnId),
    /// A series that comes with times of its own, by its number.
    Timed(u32),
    /// Relabelling dropped it.
    Dropped,
    /// The same series stands further above.
    Duplicate,
    /// Storage takes no new series.
    Refused,
}

const TIMED_BIT: u32 = 1 << 31;
const DROPPED: u32 = u32::MAX;
const DUPLICATE: u32 = u32::MAX - 1;
const REFUSED: u32 = u32::MAX - 2;
/// Highest number of a timed series.
pub(crate) const TIMED_MAX: u32 = REFUSED - TIMED_BIT - 1;

impl Slot {
    /// None if the column's number is beyond what a slot holds.
    pub(crate) fn pack(self) -> Option<u32> {
        match self {
            Self::Column(id) if id.0 >= TIMED_BIT => None,
            Self::Column(id) => Some(id.0),
            Self::Timed(number) => Some(TIMED_BIT | number.min(TIMED_MAX)),
            Self::Dropped => Some(DROPPED),
            Self::Duplicate => Some(DUPLICATE),
            Self::Refused => Some(REFUSED),
        }
    }

    fn unpack(bits: u32) -> Self {
        match bits {
            DROPPED => Self::Dropped,
            DUPLICATE => Self::Duplicate,
            REFUSED => Self::Refused,
            bits if bits & TIMED_BIT != 0 => Self::Timed(bits & !TIMED_BIT),
            bits => Self::Column(ColumnId(bits)),
        }
    }
}

/// The entries of a body, in its order.
#[derive(Default)]
pub(crate) struct Layout {
    keys: Vec<u64>,
    slots: Vec<u32>,
}

impl Layout {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { keys: Vec::with_capacity(capacity), slots: Vec::with_capacity(capacity) }
    }

    /// False if the slot has no room for it.
    #[must_use]
    pub(crate) fn push(&mut self, key: u64, slot: Slot) -> bool {
        let Some(bits) = slot.pack() else { return false };
        self.keys.push(key);
        self.slots.push(bits);
        true
    }

    /// The first entries of another layout.
    pub(crate) fn extend_from(&mut self, other: &Self, range: std::ops::Range<usize>) {
        self.keys.extend_from_slice(&other.keys[range.clone()]);
        self.slots.extend_from_slice(&other.slots[range]);
    }

    #[inline]
    pub(crate) fn slot(&self, at: usize) -> Slot {
        Slot::unpack(self.slots[at])
    }

    pub(crate) fn set_slot(&mut self, at: usize, slot: Slot) {
        if let Some(bits) = slot.pack() {
            self.slots[at] = bits;
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.slots.iter().map(|bits| Slot::unpack(*bits))
    }

    /// Bytes before the value.
    pub(crate) fn length(&self, at: usize) -> usize {
        self.keys.get(at).map_or(0, |key| (key & 0xFFFF) as usize)
    }

    /// Whether the body goes on at `from` with what the entry says; then where the value begins.
    #[inline]
    pub(crate) fn matches(&self, at: usize, body: &[u8], from: usize, hasher: &KeyHasher) -> Option<usize> {
        let key = *self.keys.get(at)?;
        let end = from + (key & 0xFFFF) as usize;
        let bytes = body.get(from..end)?;
        (hasher.hash(bytes) >> HASH_SHIFT == key >> HASH_SHIFT).then_some(end)
    }

    /// The entry's key.
    #[inline]
    pub(crate) fn key(&self, at: usize) -> Option<u64> {
        self.keys.get(at).copied()
    }

    /// The kind of the family that the entry belongs to, as far as reading needs it.
    pub(crate) fn kind(&self, at: usize) -> FamilyKind {
        match self.keys.get(at).map_or(0, |key| (key >> LENGTH_BITS) & 3) {
            1 => FamilyKind::Histogram,
            2 => FamilyKind::Summary,
            3 => FamilyKind::GaugeHistogram,
            _ => FamilyKind::Unknown,
        }
    }

    /// Gives back memory that a body much larger than this one left.
    pub(crate) fn shrink(&mut self) {
        if self.keys.capacity() > self.keys.len() * 2 {
            self.keys.shrink_to_fit();
            self.slots.shrink_to_fit();
        }
    }
}

/// Makes keys. The seed is secret to the process, so that nobody can write bodies whose lines collide.
#[derive(Clone)]
pub(crate) struct KeyHasher(FixedState);

impl KeyHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// One hash of two numbers.
    #[inline]
    pub(crate) fn pair(&self, a: u64, b: u64) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(a);
        hasher.write_u64(b);
        hasher.finish()
    }

    /// The key of the bytes before a value.
    pub(crate) fn key(&self, bytes: &[u8], kind: FamilyKind) -> u64 {
        let Ok(length) = u16::try_from(bytes.len()) else { return NO_KEY };
        let kind = match kind {
            FamilyKind::Histogram => 1,
            FamilyKind::Summary => 2,
            FamilyKind::GaugeHistogram => 3,
            _ => 0,
        };
        (self.hash(bytes) & !((1 << HASH_SHIFT) - 1)) | (kind << LENGTH_BITS) | u64::from(length)
    }
}

/// Finds where a body that has changed goes on in the layout of the last one.
pub(crate) struct Resync<'a> {
    layout: &'a Layout,
    misses: u32,
    index: Option<HashMap<u64, u32, FixedState>>,
}

impl<'a> Resync<'a> {
    pub(crate) fn new(layout: &'a Layout) -> Self {
        Self { layout, misses: 0, index: None }
    }

    /// The entry with this key, those near `cursor` first.
    pub(crate) fn find(&mut self, key: u64, cursor: usize) -> Option<usize> {
        if key == NO_KEY {
            return None;
        }
        let keys = &self.layout.keys;
        let near = &keys[cursor.min(keys.len())..(cursor + WINDOW).min(keys.len())];
        if let Some(at) = near.iter().position(|other| *other == key) {
            return Some(cursor + at);
        }
        self.misses += 1;
        if self.misses < MISSES_MAX {
            return None;
        }
        let index = self.index.get_or_insert_with(|| {
            let entries = keys.iter().enumerate().rev();
            entries.filter_map(|(at, key)| Some((*key, u32::try_from(at).ok()?))).collect()
        });
        index.get(&key).map(|at| *at as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back() {
        for slot in [
            Slot::Column(ColumnId(0)),
            Slot::Column(ColumnId(TIMED_BIT - 1)),
            Slot::Timed(0),
            Slot::Timed(TIMED_MAX),
            Slot::Dropped,
            Slot::Duplicate,
            Slot::Refused,
        ] {
            assert_eq!(slot.pack().map(Slot::unpack), Some(slot));
        }
        assert_eq!(Slot::Column(ColumnId(TIMED_BIT)).pack(), None);
    }

    #[test]
    fn a_key_takes_its_bytes_and_no_others() {
        let hasher = KeyHasher::new(7);
        let mut layout = Layout::default();
        assert!(layout.push(hasher.key(b"up ", FamilyKind::Summary), Slot::Dropped));
        assert!(layout.push(hasher.key(&[b'x'; 70_000], FamilyKind::Unknown), Slot::Dropped));
        assert_eq!(layout.matches(0, b"..up 1\n", 2, &hasher), Some(5));
        assert_eq!(layout.kind(0), FamilyKind::Summary);
        for other in [&b"..ub 1\n"[..], b"..up", b""] {
            assert_eq!(layout.matches(0, other, 2, &hasher), None);
        }
        assert_eq!(layout.matches(1, &[b'x'; 70_000], 0, &hasher), None, "too long for a key");
        assert_eq!(layout.matches(2, b"up 1", 0, &hasher), None, "beyond the end");
    }
}
