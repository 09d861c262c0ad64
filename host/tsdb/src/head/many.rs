//! Rows of several groups in one write to the log, such as those of a target whose series come with times of their own: a
//! group for each container would else cost a call each.

use std::any::Any;
use std::sync::Arc;

use model::seams::{AppendError, AppendReport, GroupRow, Row};

use super::writer::{Framed, GroupWriter, SEGMENT_TRIES, SEGMENTS_TOO_SHORT, Scratch, stamp};
use crate::db::Inner;
use crate::wal::log::{Together, Write, WriteError};

/// Rows that are written together. More go in several calls, so that what is held for them has a bound.
const ROWS_MAX: usize = 64;

/// A row that is newer than all of its group, on its way through the log.
struct Fresh<'a> {
    writer: &'a mut GroupWriter,
    row: Row<'a>,
    scratch: Scratch,
    framed: Option<Framed>,
    result: &'a mut Option<Result<AppendReport, AppendError>>,
}

impl Inner {
    /// Appends rows of several groups. What is more than a new row at the end of its group goes there by itself, in its turn:
    /// where two groups have a series in common, the row that was written first counts.
    pub(crate) fn append_many(&self, rows: &mut [GroupRow<'_>]) {
        for rows in rows.chunks_mut(ROWS_MAX) {
            let mut fresh: Vec<Fresh<'_>> = Vec::with_capacity(rows.len());
            for GroupRow { writer, row, result } in rows {
                let mine = |writer: &GroupWriter| std::ptr::eq(Arc::as_ptr(&writer.db), self) && writer.is_fresh(row);
                if !(&**writer as &dyn Any).downcast_ref().is_some_and(mine) {
                    self.append_fresh(&mut fresh);
                    *result = Some(writer.append(*row));
                } else if let Some(writer) = (&mut **writer as &mut dyn Any).downcast_mut() {
                    fresh.extend(Fresh::begin(writer, *row, result));
                }
            }
            self.append_fresh(&mut fresh);
        }
    }

    /// Leaves nothing in `fresh`.
    fn append_fresh(&self, fresh: &mut Vec<Fresh<'_>>) {
        if !fresh.is_empty() {
            self.append_together(fresh);
            fresh.drain(..).for_each(Fresh::end);
        }
    }

    fn append_together(&self, fresh: &mut [Fresh<'_>]) {
        let _appending = self.appending();
        let mut together = Together::default();
        if let Err(error) = self.log_fresh(fresh, &mut together) {
            fresh.iter_mut().for_each(|fresh| *fresh.result = Some(Err(AppendError::Failed(error.clone()))));
            return;
        }
        let synced = match together.ends.last() {
            Some(end) if self.options.wal_sync_ms == 0 => self.log.wait_synced(*end),
            _ => Ok(()),
        };
        for (Fresh { writer, row, scratch, framed, result }, end) in fresh.iter_mut().zip(&together.ends) {
            let Some(framed) = framed.take() else { continue };
            writer.framed(&framed, false, scratch);
            if let Err(reason) = &synced {
                writer.leave_unacknowledged(row.time);
                **result = Some(Err(AppendError::Failed(reason.clone())));
                continue;
            }
            writer.show(row.time, false, (stamp(end.segment, end.offset), framed.encoded), scratch);
            writer.keep_exemplars(scratch);
            let accepted = (row.columns.len() + row.histograms.len()) as u64;
            **result = Some(Ok(writer.count(AppendReport { accepted, ..AppendReport::default() })));
        }
    }

    fn log_fresh(&self, fresh: &mut [Fresh<'_>], together: &mut Together) -> Result<(), String> {
        for _ in 0..SEGMENT_TRIES {
            let segment = self.log.current();
            let writes = fresh.iter_mut().map(|Fresh { writer, row, scratch, framed, .. }| {
                let made = framed.insert(writer.frame(row, false, segment, scratch));
                Write { frame: &mut scratch.frame, segment, definitions: made.definitions, time: row.time }
            });
            let mut writes: Vec<Write<'_>> = writes.collect();
            match self.log.write_together(&mut writes, together) {
                Ok(()) => return Ok(()),
                Err(WriteError::Moved) => {}
                Err(WriteError::Failed(reason)) => return Err(reason),
            }
        }
        Err(SEGMENTS_TOO_SHORT.to_owned())
    }
}

impl GroupWriter {
    /// Whether the row goes to the end of its group as it is.
    fn is_fresh(&self, row: &Row<'_>) -> bool {
        row.time > self.newest && !(row.columns.is_empty() && row.histograms.is_empty()) && self.refuse_by_time(row).is_none()
    }
}

impl<'a> Fresh<'a> {
    /// None if there is something wrong with the row, which is its result then.
    fn begin(writer: &'a mut GroupWriter, row: Row<'a>, result: &'a mut Option<Result<AppendReport, AppendError>>) -> Option<Self> {
        writer.cache.clear();
        let mut scratch = writer.db.take_scratch();
        if let Err(error) = writer.lay_out(&row, &mut scratch) {
            writer.db.give_scratch(scratch);
            *result = Some(Err(error));
            return None;
        }
        writer.pick_exemplars(&row, &mut scratch);
        Some(Self { writer, row, scratch, framed: None, result })
    }

    fn end(self) {
        self.writer.db.give_scratch(self.scratch);
    }
}
