//! What a fuzzer that does not compute checksums can reach: pages, records, lists.

use std::ops::Range;

use super::body::Extras;
use super::groups::Groups;
use super::meta::BlockMeta;
use super::page::Page;
use super::postings::Postings;
use super::record::TupleCache;
use super::sections::{FOOTER_BYTES, HEADER_BYTES, KINDS, Kind, Section, Sections, header, read_footer, read_header};
use super::values::LIKE;
use super::{PIECE_ROWS_MAX, exemplars};

/// The bytes with the checksums that belong to them, where the table of sections makes sense.
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = bytes.to_vec();
    let (body, footer) = bytes.split_at(bytes.len().checked_sub(FOOTER_BYTES)?);
    out.get_mut(..HEADER_BYTES)?.copy_from_slice(&header());
    let mut sections = Sections::default();
    let mut offset = HEADER_BYTES as u64;
    for (kind, entry) in KINDS.into_iter().zip(footer.chunks_exact(24)) {
        let len = u64::from_le_bytes(entry[16..24].try_into().ok()?);
        let end = if kind == Kind::Meta { body.len() as u64 } else { offset.checked_add(len)?.min(body.len() as u64) };
        let range = usize::try_from(offset).ok()?..usize::try_from(end).ok()?;
        sections.set(kind, Section { crc: crc32c::crc32c(body.get(range)?), offset, len: end.checked_sub(offset)? });
        offset = end;
    }
    out.truncate(body.len());
    out.extend_from_slice(&sections.footer());
    Some(out)
}

/// A block that says it has a series for each of its columns, with the right checksums.
#[cfg(test)]
pub(crate) fn with_as_many_series_as_columns(bytes: &[u8]) -> Vec<u8> {
    let (body, footer) = bytes.split_at(bytes.len() - FOOTER_BYTES);
    let section = read_footer(footer, bytes.len() as u64).expect("a footer").get(Kind::Meta);
    let (rest, meta) = body.split_at(section.offset as usize);
    let mut meta = BlockMeta::decode(meta).expect("its meta");
    meta.series = meta.columns;
    sealed(&[rest, &meta.encode(), footer].concat()).expect("a block")
}

/// The first byte says as what the others are read; of a page two more say how many rows and columns it should have.
pub(crate) fn parts(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 6 {
        0 => page(rest),
        1 => groups(rest),
        2 => {
            if let Some(postings) = Postings::open(rest) {
                (0..postings.len().min(1000) as u32).for_each(|pair| drop(postings.get(pair, 100_000)));
            }
        }
        3 => drop(BlockMeta::decode(rest)),
        4 => drop(exemplars::read(rest, |_, _| {})),
        _ => {
            let _ = read_header(rest);
            let _ = read_footer(rest, rest.len() as u64);
        }
    }
}

fn page(bytes: &[u8]) {
    let Some(([low, high, columns], content)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let rows = usize::from(u16::from_le_bytes([*low, *high])).clamp(1, PIECE_ROWS_MAX);
    let Some(mut page) = Page::open(content, rows, usize::from(*columns)) else {
        return;
    };
    for column in 0..usize::from(*columns) {
        let (mut bits, mut extras) = (vec![0; rows], Extras::default());
        if page.decode(column, 0..rows, &mut bits, 0, &mut extras).is_some() {
            // Some of the rows are what they are among all.
            let some = rows / 3..rows - rows / 4;
            let (mut part, mut part_extras) = (vec![0; some.len()], Extras::default());
            if page.decode(column, some.clone(), &mut part, 7, &mut part_extras).is_none() {
                // Columns told by more others than a writer allows: it depends on what was decoded before.
                assert!(page.body(column).is_some_and(|body| body.codec == LIKE), "some rows are malformed");
                continue;
            }
            assert_eq!(part, bits[some.clone()], "some rows are others");
            extras.histograms.retain(|(row, _)| some.contains(&(*row as usize)));
            extras.starts.retain(|(row, _)| some.contains(&(*row as usize)));
            extras.histograms.iter_mut().for_each(|(row, _)| *row = *row - some.start as u32 + 7);
            extras.starts.iter_mut().for_each(|(row, _)| *row = *row - some.start as u32 + 7);
            assert_eq!(part_extras.starts, extras.starts, "some starts are others");
            let rows_of = |extras: &Extras| extras.histograms.iter().map(|(row, _)| *row).collect::<Vec<_>>();
            assert_eq!(rows_of(&part_extras), rows_of(&extras), "some histograms are others");
        }
    }
}

fn groups(bytes: &[u8]) {
    let data: Range<u64> = 16..1 << 40;
    let Some(groups) = Groups::open(bytes) else {
        return;
    };
    for group in 0..groups.len().min(100) {
        let Some(record) = groups.record(group, &data) else {
            continue;
        };
        let (mut cache, mut pairs) = (TupleCache::default(), Vec::new());
        for column in record.group.columns.clone().take(1000) {
            let column = (column - record.group.columns.start) as usize;
            let _ = record.stored_of(column);
            pairs.clear();
            let _ = record.pairs(column, &mut cache, &mut pairs);
        }
    }
}
