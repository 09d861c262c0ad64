//! Opening a block, and what its index says.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use model::{LabelSet, PackedLabelSets, TimeRange};
use roaring::RoaringBitmap;

use super::groups::Groups;
use super::meta::BlockMeta;
use super::postings::Postings;
use super::record::{Record, TupleCache};
use super::sections::{FOOTER_BYTES, HEADER_BYTES, Header, Kind, Section, Sections, VERSION, read_footer, read_header};
use super::symbols::{PairTexts, Slice, Symbols, Texts};
use super::{BlockDamage, BlockError, BlockGroup};
use crate::disk::{Disk, DiskFile};

/// What is read at once where a section is checked.
const CHECK_BYTES: usize = 128 << 10;

/// What a block says about itself is some numbers, and a number for each block that it was merged from.
const META_BYTES_MAX: usize = 1 << 20;

/// A block that is read. One open file; the index is mapped, and all of it was checked at opening.
pub(crate) struct Block {
    /// As damage names it: `blocks/…`.
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) sections: Sections,
    meta: BlockMeta,
    pub(super) symbols: Symbols,
    postings: Slice,
    groups: Slice,
    columns: u32,
    group_count: u32,
    /// As [`Block::columns_differ`] found.
    pub(super) columns_differ: OnceLock<bool>,
    /// Texts that were looked up last.
    texts: Mutex<Texts>,
}

