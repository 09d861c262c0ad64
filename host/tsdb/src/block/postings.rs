//! Which columns have a pair.

use roaring::RoaringBitmap;

use super::packed::{Packed, put};
use super::sections::u32_of;
use crate::column::bits::width_of;
use crate::column::bytes::{Reader, put_varint};

const LIST: u8 = 0;
const ROARING: u8 = 1;
const STRIDES: u8 = 2;
/// Longer lists are not tried as such.
const LIST_MAX: u64 = 1024;

/// The section, from the bitmaps in the order of their pairs.
pub(super) fn encode(bitmaps: impl ExactSizeIterator<Item = RoaringBitmap>) -> std::io::Result<Vec<u8>> {
    let mut lists = Vec::new();
    let mut offsets = vec![0_u64];
    let pairs = bitmaps.len();
    for mut bitmap in bitmaps {
        put_list(&mut bitmap, &mut lists)?;
        offsets.push(lists.len() as u64);
    }
    let width = width_of(lists.len() as u64);
    let mut out = Vec::with_capacity(lists.len() + offsets.len() * 4 + 16);
    out.extend_from_slice(&(pairs as u32).to_le_bytes());
    out.push(width as u8);
    put(&mut out, offsets.into_iter(), width);
    out.extend_from_slice(&lists);
    Ok(out)
}

fn put_list(bitmap: &mut RoaringBitmap, out: &mut Vec<u8>) -> std::io::Result<()> {
    bitmap.optimize();
    let start = out.len();
    put_strides(bitmap, out);
    let strides = out.len() - start;
    if strides <= bitmap.serialized_size() + 1 && strides as u64 <= bitmap.len() {
        return Ok(());
    }
    out.truncate(start);
    if bitmap.len() <= LIST_MAX {
        out.push(LIST);
        put_varint(out, bitmap.len());
        let mut next = 0;
        for column in bitmap.iter() {
            put_varint(out, u64::from(column) - next);
            next = u64::from(column) + 1;
        }
        if out.len() - start <= bitmap.serialized_size() + 1 {
            return Ok(());
        }
        out.truncate(start);
    }
    out.push(ROARING);
    bitmap.serialize_into(out)
}

/// Series that come with each handler, core or container lie in equal distances.
fn put_strides(bitmap: &RoaringBitmap, out: &mut Vec<u8>) {
    out.push(STRIDES);
    let mut columns = bitmap.iter().map(u64::from).peekable();
    let mut next = 0;
    while let Some(first) = columns.next() {
        let stride = columns.peek().map_or(1, |second| second - first);
        let mut last = first;
        while columns.next_if(|column| *column == last + stride).is_some() {
            last += stride;
        }
        put_varint(out, first - next);
        put_varint(out, (last - first) / stride);
        if last > first {
            put_varint(out, stride);
        }
        next = last + 1;
    }
}

fn read_strides(bytes: &[u8], columns: u32) -> Option<RoaringBitmap> {
    let mut reader = Reader::new(bytes);
    let mut bitmap = RoaringBitmap::new();
    let mut next = 0_u64;
    while !reader.is_empty() {
        let first = next.checked_add(reader.varint()?)?;
        let more = reader.varint()?;
        let stride = if more > 0 { reader.varint()? } else { 1 };
        let last = first.checked_add(more.checked_mul(stride)?)?;
        let (low, high) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
        if stride == 0 || high >= columns {
            return None;
        }
        if stride == 1 {
            bitmap.insert_range(low..=high);
        } else {
            for at in 0..=more {
                bitmap.try_push(low + (at * stride) as u32).ok()?;
            }
        }
        next = last + 1;
    }
    Some(bitmap)
}

/// The section, opened.
#[derive(Clone, Copy)]
pub(super) struct Postings<'a> {
    offsets: Packed<'a>,
    lists: &'a [u8],
}

impl<'a> Postings<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let pairs = u32_of(&mut reader)? as usize;
        let width = u32::from(reader.u8()?);
        let offsets = Packed::read(&mut reader, pairs + 1, width)?;
        let lists = reader.take(reader.remaining())?;
        // A list takes a byte at least, so that there are no more pairs than bytes, whatever the symbols say.
        (offsets.get(pairs)? == lists.len() as u64 && pairs <= lists.len()).then_some(Self { offsets, lists })
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The columns that have a pair. None if the list is malformed or names columns that are not there.
    pub(super) fn get(&self, pair: u32, columns: u32) -> Option<RoaringBitmap> {
        let at = |pair: usize| usize::try_from(self.offsets.get(pair)?).ok();
        let bytes = self.lists.get(at(pair as usize)?..at(pair as usize + 1)?)?;
        let (kind, rest) = bytes.split_first()?;
        let found = match *kind {
            LIST => {
                let mut reader = Reader::new(rest);
                let count = reader.count(1)?;
                let mut bitmap = RoaringBitmap::new();
                let mut next = 0_u64;
                for _ in 0..count {
                    let column = next.checked_add(reader.varint()?)?;
                    bitmap.try_push(u32::try_from(column).ok()?).ok()?;
                    next = column + 1;
                }
                reader.is_empty().then_some(bitmap)?
            }
            ROARING => RoaringBitmap::deserialize_from(rest).ok()?,
            STRIDES => read_strides(rest, columns)?,
            _ => return None,
        };
        found.max().is_none_or(|max| max < columns).then_some(found)
    }
}
