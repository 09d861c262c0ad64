//! Samples that come with times of their own, such as cAdvisor's: one group for each set of series that share a time.
//!
//! Which series share times is learnt from the bodies: a new series joins the group that has its time in this body; one that
//! leaves the time of its group moves to the group of its new time. So containers end up with a group each, whatever the
//! order of lines, and a time is stored once for many series.

use std::collections::HashMap;
use std::sync::Arc;

use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, Exemplar, GroupAppend, GroupRow, Row};
use model::{Histogram, LabelSet, StartTimestampMs, TimestampMs, stale};

use crate::layout::TIMED_MAX;

/// Scrapes after which the group of series that no longer come is closed.
const GROUP_IDLE_SCRAPES_MAX: u32 = 32;

/// Groups with times of their own, of one target.
#[derive(Default)]
pub(crate) struct TimedGroups {
    groups: Vec<Option<TimedGroup>>,
    series: Vec<TimedSeries>,
    /// Series by the fingerprint of their labels.
    by_fingerprint: HashMap<u64, u32>,
    /// Numbers of series that are free again.
    free: Vec<u32>,
    /// Counts scrapes.
    scrape: u32,
    /// Groups that have a time in this scrape, by that time.
    at_time: HashMap<TimestampMs, u32>,
    rows: Vec<TimedRow>,
    rows_used: usize,
}

struct TimedGroup {
    writer: Box<dyn GroupAppend>,
    /// The last scrape that had a sample of it.
    seen: u32,
    /// Its time in that scrape, and where the row is.
    time: TimestampMs,
    row: usize,
}

struct TimedSeries {
    fingerprint: u64,
    group: u32,
    column: ColumnId,
    seen: u32,
    time: TimestampMs,
}

#[derive(Default)]
struct TimedRow {
    group: u32,
    time: TimestampMs,
    columns: Vec<ColumnId>,
    values: Vec<f64>,
    exemplars: Vec<(ColumnId, Exemplar)>,
    histograms: Vec<(ColumnId, Arc<Histogram>)>,
    starts: Vec<(ColumnId, StartTimestampMs)>,
}

impl TimedRow {
    fn row(&self) -> Row<'_> {
        let floats = Row::floats(self.time, &self.columns, &self.values).with_exemplars(&self.exemplars);
        floats.with_histograms(&self.histograms).with_starts(&self.starts)
    }
}

/// For a storage that does not say what became of a row.
fn untold() -> Result<AppendReport, AppendError> {
    Err(AppendError::Failed("storage said nothing of a row".to_owned()))
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It will be written.
    Yes,
    /// The series has a sample of that time in this body already.
    Duplicate,
    /// Its time is not that of its group: the series has to be looked up by its labels.
    Diverged,
}

