//! Decimals as integers, of one column in one piece of rows: offsets or steps are packed (frame of reference, after Lemire and Boytsov,
//! "Decoding billions of integers per second through vectorization", 2015), divided by what divides them all, and steps of zero apart
//! where there are many. Or told by another column that grows with this one, as the buckets of a histogram do, and what is left.

use std::ops::Range;

use super::packed::width_for;
use super::packing::{Packing, places_are_listed, places_bits, put_places, unpack};
use crate::column::bits::{bytes_for, get};
use crate::column::bytes::{Reader, put_varint, put_zigzag};
use crate::column::decimal::{SCALE_MAX, mantissa, scale_from};

/// In the byte that says what integers are, above the scale.
const STEPS: u8 = 0x10;
const SPARSE: u8 = 0x20;
const FACTOR: u8 = 0x40;
/// The ratio of two columns that grow alike, in units of which ratios are multiples.
const ONE: i64 = 1 << 32;
/// Ratios are below so many.
const RATIO_MAX: f64 = (1_u64 << 28) as f64;

/// Integers with what is needed to write them.
#[derive(Default)]
pub(super) struct Integers {
    pub(super) mantissas: Vec<i64>,
    steps: Vec<i64>,
    numbers: Vec<u64>,
    scale: u8,
}

/// A way to write integers, with what it needs.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    way: Way,
    factor: u64,
    /// What it takes, about.
    pub(super) bits: usize,
}

#[derive(Clone, Copy)]
enum Way {
    Offsets { least: i64, packing: Packing },
    Steps { least: i64, packing: Packing },
    Sparse { least: i64, packing: Packing, set: usize },
}

impl Integers {
    /// Fills in the mantissas at the smallest scale that serves all values. False: there is none.
    pub(super) fn fill(&mut self, values: &[u64]) -> bool {
        self.scale = 0;
        'scales: loop {
            self.mantissas.clear();
            for &bits in values {
                match mantissa(bits, self.scale) {
                    Some(m) => self.mantissas.push(m),
                    None => {
                        let next = self.scale + 1;
                        match (next <= SCALE_MAX).then(|| scale_from(bits, next)).flatten() {
                            Some((scale, _)) => self.scale = scale,
                            None => return false,
                        }
                        continue 'scales;
                    }
                }
            }
            return true;
        }
    }

    /// Fills in what is left of `whole` when `reference` has told its part. False: it is so much that steps would overflow.
    fn fill_rest(&mut self, whole: &Self, reference: &[i64], ratio: i64) -> bool {
        self.scale = whole.scale;
        let (first, base) = (whole.mantissas[0], reference[0]);
        self.mantissas.clear();
        self.mantissas.extend(whole.mantissas.iter().zip(reference).map(|(m, r)| m.wrapping_sub(told(first, base, ratio, *r))));
        self.mantissas.iter().all(|rest| rest.unsigned_abs() <= 1 << 60)
    }

    /// The cheapest way to write them.
    pub(super) fn plan(&mut self) -> Plan {
        let factor = self.fill_steps();
        let count = self.mantissas.len();
        let (least, most) = bounds(self.mantissas.iter().copied());
        let packing = Packing::choose((most.wrapping_sub(least)) as u64 / factor, count);
        let mut best = (Way::Offsets { least, packing }, packing.total_bits(count));
        let (least, most) = bounds(self.steps.iter().copied());
        let packing = Packing::choose(most.wrapping_sub(least) as u64, count - 1);
        let bits = packing.total_bits(count - 1) + 8;
        if bits < best.1 {
            best = (Way::Steps { least, packing }, bits);
        }
        let set = self.steps.iter().filter(|step| **step != 0).count();
        if set > 0 && set < count - 1 {
            let (least, most) = bounds(self.steps.iter().copied().filter(|step| *step != 0));
            let packing = Packing::choose(most.wrapping_sub(least) as u64, set);
            let bits = packing.total_bits(set) + places_bits(count - 1, set) + 16;
            if bits < best.1 {
                best = (Way::Sparse { least, packing, set }, bits);
            }
        }
        Plan { way: best.0, factor, bits: best.1 + 56 }
    }

    /// Fills in the steps between mantissas, divided by what divides all of them, which it returns.
    fn fill_steps(&mut self) -> u64 {
        self.steps.clear();
        self.steps.extend(self.mantissas.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
        let factor = self.steps.iter().try_fold(0, |common, step| match gcd(common, step.unsigned_abs()) {
            1 => Err(()),
            common => Ok(common),
        });
        // So that it can be a signed number when it is read.
        let factor = factor.ok().filter(|factor| (1..1 << 62).contains(factor)).unwrap_or(1);
        if factor > 1 {
            self.steps.iter_mut().for_each(|step| *step /= factor as i64);
        }
        factor
    }

    /// Appends the integers; the plan is theirs.
    pub(super) fn put(&mut self, plan: Plan, out: &mut Vec<u8>) {
        let factor = plan.factor;
        let shape = match plan.way {
            Way::Offsets { .. } => 0,
            Way::Steps { .. } => STEPS,
            Way::Sparse { .. } => STEPS | SPARSE,
        };
        out.push(self.scale | shape | if factor > 1 { FACTOR } else { 0 });
        if factor > 1 {
            put_varint(out, factor);
        }
        self.numbers.clear();
        let packing = match plan.way {
            Way::Offsets { least, packing } => {
                put_zigzag(out, least);
                self.numbers.extend(self.mantissas.iter().map(|m| m.wrapping_sub(least) as u64 / factor));
                packing
            }
            Way::Steps { least, packing } => {
                put_zigzag(out, self.mantissas[0]);
                put_zigzag(out, least);
                self.numbers.extend(self.steps.iter().map(|step| step.wrapping_sub(least) as u64));
                packing
            }
            Way::Sparse { least, packing, set } => {
                put_zigzag(out, self.mantissas[0]);
                put_zigzag(out, least);
                out.push(u8::from(places_are_listed(self.steps.len(), set)));
                put_places(out, self.steps.iter().map(|step| *step != 0), self.steps.len(), set);
                self.numbers.extend(self.steps.iter().filter(|step| **step != 0).map(|step| step.wrapping_sub(least) as u64));
                packing
            }
        };
        packing.put(out, &self.numbers);
    }
}

