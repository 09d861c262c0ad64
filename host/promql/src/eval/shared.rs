//! Selectors that stand in a query several times, with the same matchers over the same times: asked for once, and decoded once where
//! there is room to keep what was decoded. What is done with it is done each time, because positions in remarks differ.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use model::seams::{ColumnRef, GroupSamples, KeyedGroups, LabelKey, SelectError, SelectedGroup};
use model::{LabelSet, Matcher, StartTimestampMs, TimeRange, TimestampMs};

use super::Query;
use crate::ast::Expr;
use crate::error::EvalError;
use crate::limits::Charge;

/// More selectors than these are not compared with each other.
const SELECTORS_MAX: usize = 64;

/// What is known of selectors that come again.
#[derive(Default)]
pub(super) struct Shared<'a> {
    repeated: Vec<Repeated>,
    slots: RefCell<Vec<Slot<'a>>>,
}

/// Matchers, and how often they will be asked for yet.
struct Repeated {
    matchers: Vec<Matcher>,
    left: Cell<usize>,
}

/// What storage found for some matchers.
struct Slot<'a> {
    repeated: usize,
    range: TimeRange,
    groups: Vec<Arc<Held>>,
    /// Which labels count, and what goes with that; none if all labels are known.
    keyed: Option<Keyed>,
    charge: Charge<'a>,
}

struct Keyed {
    names: Vec<String>,
    without: bool,
    keys: Vec<LabelSet>,
    of: Vec<Vec<u32>>,
    typed: bool,
}

/// A group, with its columns once they were decoded.
struct Held {
    group: Box<dyn SelectedGroup>,
    /// Whether there is room for them.
    keep: bool,
    kept: OnceLock<Kept>,
}

#[derive(Default)]
struct Kept {
    times: Vec<TimestampMs>,
    columns: Vec<KeptColumn>,
    warnings: Vec<String>,
}

struct KeptColumn {
    series: usize,
    floats: Vec<f64>,
    gaps: bool,
}

impl Shared<'_> {
    /// Finds out which matchers come several times.
    pub(super) fn of(expr: &Expr) -> Self {
        let all = crate::plan::selectors(expr);
        let mut repeated: Vec<Repeated> = Vec::new();
        if (2..=SELECTORS_MAX).contains(&all.len()) {
            for matchers in all {
                match repeated.iter().find(|held| held.matchers == matchers) {
                    Some(held) => held.left.set(held.left.get() + 1),
                    None => repeated.push(Repeated { matchers, left: Cell::new(1) }),
                }
            }
            repeated.retain(|held| held.left.get() > 1);
        }
        Self { repeated, slots: RefCell::default() }
    }
}

