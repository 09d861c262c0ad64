//! The group that a block's writer is at.

use std::collections::HashMap;

use hashbrown::DefaultHashBuilder;

use super::body::Rows;
use super::page::PageBuilder;
use super::record::RecordBuilder;
use super::{Column, exemplars};

/// A page is closed when it has so many bytes, or so many columns.
pub(super) const PAGE_BYTES: usize = 8 << 10;
pub(super) const PAGE_COLUMNS: usize = 512;

/// The group that is being written.
#[derive(Default)]
pub(super) struct OpenGroup {
    pub(super) record: RecordBuilder,
    /// One page for each piece of rows.
    pub(super) pages: Vec<PageBuilder>,
    pub(super) page_columns: usize,
    /// Stored columns by two hashes of their rows: 128 bits under random keys.
    pub(super) known: HashMap<(u64, u64), u32, DefaultHashBuilder>,
    pub(super) names: HashMap<u32, u32, DefaultHashBuilder>,
    pub(super) tuples: HashMap<Vec<u32>, u32, DefaultHashBuilder>,
    pub(super) exemplars: Vec<u8>,
    /// First column of the open page of exemplars, and the one after its last.
    pub(super) exemplar_first: u32,
    pub(super) exemplar_next: u32,
    pub(super) exemplar_pages: Vec<(u32, Vec<u8>)>,
}

impl OpenGroup {
    /// Adds a column's rows to the open pages.
    pub(super) fn push_rows(&mut self, column: &Column<'_>) {
        let piece_rows = self.record.piece_rows;
        let (mut histograms, mut starts) = (column.histograms, column.starts);
        for (at, (bits, page)) in column.bits.chunks(piece_rows).zip(&mut self.pages).enumerate() {
            let first = (at * piece_rows) as u32;
            let end = first + bits.len() as u32;
            let (now, later) = histograms.split_at(histograms.partition_point(|(row, _)| *row < end));
            let (starts_now, starts_later) = starts.split_at(starts.partition_point(|(row, _)| *row < end));
            page.push(&Rows { bits, histograms: now, starts: starts_now, first });
            (histograms, starts) = (later, starts_later);
        }
        self.page_columns += 1;
    }

    /// Adds the exemplars of the group's `column`th.
    pub(super) fn add_exemplars(&mut self, column: u32, what: &Column<'_>) {
        if what.exemplars.is_empty() {
            return;
        }
        if self.exemplars.is_empty() {
            (self.exemplar_first, self.exemplar_next) = (column, column);
        }
        exemplars::put_column(&mut self.exemplars, column - self.exemplar_next, what.exemplars);
        self.exemplar_next = column + 1;
        if self.exemplars.len() >= PAGE_BYTES {
            self.close_exemplars();
        }
    }

    /// Ends the open page of exemplars, if there is one.
    pub(super) fn close_exemplars(&mut self) {
        if !self.exemplars.is_empty() {
            self.exemplar_pages.push((self.exemplar_first, std::mem::take(&mut self.exemplars)));
        }
    }
}
