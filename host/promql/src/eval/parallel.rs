//! Groups of a selection, worked through by several threads where there is much to do. What they find is handed on in the order of
//! groups and series, so that sums are the same to the last bit however many there are.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use model::seams::{KeyedGroups, SelectedGroup};

use super::Query;
use super::seen::Seen;
use crate::error::EvalError;
use crate::limits::{Budget, Charge};

/// Is told the place of a series in its group and its values at the steps.
pub(super) type Emit<'e> = dyn FnMut(usize, &[f64]) -> Result<(), EvalError> + 'e;

/// Works through a group.
pub(super) type WalkGroup<'w> = dyn Fn(&dyn SelectedGroup, &mut Emit<'_>) -> Result<Walked, EvalError> + Sync + 'w;

/// Is told group, series and values.
type Visit<'v> = dyn FnMut(usize, usize, &[f64]) -> Result<(), EvalError> + 'v;

/// What is known of a group that was worked through.
#[derive(Default)]
pub(super) struct Walked {
    /// There were histograms; nothing after them was looked at.
    pub(super) mixed: bool,
    /// Samples that were read and looked at.
    pub(super) read: usize,
    pub(super) looked_at: usize,
    /// Of these, what was not looked at before.
    pub(super) fresh: usize,
    /// What could not be read.
    pub(super) warnings: Vec<String>,
}

/// Groups that may be ready before their turn, for each thread.
const AHEAD: usize = 3;

/// Threads of all queries that help.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// Values of a group's series, one after the other.
struct Found {
    series: Vec<usize>,
    values: Vec<f64>,
}

/// A group whose turn has not come.
type Ready<'a> = Result<(Found, Walked, Charge<'a>), EvalError>;

struct State<'a> {
    /// The first group that nobody has taken.
    next: usize,
    /// The group whose turn it is.
    turn: usize,
    ready: BTreeMap<usize, Ready<'a>>,
    /// Nobody is to take another: it is over, or a thread broke.
    over: bool,
}

/// What threads tell each other.
struct Board<'a> {
    state: Mutex<State<'a>>,
    changed: Condvar,
}

/// Ends the work of the others when it goes, after a panic too.
struct End<'b, 'a>(&'b Board<'a>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_all();
    }
}

/// Threads that were granted; given back when this goes.
struct Helpers(usize);

impl Helpers {
    /// At most so many, and no more for all queries together than there are processors beside the ones that ask.
    fn take(wanted: usize, all: usize) -> Self {
        let taken = HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some(held + wanted.min(all.saturating_sub(held))));
        Self(taken.map_or(0, |held| wanted.min(all.saturating_sub(held))))
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPERS.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl<'a> Board<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State<'a>>) -> MutexGuard<'g, State<'a>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, at: usize, ready: Ready<'a>) {
        self.lock().ready.insert(at, ready);
        self.changed.notify_all();
    }
}

