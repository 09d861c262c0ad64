//! The newest exemplars of all series, in a ring.

use std::collections::{BTreeMap, HashMap, VecDeque};

use model::seams::{Exemplar, SeriesExemplars};
use model::{LabelSet, TimeRange};

/// A ring in the order of arrival: a new one takes the place of the oldest.
pub(crate) struct Exemplars {
    max: usize,
    ring: VecDeque<(u32, Exemplar)>,
    /// How many left the ring.
    gone: u64,
    /// The newest of each series that has one, counted from the first there ever was.
    newest: HashMap<u32, u64>,
}

impl Exemplars {
    /// At most so many; 0 keeps none.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, ring: VecDeque::new(), gone: 0, newest: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether it is kept: one that its series has as its newest is not kept again, and neither is an older one.
    pub(crate) fn takes(&self, series: u32, exemplar: &Exemplar) -> bool {
        if self.max == 0 {
            return false;
        }
        let newest = self.newest.get(&series).and_then(|at| self.ring.get(usize::try_from(at - self.gone).ok()?));
        newest.is_none_or(|(_, newest)| !newest.is_same(exemplar) && exemplar.time >= newest.time)
    }

    pub(crate) fn push(&mut self, series: u32, exemplar: Exemplar) {
        if !self.takes(series, &exemplar) {
            return;
        }
        while self.ring.len() >= self.max {
            if let Some((old, _)) = self.ring.pop_front()
                && self.newest.get(&old) == Some(&self.gone)
            {
                self.newest.remove(&old);
            }
            self.gone += 1;
        }
        self.newest.insert(series, self.gone + self.ring.len() as u64);
        self.ring.push_back((series, exemplar));
    }

    /// Those in the range, by series.
    pub(crate) fn by_series(&self, range: TimeRange) -> HashMap<u32, Vec<Exemplar>> {
        let mut found: HashMap<u32, Vec<Exemplar>> = HashMap::new();
        for (id, exemplar) in self.ring.iter().filter(|(_, exemplar)| range.start <= exemplar.time && exemplar.time <= range.end) {
            found.entry(*id).or_default().push(exemplar.clone());
        }
        found
    }

    /// Those of these series, which are sorted, in the range.
    pub(crate) fn of(&self, series: &[u32], range: TimeRange, labels: impl Fn(u32) -> LabelSet) -> Vec<SeriesExemplars> {
        let mut found: BTreeMap<u32, Vec<Exemplar>> = BTreeMap::new();
        for (id, exemplar) in &self.ring {
            if range.start <= exemplar.time && exemplar.time <= range.end && series.binary_search(id).is_ok() {
                found.entry(*id).or_default().push(exemplar.clone());
            }
        }
        let mut found: Vec<SeriesExemplars> =
            found.into_iter().map(|(id, exemplars)| SeriesExemplars { labels: labels(id), exemplars }).collect();
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(trace: &str, time: i64, own_time: bool) -> Exemplar {
        Exemplar { labels: LabelSet::from_pairs([("trace", trace)]), value: 1.0, time, own_time }
    }

    fn found(ring: &Exemplars, series: &[u32]) -> Vec<(String, Vec<i64>)> {
        let all = TimeRange { start: i64::MIN, end: i64::MAX };
        let labels = |id: u32| LabelSet::from_pairs([("n", id.to_string())]);
        let found = ring.of(series, all, labels);
        found.into_iter().map(|s| (s.labels.to_string(), s.exemplars.iter().map(|e| e.time).collect())).collect()
    }

    #[test]
    fn the_same_is_kept_once_and_the_oldest_goes() {
        let mut ring = Exemplars::new(3);
        ring.push(1, exemplar("a", 10, false));
        ring.push(1, exemplar("a", 20, false));
        ring.push(1, exemplar("b", 5, true));
        assert_eq!(found(&ring, &[1]), [("{n=\"1\"}".to_owned(), vec![10])], "the same again, and one that is older");
        ring.push(1, exemplar("a", 30, true));
        ring.push(2, exemplar("a", 30, true));
        ring.push(1, exemplar("a", 30, true));
        ring.push(1, exemplar("c", 30, true));
        assert_eq!(found(&ring, &[1, 2]), [("{n=\"1\"}".to_owned(), vec![30, 30]), ("{n=\"2\"}".to_owned(), vec![30])]);
        ring.push(3, exemplar("a", 1, false));
        ring.push(3, exemplar("b", 2, false));
        ring.push(3, exemplar("c", 3, false));
        assert_eq!(found(&ring, &[1, 2, 3]), [("{n=\"3\"}".to_owned(), vec![1, 2, 3])]);
        assert_eq!((ring.newest.len(), ring.len()), (1, 3));
        ring.push(1, exemplar("a", 30, true));
        assert_eq!(found(&ring, &[1]).len(), 1, "what left the ring is new again");
    }

    #[test]
    fn none_are_kept_where_none_may_be() {
        let mut ring = Exemplars::new(0);
        ring.push(1, exemplar("a", 10, false));
        assert_eq!(ring.len(), 0);
    }
}
