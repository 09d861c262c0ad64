//! What is known of a sender: its series, its groups, and the requests it may send again.

use std::collections::VecDeque;

use model::TimestampMs;

use crate::answer::Answer;
use crate::cache::Cache;
use crate::commit::Waiting;
use crate::hash::Wide;
use crate::lanes::Lanes;
use crate::otlp::Claims;
use crate::rows::Rows;

/// How long a series or a group that nothing comes for is kept, in milliseconds.
const IDLE_MS_MAX: i64 = 3_600_000;
/// Columns without a series that a group may have in any case.
const FORGOTTEN_MAX: usize = 64;

/// Requests that are remembered, and for how long, in milliseconds.
const RECENT_MAX: usize = 256;
const RECENT_MS_MAX: i64 = 600_000;

/// What requests of a sender change.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) cache: Cache,
    pub(crate) lanes: Lanes,
    pub(crate) rows: Rows,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) claims: Claims,
}

impl State {
    /// Forgets series that have not come for long, and closes groups that nobody needs so.
    pub(crate) fn tend(&mut self, now: TimestampMs) {
        self.claims.tend(now);
        let idle = |used: TimestampMs| used < now.saturating_sub(IDLE_MS_MAX);
        let mut closed: Vec<u32> = self.lanes.open().filter(|(_, lane)| idle(lane.used)).map(|(number, _)| number).collect();
        let mut kept = vec![0_usize; self.lanes.open().map(|(number, _)| number as usize + 1).max().unwrap_or_default()];
        let lanes = &mut self.lanes;
        self.cache.forget_where(|entry| {
            let Some(lane) = lanes.get(entry.lane) else { return true };
            let gone = entry.newest < lane.newest.saturating_sub(IDLE_MS_MAX);
            if gone {
                lane.forgotten += 1;
            } else {
                kept[entry.lane as usize] += 1;
            }
            gone
        });
        // What is closed gives its columns back; series that still come open it again.
        let crowded = lanes.open().filter(|(number, lane)| lane.forgotten > FORGOTTEN_MAX.max(kept[*number as usize]));
        closed.extend(crowded.map(|(number, _)| number));
        if !closed.is_empty() {
            self.cache.forget_where(|entry| closed.contains(&entry.lane));
            closed.iter().for_each(|lane| self.lanes.close(*lane));
        }
        self.lanes.forget_closed();
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.cache.heap_bytes() + self.lanes.heap_bytes() + self.waiting.capacity() * size_of::<Waiting>() + self.claims.heap_bytes()
    }
}

/// Requests that were taken as a whole, by the hash of their bodies: one that comes again, because its answer was lost, has been
/// stored already.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<(Wide, TimestampMs, Answer)>);

impl Recent {
    pub(crate) fn find(&self, body: Wide, now: TimestampMs) -> Option<Answer> {
        let found = self.0.iter().rev().find(|(held, at, _)| *held == body && now.saturating_sub(*at) < RECENT_MS_MAX);
        found.map(|(_, _, answer)| answer.clone())
    }

    pub(crate) fn push(&mut self, body: Wide, now: TimestampMs, answer: Answer) {
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((body, now, answer));
    }
}
