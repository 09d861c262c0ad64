//! Chunks of 120 samples with times, as Prometheus keeps them: after Pelkonen et al., "Gorilla" (2015), with Prometheus' widths for
//! differences of times (14, 17, 20, 64 bits) and one XOR window that is kept while it fits.

use crate::corpora::Group;

/// Samples of a chunk.
const SAMPLES: usize = 120;
/// What the head of a chunk and its place in the index take there: number of samples, length, kind, checksum; times and place.
const AROUND: usize = 2 + 2 + 1 + 4 + 8;

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u64, mut count: u32) {
        while count > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let now = count.min(self.free);
            let part = (value >> (count - now)) & ((1 << now) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part << (self.free - now)) as u8;
            }
            self.free -= now;
            count -= now;
        }
    }
}

struct Read<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Read<'_> {
    fn get(&mut self, count: u32) -> u64 {
        let mut value = 0;
        let mut left = count;
        while left > 0 {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let there = 8 - (self.at % 8) as u32;
            let now = left.min(there);
            value = value << now | u64::from(byte >> (there - now)) & ((1 << now) - 1);
            self.at += now as usize;
            left -= now;
        }
        value
    }
}

pub(super) fn encode(group: &Group) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (_, bits) in &group.columns {
        let samples: Vec<(i64, u64)> =
            group.times.iter().copied().zip(bits.iter().copied()).filter(|(_, bits)| *bits != model::ABSENT_BITS).collect();
        out.extend(samples.chunks(SAMPLES).map(chunk));
    }
    out
}

fn chunk(samples: &[(i64, u64)]) -> Vec<u8> {
    let mut out = Bits { bytes: vec![0; AROUND], free: 0 };
    let (mut time, mut step, mut value) = (0, 0, 0);
    let mut window: Option<(u32, u32)> = None;
    for (at, (t, v)) in samples.iter().enumerate() {
        let dod = (t - time) - step;
        match at {
            0 => {
                out.put(*t as u64, 64);
                out.put(*v, 64);
            }
            1 => out.put((t - time) as u64, 24),
            _ if dod == 0 => out.put(0, 1),
            _ if (-8191..=8192).contains(&dod) => out.put(0b10 << 14 | dod as u64 & 0x3FFF, 16),
            _ if (-65535..=65536).contains(&dod) => out.put(0b110 << 17 | dod as u64 & 0x1_FFFF, 20),
            _ => {
                out.put(0b1111, 4);
                out.put(dod as u64, 64);
            }
        }
        if at > 0 {
            let xor = v ^ value;
            put_xor(&mut out, xor, &mut window);
            step = t - time;
        }
        (time, value) = (*t, *v);
    }
    out.bytes
}

fn put_xor(out: &mut Bits, xor: u64, window: &mut Option<(u32, u32)>) {
    if xor == 0 {
        return out.put(0, 1);
    }
    let (lead, trail) = (xor.leading_zeros().min(31), xor.trailing_zeros());
    match window {
        Some((l, t)) if *l <= lead && *t <= trail => {
            out.put(0b10, 2);
            out.put(xor >> *t, 64 - *l - *t);
        }
        _ => {
            *window = Some((lead, trail));
            out.put(0b11, 2);
            out.put(lead.into(), 5);
            out.put(u64::from(64 - lead - trail) & 63, 6);
            out.put(xor >> trail, 64 - lead - trail);
        }
    }
}

pub(super) fn decode(chunks: &[Vec<u8>], group: &Group) -> usize {
    let all = group.columns.iter().flat_map(|(_, bits)| {
        let samples: Vec<u64> = bits.iter().copied().filter(|bits| *bits != model::ABSENT_BITS).collect();
        samples.chunks(SAMPLES).map(<[u64]>::to_vec).collect::<Vec<_>>()
    });
    let mut samples = 0;
    for (chunk, expected) in chunks.iter().zip(all) {
        let mut read = Read { bytes: &chunk[AROUND..], at: 0 };
        let mut values = Vec::with_capacity(expected.len());
        read.get(64);
        let mut value = read.get(64);
        values.push(value);
        let (mut lead, mut trail) = (0, 0);
        for at in 1..expected.len() {
            match at {
                1 => drop(read.get(24)),
                _ if read.get(1) == 0 => {}
                _ if read.get(1) == 0 => drop(read.get(14)),
                _ if read.get(1) == 0 => drop(read.get(17)),
                _ => drop(read.get(65)),
            }
            if read.get(1) == 1 {
                if read.get(1) == 1 {
                    lead = read.get(5) as u32;
                    let width = match read.get(6) as u32 {
                        0 => 64,
                        width => width,
                    };
                    trail = 64 - lead - width;
                }
                value ^= read.get(64 - lead - trail) << trail;
            }
            values.push(value);
        }
        assert!(values == expected, "an XOR chunk came back different");
        samples += values.len();
    }
    samples
}
