use std::sync::Arc;

use super::LabelSet;
use super::text::{place, push_part};

/// A text that has come to so many bytes is given out. Small, because one of its sets keeps all of it.
const PACK_BYTES: usize = 4096;

/// Makes label sets that share memory: of a million of them, each with an allocation of its own, making and freeing those takes
/// longer than the rest.
///
/// `P` says where each is to go; [`LabelSetPacker::flush`] hands it back with the label set.
#[derive(Debug)]
pub struct LabelSetPacker<P> {
    text: String,
    /// Where each set's text ends.
    ends: Vec<(P, u32)>,
}

impl<P> Default for LabelSetPacker<P> {
    fn default() -> Self {
        Self { text: String::new(), ends: Vec::new() }
    }
}

impl<P> LabelSetPacker<P> {
    /// Adds the set of these pairs, sorted by name, each name once, no value empty.
    pub fn push_sorted<'p>(&mut self, to: P, pairs: impl Iterator<Item = (&'p str, &'p str)>) {
        for (name, value) in pairs {
            push_part(&mut self.text, name);
            push_part(&mut self.text, value);
        }
        self.ends.push((to, place(self.text.len())));
    }

    /// Adds the labels whose name `keep` accepts. Where those are all, nothing is added, and `to` is to stay as it is.
    pub fn push_filtered(&mut self, to: P, labels: &LabelSet, mut keep: impl FnMut(&str) -> bool) {
        let start = self.text.len();
        for (name, value) in labels.iter().filter(|(name, _)| keep(name)) {
            push_part(&mut self.text, name);
            push_part(&mut self.text, value);
        }
        if self.text.len() - start == labels.text().len() {
            self.text.truncate(start);
        } else {
            self.ends.push((to, place(self.text.len())));
        }
    }

    /// Adds the labels with one more, or one replaced. An empty value removes it.
    pub fn push_with(&mut self, to: P, labels: &LabelSet, name: &str, value: &str) {
        self.push_sorted(to, labels.pairs_with(name, value));
    }

    /// Whether there is enough for an allocation.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.text.len() >= PACK_BYTES
    }

    /// Hands out what was added since the last time, in the same order.
    pub fn flush(&mut self, mut each: impl FnMut(P, LabelSet)) {
        if self.ends.is_empty() {
            return;
        }
        let shared: Arc<str> = Arc::from(self.text.as_str());
        self.text.clear();
        let mut start = 0;
        for (to, end) in self.ends.drain(..) {
            each(to, LabelSet { shared: Arc::clone(&shared), start, end });
            start = end;
        }
    }
}

/// A list of label sets that share memory.
#[derive(Debug, Default)]
pub struct PackedLabelSets {
    packer: LabelSetPacker<()>,
    list: Vec<LabelSet>,
}

impl PackedLabelSets {
    /// With room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { packer: LabelSetPacker::default(), list: Vec::with_capacity(count) }
    }

    /// Adds the set of these pairs, sorted by name, each name once, no value empty.
    pub fn push_sorted<'p>(&mut self, pairs: impl Iterator<Item = (&'p str, &'p str)>) {
        self.packer.push_sorted((), pairs);
        if self.packer.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let list = &mut self.list;
        self.packer.flush(|(), labels| list.push(labels));
    }

    /// All, in the order in which they came.
    #[must_use]
    pub fn into_list(mut self) -> Vec<LabelSet> {
        self.flush();
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_sets_are_as_those_made_one_by_one() {
        let sets: Vec<LabelSet> = (0..500_usize)
            .map(|at| (0..at % 7).map(|label| (format!("{}{label}", "n".repeat(at % 3)), "값".repeat(1 + at % 90))).collect())
            .collect();
        let (mut packer, mut packed, mut flushed) = (LabelSetPacker::default(), vec![LabelSet::empty(); sets.len()], 0);
        for (at, set) in sets.iter().enumerate() {
            packer.push_sorted(at, set.iter());
            if packer.is_full() || at + 1 == sets.len() {
                packer.flush(|at, labels| packed[at] = labels);
                flushed += 1;
            }
        }
        assert_eq!(packed, sets);
        assert!((3..100).contains(&flushed), "{flushed}");
        let mut list = PackedLabelSets::default();
        sets.iter().for_each(|set| list.push_sorted(set.iter()));
        assert_eq!(list.into_list(), sets);
        for (packed, set) in packed.iter().zip(&sets) {
            assert_eq!((packed.len(), packed.is_empty()), (set.len(), set.is_empty()));
            let text = set.encoded().len();
            assert!([text, text + 16].contains(&packed.bytes()) && set.bytes() == text + 16, "{} bytes", packed.bytes());
            assert_eq!((packed.encoded(), packed.fingerprint(), packed.to_string()), (set.encoded(), set.fingerprint(), set.to_string()));
        }
    }

    #[test]
    fn what_is_made_of_a_set_is_as_made_alone() {
        let sets = ["", "a", "ab", "abc", "bc", "c"].map(|names| names.chars().map(|name| (name.to_string(), "x")).collect::<LabelSet>());
        for name in ["a", "b", "bb", "c"] {
            let mut packer = LabelSetPacker::default();
            let mut expected = Vec::new();
            for (at, set) in sets.iter().enumerate() {
                packer.push_filtered(at, set, |other| other != name);
                if set.get(name).is_some() {
                    expected.push((at, set.without(name)));
                }
                for value in ["", "y"] {
                    packer.push_with(at, set, name, value);
                    let mut builder = set.to_builder();
                    expected.push((at, builder.set(name, value).build()));
                    assert_eq!(set.with(name, value), builder.build());
                }
            }
            let mut made = Vec::new();
            packer.flush(|at, labels| made.push((at, labels)));
            assert_eq!(made, expected);
        }
    }
}
