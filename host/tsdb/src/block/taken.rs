//! What the bytes of a block are taken by.

use std::collections::BTreeMap;

use super::BlockDamage;
use super::body::Extras;
use super::page::Page;
use super::read::Fetched;
use super::reader::Block;
use super::sections::Kind;
use crate::column::decimal::scale_of;

/// Bytes by what they are for. Together they are the file's.
pub(crate) type Taken = BTreeMap<&'static str, u64>;

/// The largest scale of what is still called a decimal: six digits behind the point.
const DECIMALS: u8 = 6;

/// What decides how well values are packed. Histograms are told apart by their own bytes.
fn kind_of(values: &[u64]) -> &'static str {
    let values = || values.iter().copied().filter(|bits| !matches!(*bits, model::ABSENT_BITS | model::STALE_BITS | model::HISTOGRAM_BITS));
    let rises = || values().map(f64::from_bits).is_sorted();
    let all_within = |scale: u8| values().all(|bits| scale_of(bits).is_some_and(|(least, _)| least <= scale));
    let first = values().next();
    if values().all(|bits| Some(bits) == first) {
        "values that do not change"
    } else if all_within(0) {
        if rises() { "counters (whole numbers that rise)" } else { "whole numbers" }
    } else if all_within(DECIMALS) {
        "decimals"
    } else {
        "floats"
    }
}

impl Block {
    /// What each of the file's bytes is for. Decodes everything.
    pub(crate) fn taken(&self) -> Result<Taken, BlockDamage> {
        let mut taken = Taken::new();
        let mut all = 0;
        for (kind, what) in [
            (Kind::Symbols, "labels: names and values"),
            (Kind::Postings, "labels: which columns have them"),
            (Kind::Groups, "groups and where their columns are"),
            (Kind::Meta, "statistics"),
        ] {
            let len = self.sections.get(kind).len;
            all += len;
            taken.insert(what, len);
        }
        let data = self.sections.get(Kind::Data).len;
        for group in 0..self.groups() {
            self.taken_by_group(group, &mut taken)?;
        }
        taken.insert("header and footer", self.meta().file_bytes.saturating_sub(all + data));
        taken.retain(|_, bytes| *bytes > 0);
        Ok(taken)
    }

    fn taken_by_group(&self, group: u32, taken: &mut Taken) -> Result<(), BlockDamage> {
        let record = self.record(group)?;
        let mut add = |what, bytes: usize| *taken.entry(what).or_default() += bytes as u64;
        add("times", record.times.iter().map(|entry| entry.len).sum());
        add("exemplars", record.exemplar_pages.iter().map(|(_, entry)| entry.len).sum());
        let (pieces, mut bytes) = (record.times.len(), Fetched::default());
        for (at, entry) in record.pages.iter().enumerate() {
            let run = at / pieces;
            let columns = record.runs.get(run + 1).zip(record.runs.get(run)).map_or(0, |(end, first)| end - first);
            let malformed = || self.malformed(*entry, "samples");
            let content = self.piece(&mut bytes, *entry, &record.pages[at..])?;
            let mut page = Page::open(content, record.rows_in(at % pieces), columns).ok_or_else(malformed)?;
            let patterns = page.patterns_bytes();
            add("presence (absent, stale)", patterns);
            let mut bodies = 0;
            for column in 0..columns {
                let mut bits = vec![0; record.rows_in(at % pieces)];
                page.decode(column, 0..bits.len(), &mut bits, 0, &mut Extras::default()).ok_or_else(malformed)?;
                let body = page.body(column).ok_or_else(malformed)?;
                add("native histograms", body.histograms.len());
                add("start timestamps", body.starts.len());
                add(kind_of(&bits), body.values.len());
                bodies += body.histograms.len() + body.starts.len() + body.values.len();
            }
            // How long each column is, how it is encoded, and its pattern of presence.
            add("lengths and codecs of columns", entry.len - patterns - bodies);
        }
        Ok(())
    }
}
