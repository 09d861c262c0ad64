//! From the samples of a message to rows of groups, and into storage.

mod exemplars;
mod repeats;
mod write;

use model::seams::{Append, ColumnError};
use model::{LabelSet, TimestampMs, is_stale};

pub(crate) use self::exemplars::Waiting;
use crate::cache::{LANE_ENDED, LANE_INVALID, LANE_NEW, LANE_REFUSED, LANE_STATES};
use crate::message::{Labels, Parsed, TEXTS_MAX};
use crate::rows::ROWS_MAX;
use crate::sender::State;
use crate::stats::Ahead;

/// A histogram is meant, by its number; else a float.
const HISTOGRAM: u32 = 1 << 31;

/// What a request is written with.
pub(crate) struct Context<'a> {
    pub(crate) append: &'a dyn Append,
    pub(crate) labels: &'a dyn Labels,
    pub(crate) sender: &'a str,
    pub(crate) address: &'a str,
    pub(crate) now: TimestampMs,
    /// Samples before this are refused: their series shall take no room.
    pub(crate) time_min: TimestampMs,
    /// Samples after this are refused.
    pub(crate) time_max: TimestampMs,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) samples: u64,
    pub(crate) histograms: u64,
    pub(crate) exemplars: u64,
    pub(crate) out_of_order: u64,
    pub(crate) duplicate: u64,
    pub(crate) too_old: u64,
    pub(crate) too_new: u64,
    pub(crate) invalid: u64,
    pub(crate) refused: u64,
    pub(crate) ahead: Option<Ahead>,
    /// What is wrong, a few times.
    pub(crate) texts: Vec<String>,
    /// Storage failed.
    pub(crate) failed: Option<String>,
}

struct Commit<'a> {
    state: &'a mut State,
    parsed: &'a Parsed,
    context: &'a Context<'a>,
    outcome: Outcome,
    /// What needs more than a look into the cache.
    later: Vec<u32>,
    /// What is not newer than the last sample of its series.
    repeats: Vec<u32>,
    /// Entries whose series a stale marker ended.
    ended: Vec<u32>,
    /// Whether such a marker waits in a row: its column is still open, and will not be.
    ending: bool,
}

/// Writes what a message holds.
pub(crate) fn commit(state: &mut State, parsed: &Parsed, context: &Context<'_>) -> Outcome {
    state.rows.begin();
    let outcome = Outcome { invalid: parsed.bad_count, texts: parsed.bad.clone(), ..Outcome::default() };
    let mut commit = Commit { state, parsed, context, outcome, later: Vec::new(), repeats: Vec::new(), ended: Vec::new(), ending: false };
    (0..parsed.samples.len()).for_each(|at| commit.place(at as u32));
    (0..parsed.histograms.len()).for_each(|at| commit.place(at as u32 | HISTOGRAM));
    commit.settle_all();
    commit.place_exemplars();
    commit.flush();
    // Rows that their group does not take are tried in another one, of which there are few.
    while !commit.later.is_empty() && commit.outcome.failed.is_none() {
        commit.settle_all();
        commit.flush();
    }
    commit.write_repeats();
    commit.finish()
}

