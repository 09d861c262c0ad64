//! Label names with values, as an fst: from name and value to the pair's number and back.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use fst::raw::{Builder, Fst, Output};
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

/// The fst is not one, although the section's checksum was right: somebody made it so, or memory was faulty when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The crate checks no more of an fst than its ends and reads nodes by indexing, so that a malformed one makes it panic. It has no
/// `unsafe` code: that is all it can do.
fn guarded<T>(look: impl FnOnce() -> Result<T, Malformed>) -> Result<T, Malformed> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or(Err(Malformed))
}

/// What a walk does at a key or node. Whether to go on.
type Each<'a> = &'a mut dyn FnMut(&[u8], u64) -> bool;

impl Symbols {
    /// None if the bytes are not an fst. Its nodes are looked at when they are needed; the crate's own checksum, which would
    /// bring all of it into memory, says nothing more than the section's.
    pub(super) fn open(bytes: Slice) -> Option<Self> {
        let fst = guarded(|| Fst::new(bytes).map_err(|_| Malformed)).ok()?;
        Some(Self { fst })
    }

    pub(super) fn len(&self) -> usize {
        self.fst.len()
    }

    /// The number of a pair.
    pub(super) fn find(&self, name: &str, value: &str) -> Result<Option<u32>, Malformed> {
        let key = [name.as_bytes(), &[BETWEEN], value.as_bytes()].concat();
        let found = guarded(|| Ok(self.fst.get(&key)))?;
        found.map(|found| u32::try_from(found.value()).map_err(|_| Malformed)).transpose()
    }

    /// Each value of a name that begins with a text, ascending by bytes, with the number of the pair. `each` says whether to
    /// go on.
    pub(super) fn each_value(&self, name: &str, beginning: &str, mut each: impl FnMut(&str, u32) -> bool) -> Result<(), Malformed> {
        let prefix = [name.as_bytes(), &[BETWEEN], beginning.as_bytes()].concat();
        let (mut good, mut whole) = (true, String::new());
        self.walk(&prefix, false, &mut |rest, number| match (std::str::from_utf8(rest), u32::try_from(number)) {
            (Ok(rest), Ok(number)) => {
                whole.clear();
                whole.push_str(beginning);
                whole.push_str(rest);
                each(&whole, number)
            }
            _ => {
                good = false;
                true
            }
        })?;
        if good { Ok(()) } else { Err(Malformed) }
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, Malformed> {
        let mut names = Vec::new();
        let mut good = true;
        self.walk(&[], true, &mut |name, _| {
            match String::from_utf8(name.to_vec()) {
                Ok(name) => names.push(name),
                Err(_) => good = false,
            }
            true
        })?;
        names.sort_unstable();
        if good { Ok(names) } else { Err(Malformed) }
    }

    /// Calls `each` with what follows the prefix in each key that has it, and the key's number; of `names` with what stands before
    /// [`BETWEEN`]. No more often than there are keys; and where nodes lead nowhere, which no builder makes, it gives up.
    fn walk(&self, prefix: &[u8], names: bool, each: Each<'_>) -> Result<(), Malformed> {
        let (mut left, mut fruitless) = (self.len(), 0);
        let steps_max = self.fst.as_inner().as_ref().len();
        guarded(|| {
            let (mut node, mut output) = (self.fst.root(), Output::zero());
            for byte in prefix {
                let Some(at) = node.find_input(*byte) else { return Ok(()) };
                let transition = node.transition(at);
                output = Output::new(output.value().wrapping_add(transition.out.value()));
                node = self.fst.node(transition.addr);
            }
            let mut key: Vec<u8> = Vec::new();
            let mut stack = vec![(node, 0, output)];
            while let Some((node, next, output)) = stack.last_mut() {
                let found = if names { *next == 0 && node.find_input(BETWEEN).is_some() } else { *next == 0 && node.is_final() };
                fruitless = if found { 0 } else { fruitless + 1 };
                if found {
                    left = left.checked_sub(1).ok_or(Malformed)?;
                    if !each(&key, output.value().wrapping_add(node.final_output().value())) {
                        return Ok(());
                    }
                }
                if fruitless > 2 * steps_max {
                    return Err(Malformed);
                }
                if *next >= node.len() {
                    stack.pop();
                    key.pop();
                    continue;
                }
                let transition = node.transition(*next);
                let output = Output::new(output.value().wrapping_add(transition.out.value()));
                *next += 1;
                if !(names && transition.inp == BETWEEN) {
                    key.push(transition.inp);
                    stack.push((self.fst.node(transition.addr), 0, output));
                }
            }
            Ok(())
        })
    }

    /// The numbers of the pairs with a name, which are neighbours.
    pub(super) fn numbers_of(&self, name: &str) -> Result<Range<u32>, Malformed> {
        let (mut first, mut last) = (None, None);
        let prefix = [name.as_bytes(), &[BETWEEN]].concat();
        self.walk(&prefix, false, &mut |_, number| {
            first = Some(number);
            false
        })?;
        guarded(|| {
            let (mut node, mut output) = (self.fst.root(), 0_u64);
            for byte in &prefix {
                let Some(at) = node.find_input(*byte) else { return Ok(()) };
                let transition = node.transition(at);
                output = output.wrapping_add(transition.out.value());
                node = self.fst.node(transition.addr);
            }
            while let Some(at) = node.len().checked_sub(1) {
                let transition = node.transition(at);
                output = output.wrapping_add(transition.out.value());
                node = self.fst.node(transition.addr);
            }
            last = Some(output.wrapping_add(node.final_output().value()));
            Ok(())
        })?;
        match (first, last) {
            (None, None) => Ok(0..0),
            (Some(first), Some(last)) if first <= last && last < self.len() as u64 => Ok(first as u32..last as u32 + 1),
            _ => Err(Malformed),
        }
    }

    /// Calls `each` with number, name and value of these pairs, whose numbers ascend. A fraction of what looking up one after the other
    /// takes: neighbours share most of the way.
    pub(super) fn each_of(&self, numbers: &[u32], each: &mut dyn FnMut(u32, &str, &str)) -> Result<(), Malformed> {
        guarded(|| {
            // The way to the last key: each node with the output up to it, and the number from which on keys are elsewhere.
            let mut way = vec![(self.fst.root(), 0_u64, u64::MAX)];
            let mut key: Vec<u8> = Vec::new();
            for &number in numbers {
                let wanted = u64::from(number);
                while way.len() > 1 && way.last().is_some_and(|(.., end)| *end <= wanted) {
                    way.pop();
                    key.pop();
                }
                while let Some((node, output, end)) = way.last()
                    && !(*output == wanted && node.is_final())
                {
                    if node.len() == 1 {
                        // As most are.
                        let (transition, end) = (node.transition(0), *end);
                        let output = output.wrapping_add(transition.out.value());
                        if output > wanted {
                            return Err(Malformed);
                        }
                        key.push(transition.inp);
                        way.push((self.fst.node(transition.addr), output, end));
                        continue;
                    }
                    let begins = |at: usize| output.wrapping_add(node.transition(at).out.value());
                    let (mut low, mut high) = (0, node.len());
                    while low < high {
                        let mid = usize::midpoint(low, high);
                        if begins(mid) <= wanted { low = mid + 1 } else { high = mid }
                    }
                    let end = if low < node.len() { begins(low).min(*end) } else { *end };
                    let transition = node.transition(low.checked_sub(1).ok_or(Malformed)?);
                    key.push(transition.inp);
                    way.push((self.fst.node(transition.addr), output.wrapping_add(transition.out.value()), end));
                }
                let between = key.iter().position(|byte| *byte == BETWEEN).ok_or(Malformed)?;
                let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed);
                each(number, text(&key[..between])?, text(&key[between + 1..])?);
            }
            Ok(())
        })
    }
}

