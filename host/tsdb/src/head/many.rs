//! Rows of several groups in one write to the log, such as those of a target whose series come with times of their own: a
//! group for each container would else cost a call each. And where every row has to be on the disk, rows that wait for it together.

use std::any::Any;
use std::sync::{Arc, RwLockReadGuard};

use model::seams::{AppendError, AppendReport, GroupAppend, GroupRow, TailPosition};
use model::{ABSENT_BITS, TimestampMs};

use super::writer::{Framed, GroupWriter, SEGMENT_TRIES, SEGMENTS_TOO_SHORT, Scratch, stamp};
use crate::db::Inner;
use crate::wal::log::{Together, Write, WriteError};

/// Rows that are written together. More go in several calls, so that what is held for them has a bound.
const ROWS_MAX: usize = 64;
/// Rows that wait for one sync, and slots that they have.
const WAITING_MAX: usize = 512;
const WAITING_SLOTS_MAX: usize = 1 << 20;

type Writers<'a, 'w> = &'a mut [&'w mut (dyn GroupAppend + 'static)];

/// A row on its way through the log.
struct Pending {
    /// Its place among the rows, and its writer's among the writers.
    at: usize,
    writer: usize,
    time: TimestampMs,
    late: bool,
    report: AppendReport,
    scratch: Scratch,
    framed: Option<Framed>,
    end: TailPosition,
}

/// Rows that are appended together.
struct Batch<'a, 'w, 'r> {
    db: &'a Inner,
    writers: Writers<'a, 'w>,
    rows: &'a mut [GroupRow<'r>],
    /// The first `logged` are in the log and wait for the disk; of the others each has a writer of its own.
    pending: Vec<Pending>,
    logged: usize,
    slots: usize,
    together: Together,
    appending: Option<RwLockReadGuard<'a, ()>>,
}

