//! Which blocks are merged next.

use model::TimestampMs;

/// The longest range that blocks are merged to, whatever the retention.
const LONGEST_MS: i64 = 31 * 86_400_000;
/// By how much a range of merged blocks is longer than the one before, as upstream.
const FACTOR: i64 = 3;
/// Blocks of one shortest range, of flushes that memory asked for, that are merged although more may come.
const PIECES: usize = 4;

/// A block as planning sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) time_min: TimestampMs,
    pub(crate) time_max: TimestampMs,
}

/// The ranges that blocks are merged to, ascending, from the shortest block's on: each three times the one before, up to a tenth of the
/// retention (0: none) or 31 days.
pub(crate) fn ranges(block_ms: i64, retention_ms: i64) -> Vec<i64> {
    let longest = if retention_ms > 0 { (retention_ms / 10).min(LONGEST_MS) } else { LONGEST_MS };
    let mut ranges = vec![block_ms.max(1)];
    while let Some(next) = ranges.last().and_then(|last| last.checked_mul(FACTOR)).filter(|next| *next <= longest) {
        ranges.push(next);
    }
    ranges
}

/// Which of the blocks, by their places, are to become one next. No answer: all is as it should be.
pub(crate) fn next(blocks: &[Candidate], ranges: &[i64]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..blocks.len()).filter(|at| blocks[*at].time_min <= blocks[*at].time_max).collect();
    order.sort_by_key(|at| (blocks[*at].time_min, blocks[*at].time_max));
    overlapping(blocks, &order).or_else(|| fitting(blocks, &order, ranges))
}

/// The first blocks that overlap, with all that overlap with any of them. So whatever is written before or after them in between
/// has no samples of their times, and the order of writing holds.
fn overlapping(blocks: &[Candidate], order: &[usize]) -> Option<Vec<usize>> {
    let mut run: Vec<usize> = Vec::new();
    let mut end = TimestampMs::MIN;
    for at in order {
        if !run.is_empty() && blocks[*at].time_min > end {
            if run.len() > 1 {
                break;
            }
            run.clear();
        }
        run.push(*at);
        end = end.max(blocks[*at].time_max);
    }
    (run.len() > 1).then_some(run)
}

/// Neighbours within one range that is over.
fn fitting(blocks: &[Candidate], order: &[usize], ranges: &[i64]) -> Option<Vec<usize>> {
    let newest = blocks[*order.last()?].time_min;
    let shortest = *ranges.first()?;
    for range in ranges {
        let mut rest = order;
        while let Some(&first) = rest.first() {
            let start = blocks[first].time_min.div_euclid(*range).saturating_mul(*range);
            let end = start.saturating_add(*range);
            let count = rest.iter().take_while(|at| blocks[**at].time_min < end).count();
            let (here, after) = rest.split_at(count.max(1));
            rest = after;
            let here: Vec<usize> = here.iter().copied().filter(|at| blocks[*at].time_max < end).collect();
            // The newest block's range may still get more.
            let over = end <= newest.div_euclid(shortest).saturating_mul(shortest);
            if here.len() > 1 && (over || (*range == shortest && here.len() >= PIECES)) {
                return Some(here);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3_600_000;

    fn block(from: i64, to: i64) -> Candidate {
        Candidate { time_min: from * H, time_max: to * H - 1 }
    }

    fn next_of(blocks: &[(i64, i64)]) -> Option<Vec<usize>> {
        let blocks: Vec<Candidate> = blocks.iter().map(|(from, to)| block(*from, *to)).collect();
        next(&blocks, &ranges(2 * H, 15 * 24 * H))
    }

    #[test]
    fn ranges_grow_threefold_to_a_tenth_of_the_retention() {
        assert_eq!(ranges(2 * H, 15 * 24 * H), [2 * H, 6 * H, 18 * H]);
        assert_eq!(ranges(2 * H, 0).last(), Some(&(486 * H)));
        assert_eq!(ranges(2 * H, H), [2 * H], "never shorter than a block");
    }

    #[test]
    fn neighbours_are_merged_once_their_range_is_over() {
        assert_eq!(next_of(&[(0, 2), (2, 4)]), None, "6 h are not over");
        assert_eq!(next_of(&[(0, 2), (2, 4), (4, 6)]), None, "the newest may get company");
        assert_eq!(next_of(&[(0, 2), (2, 4), (4, 6), (6, 8)]), Some(vec![0, 1, 2]));
        assert_eq!(next_of(&[(0, 2), (4, 6), (8, 10)]), Some(vec![0, 1]), "with a hole");
        assert_eq!(next_of(&[(0, 6), (6, 12), (12, 18), (18, 20)]), Some(vec![0, 1, 2]));
        assert_eq!(next_of(&[(0, 18), (18, 36), (36, 54), (54, 56)]), None, "54 h is more than a tenth of 15 days");
        assert_eq!(next_of(&[]), None);
    }

    #[test]
    fn pieces_of_a_short_range_are_merged() {
        assert_eq!(next_of(&[(0, 1), (1, 2), (2, 4)]), Some(vec![0, 1]));
        assert_eq!(next_of(&[(0, 1), (1, 2)]), None);
        let pieces: Vec<Candidate> = (0..4).map(|n| Candidate { time_min: n * 1000, time_max: n * 1000 + 999 }).collect();
        assert_eq!(next(&pieces, &ranges(2 * H, 0)), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn overlapping_blocks_come_first_and_all_together() {
        assert_eq!(next_of(&[(0, 2), (2, 4), (4, 6), (6, 8), (7, 8)]), Some(vec![3, 4]));
        assert_eq!(next_of(&[(0, 18), (1, 2), (17, 20), (19, 22), (30, 32)]), Some(vec![0, 1, 2, 3]));
    }
}