impl<'a> Query<'a> {
    /// The groups for these matchers, with the keys of their series if there is a `key`, what is held for them, and how much of that
    /// goes with each group when that is dropped. `ask` asks storage.
    pub(super) fn shared(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        key: Option<LabelKey<'_>>,
        ask: impl FnOnce() -> Result<KeyedGroups, EvalError>,
    ) -> Result<(KeyedGroups, Charge<'a>, Vec<usize>), EvalError> {
        let Shared { repeated, slots } = &self.shared;
        let charge = self.budget.charge(0)?;
        let Some(at) = repeated.iter().position(|held| held.matchers == matchers) else { return Ok((ask()?, charge, Vec::new())) };
        let left = repeated[at].left.get().saturating_sub(1);
        repeated[at].left.set(left);
        let known = slots.borrow().iter().find_map(|slot| (slot.repeated == at && slot.range == range).then(|| slot.again(key)).flatten());
        let found = match known {
            Some(found) => found,
            None if left == 0 => ask()?,
            None => {
                let slot = self.slot(at, range, key, ask()?)?;
                // What was just put there is what was asked for.
                let found = slot.again(key).unwrap_or_default();
                slots.borrow_mut().push(slot);
                found
            }
        };
        if left > 0 {
            return Ok((found, charge, Vec::new()));
        }
        // Nobody comes again: it goes with whoever has it last.
        let (over, others): (Vec<Slot<'a>>, _) = slots.take().into_iter().partition(|slot| slot.repeated == at);
        slots.replace(others);
        let last = over.into_iter().find(|slot| slot.range == range && slot.answers(key));
        Ok(match last {
            Some(slot) => (found, slot.charge, slot.groups.iter().map(|held| held.bytes()).collect()),
            None => (found, charge, Vec::new()),
        })
    }

    fn slot(&self, repeated: usize, range: TimeRange, key: Option<LabelKey<'_>>, found: KeyedGroups) -> Result<Slot<'a>, EvalError> {
        let mut charge = self.budget.charge(0)?;
        let hold = |group: Box<dyn SelectedGroup>| {
            let mut held = Held { group, keep: true, kept: OnceLock::new() };
            let bytes = held.bytes();
            // An eighth of what is left at most: the query has other needs.
            held.keep = self.budget.has_room(0, bytes.saturating_mul(4)) && self.budget.add_bytes(&mut charge, bytes).is_ok();
            Arc::new(held)
        };
        let groups: Vec<Arc<Held>> = found.groups.into_iter().map(hold).collect();
        // Labels are counted by each who has clones of them.
        self.budget.add_bytes(&mut charge, found.of.iter().map(|of| of.len() * 4).sum())?;
        let keyed = key.map(|LabelKey { names, without }| Keyed {
            names: names.to_vec(),
            without,
            keys: found.keys,
            of: found.of,
            typed: found.typed,
        });
        Ok(Slot { repeated, range, groups, keyed, charge })
    }
}

impl Held {
    /// What is kept of it, or will be.
    fn bytes(&self) -> usize {
        let columns = self.group.labels().len().saturating_mul(size_of::<KeptColumn>());
        if self.keep { self.group.samples_max().saturating_mul(8).saturating_add(columns) } else { 0 }
    }
}

impl Slot<'_> {
    /// Whether what it holds is an answer.
    fn answers(&self, key: Option<LabelKey<'_>>) -> bool {
        match (&self.keyed, key) {
            // All labels are known.
            (None, _) => true,
            (Some(held), Some(key)) => held.without == key.without && held.names == key.names,
            (Some(_), None) => false,
        }
    }

    /// What it holds, if that is an answer.
    fn again(&self, key: Option<LabelKey<'_>>) -> Option<KeyedGroups> {
        if !self.answers(key) {
            return None;
        }
        let groups = self.groups.iter().map(|held| Box::new(Again(Arc::clone(held))) as Box<dyn SelectedGroup>).collect();
        Some(match (&self.keyed, key) {
            (Some(held), _) => KeyedGroups { groups, keys: held.keys.clone(), of: held.of.clone(), typed: held.typed },
            (None, Some(key)) => KeyedGroups::of(groups, key),
            (None, None) => KeyedGroups { groups, ..KeyedGroups::default() },
        })
    }
}

/// A group for one of those who want it.
struct Again(Arc<Held>);

impl SelectedGroup for Again {
    fn labels(&self) -> &[LabelSet] {
        self.0.group.labels()
    }

    fn samples_max(&self) -> usize {
        self.0.group.samples_max()
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        self.0.group.read()
    }

    fn column_bytes(&self) -> usize {
        if self.0.kept.get().is_some() { 0 } else { self.0.group.column_bytes() }
    }

    fn starts(&self) -> Result<Vec<Vec<(TimestampMs, StartTimestampMs)>>, SelectError> {
        self.0.group.starts()
    }

    fn each_newest(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        // That is less work than keeping all samples for the next one.
        if self.0.kept.get().is_some() { self.each_column(visit) } else { self.0.group.each_newest(visit) }
    }

    fn each_column(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        let Held { group, keep, kept } = &*self.0;
        if let Some(kept) = kept.get() {
            for KeptColumn { series, floats, gaps } in &kept.columns {
                if visit(ColumnRef { series: *series, times: &kept.times, floats, histograms: &[], gaps: *gaps }).is_break() {
                    break;
                }
            }
            return Ok(kept.warnings.clone());
        }
        if !keep {
            return group.each_column(visit);
        }
        let (mut decoded, mut whole) = (Kept::default(), true);
        let mut each = |column: ColumnRef<'_>| {
            let ColumnRef { series, times, floats, histograms, gaps } = column;
            // How much histograms take is not known before.
            whole &= histograms.is_empty();
            if whole {
                if decoded.columns.is_empty() {
                    decoded.times = times.to_vec();
                }
                decoded.columns.push(KeptColumn { series, floats: floats.to_vec(), gaps });
            }
            let flow = visit(column);
            whole &= flow.is_continue();
            flow
        };
        decoded.warnings = group.each_column(&mut each)?;
        let warnings = decoded.warnings.clone();
        if whole {
            // Set by another meanwhile, it is the same.
            let _ = kept.set(decoded);
        }
        Ok(warnings)
    }
}
