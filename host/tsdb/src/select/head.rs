//! What the head has of a selection.

use std::sync::RwLockReadGuard;

use hashbrown::HashMap;
use model::seams::SelectError;
use model::{LabelSet, LabelSetPacker, Matcher, TimeRange, stop};

use super::firsts::Firsts;
use super::{SERIES_BYTES, go_on, worked};
use crate::db::Inner;
use crate::head::read::{Presence, View, Wanted};
use crate::index::{Index, Place};
use crate::life::blocks::Unusable;
use crate::life::time::utc;
use crate::pace;

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

    /// Values of a label of series of the head that may have samples in the range, without looking at all of its series. Those of
    /// `known` need not come.
    pub(super) fn values_in(&self, name: &str, range: TimeRange, known: &mut Firsts<String>) -> Result<(), SelectError> {
        let mut groups: HashMap<u32, Option<Presence>> = HashMap::new();
        let mut there = |ids: &[u32]| {
            ids.iter().any(|id| {
                let places: Vec<Place> = self.index().places(*id).collect();
                places.into_iter().any(|Place { group, slot }| {
                    let presence = groups.entry(group).or_insert_with(|| Some(Presence::new(&*self.group(group)?, range)));
                    presence.as_ref().is_some_and(|presence| presence.has((*id, slot)))
                })
            })
        };
        // Mostly the first series of a value is there. Only if it is not, all others are looked at.
        for most in [1, usize::MAX] {
            let mut candidates: Vec<(String, Vec<u32>)> = Vec::new();
            self.index().each_value(name, most, |value| known.lacks(value), |value, ids| candidates.push((value.to_owned(), ids)));
            go_on()?;
            for (value, ids) in candidates {
                worked(pace::LABELS + ids.len() * pace::SERIES)?;
                if there(&ids) {
                    known.insert(value);
                }
            }
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