/// A column told by another one: how much it grows when the other grows by [`ONE`], and the rest.
#[derive(Default)]
pub(super) struct Like {
    rest: Integers,
    ratio: i64,
}

impl Like {
    /// How it could be written, if `reference` tells anything.
    pub(super) fn plan(&mut self, whole: &Integers, reference: &[i64]) -> Option<Plan> {
        let (first, last) = (*reference.first()?, *reference.last()?);
        if reference.len() != whole.mantissas.len() || reference.len() < 8 {
            return None;
        }
        let grown = whole.mantissas[reference.len() - 1].wrapping_sub(whole.mantissas[0]);
        let ratio = grown as f64 / last.wrapping_sub(first) as f64;
        let mut best: Option<(i64, Plan)> = None;
        let scaled = (ratio.is_finite() && ratio.abs() < RATIO_MAX).then_some((ratio * ONE as f64) as i64);
        for ratio in [Some(ONE), scaled.filter(|scaled| *scaled != 0)].into_iter().flatten() {
            if !self.rest.fill_rest(whole, reference, ratio) {
                continue;
            }
            let mut plan = self.rest.plan();
            plan.bits += if ratio == ONE { 48 } else { 80 };
            if best.as_ref().is_none_or(|(_, known)| plan.bits < known.bits) {
                self.ratio = ratio;
                best = Some((ratio, plan));
            }
        }
        best.map(|(_, plan)| plan)
    }

    /// Appends it; the plan is the one that [`Like::plan`] gave last, `distance` how many columns before the reference is.
    pub(super) fn put(&mut self, whole: &Integers, reference: &[i64], distance: usize, plan: Plan, out: &mut Vec<u8>) {
        self.rest.fill_rest(whole, reference, self.ratio);
        self.rest.fill_steps();
        put_varint(out, distance as u64);
        put_zigzag(out, self.ratio - ONE);
        put_zigzag(out, whole.mantissas[0]);
        self.rest.put(plan, out);
    }
}

/// What the reference, which began with `base`, says of a column that began with `first`.
#[inline]
fn told(first: i64, base: i64, ratio: i64, reference: i64) -> i64 {
    let grown = i128::from(reference.wrapping_sub(base)) * i128::from(ratio);
    first.wrapping_add(((grown + i128::from(ONE / 2)) >> 32) as i64)
}

fn bounds(values: impl Iterator<Item = i64>) -> (i64, i64) {
    values.fold((i64::MAX, i64::MIN), |(a, b), v| (a.min(v), b.max(v)))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// How many columns before the one whose body these bytes are its reference is, and where the rest begins.
pub(super) fn distance(reader: &mut Reader<'_>) -> Option<usize> {
    usize::try_from(reader.varint()?).ok().filter(|distance| *distance > 0)
}

/// Where a column of integers is, and how it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// Its scale.
    pub(super) scale: u8,
    /// Its first integer.
    pub(super) first: i64,
}