/// The writer of a group of this database.
fn mine<'g>(db: &Inner, writers: &'g mut [&mut (dyn GroupAppend + 'static)], at: usize) -> Option<&'g mut GroupWriter> {
    let writer = (&mut **writers.get_mut(at)? as &mut dyn Any).downcast_mut::<GroupWriter>()?;
    std::ptr::eq(Arc::as_ptr(&writer.db), db).then_some(writer)
}

impl Inner {
    /// Appends rows in their order: where two groups have a series in common, the row that was written first counts.
    pub(crate) fn append_many(&self, writers: Writers<'_, '_>, rows: &mut [GroupRow<'_>]) {
        let pending = Vec::with_capacity(rows.len().min(ROWS_MAX));
        let together = Together::default();
        let mut batch = Batch { db: self, writers, rows, pending, logged: 0, slots: 0, together, appending: None };
        for at in 0..batch.rows.len() {
            batch.add(at);
        }
        batch.finish();
    }
}

impl Batch<'_, '_, '_> {
    fn add(&mut self, at: usize) {
        let (row, number) = (self.rows[at].row, self.rows[at].writer);
        // What is compared with stored samples has to see them.
        let in_the_way = |pending: &Pending| {
            let exemplars = !row.exemplars.is_empty() && !pending.scratch.exemplars.is_empty();
            pending.writer == number && (pending.time == row.time || !pending.scratch.stale.is_empty() || exemplars)
        };
        if self.pending.iter().any(in_the_way) {
            self.finish();
        } else if self.pending[self.logged..].iter().any(|pending| pending.writer == number) {
            self.log();
        }
        let Some(writer) = mine(self.db, self.writers, number) else {
            self.finish();
            self.rows[at].result = Some(match self.writers.get_mut(number) {
                Some(writer) => writer.append(row),
                None => Err(AppendError::Failed(format!("a row of writer {number}, of which there is none"))),
            });
            return;
        };
        let mut scratch = self.db.take_scratch();
        let report = writer.begin(&row, &mut scratch);
        if report.is_err() || !(scratch.all || scratch.row.iter().any(|bits| *bits != ABSENT_BITS)) {
            self.db.give_scratch(scratch);
            self.rows[at].result = Some(report.map(|report| writer.count(report)));
            return;
        }
        let Ok(report) = report else { return };
        writer.pick_exemplars(&row, &mut scratch);
        let late = writer.is_late(row.time);
        self.slots += scratch.row.len();
        let end = TailPosition::default();
        self.pending.push(Pending { at, writer: number, time: row.time, late, report, scratch, framed: None, end });
        if self.pending.len() >= WAITING_MAX || self.slots >= WAITING_SLOTS_MAX {
            self.finish();
        } else if self.pending.len() - self.logged >= ROWS_MAX {
            self.log();
        }
    }

    /// Writes what is not in the log, and shows it unless it has to be on the disk first.
    fn log(&mut self) {
        if self.logged == self.pending.len() {
            return;
        }
        self.appending.get_or_insert_with(|| self.db.appending());
        if let Err(reason) = self.write() {
            for pending in self.pending.drain(self.logged..) {
                self.rows[pending.at].result = Some(Err(AppendError::Failed(reason.clone())));
                self.db.give_scratch(pending.scratch);
            }
            return;
        }
        for (pending, end) in self.pending[self.logged..].iter_mut().zip(&self.together.ends) {
            pending.end = *end;
            let Some(writer) = mine(self.db, self.writers, pending.writer) else { continue };
            if let Some(framed) = &pending.framed {
                writer.framed(framed, pending.late, &mut pending.scratch);
            }
            if !pending.late {
                writer.advance(pending.time);
            }
        }
        self.logged = self.pending.len();
        if self.db.options.wal_sync_ms > 0 {
            self.show();
        }
    }

    fn write(&mut self) -> Result<(), String> {
        for _ in 0..SEGMENT_TRIES {
            let segment = self.db.log.current();
            let round = &mut self.pending[self.logged..];
            let mut writes: Vec<Write<'_>> = Vec::with_capacity(round.len());
            for Pending { at, writer, time, late, scratch, framed, .. } in round {
                let Some(writer) = mine(self.db, self.writers, *writer) else { continue };
                let made = framed.insert(writer.frame(&self.rows[*at].row, *late, segment, scratch));
                writes.push(Write { frame: &mut scratch.frame, segment, definitions: made.definitions, time: *time });
            }
            match self.db.log.write_together(&mut writes, &mut self.together) {
                Ok(()) => return Ok(()),
                Err(WriteError::Moved) => {}
                Err(WriteError::Failed(reason)) => return Err(reason),
            }
        }
        Err(SEGMENTS_TOO_SHORT.to_owned())
    }

    /// Leaves nothing pending.
    fn finish(&mut self) {
        self.log();
        self.show();
        self.appending = None;
    }

    /// Makes visible what is in the log, once it is on the disk if it has to be.
    fn show(&mut self) {
        let mut synced: Option<(u64, Result<(), String>)> = None;
        for at in 0..self.logged {
            let end = self.pending[at].end;
            if self.db.options.wal_sync_ms == 0 && synced.as_ref().is_none_or(|(segment, _)| *segment != end.segment) {
                let of_segment = self.pending[..self.logged].iter().map(|pending| pending.end).filter(|other| other.segment == end.segment);
                synced = Some((end.segment, self.db.log.wait_synced(of_segment.max().unwrap_or(end))));
            }
            let pending = &mut self.pending[at];
            let Some(writer) = mine(self.db, self.writers, pending.writer) else { continue };
            let Some(framed) = pending.framed.take() else { continue };
            self.rows[pending.at].result = Some(match &synced {
                Some((_, Err(reason))) => {
                    if !pending.late {
                        writer.leave_unacknowledged(pending.time);
                    }
                    Err(AppendError::Failed(reason.clone()))
                }
                _ => {
                    writer.show_row(pending.time, pending.late, (stamp(end.segment, end.offset), framed.encoded), &pending.scratch);
                    writer.keep_exemplars(&mut pending.scratch);
                    Ok(writer.count(pending.report))
                }
            });
        }
        self.pending.drain(..self.logged).for_each(|pending| self.db.give_scratch(pending.scratch));
        (self.logged, self.slots) = (0, self.pending.iter().map(|pending| pending.scratch.row.len()).sum());
    }
}
