//! Segments and the frames in them: what is there, what is damaged, and where reading goes on.

use model::seams::TailPosition;

use crate::error::Damage;

/// Bytes before the first frame.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 40;
const CHECKED_BYTES: usize = SEGMENT_HEADER_BYTES - 4;
/// Bytes before a frame's payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 12;
/// Longest payload.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// The version that is written. Every earlier one is read: each only lacks things that the next has.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SKOPOSWL";
const MARKER: [u8; 4] = [0xF5, 0x53, 0x6B, 0xA0];

/// A segment's name from its number.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:010}.log")
}

/// A segment's number from its name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number: u64 = name.strip_suffix(".log")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// The bytes a segment begins with. `previous` is the segment before it and where that one ends.
pub(crate) fn segment_header(number: u64, previous: Option<TailPosition>) -> [u8; SEGMENT_HEADER_BYTES] {
    let previous = previous.unwrap_or_default();
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..28].copy_from_slice(&previous.segment.to_le_bytes());
    header[28..36].copy_from_slice(&previous.offset.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..CHECKED_BYTES]);
    header[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// What a segment's first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SegmentHeader {
    /// It can be read. With the segment before it, and where that one ends.
    Good(Option<TailPosition>),
    /// Another program version wrote it.
    Version(u32),
    /// These are not the first bytes of this segment.
    Damaged,
}

/// Judges a segment's first bytes.
pub(crate) fn read_segment_header(bytes: &[u8], number: u64) -> SegmentHeader {
    let Some(header) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else {
        return SegmentHeader::Damaged;
    };
    let checksum = crc32c::crc32c(&header[..CHECKED_BYTES]).to_le_bytes();
    if header[..8] != *MAGIC {
        return SegmentHeader::Damaged;
    }
    match (u32_at(header, 8), header[CHECKED_BYTES..] == checksum) {
        (..=VERSION, true) if u64_at(header, 12) == number => {
            let previous = TailPosition { segment: u64_at(header, 20), offset: u64_at(header, 28) };
            SegmentHeader::Good((previous.segment > 0).then_some(previous))
        }
        // Any version has a header of this length with its checksum at the end, so that this can be told from a flipped bit.
        (version, true) if version > VERSION => SegmentHeader::Version(version),
        _ => SegmentHeader::Damaged,
    }
}

/// Leaves room for the header of a frame whose payload is about to be appended to an empty buffer.
pub(crate) fn begin_frame(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
}

/// The checksum of a frame's payload; apart from [`seal_frame`] so that it is computed before the log is locked.
pub(crate) fn payload_checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c(&frame[FRAME_HEADER_BYTES..])
}

/// Fills in the header, now that the frame's place is known. The payload is at most [`PAYLOAD_BYTES_MAX`] long.
pub(crate) fn seal_frame(frame: &mut [u8], payload_checksum: u32, segment: u64, offset: u64) {
    let len = (frame.len() - FRAME_HEADER_BYTES) as u32;
    frame[..4].copy_from_slice(&MARKER);
    frame[4..8].copy_from_slice(&len.to_le_bytes());
    frame[8..12].copy_from_slice(&frame_checksum(payload_checksum, segment, offset, len).to_le_bytes());
}

fn frame_checksum(payload: u32, segment: u64, offset: u64, len: u32) -> u32 {
    let mut covered = [0; 24];
    covered[..4].copy_from_slice(&payload.to_le_bytes());
    covered[4..12].copy_from_slice(&segment.to_le_bytes());
    covered[12..20].copy_from_slice(&offset.to_le_bytes());
    covered[20..].copy_from_slice(&len.to_le_bytes());
    crc32c::crc32c(&covered)
}

/// The length of the frame that begins here, header included, if its first bytes look like one.
pub(crate) fn frame_len(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < FRAME_HEADER_BYTES || bytes[..4] != MARKER {
        return None;
    }
    let len = u32_at(bytes, 4) as usize;
    (len <= PAYLOAD_BYTES_MAX).then_some(FRAME_HEADER_BYTES + len)
}

fn frame_at(bytes: &[u8], segment: u64, offset: u64) -> Option<&[u8]> {
    let frame = bytes.get(..frame_len(bytes)?)?;
    let payload = &frame[FRAME_HEADER_BYTES..];
    let expected = frame_checksum(crc32c::crc32c(payload), segment, offset, payload.len() as u32);
    (u32_at(frame, 8) == expected).then_some(payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Walks over the frames in a stretch of a segment.
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    segment: u64,
    /// Where `bytes` begins in the segment.
    base: u64,
    at: usize,
    /// Bytes that may still be looked at in vain, so that a file full of markers does not cost its length squared.
    vain_bytes: usize,
}

/// How many times its own length a stretch may be looked at in vain.
const VAIN_FACTOR: usize = 16;

/// One step of [`Frames`].
#[derive(Debug, PartialEq)]
pub(crate) enum Step<'a> {
    /// A good frame.
    Payload {
        /// Offset of the frame in the segment.
        offset: u64,
        /// Its content.
        payload: &'a [u8],
    },
    /// No frame from `start` to `end`; a good one follows at `end`, or the stretch ends there.
    Damage {
        /// First offset that is not a frame.
        start: u64,
        /// First offset after it.
        end: u64,
    },
}

impl<'a> Frames<'a> {
    /// `bytes` lie in the segment from `base` on; a frame, if there is one, begins at their start.
    pub(crate) fn new(bytes: &'a [u8], segment: u64, base: u64) -> Self {
        Self { bytes, segment, base, at: 0, vain_bytes: bytes.len().saturating_mul(VAIN_FACTOR) }
    }

    fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Where the next good frame begins, from `next` on, or the end.
    fn next_frame(&mut self, mut next: usize) -> usize {
        while let Some(skip) = self.bytes.get(next..).and_then(|rest| rest.iter().position(|byte| *byte == MARKER[0])) {
            next += skip;
            if self.frame(next).is_some() {
                return next;
            }
            let looked_at = frame_len(&self.bytes[next..]).map_or(0, |len| len.min(self.bytes.len() - next));
            match self.vain_bytes.checked_sub(looked_at) {
                Some(rest) => self.vain_bytes = rest,
                None => break,
            }
            next += 1;
        }
        self.bytes.len()
    }

    fn frame(&self, at: usize) -> Option<&'a [u8]> {
        frame_at(&self.bytes[at..], self.segment, self.offset(at))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if self.at == self.bytes.len() {
            return None;
        }
        let start = self.at;
        if let Some(payload) = self.frame(start) {
            self.at += FRAME_HEADER_BYTES + payload.len();
            return Some(Step::Payload { offset: self.offset(start), payload });
        }
        self.at = self.next_frame(start + 1);
        Some(Step::Damage { start: self.offset(start), end: self.offset(self.at) })
    }
}

/// Words for a report.
pub(crate) fn damage(segment: u64, start: u64, end: u64, what: &str) -> Damage {
    Damage { file: format!("wal/{}", segment_name(segment)), start, end, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(payloads: &[&[u8]]) -> Vec<u8> {
        let (mut bytes, mut frame) = (Vec::new(), Vec::new());
        for payload in payloads {
            begin_frame(&mut frame);
            frame.extend_from_slice(payload);
            let checksum = payload_checksum(&frame);
            seal_frame(&mut frame, checksum, 7, bytes.len() as u64);
            bytes.extend_from_slice(&frame);
        }
        bytes
    }

    fn good(bytes: &[u8]) -> Vec<Vec<u8>> {
        let steps = Frames::new(bytes, 7, 0);
        steps.filter_map(|step| if let Step::Payload { payload, .. } = step { Some(payload.to_vec()) } else { None }).collect()
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(segment_name(7), "0000000007.log");
        for (name, number) in [
            ("0000000007.log", Some(7)),
            ("7.log", None),
            ("0000000007.log~", None),
            ("12345678901.log", Some(12_345_678_901)),
            ("x", None),
        ] {
            assert_eq!(segment_number(name), number, "{name}");
        }
    }

    #[test]
    fn a_header_of_another_version_is_told_from_damage() {
        let previous = Some(TailPosition { segment: 2, offset: 99 });
        let mut header = segment_header(3, previous);
        assert_eq!(read_segment_header(&header, 3), SegmentHeader::Good(previous));
        assert_eq!(read_segment_header(&segment_header(1, None), 1), SegmentHeader::Good(None));
        assert_eq!(read_segment_header(&header, 4), SegmentHeader::Damaged, "a file under another's name");
        assert_eq!(read_segment_header(&header[..39], 3), SegmentHeader::Damaged);
        header[8] = 9;
        assert_eq!(read_segment_header(&header, 3), SegmentHeader::Damaged, "a flipped bit is no version");
        let checksum = crc32c::crc32c(&header[..36]).to_le_bytes();
        header[36..].copy_from_slice(&checksum);
        assert_eq!(read_segment_header(&header, 3), SegmentHeader::Version(9));
    }

    #[test]
    fn reading_goes_on_after_damage() {
        let mut bytes = segment(&[b"one", b"two", b"three"]);
        bytes[FRAME_HEADER_BYTES + 3 + 13] ^= 1;
        assert_eq!(good(&bytes), [b"one".to_vec(), b"three".to_vec()]);
        let damage: Vec<_> = Frames::new(&bytes, 7, 0).filter(|step| matches!(step, Step::Damage { .. })).collect();
        assert_eq!(damage, [Step::Damage { start: 15, end: 30 }]);
    }

    #[test]
    fn a_frame_in_another_place_is_none() {
        let bytes = segment(&[b"one", b"two"]);
        assert_eq!(good(&bytes[15..]), Vec::<Vec<u8>>::new());
        assert_eq!(Frames::new(&bytes, 8, 0).count(), 1, "one stretch of damage");
    }

    #[test]
    fn a_file_full_of_markers_takes_no_time() {
        let mut bytes = Vec::new();
        while bytes.len() < 4 << 20 {
            bytes.extend_from_slice(&MARKER);
            bytes.extend_from_slice(&(1_u32 << 21).to_le_bytes());
        }
        // Without a limit this is a terabyte to look at.
        assert_eq!(Frames::new(&bytes, 7, 0).count(), 1);
    }

    proptest! {
        #[test]
        fn any_cut_and_any_flip_leaves_only_whole_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), cut: prop::sample::Index, flip: prop::sample::Index,
        ) {
            let parts: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            let mut bytes = segment(&parts);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes.truncate(cut.index(bytes.len() + 1));
            let found = good(&bytes);
            prop_assert!(found.len() <= payloads.len());
            let mut expected = payloads.iter();
            for payload in &found {
                prop_assert!(expected.any(|p| p == payload), "a payload that nobody wrote");
            }
            if bytes.len() > bit / 8 {
                prop_assert!(found.len() < payloads.len());
            }
        }
    }
}
