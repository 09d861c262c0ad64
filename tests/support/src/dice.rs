//! Chance that can be repeated.

/// A small generator of random numbers from a seed: SplitMix64 (Steele, Lea and Flood, 2014). The same seed gives the same numbers on any
/// machine, so that a printed seed is enough to see a run again.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Any 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below `end`; 0 where there is none.
    pub fn below<N: Whole>(&mut self, end: N) -> N {
        let end = end.to_u64().max(1);
        N::from_u64(self.next() % end)
    }

    /// One of them.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A part of 1: from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A value of the kinds that metrics have, and some that they should not.
    pub fn value(&mut self) -> f64 {
        match self.below(10) {
            0 => f64::from_bits(self.next()),
            1 => f64::NAN,
            2 => -0.0,
            3 => f64::INFINITY,
            4 => self.below(1000) as f64 / 100.0,
            5 => f64::MIN_POSITIVE / self.below(100) as f64,
            _ => self.below(10_000) as f64,
        }
    }

    /// True once in so many cases.
    pub fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, cases: u64) -> bool {
        self.below(100_u64) < cases
    }
}

/// What is counted with: a whole number that is not negative.
pub trait Whole: Copy {
    /// The same number; 0 for a negative one.
    fn to_u64(self) -> u64;
    /// The same number, of which the caller knows that it fits.
    fn from_u64(number: u64) -> Self;
}

macro_rules! whole {
    ($($kind:ty)*) => {$(
        impl Whole for $kind {
            fn to_u64(self) -> u64 {
                u64::try_from(self).unwrap_or(0)
            }

            fn from_u64(number: u64) -> Self {
                Self::try_from(number).expect("below a number of this kind")
            }
        }
    )*};
}

// A literal without a kind of its own is an `i32`.
whole!(u8 u16 u32 u64 usize i32 i64);
