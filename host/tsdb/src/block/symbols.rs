//! Label names with values, as an fst: from name and value to the pair's number and back.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use fst::raw::{Builder, Fst};
use fst::{IntoStreamer, Streamer};
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Between name and value: a byte that UTF-8 does not have.
const BETWEEN: u8 = 0xFF;

/// The content of a file, or of a part of it, that is kept mapped.
#[derive(Clone)]
pub(super) struct Slice {
    map: Arc<Box<dyn AsRef<[u8]> + Send + Sync>>,
    range: Range<usize>,
}

impl Slice {
    /// None if the mapping is shorter.
    pub(super) fn new(map: &Arc<Box<dyn AsRef<[u8]> + Send + Sync>>, range: Range<u64>) -> Option<Self> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        AsRef::<[u8]>::as_ref(&**map.as_ref()).get(range.clone())?;
        Some(Self { map: map.clone(), range })
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        AsRef::<[u8]>::as_ref(&**self.map.as_ref()).get(self.range.clone()).unwrap_or_default()
    }
}

/// Pairs while a block is written, numbered as they come.
#[derive(Default)]
pub(super) struct PairsBuilder {
    /// All keys, one after the other.
    keys: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    key: Vec<u8>,
}

impl PairsBuilder {
    /// The number of the pair, new or not.
    pub(super) fn intern(&mut self, name: &str, value: &str) -> u32 {
        self.key.clear();
        self.key.extend_from_slice(name.as_bytes());
        self.key.push(BETWEEN);
        self.key.extend_from_slice(value.as_bytes());
        let hash = self.hasher.hash_one(self.key.as_slice());
        let (keys, ends, key) = (&self.keys, &self.ends, &self.key);
        if let Some(id) = self.table.find(hash, |id| key_at(keys, ends, *id) == key.as_slice()) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.keys.extend_from_slice(&self.key);
        self.ends.push(self.keys.len());
        let (keys, ends, hasher) = (&self.keys, &self.ends, &self.hasher);
        self.table.insert_unique(hash, id, |id| hasher.hash_one(key_at(keys, ends, *id)));
        id
    }

    /// Numbers as they were given, in the order of the final ones.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by_key(|id| key_at(&self.keys, &self.ends, *id));
        order
    }

    /// The fst, with the pairs in this order.
    pub(super) fn encode(&self, order: &[u32]) -> std::io::Result<Vec<u8>> {
        let refused = |error: fst::Error| std::io::Error::other(format!("the block's symbols cannot be written: {error}"));
        let mut builder = Builder::memory();
        for (rank, id) in order.iter().enumerate() {
            builder.insert(key_at(&self.keys, &self.ends, *id), rank as u64).map_err(refused)?;
        }
        builder.into_inner().map_err(refused)
    }
}

fn key_at<'a>(keys: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let at = id as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] };
    &keys[start..ends[at]]
}

/// Pairs of a block that is read.
pub(super) struct Symbols {
    fst: Fst<Slice>,
}

impl Symbols {
    /// None if the bytes are not an fst. Its nodes are trusted: the section's checksum was right, and the crate's own, which would
    /// bring all of it into memory, says nothing more.
    pub(super) fn open(bytes: Slice) -> Option<Self> {
        Some(Self { fst: Fst::new(bytes).ok()? })
    }

    pub(super) fn len(&self) -> usize {
        self.fst.len()
    }

    /// The number of a pair.
    pub(super) fn find(&self, name: &str, value: &str) -> Option<u32> {
        let found = self.fst.get([name.as_bytes(), &[BETWEEN], value.as_bytes()].concat())?;
        u32::try_from(found.value()).ok()
    }

    /// Each value of a name, ascending by bytes, with the number of the pair.
    pub(super) fn each_value(&self, name: &str, mut each: impl FnMut(&str, u32)) {
        let prefix = [name.as_bytes(), &[BETWEEN]].concat();
        let end = [name.as_bytes(), &[BETWEEN, BETWEEN]].concat();
        let mut stream = self.fst.range().ge(&prefix).lt(&end).into_stream();
        while let Some((key, number)) = stream.next() {
            let value = key.get(prefix.len()..).map(std::str::from_utf8);
            if let (Some(Ok(value)), Ok(number)) = (value, u32::try_from(number.value())) {
                each(value, number);
            }
        }
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut from = Vec::new();
        loop {
            let mut stream = self.fst.range().ge(&from).into_stream();
            let Some((key, _)) = stream.next() else {
                break;
            };
            let name = key.split(|byte| *byte == BETWEEN).next().unwrap_or_default();
            let next = [name, &[BETWEEN, BETWEEN]].concat();
            names.extend(String::from_utf8(name.to_vec()));
            from = next;
        }
        names.sort_unstable();
        names
    }

    /// Name and value of a pair, as one text and the length of the name in it.
    fn get(&self, number: u32) -> Option<(String, usize)> {
        let mut key = Vec::new();
        if !self.fst.get_key_into(number.into(), &mut key) {
            return None;
        }
        let between = key.iter().position(|byte| *byte == BETWEEN)?;
        key.remove(between);
        let text = String::from_utf8(key).ok()?;
        text.is_char_boundary(between).then_some((text, between))
    }
}

/// Pairs that were looked up: walking the fst for each label of each series would cost more than all else.
pub(super) struct PairTexts<'a> {
    symbols: &'a Symbols,
    held: HashMap<u32, (String, usize), hashbrown::DefaultHashBuilder>,
}

impl<'a> PairTexts<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        Self { symbols, held: HashMap::default() }
    }

    /// Makes sure that these can be had by [`PairTexts::get`]. None if one is not there.
    pub(super) fn load(&mut self, numbers: &[u32]) -> Option<()> {
        for number in numbers {
            if !self.held.contains_key(number) {
                self.held.insert(*number, self.symbols.get(*number)?);
            }
        }
        Some(())
    }

    pub(super) fn get(&self, number: u32) -> Option<(&str, &str)> {
        self.held.get(&number).map(|(text, between)| text.split_at(*between))
    }
}
