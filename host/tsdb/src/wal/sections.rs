//! The parts of a frame beside times and values: definitions of series, exemplars, histograms, start timestamps.

use std::sync::Arc;

use hashbrown::HashMap;
use model::seams::Exemplar;
use model::{Histogram, LabelSet, StartTimestampMs, TimestampMs};

use crate::column::bytes::{Reader, put_text, put_varint, put_zigzag};
use crate::column::histogram::{put_histogram, read_histogram};
use crate::index::Index;

/// Labels that a section may spell out for each of its bytes: far more than any that is not made to fill memory.
const LABELS_PER_BYTE: usize = 64;
/// Bytes that a histogram takes at least.
const HISTOGRAM_BYTES_MIN: usize = 21;

/// Appends a columns section: slots with their series.
pub(crate) fn put_columns(out: &mut Vec<u8>, index: &Index, columns: &[(u32, u32)]) {
    let (mut symbols, mut places): (Vec<u32>, HashMap<u32, u64>) = (Vec::new(), HashMap::new());
    let mut body = Vec::with_capacity(columns.len() * 8);
    put_varint(&mut body, columns.len() as u64);
    let mut previous: &[u32] = &[];
    for (slot, series) in columns {
        let pairs = index.pairs_of(*series);
        let same = pairs.iter().zip(previous).take_while(|(a, b)| a == b).count();
        put_varint(&mut body, u64::from(*slot));
        put_varint(&mut body, pairs.len() as u64);
        put_varint(&mut body, same as u64);
        for pair in &pairs[same..] {
            let (name, value) = index.pair_symbols(*pair);
            for symbol in [name, value] {
                let place = *places.entry(symbol).or_insert_with(|| {
                    symbols.push(symbol);
                    symbols.len() as u64 - 1
                });
                put_varint(&mut body, place);
            }
        }
        previous = pairs;
    }
    put_varint(out, symbols.len() as u64);
    for symbol in symbols {
        put_text(out, index.symbol(symbol));
    }
    out.extend_from_slice(&body);
}

/// A columns section: strings, and series made of them.
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    pub(crate) strings: Vec<&'a str>,
    /// Slot, and where its labels end in `pairs`.
    ends: Vec<(u32, u32)>,
    /// Name and value, as places in `strings`.
    pairs: Vec<(u32, u32)>,
}

impl<'a> Columns<'a> {
    /// Reads what [`put_columns`] wrote.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let pairs_max = reader.remaining().saturating_mul(LABELS_PER_BYTE);
        let count = reader.count(1)?;
        let strings: Vec<&str> = (0..count).map(|_| reader.text()).collect::<Option<_>>()?;
        let mut columns = Self { strings, ends: Vec::new(), pairs: Vec::new() };
        let mut previous = 0..0;
        for _ in 0..reader.count(3)? {
            let slot = u32::try_from(reader.varint()?).ok()?;
            let len = usize::try_from(reader.varint()?).ok()?;
            let same = usize::try_from(reader.varint()?).ok()?;
            if same > previous.len() || same > len || len - same > reader.remaining() / 2 || columns.pairs.len() + len > pairs_max {
                return None;
            }
            let start = columns.pairs.len();
            columns.pairs.extend_from_within(previous.start..previous.start + same);
            for _ in same..len {
                let mut place = || {
                    let place = u32::try_from(reader.varint()?).ok()?;
                    ((place as usize) < columns.strings.len()).then_some(place)
                };
                let pair = (place()?, place()?);
                columns.pairs.push(pair);
            }
            previous = start..columns.pairs.len();
            columns.ends.push((slot, u32::try_from(previous.end).ok()?));
        }
        Some(columns)
    }

    /// Slots, each with the labels of its series as places in the list of strings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[(u32, u32)])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).map(|(start, (slot, end))| (*slot, &self.pairs[start as usize..*end as usize]))
    }

    /// Slots with the labels of their series.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (u32, LabelSet)> {
        let text = |place: &u32| self.strings[*place as usize];
        self.iter().map(move |(slot, pairs)| (slot, LabelSet::from_pairs(pairs.iter().map(|(name, value)| (text(name), text(value))))))
    }
}

