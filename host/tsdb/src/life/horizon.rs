//! How far the clock is believed where believing it costs samples.
//!
//! A clock that jumps (a flat battery, a wrong year typed in, a virtual machine that slept) would let the retention drop everything at
//! once. So the retention has a time of its own. It is the clock's as long as that moves on in steps of less than [`JUMP_MS`]. After a
//! longer step, be it while we run or from what was stored last to a start, it stays where it was and catches up by about a day for
//! each hour that passes: whoever set the clock wrong has time to see it, and a machine that was off for weeks is done within hours.

use model::TimestampMs;

use super::files::{seal, unseal};
use crate::column::bytes::{Reader, put_zigzag};

const MAGIC: &[u8; 8] = b"SKOPOSRT";
/// Its name in the directory of blocks. It is there only while the clock is ahead of what is believed, so that a restart does not
/// take the samples for a proof that were stored since the clock jumped.
pub(crate) const FILE: &str = "retention";

/// A longer step of the clock is a jump.
const JUMP_MS: i64 = 24 * 3_600_000;
/// By how many times faster than the clock it is caught up with.
const CATCH_UP: i64 = 25;

/// The retention's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    /// What is believed.
    at: TimestampMs,
    /// What the clock said last.
    seen: TimestampMs,
}

impl Horizon {
    /// `known`: the newest time that something stored speaks of. Without it there is nothing to lose, and the clock is right.
    pub(crate) fn new(known: Option<TimestampMs>, now: TimestampMs) -> Self {
        let mut horizon = Self { at: known.unwrap_or(now), seen: known.unwrap_or(now) };
        horizon.observe(now);
        horizon
    }

    /// What is believed when the clock says `now`. Never later than that.
    pub(crate) fn observe(&mut self, now: TimestampMs) -> TimestampMs {
        let passed = now.saturating_sub(self.seen).max(0);
        if passed <= JUMP_MS {
            let step = if self.at >= self.seen { passed } else { passed.saturating_mul(CATCH_UP) };
            self.at = self.at.saturating_add(step);
        }
        self.at = self.at.min(now);
        self.seen = now;
        self.at
    }

    /// By how much the clock is ahead, in milliseconds.
    pub(crate) fn behind_ms(&self) -> i64 {
        self.seen.saturating_sub(self.at)
    }

    /// The file: magic, version, the time that is believed (zigzag), a checksum.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_zigzag(&mut body, self.at);
        seal(MAGIC, &body)
    }

    /// The time in the file. None if the bytes are not such a file.
    pub(crate) fn decode(bytes: &[u8]) -> Option<TimestampMs> {
        let mut reader = Reader::new(unseal(MAGIC, bytes)?);
        let at = reader.zigzag()?;
        reader.is_empty().then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3_600_000;

    #[test]
    fn an_honest_clock_is_followed() {
        let mut horizon = Horizon::new(Some(1000), 20 * H);
        assert_eq!((horizon.at, horizon.behind_ms()), (20 * H, 0), "a night off");
        for hour in 21..1000 {
            assert_eq!(horizon.observe(hour * H), hour * H);
        }
        assert_eq!(horizon.observe(900 * H), 900 * H, "back");
        assert_eq!(Horizon::new(None, 5 * H).at, 5 * H);
        assert_eq!(Horizon::new(Some(9 * H), 5 * H).at, 5 * H, "never later than the clock");
    }

    #[test]
    fn a_jump_is_caught_up_with_a_day_each_hour_and_taken_back_at_once() {
        let mut horizon = Horizon::new(None, 0);
        let year = 365 * 24 * H;
        assert_eq!(horizon.observe(year), 0);
        assert_eq!(horizon.observe(year + H), 25 * H);
        assert_eq!(horizon.observe(year + 2 * H), 50 * H);
        assert_eq!(horizon.observe(60 * H), 50 * H, "the clock is right again, and still ahead");
        assert_eq!(horizon.observe(61 * H), 61 * H);
        assert_eq!(horizon.observe(10 * H), 10 * H);
        assert_eq!(horizon.observe(i64::MAX), 10 * H);
        assert_eq!(horizon.observe(i64::MIN), i64::MIN);
        assert_eq!(horizon.observe(i64::MAX), i64::MIN);
    }

    #[test]
    fn three_weeks_off_take_a_day() {
        let mut horizon = Horizon::new(Some(0), 21 * 24 * H);
        assert_eq!(horizon.behind_ms(), 21 * 24 * H);
        let mut hours = 0;
        while horizon.behind_ms() > 0 {
            hours += 1;
            horizon.observe((21 * 24 + hours) * H);
        }
        assert_eq!(hours, 21);
    }

    #[test]
    fn the_file_comes_back_and_damage_is_noticed() {
        let horizon = Horizon { at: -7, seen: 5 };
        let bytes = horizon.encode();
        assert_eq!(Horizon::decode(&bytes), Some(-7));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Horizon::decode(&damaged), None);
        }
    }
}