/// Turns some of the reference's integers, all of which are `count` and begin with `base`, into those of the column it tells; the distance
/// was read.
pub(super) fn decode_like(
    reader: &mut Reader<'_>,
    (count, wanted): (usize, &Range<usize>),
    (integers, base): (&mut [i64], i64),
    rest: &mut Vec<i64>,
    numbers: &mut Vec<u64>,
) -> Option<Read> {
    let ratio = reader.zigzag()?.checked_add(ONE)?;
    let first = reader.zigzag()?;
    let read = decode(reader, (count, wanted), rest, numbers)?;
    if ratio == ONE {
        let shift = first.wrapping_sub(base);
        integers.iter_mut().zip(rest).for_each(|(integer, rest)| *integer = integer.wrapping_add(shift).wrapping_add(*rest));
    } else {
        integers.iter_mut().zip(rest).for_each(|(integer, rest)| *integer = told(first, base, ratio, *integer).wrapping_add(*rest));
    }
    Some(Read { first: first.wrapping_add(read.first), ..read })
}

/// Reads what [`Integers::put`] wrote into `out`: of `count` integers those that are wanted, one at least. None if it is malformed.
/// `numbers` is a buffer.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    (count, wanted): (usize, &Range<usize>),
    out: &mut Vec<i64>,
    numbers: &mut Vec<u64>,
) -> Option<Read> {
    if wanted.is_empty() || wanted.end > count {
        return None;
    }
    let shape = reader.u8()?;
    let factor = if shape & FACTOR == 0 { 1 } else { i64::try_from(reader.varint()?).ok()? };
    let mut first = reader.zigzag()?;
    numbers.clear();
    out.clear();
    match shape & !(SCALE_MAX | FACTOR) {
        0 => {
            let least = first;
            let of = |n: u64| least.wrapping_add(factor.wrapping_mul(n as i64));
            if wanted.start > 0 {
                Packing::read(&mut reader.clone(), count, &(0..1), numbers)?;
                first = of(*numbers.first()?);
                numbers.clear();
            }
            Packing::read(reader, count, wanted, numbers)?;
            out.extend(numbers.iter().map(|n| of(*n)));
            if wanted.start == 0 {
                first = *out.first()?;
            }
        }
        STEPS => {
            let least = reader.zigzag()?.wrapping_mul(factor);
            let sum = Packing::read_behind(reader, count.checked_sub(1)?, &(wanted.start..wanted.end - 1), numbers)? as i64;
            let mut last = first.wrapping_add(least.wrapping_mul(wanted.start as i64)).wrapping_add(factor.wrapping_mul(sum));
            out.push(last);
            out.extend(numbers.iter().map(|n| {
                last = last.wrapping_add(least).wrapping_add(factor.wrapping_mul(*n as i64));
                last
            }));
        }
        both if both == STEPS | SPARSE => {
            let least = reader.zigzag()?;
            decode_sparse(reader, (count, wanted), (first, least, factor), numbers, out)?;
        }
        _ => return None,
    }
    Some(Read { scale: shape & SCALE_MAX, first })
}

fn decode_sparse(
    reader: &mut Reader<'_>,
    (count, wanted): (usize, &Range<usize>),
    (first, least, factor): (i64, i64, i64),
    numbers: &mut Vec<u64>,
    out: &mut Vec<i64>,
) -> Option<()> {
    let steps = count.checked_sub(1)?;
    let mut value = first;
    let next = |n: &u64, value: i64| value.wrapping_add(least.wrapping_add(*n as i64).wrapping_mul(factor));
    if reader.u8()? == 1 {
        let set = usize::try_from(reader.varint()?).ok().filter(|set| *set <= steps)?;
        let mut places = Vec::new();
        unpack(reader, set, width_for(steps), &(0..set), &mut places)?;
        Packing::read(reader, set, &(0..set), numbers)?;
        let mut last = 0;
        for (place, n) in places.iter().zip(&*numbers) {
            let at = usize::try_from(*place).ok()?.checked_add(1)?;
            if at < last || at >= count {
                return None;
            }
            last = at;
            // Up to there it stands.
            out.resize(out.len().max(at.min(wanted.end).saturating_sub(wanted.start)), value);
            value = next(n, value);
        }
        out.resize(wanted.len(), value);
        return Some(());
    }
    let bitmap = reader.take(bytes_for(steps))?;
    let set = bitmap.iter().map(|byte| byte.count_ones() as usize).sum();
    if set > steps {
        return None;
    }
    // How many of the first so many steps are set.
    let ones = |steps: usize| {
        let (whole, rest) = (steps / 8, steps % 8);
        let partly = bitmap.get(whole).map_or(0, |byte| (byte & ((1 << rest) - 1)).count_ones() as usize);
        Some(bitmap.get(..whole)?.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() + partly)
    };
    let before = ones(wanted.start)?;
    let sum = Packing::read_behind(reader, set, &(before..ones(wanted.end - 1)?), numbers)? as i64;
    value = value.wrapping_add(least.wrapping_mul(before as i64).wrapping_add(sum).wrapping_mul(factor));
    let mut after = numbers.iter();
    out.push(value);
    for at in wanted.start..wanted.end - 1 {
        if get(bitmap, at) {
            value = next(after.next()?, value);
        }
        out.push(value);
    }
    Some(())
}
