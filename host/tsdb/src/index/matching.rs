//! Matchers over the inverted index.

use model::Matcher;

use super::Index;
use crate::pace;

impl Index {
    /// The series that satisfy all matchers, ascending. As in Prometheus, a label that is absent has the empty value.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        // A matcher that refuses the empty value names series by what they have; the others rule out by what they have.
        let (needed, ruling_out): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| !matcher.matches_empty());
        // Exact ones first: they are cheap, and often leave little to do for the others.
        let (exact, searched): (Vec<&Matcher>, Vec<&Matcher>) = needed.into_iter().partition(|matcher| self.is_exact(matcher));
        let mut lists: Vec<Vec<u32>> = Vec::with_capacity(exact.len());
        for matcher in exact {
            match self.pairs_found(matcher) {
                pairs if pairs.is_empty() => return Vec::new(),
                pairs => lists.push(pairs),
            }
        }
        // The shortest is read first, the others are looked into only where they are not much longer.
        lists.sort_by_key(|pairs| self.count(pairs));
        let mut lists = lists.into_iter();
        let mut found: Option<Vec<u32>> = lists.next().map(|pairs| self.series_of(&pairs));
        for pairs in lists {
            found = found.map(|found| self.intersected(found, &pairs));
        }
        for matcher in searched {
            let name = matcher.name();
            let mut wanted = |value: &str| matcher.matches(value);
            found = Some(match found {
                Some(found) if self.are_few(&found, name) => self.having(found, name, &mut wanted),
                Some(found) => self.intersected(found, &self.pairs_where(name, &mut wanted)),
                None => self.series_of(&self.pairs_where(name, &mut wanted)),
            });
        }
        let mut found = found.unwrap_or_else(|| self.all_ids());
        for matcher in ruling_out {
            if found.is_empty() {
                break;
            }
            if self.are_few(&found, matcher.name()) {
                let Some(name) = self.symbols.find(matcher.name()) else { continue };
                self.retain_by(&mut found, name, &mut |value| value.is_none_or(|value| matcher.matches(value)));
                continue;
            }
            let refused = if matcher.is_positive() {
                self.pairs_where(matcher.name(), &mut |value| !matcher.matches(value))
            } else {
                self.pairs_found(matcher)
            };
            let refused = self.series_of(&refused);
            retain_in(&mut found, &refused, false);
        }
        found
    }

    /// Whether the comparison needs no search among values.
    fn is_exact(&self, matcher: &Matcher) -> bool {
        matcher.is_positive() && matcher.literals().is_some()
    }

    /// Whether it is cheaper to look at each of these series than at each value of the label.
    fn are_few(&self, found: &[u32], name: &str) -> bool {
        found.len() < self.values_of(name)
    }

    /// Those of the series whose label has a value that `wanted` accepts.
    fn having(&self, mut found: Vec<u32>, name: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<u32> {
        match self.symbols.find(name) {
            Some(name) => self.retain_by(&mut found, name, &mut |value| value.is_some_and(&mut *wanted)),
            None => found.clear(),
        }
        found
    }

    fn retain_by(&self, found: &mut Vec<u32>, name: u32, wanted: &mut dyn FnMut(Option<&str>) -> bool) {
        // Neighbours mostly have the same value.
        let mut last: Option<(Option<u32>, bool)> = None;
        let mut over = false;
        found.retain(|id| {
            over = over || pace::over(pace::SERIES);
            if over {
                return false;
            }
            let pair = self.pairs_of(*id).iter().copied().find(|pair| self.pairs[*pair as usize].name == name);
            if let Some((_, verdict)) = last.filter(|(known, _)| *known == pair) {
                return verdict;
            }
            over = over || pace::over(pace::VALUE);
            let verdict = wanted(pair.map(|pair| self.symbols.get(self.pairs[pair as usize].value)));
            last = Some((pair, verdict));
            verdict
        });
    }

    /// Those of the series that have one of the pairs.
    fn intersected(&self, mut found: Vec<u32>, pairs: &[u32]) -> Vec<u32> {
        // Reading a number of a list takes about as long as looking at a label of a series.
        if found.len().saturating_mul(8) < self.count(pairs) {
            let mut pairs = pairs.to_vec();
            pairs.sort_unstable();
            let mut over = false;
            found.retain(|id| {
                over = over || pace::over(pace::SERIES);
                !over && self.pairs_of(*id).iter().any(|pair| pairs.binary_search(pair).is_ok())
            });
        } else {
            let list = self.series_of(pairs);
            retain_in(&mut found, &list, true);
        }
        found
    }

    /// Series that have these pairs, each counted once for each.
    fn count(&self, pairs: &[u32]) -> usize {
        pairs.iter().map(|pair| self.pairs[*pair as usize].postings.len()).sum()
    }

    /// The series that satisfy all matchers of any of the sets, or all series if there is no set.
    pub(crate) fn matching_any(&self, sets: &[Vec<Matcher>]) -> Vec<u32> {
        match sets {
            [] => self.all_ids(),
            [one] => self.matching(one),
            many => union(many.iter().map(|set| self.matching(set)).collect()),
        }
    }

    /// All series, ascending.
    fn all_ids(&self) -> Vec<u32> {
        self.all().take_while(|id| !(*id as usize).is_multiple_of(pace::NUMBERS) || !pace::over(1)).collect()
    }

    /// How many series the matchers of the sets name at most, as far as postings tell by their lengths.
    pub(crate) fn series_at_most(&self, sets: &[Vec<Matcher>]) -> usize {
        let one = |matchers: &Vec<Matcher>| {
            let exact = matchers.iter().filter(|matcher| !matcher.matches_empty() && self.is_exact(matcher));
            exact.map(|matcher| self.count(&self.pairs_found(matcher))).min().unwrap_or(self.live)
        };
        if sets.is_empty() { self.live } else { sets.iter().map(one).sum() }
    }

    /// How many values a label has.
    pub(crate) fn values_of(&self, name: &str) -> usize {
        self.symbols.find(name).and_then(|symbol| self.names.get(&symbol)).map_or(0, Vec::len)
    }

    /// Some of the pairs with a label name, from one on, in no order. They have other places once series were removed.
    pub(crate) fn pairs_with(&self, name: &str, from: usize, most: usize) -> &[u32] {
        let pairs = self.symbols.find(name).and_then(|symbol| self.names.get(&symbol));
        let rest = pairs.and_then(|pairs| pairs.get(from..)).unwrap_or_default();
        &rest[..rest.len().min(most)]
    }

    /// Appends the series that have a pair, at most so many of the first.
    pub(crate) fn series_with(&self, pair: u32, most: usize, ids: &mut Vec<u32>) {
        self.pairs[pair as usize].postings.extend_into(ids, most);
    }

    /// The pairs whose value the comparison of a matcher finds, whether that is to satisfy or to fail it.
    fn pairs_found(&self, matcher: &Matcher) -> Vec<u32> {
        match matcher.literals() {
            Some(values) => values.iter().filter_map(|value| self.find_pair(matcher.name(), value)).collect(),
            None => self.pairs_where(matcher.name(), &mut |value| matcher.matches(value) == matcher.is_positive()),
        }
    }

    /// The pairs of a label whose value is wanted.
    fn pairs_where(&self, name: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<u32> {
        let pairs = self.symbols.find(name).and_then(|symbol| self.names.get(&symbol));
        let pairs = pairs.into_iter().flatten().copied().take_while(|_| !pace::over(pace::VALUE));
        pairs.filter(|pair| wanted(self.symbols.get(self.pairs[*pair as usize].value))).collect()
    }

    /// The series that have one of these pairs, ascending.
    fn series_of(&self, pairs: &[u32]) -> Vec<u32> {
        let count = self.count(pairs);
        if pairs.len() > 1 && count >= self.series.len() / BITS_PER_NUMBER {
            return self.series_of_many(pairs, count);
        }
        let mut found = Vec::with_capacity(count);
        for pair in pairs {
            let postings = &self.pairs[*pair as usize].postings;
            if pace::over(1 + postings.len() / pace::NUMBERS) {
                return found;
            }
            postings.extend_into(&mut found, usize::MAX);
        }
        // A series has one value for a name, so that nothing comes twice. Lists ascend, which this sort makes use of.
        if pairs.len() > 1 {
            found.sort();
        }
        found
    }

    /// Likewise, where there are so many that a bit for each number takes no more room than they do: nothing needs to be sorted.
    fn series_of_many(&self, pairs: &[u32], count: usize) -> Vec<u32> {
        let (mut bits, mut list) = (vec![0_u64; self.series.len().div_ceil(64)], Vec::new());
        for pair in pairs {
            let postings = &self.pairs[*pair as usize].postings;
            if pace::over(1 + postings.len() / pace::NUMBERS) {
                return Vec::new();
            }
            list.clear();
            postings.extend_into(&mut list, usize::MAX);
            list.iter().for_each(|id| bits[*id as usize / 64] |= 1 << (id % 64));
        }
        let mut found = Vec::with_capacity(count);
        for (word, first) in bits.into_iter().zip((0..).step_by(64)) {
            if pace::over(1 + word.count_ones() as usize / pace::NUMBERS) {
                return found;
            }
            let mut word = word;
            while word != 0 {
                found.push(first + word.trailing_zeros());
                word &= word - 1;
            }
        }
        found
    }
}

/// A number in a list takes as much room as so many bits.
const BITS_PER_NUMBER: usize = 32;

fn union(lists: Vec<Vec<u32>>) -> Vec<u32> {
    let mut all = lists.concat();
    all.sort();
    all.dedup();
    all
}

/// Keeps what is (or is not) in `list`. Both ascend.
fn retain_in(found: &mut Vec<u32>, list: &[u32], inside: bool) {
    let (mut rest, mut at, mut over) = (list, 0_usize, false);
    found.retain(|id| {
        at += 1;
        over = over || at.is_multiple_of(pace::NUMBERS) && pace::over(1);
        if over {
            return false;
        }
        // Galloping would be better where the lists differ much in length; a binary search is near enough.
        let skip = if rest.first().is_some_and(|next| next < id) { rest.partition_point(|other| other < id) } else { 0 };
        rest = &rest[skip..];
        (rest.first() == Some(id)) == inside
    });
}

#[cfg(test)]
mod tests {
    use model::{LabelSet, MatchOp};
    use proptest::prelude::*;

    use super::*;

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Matches), Just(MatchOp::NotMatches)];
        let value = prop::sample::select(vec!["", "x", "y", "x|y", "x|", ".*", ".+", "x.*", "z", "|", "[xy]", "가", "가|x"]);
        (prop::sample::select(vec!["a", "b", "missing"]), op, value)
            .prop_map(|(name, op, value)| Matcher::new(name, op, value).expect("good patterns"))
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_each_series(
            sets in prop::collection::vec(prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(vec!["", "x", "y", "xy", "가"])), 0..4), 0..20),
            matchers in prop::collection::vec(any_matcher(), 0..4),
        ) {
            let mut index = Index::default();
            for set in &sets {
                index.find_or_insert(&LabelSet::from_pairs(set.iter().copied()));
            }
            let expected: Vec<u32> = index.all().filter(|id| matchers.iter().all(|m| m.matches_labels(&index.labels(*id)))).collect();
            prop_assert!(expected.len() <= index.series_at_most(std::slice::from_ref(&matchers)));
            prop_assert_eq!(index.matching(&matchers), expected);
        }
    }
}
