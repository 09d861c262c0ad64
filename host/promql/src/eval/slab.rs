//! Values of columns. Those of many columns lie in one block of memory: a million blocks take longer to make and to give back than
//! most queries to answer, and a query that is stopped is to end at once.

#![allow(unsafe_code, reason = "parts of a block that belong to one column each; freeing a million blocks one by one takes 0.5 s")]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use model::absent;

/// Most values of a block, unless a column alone has more: 32 KiB, so that a column that is left of it alone holds little else.
const BLOCK_MAX: usize = 4096;
/// Values of the first block; each is twice as large as the one before.
const BLOCK_MIN: usize = 16;

/// The values of one column: a part of a block, which nobody else reads or writes.
pub(crate) struct Values {
    block: Rc<[UnsafeCell<f64>]>,
    start: usize,
    end: usize,
}

/// Hands out parts of blocks.
#[derive(Default)]
pub(crate) struct Slab {
    block: Option<Rc<[UnsafeCell<f64>]>>,
    /// From here on nothing of the block was handed out.
    used: usize,
}

fn block(values: impl ExactSizeIterator<Item = f64>) -> Rc<[UnsafeCell<f64>]> {
    values.map(UnsafeCell::new).collect()
}

impl Slab {
    /// So many values, all absent.
    pub(crate) fn absent(&mut self, count: usize) -> Values {
        let held = self.block.as_ref().map_or(0, |block| block.len());
        if self.block.is_none() || held - self.used < count {
            let size = (held * 2).clamp(BLOCK_MIN, BLOCK_MAX).max(count);
            (self.block, self.used) = (Some(block(std::iter::repeat_n(absent(), size))), 0);
        }
        let (start, end) = (self.used, self.used + count);
        self.used = end;
        match &self.block {
            Some(block) => Values { block: Rc::clone(block), start, end },
            // There is one, see above.
            None => Values::from(vec![absent(); count]),
        }
    }

    /// Takes back what was handed out last, and drops anything else.
    pub(crate) fn take_back(&mut self, mut values: Values) {
        let is_last = self.block.as_ref().is_some_and(|block| Rc::ptr_eq(block, &values.block) && values.end == self.used);
        if is_last {
            values.fill(absent());
            self.used = values.start;
        }
    }
}

impl Deref for Values {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        let cells = &self.block[self.start..self.end];
        // SAFETY: `UnsafeCell<f64>` has the layout of `f64`. `Slab` gives each part out once, and again only when its `Values` is gone
        // (`take_back` takes it by value), so that parts never overlap, and whoever has a reference into this one has it through this
        // `Values`. `Rc` keeps all of it on one thread.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<f64>(), cells.len()) }
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f64] {
        let cells = &self.block[self.start..self.end];
        // SAFETY: as above; `&mut self` says that nobody has another reference. Writing is allowed through `UnsafeCell`.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(cells.as_ptr()), cells.len()) }
    }
}

/// In a block of their own.
impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        let end = values.len();
        Self { block: block(values.into_iter()), start: 0, end }
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl<'v> IntoIterator for &'v Values {
    type Item = &'v f64;
    type IntoIter = std::slice::Iter<'v, f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'v> IntoIterator for &'v mut Values {
    type Item = &'v mut f64;
    type IntoIter = std::slice::IterMut<'v, f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use model::is_absent;

    use super::*;

    #[test]
    fn parts_do_not_touch_each_other() {
        let mut slab = Slab::default();
        let mut seed = 17_u64;
        let mut parts: Vec<(Values, f64)> = Vec::new();
        for round in 0..20_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (count, what) = ((seed >> 33) as usize % 40, (seed >> 60) % 4);
            let mut part = slab.absent(count);
            assert_eq!(part.len(), count);
            assert!(part.iter().all(|value| is_absent(*value)));
            part.fill(f64::from(round));
            match what {
                1 => slab.take_back(part),
                2 if !parts.is_empty() => {
                    // Not the last one: it is dropped.
                    let (old, _) = parts.swap_remove(count % parts.len());
                    slab.take_back(old);
                    parts.push((part, f64::from(round)));
                }
                _ => parts.push((part, f64::from(round))),
            }
        }
        assert!(parts.len() > 1000, "{}", parts.len());
        for (part, value) in &parts {
            assert!(part.iter().all(|held| held == value));
            assert_eq!(&*part.clone(), &**part);
        }
    }

    #[test]
    fn a_long_column_has_a_block_of_its_own_size_and_small_ones_share() {
        let mut slab = Slab::default();
        let small: Vec<Values> = (0..10).map(|_| slab.absent(1)).collect();
        assert!(small.iter().all(|part| Rc::ptr_eq(&part.block, &small[0].block)));
        assert_eq!(slab.absent(BLOCK_MAX + 1).block.len(), BLOCK_MAX + 1);
        assert!(slab.absent(0).is_empty());
        assert!(slab.absent(1).block.len() <= BLOCK_MAX);
    }
}
