//! Which columns have a pair.

use roaring::RoaringBitmap;

use super::packed::{Packed, put};
use super::sections::u32_of;
use crate::column::bits::width_of;
use crate::column::bytes::{Reader, put_varint};

const LIST: u8 = 0;
const ROARING: u8 = 1;
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
        (offsets.get(pairs)? == lists.len() as u64).then_some(Self { offsets, lists })
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
            _ => return None,
        };
        found.max().is_none_or(|max| max < columns).then_some(found)
    }
}
