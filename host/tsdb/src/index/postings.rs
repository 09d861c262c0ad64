//! Ascending numbers in little room: the first as it is, then differences as varints. Most are below 128.

use crate::column::bytes::{Reader, put_varint};

/// The series that have a pair, ascending.
#[derive(Default)]
pub(super) struct Postings {
    len: u32,
    first: u32,
    last: u32,
    more: Vec<u8>,
}

impl Postings {
    /// Adds a number that is larger than all before.
    pub(super) fn push(&mut self, id: u32) {
        if self.len == 0 {
            self.first = id;
        } else {
            // Doubling would leave a third of the memory unused; a fifth more each time costs little time.
            if self.more.capacity() - self.more.len() < 5 {
                self.more.reserve_exact((self.more.len() / 5).max(11));
            }
            put_varint(&mut self.more, u64::from(id - self.last));
        }
        self.last = id;
        self.len += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Appends the numbers, at most so many of the first.
    pub(super) fn extend_into(&self, out: &mut Vec<u32>, most: usize) {
        let most = most.min(self.len as usize);
        if most == 0 {
            return;
        }
        out.reserve(most);
        let most = out.len() + most;
        let mut last = self.first;
        out.push(last);
        let mut bytes = self.more.as_slice();
        while out.len() < most
            && let Some((&byte, rest)) = bytes.split_first()
        {
            let step = if byte < 0x80 {
                bytes = rest;
                u32::from(byte)
            } else {
                let mut reader = Reader::new(bytes);
                let step = reader.varint().unwrap_or_default();
                bytes = &bytes[bytes.len() - reader.remaining()..];
                step as u32
            };
            last += step;
            out.push(last);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // With what the allocator takes.
        if self.more.capacity() == 0 { 0 } else { self.more.capacity() + 16 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(mut ids in prop::collection::vec(prop_oneof![0..300_u32, any::<u32>()], 0..100)) {
            ids.sort_unstable();
            ids.dedup();
            let mut postings = Postings::default();
            ids.iter().for_each(|id| postings.push(*id));
            let mut back = Vec::new();
            postings.extend_into(&mut back, usize::MAX);
            prop_assert_eq!(&back, &ids);
            back.clear();
            postings.extend_into(&mut back, 3);
            prop_assert_eq!(&back[..], &ids[..ids.len().min(3)]);
        }
    }
}