impl Block {
    /// Opens a block and checks all but its samples.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, BlockError> {
        let io = |error: io::Error| BlockError::Io { file: path.to_owned(), error };
        let name = path.file_name().map(|name| format!("blocks/{}", name.to_string_lossy())).unwrap_or_default();
        let file = disk.open(path).map_err(io)?;
        let len = file.size().map_err(io)?;
        let damage = |range: Range<u64>, what: &str| {
            BlockError::Damaged(BlockDamage { file: name.clone(), start: range.start, end: range.end, what: what.to_owned() })
        };
        let mut head = [0; HEADER_BYTES];
        let there = file.read_at(&mut head, 0).map_err(io)?;
        match read_header(&head[..there]) {
            Header::Good => {}
            Header::Version(version) => return Err(BlockError::Version { file: path.to_owned(), version }),
            Header::Damaged => return Err(damage(0..HEADER_BYTES as u64, "this is not the header of a block")),
        }
        let footer_at = len.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        let there = file.read_at(&mut footer, footer_at).map_err(io)?;
        let sections = read_footer(&footer[..there], len).map_err(|what| damage(footer_at..len, what))?;
        for kind in [Kind::Symbols, Kind::Postings, Kind::Groups, Kind::Meta] {
            let section = sections.get(kind);
            if crc_of(&*file, section).map_err(io)? != section.crc {
                return Err(damage(section.range(), &format!("the checksum of the {} is wrong", kind.name())));
            }
        }
        let map = Arc::new(file.map().map_err(io)?);
        let slice = |kind: Kind| {
            let range = sections.get(kind).range();
            Slice::new(&map, range.clone()).ok_or_else(|| damage(range, "the file became shorter"))
        };
        let malformed = |kind: Kind| damage(sections.get(kind).range(), &format!("the {} are malformed", kind.name()));
        let mut meta = BlockMeta::decode(slice(Kind::Meta)?.as_ref()).ok_or_else(|| malformed(Kind::Meta))?;
        meta.file_bytes = len;
        meta.version = VERSION;
        let symbols = Symbols::open(slice(Kind::Symbols)?).ok_or_else(|| malformed(Kind::Symbols))?;
        let (postings, groups) = (slice(Kind::Postings)?, slice(Kind::Groups)?);
        let pairs = Postings::open(postings.as_ref()).ok_or_else(|| malformed(Kind::Postings))?.len();
        let opened = Groups::open(groups.as_ref()).ok_or_else(|| malformed(Kind::Groups))?;
        let (columns, group_count) = (opened.columns(), opened.len());
        if pairs != symbols.len() {
            return Err(malformed(Kind::Postings));
        }
        let (columns_differ, texts) = (OnceLock::new(), Mutex::default());
        Ok(Self { name, file, sections, meta, symbols, postings, groups, columns, group_count, columns_differ, texts })
    }

    /// The times of its samples, as far as its footer and what it says about itself can be read, be the rest damaged.
    pub(crate) fn range_of(disk: &dyn Disk, path: &Path) -> Option<TimeRange> {
        let file = disk.open(path).ok()?;
        let len = file.size().ok()?;
        let read = |offset: u64, len: usize| {
            let mut bytes = vec![0; len];
            let there = file.read_at(&mut bytes, offset).ok()?;
            (there == len).then_some(bytes)
        };
        let sections = read_footer(&read(len.checked_sub(FOOTER_BYTES as u64)?, FOOTER_BYTES)?, len).ok()?;
        let section = sections.get(Kind::Meta);
        let bytes = read(section.offset, usize::try_from(section.len).ok().filter(|len| *len <= META_BYTES_MAX)?)?;
        let meta = BlockMeta::decode(&bytes).filter(|_| crc32c::crc32c(&bytes) == section.crc)?;
        (meta.time_min <= meta.time_max).then_some(TimeRange { start: meta.time_min, end: meta.time_max })
    }

    /// What it says about itself.
    pub(crate) fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Number of groups.
    pub(crate) fn groups(&self) -> u32 {
        self.group_count
    }

    /// Number of columns; their ids are all numbers below.
    pub(crate) fn columns(&self) -> u32 {
        self.columns
    }

    /// The group of a column.
    pub(crate) fn group_of(&self, column: u32) -> Result<u32, BlockDamage> {
        self.group_table()?.group_of(column).ok_or_else(|| self.damaged(Kind::Groups, "a column is in no group"))
    }

    /// What is known of a group.
    pub(crate) fn group(&self, group: u32) -> Result<BlockGroup, BlockDamage> {
        Ok(self.record(group)?.group)
    }

    /// The labels of a column.
    pub(crate) fn labels(&self, column: u32) -> Result<LabelSet, BlockDamage> {
        let mut found = self.labels_of([column])?;
        found.pop().ok_or_else(|| self.damaged(Kind::Groups, "a column has no labels"))
    }

    /// The labels of columns, in their order. Much faster than one after the other, and fastest if they ascend.
    pub(crate) fn labels_of(&self, columns: impl IntoIterator<Item = u32>) -> Result<Vec<LabelSet>, BlockDamage> {
        self.labels_with(&mut self.texts(), columns)
    }

    /// What [`Block::labels_with`] remembers.
    pub(crate) fn texts(&self) -> PairTexts<'_> {
        PairTexts::new(&self.symbols, &self.texts)
    }

    /// As [`Block::labels_of`], for whoever asks several times: labels that were looked up before are remembered in `texts`.
    pub(crate) fn labels_with(
        &self,
        texts: &mut PairTexts<'_>,
        columns: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<LabelSet>, BlockDamage> {
        let malformed = || self.damaged(Kind::Groups, "the labels of a column are malformed");
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        self.each_pairs(columns, &mut |pairs| {
            all.extend_from_slice(pairs);
            ends.push(all.len());
        })?;
        texts.load(&all).ok_or_else(malformed)?;
        let (mut found, mut labels, mut start) = (PackedLabelSets::with_capacity(ends.len()), Vec::<(&str, &str)>::new(), 0);
        for end in ends {
            labels.clear();
            // Numbers ascend as names do.
            all[start..end].sort_unstable();
            for pair in &all[start..end] {
                labels.push(texts.get(*pair).ok_or_else(malformed)?);
            }
            start = end;
            let sorted = labels.windows(2).all(|two| two[0].0 < two[1].0) && labels.iter().all(|(_, value)| !value.is_empty());
            if sorted {
                found.push_sorted(labels.iter().copied());
            } else {
                found.push_sorted(LabelSet::from_unsorted(&mut labels).iter());
            }
        }
        Ok(found.into_list())
    }

    /// Hands on the numbers of the pairs that each of these columns has, in no particular order. Fastest if columns ascend.
    pub(crate) fn each_pairs(&self, columns: impl IntoIterator<Item = u32>, each: &mut dyn FnMut(&[u32])) -> Result<(), BlockDamage> {
        let malformed = || self.damaged(Kind::Groups, "the labels of a column are malformed");
        let mut pairs = Vec::new();
        let mut open: Option<(Record<'_>, TupleCache)> = None;
        for column in columns {
            let (record, tuples) = match &mut open {
                Some((record, tuples)) if record.group.columns.contains(&column) => (record, tuples),
                _ => {
                    let (record, tuples) = open.insert((self.record(self.group_of(column)?)?, TupleCache::default()));
                    (record, tuples)
                }
            };
            pairs.clear();
            let in_group = (column - record.group.columns.start) as usize;
            record.pairs(in_group, tuples, &mut pairs).ok_or_else(malformed)?;
            each(&pairs);
        }
        Ok(())
    }

    /// The numbers of the pairs with a name, which are neighbours.
    pub(crate) fn pairs_named(&self, name: &str) -> Result<Range<u32>, BlockDamage> {
        self.symbols.numbers_of(name).map_err(|_| self.bad_symbols())
    }

    /// Hands on number, name and value of pairs, whose numbers ascend.
    pub(crate) fn each_pair_text(&self, pairs: &[u32], each: &mut dyn FnMut(u32, &str, &str)) -> Result<(), BlockDamage> {
        self.symbols.each_of(pairs, each).map_err(|_| self.bad_symbols())
    }

    /// Names of labels, sorted.
    pub(crate) fn label_names(&self) -> Result<Vec<String>, BlockDamage> {
        self.symbols.names().map_err(|_| self.bad_symbols())
    }

    /// Values of a label, sorted.
    pub(crate) fn label_values(&self, name: &str) -> Result<Vec<String>, BlockDamage> {
        let mut values = Vec::new();
        let each = |value: &str, _| {
            values.push(value.to_owned());
            true
        };
        self.symbols.each_value(name, "", each).map_err(|_| self.bad_symbols())?;
        Ok(values)
    }

    /// The columns with a pair.
    pub(crate) fn postings(&self, pair: u32) -> Result<RoaringBitmap, BlockDamage> {
        let found = Postings::open(self.postings.as_ref()).and_then(|postings| postings.get(pair, self.columns));
        found.ok_or_else(|| self.damaged(Kind::Postings, "a list of columns is malformed"))
    }

    pub(super) fn record(&self, group: u32) -> Result<Record<'_>, BlockDamage> {
        let data = self.sections.get(Kind::Data).range();
        let found = self.group_table()?.record(group, &data);
        found.ok_or_else(|| self.damaged(Kind::Groups, &format!("the record of group {group} is malformed")))
    }

    fn group_table(&self) -> Result<Groups<'_>, BlockDamage> {
        Groups::open(self.groups.as_ref()).ok_or_else(|| self.damaged(Kind::Groups, "the table of groups is malformed"))
    }

    pub(crate) fn bad_symbols(&self) -> BlockDamage {
        self.damaged(Kind::Symbols, "the symbols are malformed, though their checksum is right")
    }

    pub(crate) fn bad_labels(&self) -> BlockDamage {
        self.damaged(Kind::Groups, "a column has a label twice, or one without a value")
    }

    pub(super) fn damaged(&self, kind: Kind, what: &str) -> BlockDamage {
        self.damage(self.sections.get(kind).range(), what)
    }

    pub(super) fn damage(&self, range: Range<u64>, what: &str) -> BlockDamage {
        BlockDamage { file: self.name.clone(), start: range.start, end: range.end, what: what.to_owned() }
    }
}

/// The checksum of what a section has now. It is read, not mapped: pages that are only checked do not stay in our memory.
pub(super) fn crc_of(file: &dyn DiskFile, section: Section) -> io::Result<u32> {
    let mut buffer = vec![0; CHECK_BYTES.min(usize::try_from(section.len).unwrap_or(CHECK_BYTES))];
    let (mut crc, mut at) = (0, section.offset);
    let end = section.offset + section.len;
    while at < end {
        let len = buffer.len().min((end - at) as usize);
        let read = file.read_at(&mut buffer[..len], at)?;
        if read == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
        at += read as u64;
    }
    Ok(crc)
}