impl Commit<'_> {
    /// Entry, place of the series in the message, and time of a sample.
    #[inline]
    fn item(&self, item: u32) -> (u32, u32, TimestampMs) {
        if item & HISTOGRAM == 0 {
            let sample = &self.parsed.samples[item as usize];
            (sample.entry, sample.at, sample.time)
        } else {
            let sample = &self.parsed.histograms[(item & !HISTOGRAM) as usize];
            (sample.entry, sample.at, sample.time)
        }
    }

    #[inline]
    fn is_stale(&self, item: u32) -> bool {
        if item & HISTOGRAM == 0 {
            is_stale(self.parsed.samples[item as usize].value)
        } else {
            self.parsed.histograms[(item & !HISTOGRAM) as usize].histogram.is_stale()
        }
    }

    /// Puts a sample into its row, if the series is known and the sample the newest of its group or of the same time.
    #[inline]
    fn place(&mut self, item: u32) {
        let (at, _, time) = self.item(item);
        if time > self.context.time_max {
            return self.too_new(item);
        }
        if time < self.context.time_min {
            return self.too_old(item);
        }
        let State { cache, lanes, .. } = &mut *self.state;
        let entry = cache.entry(at);
        let lane = if entry.lane < LANE_STATES { lanes.get(entry.lane) } else { None };
        let Some(lane) = lane else { return self.later.push(item) };
        if time <= entry.newest {
            return self.repeats.push(item);
        }
        if time < lane.newest {
            // At once: further samples of the series in this message may not be.
            let base = lane.base;
            return self.settle_behind(item, base);
        }
        self.put(item, at, time);
    }

    /// Puts a sample that is the newest of its series into the row of its time in its lane.
    #[inline]
    fn put(&mut self, item: u32, at: u32, time: TimestampMs) {
        let stale = self.is_stale(item);
        let State { cache, lanes, rows, .. } = &mut *self.state;
        let entry = cache.entry(at);
        let Some(lane) = lanes.get(entry.lane) else { return };
        if stale && lane.is_shared(entry.column) {
            // What came under another order of the labels may be in a later row: the column is given up after all rows.
            return self.repeats.push(item);
        }
        entry.newest = time;
        if lane.turn != rows.turn || rows.rows[lane.row as usize].time != time {
            lane.row = rows.find_or_insert(entry.lane, time);
            lane.turn = rows.turn;
        }
        let (column, row) = (entry.column, &mut rows.rows[lane.row as usize]);
        if item & HISTOGRAM == 0 {
            let value = self.parsed.samples[item as usize].value;
            row.columns.push(column);
            row.values.push(value);
            row.items.push(item);
        } else {
            let sample = &self.parsed.histograms[(item & !HISTOGRAM) as usize];
            row.histograms.push((column, sample.histogram.clone()));
            row.histogram_items.push(item);
            row.starts.extend(sample.start.map(|start| (column, start)));
        }
        if stale {
            self.ending = true;
            self.end(at);
        }
        if self.state.rows.used >= ROWS_MAX {
            self.flush();
        }
    }

    /// A stale marker ends a series: its column is given up, by each entry that has it.
    fn end(&mut self, at: u32) {
        let State { cache, lanes, .. } = &mut *self.state;
        let (number, column) = (cache.entry(at).lane, cache.entry(at).column);
        let others = lanes.get(number).map(|lane| lane.give_up(column)).unwrap_or_default();
        for at in others.into_iter().chain([at]) {
            let entry = cache.entry(at);
            if (entry.lane, entry.column) == (number, column) {
                entry.lane = LANE_ENDED;
                self.ended.push(at);
            }
        }
    }

    fn too_old(&mut self, item: u32) {
        let time = self.item(item).2;
        self.outcome.too_old += 1;
        self.note(item, |series| format!("too old sample: time {time} of {series}"));
    }

    fn too_new(&mut self, item: u32) {
        let (_, at, time) = self.item(item);
        self.outcome.too_new += 1;
        let ahead_ms = time.saturating_sub(self.context.now);
        if self.outcome.ahead.is_none() {
            let labels = self.context.labels.labels(at).unwrap_or_default();
            let (job, instance) = (labels.get("job").unwrap_or_default().to_owned(), labels.get("instance").unwrap_or_default().to_owned());
            let address = self.context.address.to_owned();
            self.outcome.ahead = Some(Ahead { at: self.context.now, ahead_ms, address, job, instance });
        }
        self.note(item, |series| format!("out of bounds: a sample of {series} is {} s ahead of this server's clock", ahead_ms / 1000));
    }

    fn note(&mut self, item: u32, text: impl FnOnce(&str) -> String) {
        if self.outcome.texts.len() < TEXTS_MAX {
            let labels = self.context.labels.labels(self.item(item).1).unwrap_or_default();
            let mut series = labels.to_string();
            series.truncate(series.floor_char_boundary(500));
            self.outcome.texts.push(text(&series));
        }
    }

    fn settle_all(&mut self) {
        let mut next = 0;
        // Settling may write rows, and what they had may come back.
        while next < self.later.len() && self.outcome.failed.is_none() {
            self.settle(self.later[next]);
            next += 1;
            if next == self.later.len() {
                self.later.clear();
                next = 0;
                if self.state.rows.used >= ROWS_MAX {
                    self.flush();
                }
            }
        }
        self.later.clear();
    }

    /// Finds the group and the column of a series that has none.
    fn settle(&mut self, item: u32) {
        let (at, place, time) = self.item(item);
        if self.state.cache.entry(at).lane == LANE_ENDED {
            self.flush();
            self.state.cache.entry(at).lane = LANE_NEW;
        }
        match self.state.cache.entry(at).lane {
            LANE_INVALID => self.outcome.invalid += 1,
            LANE_REFUSED => self.outcome.refused += 1,
            LANE_NEW => {
                let Some(labels) = self.labels(at, place) else { return };
                if self.open_any_column(at, time, &labels, item) {
                    self.put(item, at, time);
                }
            }
            _ => self.place(item),
        }
    }

    /// Finds a place for a sample that is the newest of its series, but whose lane has newer rows: another lane, or as a late row.
    #[cold]
    fn settle_behind(&mut self, item: u32, base: u32) {
        let (at, place, time) = self.item(item);
        let Some(lane) = self.choose(at, base, time, item) else { return };
        if let Some(lane) = lane {
            let Some(labels) = self.labels(at, place) else { return };
            let left = self.state.cache.entry(at).lane;
            if !self.open_column(at, lane, &labels, item) {
                return;
            }
            if let Some(left) = self.state.lanes.get(left) {
                left.forgotten += 1;
            }
        }
        self.put(item, at, time);
    }

    fn labels(&mut self, at: u32, place: u32) -> Option<LabelSet> {
        match self.context.labels.labels(place) {
            Ok(labels) => Some(labels),
            Err(reason) => {
                self.outcome.invalid += 1;
                if self.outcome.texts.len() < TEXTS_MAX {
                    self.outcome.texts.push(reason);
                }
                self.state.cache.entry(at).lane = LANE_INVALID;
                None
            }
        }
    }

    /// A lane that takes a row of this time at its end, if there is one. None if storage says no: the sample is dealt with.
    fn choose(&mut self, at: u32, base: u32, time: TimestampMs, item: u32) -> Option<Option<u32>> {
        let State { lanes, rows, .. } = &mut *self.state;
        match lanes.choose(base, (time, rows.turn), |row| rows.time(row), self.context.append) {
            Ok(lane) => Some(lane),
            Err(error) => {
                self.no_column(at, error, item);
                None
            }
        }
    }

    /// Gives a series that has no column one, in a lane that is not ahead of its sample or else in the one that is least. False if the
    /// sample is dealt with.
    fn open_any_column(&mut self, at: u32, time: TimestampMs, labels: &LabelSet, item: u32) -> bool {
        let (job, instance) = (labels.get("job").unwrap_or_default(), labels.get("instance").unwrap_or_default());
        let base = self.state.lanes.base(self.context.sender, job, instance);
        let Some(lane) = self.choose(at, base, time, item) else { return false };
        let Some(lane) = lane.or_else(|| self.state.lanes.least_ahead(base)) else { return false };
        self.open_column(at, lane, labels, item)
    }

    /// Gives a series a column in a lane. False if the sample is dealt with.
    fn open_column(&mut self, at: u32, lane: u32, labels: &LabelSet, item: u32) -> bool {
        if self.ending {
            self.flush();
        }
        let State { cache, lanes, .. } = &mut *self.state;
        let Some(open) = lanes.get(lane) else { return false };
        let Some(writer) = open.writer.as_mut() else { return false };
        match writer.column(labels) {
            Ok(column) => {
                if let Some(before) = open.hold(column, at)
                    && (cache.entry(before).lane, cache.entry(before).column) == (lane, column)
                {
                    open.share(column, [before, at]);
                }
                let entry = cache.entry(at);
                (entry.lane, entry.column) = (lane, column);
                open.has_columns = true;
                true
            }
            Err(error) => {
                // A group for nobody: past the budget each new instance would leave one.
                if !open.has_columns {
                    lanes.close(lane);
                }
                self.no_column(at, error, item);
                false
            }
        }
    }

    fn no_column(&mut self, at: u32, error: ColumnError, item: u32) {
        match error {
            ColumnError::Refused(_) => {
                self.outcome.refused += 1;
                self.note(item, |series| format!("{error} ({series})"));
                self.state.cache.entry(at).lane = LANE_REFUSED;
            }
            error => self.outcome.failed = Some(error.to_string()),
        }
    }

    fn finish(self) -> Outcome {
        for at in self.ended {
            if self.state.cache.entry(at).lane == LANE_ENDED {
                self.state.cache.forget(at);
            }
        }
        self.state.cache.forget_unresolved();
        self.outcome
    }
}
