//! Matchers over the inverted index.

use model::{MatchOp, Matcher};

use super::Index;

impl Index {
    /// The series that satisfy all matchers, ascending. As in Prometheus, a label that is absent has the empty value.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        // A matcher that refuses the empty value names series by what they have; the others rule out by what they have.
        let (needed, ruling_out): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| !matcher.matches_empty());
        let mut lists: Vec<Vec<u32>> = Vec::with_capacity(needed.len());
        for matcher in needed {
            lists.push(self.with_value(matcher.name(), &|value| matcher.matches(value), literals(matcher)));
        }
        lists.sort_by_key(Vec::len);
        let mut lists = lists.into_iter();
        let mut found: Vec<u32> = lists.next().unwrap_or_else(|| self.all().collect());
        for list in lists {
            retain_in(&mut found, &list, true);
        }
        for matcher in ruling_out {
            if found.is_empty() {
                break;
            }
            let exact = (matcher.op() == MatchOp::NotEqual).then(|| vec![matcher.value()]);
            let refused = self.with_value(matcher.name(), &|value| !matcher.matches(value), exact);
            retain_in(&mut found, &refused, false);
        }
        found
    }

    /// The series that satisfy all matchers of any of the sets, or all series if there is no set.
    pub(crate) fn matching_any(&self, sets: &[Vec<Matcher>]) -> Vec<u32> {
        match sets {
            [] => self.all().collect(),
            [one] => self.matching(one),
            many => union(many.iter().map(|set| self.matching(set)).collect()),
        }
    }

    /// Each value of a label, with the series that have it, at most so many of them; `only` says which values.
    pub(crate) fn having(&self, name: &str, most: usize, mut only: impl FnMut(&str) -> bool, mut each: impl FnMut(&str, Vec<u32>)) {
        let pairs = self.symbols.find(name).and_then(|symbol| self.names.get(&symbol));
        for pair in pairs.into_iter().flatten() {
            let pair = &self.pairs[*pair as usize];
            let value = self.symbols.get(pair.value);
            if only(value) {
                let mut ids = Vec::new();
                pair.postings.extend_into(&mut ids, most);
                each(value, ids);
            }
        }
    }

    /// The series whose label has a value that `wanted` accepts; `exact` are the only values that it can accept, if known.
    fn with_value(&self, name: &str, wanted: &dyn Fn(&str) -> bool, exact: Option<Vec<&str>>) -> Vec<u32> {
        let postings = |pair: u32| {
            let mut ids = Vec::new();
            self.pairs[pair as usize].postings.extend_into(&mut ids, usize::MAX);
            ids
        };
        if let Some(values) = exact {
            return union(values.iter().filter_map(|value| self.find_pair(name, value)).map(postings).collect());
        }
        let Some(pairs) = self.symbols.find(name).and_then(|symbol| self.names.get(&symbol)) else {
            return Vec::new();
        };
        let hits = pairs.iter().filter(|pair| wanted(self.symbols.get(self.pairs[**pair as usize].value)));
        let mut found: Vec<u32> = hits.flat_map(|pair| postings(*pair)).collect();
        // A series has one value for a name, so that nothing comes twice.
        found.sort_unstable();
        found
    }
}

/// The only values that a matcher accepts, if that can be told from its text.
fn literals(matcher: &Matcher) -> Option<Vec<&str>> {
    match matcher.op() {
        MatchOp::Equal => Some(vec![matcher.value()]),
        MatchOp::Matches if !matcher.value().contains(|c: char| ".^$*+?()[]{}\\".contains(c)) => Some(matcher.value().split('|').collect()),
        _ => None,
    }
}

fn union(mut lists: Vec<Vec<u32>>) -> Vec<u32> {
    if lists.len() <= 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut all = lists.concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Keeps what is (or is not) in `list`. Both ascend.
fn retain_in(found: &mut Vec<u32>, list: &[u32], inside: bool) {
    let mut rest = list;
    found.retain(|id| {
        // Galloping would be better where the lists differ much in length; a binary search is near enough.
        let skip = if rest.first().is_some_and(|next| next < id) { rest.partition_point(|other| other < id) } else { 0 };
        rest = &rest[skip..];
        (rest.first() == Some(id)) == inside
    });
}

#[cfg(test)]
mod tests {
    use model::LabelSet;
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
            prop_assert_eq!(index.matching(&matchers), expected);
        }
    }
}
