//! Whether the columns of a block have label sets of their own.

use std::ops::Range;

use super::BlockDamage;
use super::reader::Block;

impl Block {
    /// Whether no two columns have the same label set, and none has a name twice or an empty value, so that the numbers of pairs say which
    /// series it is. What the block says of itself is not believed: it may be from outside. Looked at once; none is that `go_on`, which
    /// is asked for some columns at a time, says no.
    pub(crate) fn columns_differ(&self, go_on: &mut dyn FnMut(usize) -> bool) -> Result<Option<bool>, BlockDamage> {
        if self.meta().series != u64::from(self.columns()) {
            return Ok(Some(false));
        }
        if let Some(known) = self.columns_differ.get() {
            return Ok(Some(*known));
        }
        let mut names: Vec<Range<u32>> = Vec::new();
        let mut clean = true;
        for name in self.label_names()? {
            names.push(self.pairs_named(&name)?);
            clean &= self.symbols.find(&name, "").map_err(|_| self.bad_symbols())?.is_none();
        }
        names.sort_unstable_by_key(|range| range.start);
        let (mut sums, mut of_column) = (Vec::new(), Vec::new());
        for group in 0..self.groups() {
            let mut columns = self.group(group)?.columns.peekable();
            while columns.peek().is_some() {
                let before = sums.len();
                let mut each = |pairs: &[u32]| {
                    // Equal sets have equal sums; if others have too, which is made or very rare, they are told apart by more work.
                    sums.push(pairs.iter().fold(0_u64, |sum, pair| sum.wrapping_add(mixed(*pair))));
                    of_column.clear();
                    of_column.extend(pairs.iter().map(|pair| names.partition_point(|range| range.start <= *pair)));
                    of_column.sort_unstable();
                    clean &= of_column.windows(2).all(|two| two[0] != two[1]);
                };
                self.each_pairs(columns.by_ref().take(COLUMNS_AT_ONCE), &mut each)?;
                if !go_on(sums.len() - before) {
                    return Ok(None);
                }
            }
        }
        sums.sort_unstable();
        let differ = clean && sums.windows(2).all(|two| two[0] != two[1]);
        Ok(Some(*self.columns_differ.get_or_init(|| differ)))
    }
}

/// Columns that are looked at a time.
const COLUMNS_AT_ONCE: usize = 1024;

/// A number for a pair in which each of its bits changes half of all (the finalizer of splitmix64).
fn mixed(pair: u32) -> u64 {
    let mut z = (u64::from(pair) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
