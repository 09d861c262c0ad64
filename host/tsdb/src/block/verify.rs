//! Looking at every byte of a block.

use model::TimeRange;

use super::BlockDamage;
use super::reader::{Block, crc_of};
use super::sections::{KINDS, Kind};

/// Columns that are decoded at once.
const COLUMNS: usize = 256;

impl Block {
    /// Checks all sections against their checksums and decodes everything. Empty: the block is whole.
    pub(crate) fn verify(&self) -> Vec<BlockDamage> {
        let mut damage = Vec::new();
        for kind in KINDS {
            let section = self.sections.get(kind);
            match crc_of(&*self.file, section) {
                Ok(crc) if crc == section.crc => {}
                Ok(_) => damage.push(self.damage(section.range(), &format!("the checksum of the {} is wrong", kind.name()))),
                Err(error) => damage.push(self.damage(section.range(), &format!("cannot be read: {error}"))),
            }
        }
        let whole_data = damage.is_empty();
        for group in 0..self.groups() {
            self.verify_group(group, &mut damage);
        }
        for pair in 0..self.symbols.len() as u32 {
            damage.extend(self.postings(pair).err());
        }
        // Where pieces say more exactly what is damaged, the section as a whole need not be named.
        let data = self.sections.get(Kind::Data).range();
        if !whole_data && damage.iter().any(|d| data.start <= d.start && d.end <= data.end && (d.start, d.end) != (data.start, data.end)) {
            damage.retain(|d| (d.start, d.end) != (data.start, data.end));
        }
        damage.sort_by_key(|d| (d.start, d.end));
        damage.dedup();
        damage
    }

    fn verify_group(&self, group: u32, damage: &mut Vec<BlockDamage>) {
        let range = TimeRange { start: i64::MIN, end: i64::MAX };
        let columns = match self.group(group) {
            Ok(group) => group.columns,
            Err(found) => return damage.push(found),
        };
        if columns.is_empty() {
            damage.extend(self.read(group, &[], range).err());
        }
        let mut left = columns;
        while !left.is_empty() {
            let ids: Vec<u32> = left.by_ref().take(COLUMNS).collect();
            damage.extend(self.exemplars(group, &ids, range).err());
            damage.extend(self.labels_of(ids.iter().copied()).err());
            if self.read(group, &ids, range).is_err() {
                // One at a time, so that each piece that is damaged is named.
                damage.extend(ids.iter().filter_map(|id| self.read(group, &[*id], range).err()));
            }
            // Whose record is malformed is not asked again for each of its columns.
            if self.group(group).is_err() {
                return;
            }
        }
    }
}
