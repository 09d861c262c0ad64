//! Pages of exemplars: of some columns of a group, by column, then in the order they were given.

use model::LabelSet;
use model::seams::Exemplar;

use crate::column::bytes::{Reader, put_text, put_varint, put_zigzag};
use crate::column::{put_item, read_item};

/// Exemplars of one column. Each has `varint` columns left out since the one before first.
pub(super) fn put_column(out: &mut Vec<u8>, gap: u32, exemplars: &[Exemplar]) {
    put_varint(out, gap.into());
    put_varint(out, exemplars.len() as u64);
    let mut last = 0;
    for exemplar in exemplars {
        out.push(u8::from(exemplar.own_time));
        put_zigzag(out, exemplar.time.wrapping_sub(last));
        put_item(out, exemplar.value.to_bits());
        put_varint(out, exemplar.labels.len() as u64);
        for (name, value) in exemplar.labels.iter() {
            put_text(out, name);
            put_text(out, value);
        }
        last = exemplar.time;
    }
}

/// Hands each column of a page, counted from the page's first, with its exemplars to `each`. None if it is malformed.
pub(super) fn read(bytes: &[u8], mut each: impl FnMut(u32, Vec<Exemplar>)) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let mut column = 0_u32;
    while !reader.is_empty() {
        column = column.checked_add(u32::try_from(reader.varint()?).ok()?)?;
        let count = reader.count(1)?;
        let mut exemplars = Vec::new();
        let mut time = 0_i64;
        for _ in 0..count {
            let own_time = match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            time = time.wrapping_add(reader.zigzag()?);
            let (bits, _) = read_item(&mut reader)?;
            let labels = reader.count(1)?;
            let mut pairs = Vec::new();
            for _ in 0..labels {
                pairs.push((reader.text()?, reader.text()?));
            }
            exemplars.push(Exemplar { labels: LabelSet::from_unsorted(&mut pairs), value: f64::from_bits(bits), time, own_time });
        }
        each(column, exemplars);
        column = column.checked_add(1)?;
    }
    Some(())
}
