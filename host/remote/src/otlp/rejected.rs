//! What of a request is not stored, and why.

use std::collections::BTreeMap;

use crate::message::TEXTS_MAX;

/// Longest name in a text, in bytes.
const NAME_MAX: usize = 200;
/// Collisions of a request that are told to the log.
const COLLISIONS_MAX: usize = 20;

/// The data points of a request, and those of them that are not stored.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    /// Those that came.
    pub(crate) points: u64,
    /// Those that are not stored, by reason.
    pub(crate) by_reason: BTreeMap<&'static str, u64>,
    /// By reason and metric, for the first few.
    texts: BTreeMap<(&'static str, String), u64>,
    /// Series that collided.
    pub(crate) collisions: u64,
    /// Loser, winner and the name that both have after translation, of the first few.
    pub(crate) collided: Vec<[String; 3]>,
}

impl Rejected {
    /// A point of a metric is not stored.
    pub(crate) fn point(&mut self, reason: &'static str, metric: &str, why: &str) {
        *self.by_reason.entry(reason).or_default() += 1;
        let text = format!("{}: {why}", shown(metric));
        let full = self.texts.len() >= TEXTS_MAX;
        match self.texts.entry((reason, text)) {
            std::collections::btree_map::Entry::Occupied(mut count) => *count.get_mut() += 1,
            std::collections::btree_map::Entry::Vacant(place) if !full => {
                place.insert(1);
            }
            std::collections::btree_map::Entry::Vacant(_) => {}
        }
    }

    /// A series of a metric is another metric's.
    pub(crate) fn collision(&mut self, loser: &str, winner: &str, name: &str) {
        self.collisions += 1;
        if self.collided.len() < COLLISIONS_MAX && self.collided.last().is_none_or(|last| last[2] != name) {
            self.collided.push([loser, winner, name].map(|text| shown(text).to_owned()));
        }
    }

    /// All points that are not stored.
    pub(crate) fn count(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// What is wrong, for the sender.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(|((_, text), count)| match count {
            1 => text.clone(),
            count => format!("{text} ({count} data points)"),
        })
    }
}

fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_MAX)]
}