impl TimedGroups {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        self.rows_used = 0;
        self.at_time.clear();
    }

    /// Nothing of what was taken is to be written.
    pub(crate) fn begin_rows(&mut self) {
        self.rows_used = 0;
    }

    /// Takes a sample of a series that is known by its number.
    pub(crate) fn push(&mut self, number: u32, time: TimestampMs, value: f64) -> Taken {
        let Some(series) = self.series.get_mut(number as usize) else { return Taken::Diverged };
        let (group_number, column) = (series.group, series.column);
        let Some(group) = self.groups.get_mut(group_number as usize).and_then(Option::as_mut) else { return Taken::Diverged };
        let again = series.seen == self.scrape;
        if again && series.time == time {
            return Taken::Duplicate;
        }
        if !again && group.seen == self.scrape && group.time != time {
            return Taken::Diverged;
        }
        (series.seen, series.time) = (self.scrape, time);
        if group.seen != self.scrape {
            group.seen = self.scrape;
            group.time = time;
            group.row = self.rows_used;
            self.at_time.entry(time).or_insert(group_number);
            self.new_row(group_number, time);
        }
        let row = self.groups[group_number as usize].as_ref().map_or(0, |group| group.row);
        let row = if self.rows[row].time == time { row } else { self.row_of(group_number, time) };
        self.rows[row].columns.push(column);
        self.rows[row].values.push(value);
        Taken::Yes
    }

    /// Adds an exemplar to the sample of a series that was taken last.
    pub(crate) fn push_exemplar(&mut self, number: u32, exemplar: Exemplar) {
        let Some(series) = self.series.get(number as usize).filter(|series| series.seen == self.scrape) else { return };
        let (group, time, column) = (series.group, series.time, series.column);
        let row = self.row_of(group, time);
        self.rows[row].exemplars.push((column, exemplar));
    }

    /// Like [`TimedGroups::push`], of a histogram.
    pub(crate) fn push_histogram(&mut self, number: u32, time: TimestampMs, histogram: &Arc<Histogram>) -> Taken {
        let taken = self.push(number, time, 0.0);
        if taken == Taken::Yes {
            self.replace_last(number, histogram);
        }
        taken
    }

    /// Like [`TimedGroups::resolve`], of a histogram.
    pub(crate) fn resolve_histogram(
        &mut self,
        labels: &LabelSet,
        (time, histogram): (TimestampMs, &Arc<Histogram>),
        append: &Arc<dyn Append>,
        key: &str,
    ) -> Result<(u32, Taken, bool), ColumnError> {
        let resolved = self.resolve(labels, (time, 0.0), append, key)?;
        if resolved.1 == Taken::Yes {
            self.replace_last(resolved.0, histogram);
        }
        Ok(resolved)
    }

    /// A histogram stands in the place of the float that was taken last, which is of this series.
    fn replace_last(&mut self, number: u32, histogram: &Arc<Histogram>) {
        let Some(series) = self.series.get(number as usize) else { return };
        let (group, time) = (series.group, series.time);
        let row = self.row_of(group, time);
        let row = &mut self.rows[row];
        row.values.pop();
        if let Some(column) = row.columns.pop() {
            row.histograms.push((column, Arc::clone(histogram)));
        }
    }

    /// Adds a start timestamp to the sample of a series that was taken last.
    pub(crate) fn push_start(&mut self, number: u32, start: StartTimestampMs) {
        let Some(series) = self.series.get(number as usize).filter(|series| series.seen == self.scrape) else { return };
        let (group, time, column) = (series.group, series.time, series.column);
        let row = self.row_of(group, time);
        self.rows[row].starts.push((column, start));
    }

    /// A row of a group for a further time in one body.
    fn row_of(&mut self, group: u32, time: TimestampMs) -> usize {
        let known = self.rows[..self.rows_used].iter().position(|row| row.group == group && row.time == time);
        known.unwrap_or_else(|| self.new_row(group, time))
    }

    fn new_row(&mut self, group: u32, time: TimestampMs) -> usize {
        let at = self.rows_used;
        if at == self.rows.len() {
            self.rows.push(TimedRow::default());
        }
        let row = &mut self.rows[at];
        (row.group, row.time) = (group, time);
        row.columns.clear();
        row.values.clear();
        row.exemplars.clear();
        row.histograms.clear();
        row.starts.clear();
        self.rows_used += 1;
        at
    }

    /// Takes a sample of a series by its labels. Returns the series' number, what became of the sample, and whether the
    /// series is new.
    pub(crate) fn resolve(
        &mut self,
        labels: &LabelSet,
        (time, value): (TimestampMs, f64),
        append: &Arc<dyn Append>,
        key: &str,
    ) -> Result<(u32, Taken, bool), ColumnError> {
        let fingerprint = labels.fingerprint();
        let known = self.by_fingerprint.get(&fingerprint).copied();
        if let Some(number) = known {
            let taken = self.push(number, time, value);
            if taken != Taken::Diverged {
                return Ok((number, taken, false));
            }
        }
        let group = match self.at_time.get(&time) {
            Some(group) => *group,
            None => self.open(append, &format!("{key}#{fingerprint:016x}"))?,
        };
        let writer = self.groups.get_mut(group as usize).and_then(Option::as_mut);
        let column =
            writer.map_or_else(|| Err(ColumnError::Failed("the group is closed".to_owned())), |group| group.writer.column(labels))?;
        let number = match known {
            Some(number) => {
                let series = &mut self.series[number as usize];
                (series.group, series.column) = (group, column);
                number
            }
            None => self.add(TimedSeries { fingerprint, group, column, seen: self.scrape.wrapping_sub(1), time })?,
        };
        let taken = self.push(number, time, value);
        Ok((number, taken, known.is_none()))
    }

    fn add(&mut self, series: TimedSeries) -> Result<u32, ColumnError> {
        let fingerprint = series.fingerprint;
        let number = if let Some(number) = self.free.pop() {
            self.series[number as usize] = series;
            number
        } else {
            let number = u32::try_from(self.series.len()).ok().filter(|number| *number < TIMED_MAX);
            self.series.push(series);
            number.ok_or_else(|| ColumnError::Refused("too many series with times of their own".to_owned()))?
        };
        self.by_fingerprint.insert(fingerprint, number);
        Ok(number)
    }

    fn open(&mut self, append: &Arc<dyn Append>, key: &str) -> Result<u32, ColumnError> {
        // The series that a group is named after may have moved to another since; then the name has a number.
        let mut opened = append.open_group(key);
        for number in 2..10 {
            if matches!(opened, Err(AppendError::GroupInUse(_))) {
                opened = append.open_group(&format!("{key}/{number}"));
            }
        }
        let writer = opened.map_err(|error| ColumnError::Failed(error.to_string()))?;
        let group = Some(TimedGroup { writer, seen: self.scrape.wrapping_sub(1), time: 0, row: 0 });
        let free = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        if free == self.groups.len() {
            self.groups.push(group);
        } else {
            self.groups[free] = group;
        }
        u32::try_from(free).map_err(|_| ColumnError::Refused("too many groups".to_owned()))
    }

    /// Writes what was taken, in the order of time, with the row of the target's own group: all by one call to storage. Reports go to
    /// `report`; the first failure is kept in `failure` with the number of samples that were lost. Returns what became of the target's
    /// own row.
    pub(crate) fn write(
        &mut self,
        append: &dyn Append,
        (main, row): (&mut (dyn GroupAppend + 'static), Row<'_>),
        report: &mut impl FnMut(AppendReport),
        failure: &mut Option<(AppendError, u64)>,
    ) -> Result<AppendReport, AppendError> {
        let done = if self.rows_used == 0 { main.append(row) } else { self.write_together(append, (main, row), report, failure) };
        self.rows_used = 0;
        if self.scrape.is_multiple_of(GROUP_IDLE_SCRAPES_MAX) {
            self.close_idle();
        }
        done
    }

    fn write_together(
        &mut self,
        append: &dyn Append,
        (main, row): (&mut (dyn GroupAppend + 'static), Row<'_>),
        report: &mut impl FnMut(AppendReport),
        failure: &mut Option<(AppendError, u64)>,
    ) -> Result<AppendReport, AppendError> {
        let (rows, groups) = (&mut self.rows[..self.rows_used], &mut self.groups);
        rows.sort_by_key(|row| row.time);
        let mut writers: Vec<&mut (dyn GroupAppend + 'static)> = Vec::with_capacity(rows.len() + 1);
        let mut places = vec![usize::MAX; groups.len()];
        for (group, place) in groups.iter_mut().zip(&mut places) {
            if let Some(group) = group.as_mut().filter(|group| group.seen == self.scrape) {
                *place = writers.len();
                writers.push(group.writer.as_mut());
            }
        }
        let place = |row: &TimedRow| places.get(row.group as usize).copied().filter(|place| *place != usize::MAX);
        let mut together: Vec<GroupRow<'_>> = Vec::with_capacity(rows.len() + 1);
        together.extend(rows.iter().filter_map(|row| Some(GroupRow::new(place(row)?, row.row()))));
        together.push(GroupRow::new(writers.len(), row));
        writers.push(main);
        append.append_many(&mut writers, &mut together);
        let done = together.pop().and_then(|main| main.result);
        for GroupRow { row, result, .. } in together {
            match result.unwrap_or_else(untold) {
                Ok(done) => report(done),
                Err(error) => failure.get_or_insert((error, 0)).1 += (row.values.len() + row.histograms.len()) as u64,
            }
        }
        done.unwrap_or_else(untold)
    }

    /// Writes stale markers for series that came before and did not come in this scrape, or for all of them.
    pub(crate) fn write_stale(&mut self, time: TimestampMs, all: bool) {
        let scrape = self.scrape;
        let mut ended: HashMap<u32, Vec<(ColumnId, u32)>> = HashMap::new();
        for fingerprint_number in self.by_fingerprint.values() {
            let series = &self.series[*fingerprint_number as usize];
            if all || series.seen != scrape {
                ended.entry(series.group).or_default().push((series.column, *fingerprint_number));
            }
        }
        for (group, series) in ended {
            let columns: Vec<ColumnId> = series.iter().map(|(column, _)| *column).collect();
            let values = vec![stale(); columns.len()];
            let Some(group) = self.groups.get_mut(group as usize).and_then(Option::as_mut) else { continue };
            if group.writer.append(Row::floats(time, &columns, &values)).is_ok() {
                for (_, number) in series {
                    self.forget(number);
                }
            }
        }
    }

    fn forget(&mut self, number: u32) {
        self.by_fingerprint.remove(&self.series[number as usize].fingerprint);
        self.free.push(number);
    }

    fn close_idle(&mut self) {
        let idle = |group: &TimedGroup| self.scrape.wrapping_sub(group.seen) > GROUP_IDLE_SCRAPES_MAX;
        let closed: Vec<bool> = self.groups.iter().map(|group| group.as_ref().is_none_or(idle)).collect();
        let gone: Vec<u32> = self.by_fingerprint.values().copied().filter(|n| closed[self.series[*n as usize].group as usize]).collect();
        gone.into_iter().for_each(|number| self.forget(number));
        for (group, closed) in self.groups.iter_mut().zip(closed) {
            if closed {
                *group = None;
            }
        }
    }
}