/// Texts of pairs by their numbers.
#[derive(Default)]
pub(super) struct Texts {
    /// Names and values, one after the other, and of each pair where its name and its value begin and where it ends. All in one block of
    /// memory: a million of them take long to free.
    texts: String,
    held: HashMap<u32, (usize, usize, usize), hashbrown::DefaultHashBuilder>,
}

impl Texts {
    fn add(&mut self, number: u32, name: &str, value: &str) {
        let start = self.texts.len();
        self.texts.push_str(name);
        self.texts.push_str(value);
        self.held.insert(number, (start, start + name.len(), self.texts.len()));
    }

    fn get(&self, number: u32) -> Option<(&str, &str)> {
        let (start, between, end) = *self.held.get(&number)?;
        Some((&self.texts[start..between], &self.texts[between..end]))
    }

    fn bytes(&self) -> usize {
        self.texts.capacity() + self.held.capacity() * PAIR_BYTES
    }
}

/// What a pair takes beside its text.
const PAIR_BYTES: usize = 33;
/// What is kept of a block from one question to the next, at most.
const KEPT_BYTES: usize = 1 << 20;

/// Pairs that were looked up: walking the fst for each label of each series would cost more than all else. Some stay with the block for
/// the next question; whoever comes meanwhile begins with none.
pub(crate) struct PairTexts<'a> {
    symbols: &'a Symbols,
    kept: &'a Mutex<Texts>,
    texts: Texts,
}

impl<'a> PairTexts<'a> {
    pub(super) fn new(symbols: &'a Symbols, kept: &'a Mutex<Texts>) -> Self {
        let texts = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Self { symbols, kept, texts }
    }

    /// Forgets what was looked up if that is more than so many pairs.
    pub(crate) fn keep_at_most(&mut self, pairs: usize) {
        if self.texts.held.len() > pairs {
            self.texts = Texts::default();
        }
    }

    /// Makes sure that these can be had by [`PairTexts::get`]. None if one is not there.
    pub(super) fn load(&mut self, numbers: &[u32]) -> Option<()> {
        let texts = &mut self.texts;
        let mut missing: Vec<u32> = numbers.iter().copied().filter(|number| !texts.held.contains_key(number)).collect();
        missing.sort_unstable();
        missing.dedup();
        self.symbols.each_of(&missing, &mut |number, name, value| texts.add(number, name, value)).ok()
    }

    pub(super) fn get(&self, number: u32) -> Option<(&str, &str)> {
        self.texts.get(number)
    }
}

impl Drop for PairTexts<'_> {
    fn drop(&mut self) {
        let mut texts = std::mem::take(&mut self.texts);
        if texts.bytes() > KEPT_BYTES {
            // Any of them. Half of what there may be, because tables and texts grow by doubling.
            let mut some = Texts::default();
            for number in texts.held.keys() {
                let Some((name, value)) = texts.get(*number) else { continue };
                if (some.texts.len() + name.len() + value.len()) + (some.held.len() + 1) * PAIR_BYTES > KEPT_BYTES / 2 {
                    break;
                }
                some.add(*number, name, value);
            }
            texts = some;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held.len() <= texts.held.len() {
            *kept = texts;
        }
    }
}