/// Appends an exemplars section.
pub(crate) fn put_exemplars(out: &mut Vec<u8>, exemplars: &[(u32, Exemplar)], time: TimestampMs) {
    put_varint(out, exemplars.len() as u64);
    for (slot, exemplar) in exemplars {
        put_varint(out, u64::from(*slot));
        out.push(u8::from(exemplar.own_time));
        put_zigzag(out, exemplar.time.wrapping_sub(time));
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        put_varint(out, exemplar.labels.len() as u64);
        for (name, value) in &exemplar.labels {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

/// Reads what [`put_exemplars`] wrote.
pub(crate) fn read_exemplars(reader: &mut Reader<'_>, time: TimestampMs) -> Option<Vec<(u32, Exemplar)>> {
    let exemplar = |reader: &mut Reader<'_>| {
        let slot = u32::try_from(reader.varint()?).ok()?;
        let own_time = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let time = time.wrapping_add(reader.zigzag()?);
        let value = f64::from_bits(reader.u64()?);
        let labels: Vec<(&str, &str)> = (0..reader.count(2)?).map(|_| Some((reader.text()?, reader.text()?))).collect::<Option<_>>()?;
        Some((slot, Exemplar { labels: LabelSet::from_pairs(labels), value, time, own_time }))
    };
    (0..reader.count(12)?).map(|_| exemplar(reader)).collect()
}

/// Appends a section of start timestamps.
pub(crate) fn put_starts(out: &mut Vec<u8>, starts: &[(u32, StartTimestampMs)], time: TimestampMs) {
    put_varint(out, starts.len() as u64);
    for (slot, start) in starts {
        put_varint(out, u64::from(*slot));
        put_zigzag(out, start.wrapping_sub(time));
    }
}

/// Reads what [`put_starts`] wrote.
pub(crate) fn read_starts(reader: &mut Reader<'_>, time: TimestampMs) -> Option<Vec<(u32, StartTimestampMs)>> {
    let start = |reader: &mut Reader<'_>| Some((u32::try_from(reader.varint()?).ok()?, time.wrapping_add(reader.zigzag()?)));
    (0..reader.count(2)?).map(|_| start(reader)).collect()
}

/// Appends the content of a histograms section.
pub(crate) fn put_histograms(out: &mut Vec<u8>, histograms: &[(u32, Arc<Histogram>)]) {
    put_varint(out, histograms.len() as u64);
    for (slot, histogram) in histograms {
        put_varint(out, u64::from(*slot));
        put_histogram(out, histogram);
    }
}

/// Reads what [`put_histograms`] wrote, by slot, ascending. No bytes are no histograms.
pub(crate) fn read_histograms(section: &[u8]) -> Option<Vec<(u32, Arc<Histogram>)>> {
    if section.is_empty() {
        return Some(Vec::new());
    }
    let mut reader = Reader::new(section);
    let mut histograms: Vec<(u32, Arc<Histogram>)> = Vec::new();
    for _ in 0..reader.count(1)?.min(section.len() / HISTOGRAM_BYTES_MIN + 1) {
        let slot = u32::try_from(reader.varint()?).ok()?;
        if histograms.last().is_some_and(|(last, _)| *last >= slot) {
            return None;
        }
        histograms.push((slot, Arc::new(read_histogram(&mut reader)?)));
    }
    reader.is_empty().then_some(histograms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_come_back(sets in prop::collection::vec((0..5_u32, prop::collection::vec(("[a-c]{1,2}", "[a-b가]{1,2}"), 0..5)), 0..8)) {
            let mut index = Index::default();
            let expected: Vec<(u32, LabelSet)> = sets.iter().map(|(slot, labels)| (*slot, labels.iter().cloned().collect())).collect();
            let columns: Vec<(u32, u32)> = expected.iter().map(|(slot, labels)| (*slot, index.find_or_insert(labels))).collect();
            let mut out = Vec::new();
            put_columns(&mut out, &index, &columns);
            let mut reader = Reader::new(&out);
            let back = Columns::read(&mut reader).expect("good");
            prop_assert_eq!(back.labels().collect::<Vec<_>>(), expected);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Columns::read(&mut Reader::new(&bytes));
            let _ = read_exemplars(&mut Reader::new(&bytes), 0);
            let _ = read_starts(&mut Reader::new(&bytes), 0);
            let _ = read_histograms(&bytes);
        }
    }

    #[test]
    fn a_section_that_would_fill_memory_is_refused() {
        // One series of a thousand labels, then thousands that claim to have the same.
        let mut bytes = vec![1, 1, b'a'];
        put_varint(&mut bytes, 5001);
        bytes.push(0);
        put_varint(&mut bytes, 1000);
        bytes.push(0);
        bytes.resize(bytes.len() + 2000, 0);
        for _ in 0..5000 {
            bytes.push(0);
            put_varint(&mut bytes, 1000);
            put_varint(&mut bytes, 1000);
        }
        assert!(Columns::read(&mut Reader::new(&bytes)).is_none());
    }
}
