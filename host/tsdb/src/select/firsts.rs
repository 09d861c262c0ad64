//! The first of many things in their order, each once, without holding more than are wanted.

use std::borrow::Borrow;
use std::collections::BTreeSet;

/// The first so many; 0: all.
pub(super) struct Firsts<T> {
    held: BTreeSet<T>,
    limit: usize,
}

impl<T: Ord> Firsts<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: BTreeSet::new(), limit: if limit == 0 { usize::MAX } else { limit } }
    }

    /// Whether it is among the first of those so far; it may be there.
    pub(super) fn wants<Q: Ord + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.held.len() < self.limit || self.held.last().is_some_and(|last| one < last.borrow())
    }

    /// Likewise, and it is not there.
    pub(super) fn lacks<Q: Ord + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.wants(one) && !self.held.contains(one)
    }

    /// Adds what is wanted; the last of those that were held may go.
    pub(super) fn insert(&mut self, one: T) {
        self.held.insert(one);
        if self.held.len() > self.limit {
            self.held.pop_last();
        }
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.held.into_iter().collect()
    }
}

impl Firsts<String> {
    /// Adds a text, if it is wanted.
    pub(super) fn add(&mut self, text: &str) {
        if self.lacks(text) {
            self.insert(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_the_first_of_all(all in prop::collection::vec("[a-d]{0,3}", 0..60), limit in 0..20_usize) {
            let mut firsts = Firsts::new(limit);
            for one in &all {
                firsts.add(one);
                prop_assert!(limit == 0 || firsts.held.len() <= limit);
            }
            let mut expected = all;
            expected.sort();
            expected.dedup();
            expected.truncate(if limit == 0 { usize::MAX } else { limit });
            prop_assert_eq!(firsts.into_vec(), expected);
        }
    }
}
