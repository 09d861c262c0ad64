use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Most times that are held at once while a target's series are sorted into groups: 32 MB.
pub(super) const TIMES_MAX: usize = 4 << 20;

/// A series joins a larger group only if it has a sample in one of so many of its rows: the rows without cost bits.
const SPARSEST: usize = 8;

/// How many larger lists of times one is compared with. Targets have few: a scrape fails or a series comes late.
const LISTS_TRIED: usize = 32;

/// Series by their times.
#[derive(Default)]
pub(super) struct TimeLists {
    lists: Vec<TimeList>,
    by_hash: HashMap<u64, Vec<usize>>,
    hash: RandomState,
    times: usize,
}

/// Series that share times.
pub(super) struct TimeList {
    pub(super) times: Vec<i64>,
    pub(super) series: Vec<u64>,
}

impl TimeLists {
    /// Adds a series with its times, which ascend.
    pub(super) fn add(&mut self, series: u64, times: &[i64]) {
        let hash = self.hash.hash_one(times);
        let same = self.by_hash.entry(hash).or_default();
        match same.iter().find(|at| self.lists[**at].times == times) {
            Some(at) => self.lists[*at].series.push(series),
            None => {
                same.push(self.lists.len());
                self.times += times.len();
                self.lists.push(TimeList { times: times.to_vec(), series: vec![series] });
            }
        }
    }

    /// Whether they should be written before more are added.
    pub(super) fn is_full(&self) -> bool {
        self.times >= TIMES_MAX
    }

    /// The groups: lists that lie within another are gone, and their series are in that one. Forgets all.
    pub(super) fn take(&mut self) -> Vec<TimeList> {
        let mut lists = std::mem::take(self).lists;
        // Longest first; of equally long ones that with the earliest series, so that the order does not depend on hashes.
        lists.sort_by_key(|list| (std::cmp::Reverse(list.times.len()), list.series.first().copied()));
        let mut groups: Vec<TimeList> = Vec::new();
        for list in lists {
            let home = groups
                .iter_mut()
                .take(LISTS_TRIED)
                .find(|group| group.times.len() <= list.times.len().saturating_mul(SPARSEST) && is_within(&list.times, &group.times));
            match home {
                Some(group) => group.series.extend(list.series),
                None => groups.push(list),
            }
        }
        groups
    }
}

/// Whether each of `few` is among `many`; both ascend.
fn is_within(few: &[i64], many: &[i64]) -> bool {
    let mut rest = many.iter();
    few.iter().all(|time| rest.by_ref().find(|other| *other >= time) == Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_comes_late_shares_the_group_of_its_target() {
        let mut lists = TimeLists::default();
        lists.add(3, &[30, 40]);
        lists.add(1, &[10, 20, 30, 40]);
        lists.add(2, &[10, 20, 30, 40]);
        lists.add(4, &[10, 25]);
        let groups = lists.take();
        let found: Vec<(&[i64], &[u64])> = groups.iter().map(|g| (g.times.as_slice(), g.series.as_slice())).collect();
        assert_eq!(found, [([10, 20, 30, 40].as_slice(), [1, 2, 3].as_slice()), ([10, 25].as_slice(), [4].as_slice())]);
        assert!(lists.take().is_empty());
    }

    #[test]
    fn a_series_with_few_samples_has_a_group_of_its_own() {
        let mut lists = TimeLists::default();
        lists.add(1, &(0..100).collect::<Vec<_>>());
        lists.add(2, &[50]);
        assert_eq!(lists.take().len(), 2);
    }
}
