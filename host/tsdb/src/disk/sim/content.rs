//! What is in a file: as its readers see it, and as the medium has it.

use std::collections::BTreeSet;

use super::dice::Dice;

/// What a disk writes as a whole; a power cut tears between them.
const SECTOR_BYTES: usize = 512;
/// Sectors of a page, which is what the system writes back as a whole where the disk can.
const SECTORS_PER_PAGE: usize = 8;

#[derive(Clone, Default)]
pub(super) struct Content {
    /// What reading finds.
    pub(super) written: Vec<u8>,
    /// What is on the medium.
    durable: Vec<u8>,
    /// Sectors that the system knows to differ.
    unsynced: BTreeSet<usize>,
}

impl Content {
    /// A synced file.
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Self { durable: bytes.clone(), written: bytes, unsynced: BTreeSet::new() }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.written.len() < end {
            let old = self.written.len();
            self.written.resize(end, 0);
            self.touch(old, end);
        }
        self.written[offset..end].copy_from_slice(bytes);
        self.touch(offset, end);
    }

    pub(super) fn set_len(&mut self, bytes: usize) {
        let (short, long) = (bytes.min(self.written.len()), bytes.max(self.written.len()));
        self.written.resize(bytes, 0);
        self.touch(short, long.max(short + 1));
    }

    fn touch(&mut self, start: usize, end: usize) {
        self.unsynced.extend(start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.unsynced) {
            self.write_back(sector);
        }
    }

    /// Some of what is to be synced gets to the medium, and all of it counts as clean: what Linux does when writing back
    /// fails.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        for sector in std::mem::take(&mut self.unsynced) {
            if dice.eighths(3) {
                self.write_back(sector);
            }
        }
    }

    /// The system writes some sectors back on its own account, as it does at any time.
    pub(super) fn write_some_back(&mut self, dice: &mut Dice) {
        let some: Vec<usize> = self.unsynced.iter().copied().filter(|_| dice.eighths(4)).collect();
        for sector in some {
            self.unsynced.remove(&sector);
            self.write_back(sector);
            if self.durable.len() > self.written.len() {
                // The shorter length is not on the medium yet.
                self.unsynced.insert(self.written.len() / SECTOR_BYTES);
            }
        }
    }

    fn write_back(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.written.len());
        if start >= end {
            return;
        }
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.written[start..end]);
    }

    /// What is there when the power is back: of what was not synced each sector or each page, any length between the old and
    /// the new.
    pub(super) fn after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut found = self.durable.clone();
        let (short, long) = (self.durable.len().min(self.written.len()), self.durable.len().max(self.written.len()));
        let len = match dice.below(4) {
            0 => short,
            1 => long,
            _ => short + dice.below(long - short + 1),
        };
        // An old length with an end that was cut off in between reads as zeros.
        found.resize(len, 0);
        let (by_page, kept) = (dice.eighths(4), 1 + dice.below(7));
        let mut page = (usize::MAX, false);
        for &sector in &self.unsynced {
            if !by_page || page.0 != sector / SECTORS_PER_PAGE {
                page = (sector / SECTORS_PER_PAGE, dice.eighths(kept));
            }
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.written.len()).min(found.len());
            if start < end && page.1 {
                found[start..end].copy_from_slice(&self.written[start..end]);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_whatever_follows() {
        for seed in 0..2000 {
            let mut dice = Dice(seed);
            let mut content = Content::default();
            content.write(&[7; 3000], 0);
            content.sync();
            content.write(&[8; 5000], 3000);
            content.write_some_back(&mut dice);
            content.write(&[9; 700], 8000);
            if dice.eighths(2) {
                content.fail_sync(&mut dice);
            }
            let found = content.after_power_cut(&mut dice);
            assert!(found.len() >= 3000 && found[..3000].iter().all(|byte| *byte == 7), "seed {seed}");
            for (at, byte) in found.iter().enumerate() {
                assert!(*byte == 0 || *byte == content.written[at], "seed {seed}: byte {at}");
            }
        }
    }

    #[test]
    fn cutting_and_growing_again_never_brings_old_bytes_back_once_synced() {
        for seed in 0..500 {
            let mut dice = Dice(seed);
            let mut content = Content::synced(vec![1; 4000]);
            content.set_len(100);
            content.write_some_back(&mut dice);
            content.set_len(4000);
            content.write_some_back(&mut dice);
            content.sync();
            let found = content.after_power_cut(&mut dice);
            assert!(found == content.written && found[100..].iter().all(|byte| *byte == 0), "seed {seed}");
        }
    }

    #[test]
    fn a_failed_sync_loses_for_good() {
        let lost = (0..100).any(|seed| {
            let mut content = Content::default();
            content.write(&[5; 5000], 0);
            content.fail_sync(&mut Dice(seed));
            content.sync();
            content.after_power_cut(&mut Dice(seed)) != content.written
        });
        assert!(lost, "the next sync does not write what the failed one was to");
    }
}