impl Query<'_> {
    /// Hands on what is found in each group. False if there were histograms: then what was handed on is not all.
    pub(super) fn each_group(
        &self,
        keyed: &KeyedGroups,
        steps: usize,
        walk: &WalkGroup<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<bool, EvalError> {
        let groups = &keyed.groups;
        let helpers = Helpers::take(self.helpers_wanted(keyed, steps), processors().saturating_sub(1).max(self.limits.threads));
        if helpers.0 > 0 {
            return self.together(keyed, (helpers.0, steps), walk, visit);
        }
        let mut all = Walked::default();
        for (at, group) in groups.iter().enumerate() {
            let walked = walk(group.as_ref(), &mut |series, values| visit(at, series, values))?;
            if !self.note_walked(walked, &mut all) {
                return Ok(false);
            }
        }
        self.count_walked(&all);
        Ok(true)
    }

    /// Adds what was done. False if there were histograms.
    fn note_walked(&self, walked: Walked, all: &mut Walked) -> bool {
        walked.warnings.iter().for_each(|warning| self.notes.storage(warning));
        if walked.mixed {
            return false;
        }
        self.budget.count_read(walked.read);
        all.looked_at += walked.looked_at;
        all.fresh += walked.fresh;
        true
    }

    /// Counts what was looked at once it is known that nobody looks again.
    fn count_walked(&self, all: &Walked) {
        self.count_seen(&Seen::in_all(all.looked_at, all.fresh));
    }

    /// How many threads beside this one are worth while.
    fn helpers_wanted(&self, keyed: &KeyedGroups, steps: usize) -> usize {
        let threads = if self.limits.threads == 0 { processors() } else { self.limits.threads };
        let most = threads.min(keyed.groups.len()).saturating_sub(1);
        if most == 0 {
            return 0;
        }
        let (mut work, mut held) = (0_usize, (0_usize, 0_usize));
        for (group, series) in keyed.groups.iter().zip(&keyed.of) {
            let values = series.len().saturating_mul(steps);
            work = work.saturating_add(group.samples_max()).saturating_add(values);
            // All of what is ahead at once, so that together no limit is met that one alone would not meet.
            let bytes = group.column_bytes().saturating_add(values.saturating_mul(16)).saturating_add(series.len().saturating_mul(16));
            held = (held.0.max(group.samples_max()), held.1.max(bytes));
        }
        let (samples, bytes) = (held.0.saturating_mul(most + 1), held.1.saturating_mul((AHEAD + 1) * (most + 1)));
        let room = self.budget.has_room(samples, bytes);
        if work >= self.limits.share_from && room { most } else { 0 }
    }

    fn together(
        &self,
        keyed: &KeyedGroups,
        (helpers, steps): (usize, usize),
        walk: &WalkGroup<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<bool, EvalError> {
        let (groups, ahead) = (&keyed.groups, AHEAD * (helpers + 1));
        let state = State { next: 0, turn: 0, ready: BTreeMap::new(), over: false };
        let board = Board { state: Mutex::new(state), changed: Condvar::new() };
        let budget = &self.budget;
        let prepare = |at: usize| board.put(at, found(budget, groups[at].as_ref(), (keyed.of[at].len(), steps), walk));
        let help = || {
            // A thread that breaks ends the work, and the scope passes the panic on.
            let _end = End(&board);
            loop {
                let mut state = board.lock();
                while !state.over && state.next < groups.len() && state.next >= state.turn + ahead {
                    state = board.wait(state);
                }
                if state.over || state.next >= groups.len() {
                    // The others are not to end because there is nothing left to take.
                    drop(state);
                    std::mem::forget(_end);
                    return;
                }
                let at = state.next;
                state.next += 1;
                drop(state);
                prepare(at);
            }
        };
        let mut all = Walked::default();
        thread::scope(|scope| {
            let _end = End(&board);
            for _ in 0..helpers {
                // Without it, the work is done all the same.
                let _ = thread::Builder::new().name("query".to_owned()).spawn_scoped(scope, help);
            }
            for at in 0..groups.len() {
                let walked = loop {
                    let mut state = board.lock();
                    state.turn = at;
                    if let Some(ready) = state.ready.remove(&at) {
                        drop(state);
                        board.changed.notify_all();
                        let (found, walked, _charge) = ready?;
                        for (values, series) in found.values.chunks(steps.max(1)).zip(found.series) {
                            visit(at, series, values)?;
                        }
                        break walked;
                    }
                    if state.over {
                        return Err(EvalError::Execution("a thread of this query broke; the log says where".to_owned()));
                    }
                    let next = state.next;
                    if next < groups.len() && next < at + ahead {
                        state.next += 1;
                        drop(state);
                        if next == at {
                            break walk(groups[at].as_ref(), &mut |series, values| visit(at, series, values))?;
                        }
                        prepare(next);
                    } else {
                        drop(board.wait(state));
                    }
                };
                if !self.note_walked(walked, &mut all) {
                    return Ok(false);
                }
            }
            self.count_walked(&all);
            Ok(true)
        })
    }
}

/// What is in a group, to be handed on later.
fn found<'a>(budget: &Budget<'a>, group: &dyn SelectedGroup, (series, steps): (usize, usize), walk: &WalkGroup<'_>) -> Ready<'a> {
    let mut charge = budget.charge(0)?;
    budget.add_bytes(&mut charge, series.saturating_mul(steps.saturating_add(1)).saturating_mul(8))?;
    let mut found = Found { series: Vec::with_capacity(series), values: Vec::with_capacity(series.saturating_mul(steps)) };
    let walked = walk(group, &mut |series, values| {
        found.series.push(series);
        found.values.extend_from_slice(values);
        Ok(())
    })?;
    Ok((found, walked, charge))
}

/// Processors that this process may use.
fn processors() -> usize {
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            let found = thread::available_parallelism().map_or(1, NonZero::get);
            FOUND.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}
