//! Which series has which slot of a group.

use std::sync::Arc;

/// The series of each slot.
pub(crate) type Layout = Arc<Vec<u32>>;

/// A slot that no series has.
pub(crate) const NO_SERIES: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The group's writer writes to it.
    Claimed,
    /// Nobody writes to it, but open rows may have samples of its series. Only that series may have it back.
    Released,
    /// Another series may have it.
    Free,
}

/// Owners of slots. A slot changes its owner only while no open row uses it, so that each page has one series per slot.
#[derive(Default)]
pub(crate) struct Slots {
    /// Shared with pages and selections; changed here, copied if they have it.
    owners: Layout,
    claims: Vec<Claim>,
    released: Vec<u32>,
    /// May name slots that were claimed since; those are passed over.
    free: Vec<u32>,
    /// Bitmap of slots whose series other groups have too.
    shared: Vec<u8>,
}

impl Slots {
    /// The series of each slot.
    pub(crate) fn owners(&self) -> &[u32] {
        &self.owners
    }

    /// The series of each slot, to be kept.
    pub(crate) fn layout(&self) -> Layout {
        self.owners.clone()
    }

    /// Gives the series a slot, the one it had (`hint`) if nobody else has it now. Also says whether it was not claimed
    /// before.
    pub(crate) fn claim(&mut self, series: u32, hint: Option<u32>) -> (u32, bool) {
        if let Some(slot) = hint.filter(|slot| self.owners.get(*slot as usize) == Some(&series)) {
            let claim = &mut self.claims[slot as usize];
            let fresh = *claim != Claim::Claimed;
            *claim = Claim::Claimed;
            return (slot, fresh);
        }
        while let Some(slot) = self.free.pop() {
            if self.claims[slot as usize] == Claim::Free {
                self.set(slot, series, Claim::Claimed);
                return (slot, true);
            }
        }
        let slot = self.owners.len() as u32;
        Arc::make_mut(&mut self.owners).push(series);
        self.claims.push(Claim::Claimed);
        (slot, true)
    }

    /// Bitmap of slots whose series other groups have too; past its end there are none.
    pub(crate) fn shared(&self) -> &[u8] {
        &self.shared
    }

    /// Notes that another group has the series too, if it has this slot.
    pub(crate) fn share(&mut self, slot: u32, series: u32) {
        if self.owners.get(slot as usize) == Some(&series) {
            let at = slot as usize / 8;
            if self.shared.len() <= at {
                self.shared.resize(self.owners.len().div_ceil(8), 0);
            }
            self.shared[at] |= 1 << (slot % 8);
        }
    }

    fn set(&mut self, slot: u32, series: u32, claim: Claim) {
        if self.owners[slot as usize] != series {
            if let Some(byte) = self.shared.get_mut(slot as usize / 8) {
                *byte &= !(1 << (slot % 8));
            }
            Arc::make_mut(&mut self.owners)[slot as usize] = series;
        }
        self.claims[slot as usize] = claim;
    }

    /// The writer gives a slot back.
    pub(crate) fn release(&mut self, slot: u32) {
        if self.claims.get(slot as usize) == Some(&Claim::Claimed) {
            self.claims[slot as usize] = Claim::Released;
            self.released.push(slot);
        }
    }

    /// The writer is gone.
    pub(crate) fn release_all(&mut self) {
        for slot in 0..self.owners.len() as u32 {
            self.release(slot);
        }
    }

    /// Frees released slots that no open row uses.
    pub(crate) fn free_unused(&mut self, uses: impl Fn(usize) -> bool) {
        let (claims, free) = (&mut self.claims, &mut self.free);
        self.released.retain(|slot| {
            let at = *slot as usize;
            if claims[at] == Claim::Released && !uses(at) {
                claims[at] = Claim::Free;
                free.push(*slot);
            }
            claims[at] == Claim::Released
        });
        // Series that come and go leave their slots here each time.
        if self.free.len() > self.owners.len() {
            let free = self.claims.iter().zip(0..).filter(|(claim, _)| **claim == Claim::Free);
            self.free = free.map(|(_, slot)| slot).collect();
        }
    }

    /// Recovery: the log says that the slot has this series. The caller has seen to it that no open row uses the slot if it
    /// had another. The slot counts as claimed until [`Slots::release_all`], because rows may follow.
    pub(crate) fn assign(&mut self, slot: u32, series: u32) {
        while self.owners.len() <= slot as usize {
            self.free.push(self.owners.len() as u32);
            Arc::make_mut(&mut self.owners).push(NO_SERIES);
            self.claims.push(Claim::Free);
        }
        self.set(slot, series, Claim::Claimed);
    }

    /// The slot has no series any more. No open row uses it.
    pub(crate) fn vacate(&mut self, slot: u32) {
        self.set(slot, NO_SERIES, Claim::Free);
        self.free.push(slot);
    }

    /// Takes slots from series that are gone.
    pub(crate) fn vacate_where(&mut self, gone: impl Fn(u32) -> bool) {
        for slot in 0..self.owners.len() as u32 {
            let series = self.owners[slot as usize];
            if series != NO_SERIES && self.claims[slot as usize] == Claim::Free && gone(series) {
                self.set(slot, NO_SERIES, Claim::Free);
            }
        }
    }

    /// Slots that the writer writes to.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = (u32, u32)> {
        let pairs = self.owners.iter().zip(self.claims.iter()).enumerate();
        pairs.filter(|(_, (_, claim))| **claim == Claim::Claimed).map(|(slot, (series, _))| (slot as u32, *series))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        (self.owners.capacity() + self.released.capacity() + self.free.capacity()) * 4
            + self.claims.capacity()
            + self.shared.capacity()
            + 72
    }

    /// Gives back room that was made for slots to come.
    pub(crate) fn shrink(&mut self) {
        if let Some(owners) = Arc::get_mut(&mut self.owners) {
            owners.shrink_to_fit();
        }
        self.claims.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_goes_to_another_series_only_when_no_open_row_uses_it() {
        let mut slots = Slots::default();
        assert_eq!(slots.claim(10, None), (0, true));
        assert_eq!(slots.claim(11, None), (1, true));
        assert_eq!(slots.claim(10, Some(0)), (0, false));
        slots.release(0);
        slots.free_unused(|_| true);
        assert_eq!(slots.claim(12, None), (2, true), "slot 0 is still in open rows");
        assert_eq!(slots.claim(10, Some(0)), (0, true), "its own series may have it back");
        slots.release(0);
        slots.free_unused(|_| false);
        assert_eq!(slots.claim(13, None), (0, true));
        assert_eq!(slots.claim(10, Some(0)), (3, true), "the old hint is void");
        assert_eq!(slots.owners(), [13, 11, 12, 10]);
        assert_eq!(slots.claimed().count(), 4);
    }

    #[test]
    fn a_series_that_comes_and_goes_takes_no_more_room() {
        let mut slots = Slots::default();
        for n in 0..1000 {
            for series in 0..10 {
                assert_eq!(slots.claim(series, Some(series)), (series, true), "round {n}");
            }
            slots.release_all();
            slots.free_unused(|_| false);
        }
        assert!(slots.free.len() <= 20 && slots.released.is_empty());
        assert_eq!(slots.owners.len(), 10);
    }
}
