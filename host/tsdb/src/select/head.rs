//! What the head has of a selection.

use std::cell::RefCell;
use std::sync::RwLockReadGuard;

use hashbrown::HashMap;
use model::seams::SelectError;
use model::{LabelSet, LabelSetPacker, Matcher, TimeRange, stop};

use super::cursor::Values;
use super::firsts::Firsts;
use super::{SERIES_BYTES, go_on, worked};
use crate::db::Inner;
use crate::head::read::{Presence, View, Wanted};
use crate::index::{Index, Place};
use crate::life::blocks::Unusable;
use crate::life::time::utc;
use crate::pace;

/// Values of a label that are looked up under one lock.
const VALUES_AT_ONCE: usize = 1024;

impl Inner {
    /// Of each group the series that may have samples in the range, at one moment. A group that open rows are in is exact; older
    /// rows count by pages. Also whether each series is in one group alone.
    pub(super) fn present(&self, ids: &[u32], range: TimeRange) -> Result<(Vec<(u32, View)>, bool), SelectError> {
        let mut apart = true;
        let mut by_group: Vec<(u32, Vec<Wanted>)> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        {
            let index = self.index();
            let mut last: Option<usize> = None;
            for id in ids {
                worked(pace::SERIES)?;
                for (nth, Place { group, slot }) in index.places(*id).enumerate() {
                    apart &= nth == 0;
                    // Neighbours are mostly in the same group.
                    let at = last.filter(|at| by_group[*at].0 == group).unwrap_or_else(|| {
                        *places.entry(group).or_insert_with(|| {
                            by_group.push((group, Vec::new()));
                            by_group.len() - 1
                        })
                    });
                    last = Some(at);
                    by_group[at].1.push((*id, slot));
                }
            }
        }
        by_group.sort_unstable_by_key(|(group, _)| *group);
        let mut views = Vec::new();
        for (number, wanted) in by_group {
            let Some(group) = self.group(number) else { continue };
            worked(pace::LABELS)?;
            let mut view = View::new(&group, wanted, range);
            view.keep_present();
            if !view.wanted().is_empty() {
                views.push((number, view));
            }
        }
        go_on()?;
        Ok((views, apart))
    }

    /// Whether a group has rows in the range.
    pub(super) fn head_has(&self, range: TimeRange) -> bool {
        self.groups().iter().any(|group| {
            let head = group.head();
            head.newest >= range.start && head.open.first_time().is_some_and(|first| first <= range.end)
                || head.pages_in(range).next().is_some()
                || head.late.within(range).next().is_some()
        })
    }

    /// The index, if nobody changes it now and no block has samples of the range.
    pub(super) fn index_at_once(&self, range: TimeRange) -> Option<RwLockReadGuard<'_, Index>> {
        if !self.blocks.within(range).is_empty() {
            return None;
        }
        self.index_without_waiting()
    }

    /// The series of the head that satisfy the matchers and may have samples in the range, ascending.
    pub(crate) fn series_in(&self, sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<u32>, SelectError> {
        let ids = self.index().matching_any(sets);
        let (views, _) = self.present(&ids, range)?;
        let mut found: Vec<u32> = views.iter().flat_map(|(_, view)| view.wanted().iter().map(|(id, _)| *id)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// For each value of a label that is wanted a series of the head that has it and may have samples in the range, if there is one.
    /// Whoever asks keeps series from being removed meanwhile ([`Inner::new_columns`]).
    pub(super) fn values_in(
        &self,
        name: &str,
        range: TimeRange,
        wanted: &mut dyn FnMut(&str) -> bool,
        found: &mut dyn FnMut(u32),
    ) -> Result<(), SelectError> {
        let mut groups: HashMap<u32, Option<Presence>> = HashMap::new();
        let mut there = |id: u32| {
            let places: Vec<Place> = self.index().places(id).collect();
            places.into_iter().any(|Place { group, slot }| {
                let presence = groups.entry(group).or_insert_with(|| Some(Presence::new(&*self.group(group)?, range)));
                presence.as_ref().is_some_and(|presence| presence.has((id, slot)))
            })
        };
        let (mut from, mut some, mut ids) = (0, Vec::new(), Vec::new());
        loop {
            let looked_at = {
                let index = self.index();
                let pairs = index.pairs_with(name, from, VALUES_AT_ONCE);
                some.clear();
                some.extend(pairs.iter().copied().filter(|pair| wanted(index.symbol(index.pair_symbols(*pair).1))));
                pairs.len()
            };
            worked(looked_at * pace::LABELS)?;
            if looked_at == 0 {
                return Ok(());
            }
            from += looked_at;
            for pair in &some {
                // Mostly the first series of a value is there. Only if it is not, all others are looked at.
                let mut one = None;
                for most in [1, usize::MAX] {
                    ids.clear();
                    self.index().series_with(*pair, most, &mut ids);
                    worked(pace::LABELS + ids.len() * pace::SERIES)?;
                    one = ids.iter().copied().find(|id| there(*id));
                    if one.is_some() || ids.len() < most {
                        break;
                    }
                }
                one.into_iter().for_each(&mut *found);
            }
        }
    }

    /// The first values of a list that are of series of the head.
    pub(super) fn first_values_in(&self, listed: &Values<'_>, values: &mut Firsts<String>) -> Result<(), SelectError> {
        let _gate = self.new_columns();
        let values = RefCell::new(values);
        let mut add = |id: u32| {
            let index = self.index();
            if let Some((_, value)) = index.label_pairs(id).find(|(name, _)| *name == listed.name) {
                values.borrow_mut().add(value);
            }
        };
        if listed.sets.is_empty() {
            return self.values_in(listed.name, listed.range, &mut |value| values.borrow().lacks(value), &mut add);
        }
        for id in self.series_in(listed.sets, listed.range)? {
            worked(pace::LABELS)?;
            add(id);
        }
        Ok(())
    }

    pub(super) fn labels_of(&self, ids: impl Iterator<Item = u32>) -> Result<Vec<LabelSet>, SelectError> {
        let index = self.index();
        let mut labels = Vec::with_capacity(ids.size_hint().0);
        let mut packer = LabelSetPacker::default();
        let take = |packer: &mut LabelSetPacker<()>, labels: &mut Vec<LabelSet>| {
            packer.flush(|(), set| {
                stop::take(set.bytes() + SERIES_BYTES);
                labels.push(set);
            });
        };
        for id in ids {
            worked(pace::LABELS)?;
            packer.push_sorted((), index.label_pairs(id));
            if packer.is_full() {
                take(&mut packer, &mut labels);
            }
        }
        take(&mut packer, &mut labels);
        Ok(labels)
    }

    /// Blocks that do not open and have samples of the range, or do not even say which.
    pub(super) fn missing_blocks(&self, range: TimeRange) -> Vec<String> {
        let said = |one: Unusable| match one.range {
            None => Some(format!("samples may be missing: {}", one.damage)),
            Some(of) if of.start > range.end || range.start > of.end => None,
            Some(of) => Some(format!("samples between {} and {} are missing: {}", utc(of.start), utc(of.end), one.damage)),
        };
        self.blocks.unusable().into_iter().filter_map(said).collect()
    }
}
