//! How long the parts of queries take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Upstream's parts. Sorting is part of the evaluation here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Waiting for its turn.
    pub queued: Duration,
    /// Reading the expression.
    pub prepared: Duration,
    /// Evaluating it.
    pub evaluated: Duration,
}

impl Timings {
    /// Everything.
    pub fn total(&self) -> Duration {
        self.queued + self.prepared + self.evaluated
    }

    /// Under upstream's names, in seconds.
    pub(crate) fn json(&self) -> serde_json::Value {
        let eval = self.prepared + self.evaluated;
        serde_json::json!({
            "evalTotalTime": eval.as_secs_f64(), "resultSortTime": 0, "queryPreparationTime": self.prepared.as_secs_f64(),
            "innerEvalTime": self.evaluated.as_secs_f64(), "execQueueTime": self.queued.as_secs_f64(),
            "execTotalTime": self.total().as_secs_f64(),
        })
    }
}

/// How long quantiles look back: upstream's client libraries' default.
const WINDOW: Duration = Duration::from_mins(10);
/// Most that are remembered for quantiles; of more the newest count.
const KEPT: usize = 2048;

/// A summary as in the text format.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Quantile and value in seconds; NaN if there was nothing lately.
    pub quantiles: [(f64, f64); 3],
    /// Seconds.
    pub sum: f64,
    /// Observations.
    pub count: u64,
}

/// What upstream calls the slices of a query's time.
#[derive(Default)]
pub(crate) struct Slices {
    inner_eval: Slice,
    prepare: Slice,
    queue: Slice,
    sort: Slice,
}

#[derive(Default)]
struct Slice {
    recent: VecDeque<(Instant, f64)>,
    sum: f64,
    count: u64,
}

impl Slices {
    pub(crate) fn add(&mut self, timings: &Timings, now: Instant) {
        self.inner_eval.add(timings.evaluated, now);
        self.prepare.add(timings.prepared, now);
        self.queue.add(timings.queued, now);
    }

    pub(crate) fn summaries(&self, now: Instant) -> Vec<(&'static str, Summary)> {
        vec![
            ("inner_eval", self.inner_eval.summary(now)),
            ("prepare_time", self.prepare.summary(now)),
            ("queue_time", self.queue.summary(now)),
            ("result_sort", self.sort.summary(now)),
        ]
    }
}

impl Slice {
    fn add(&mut self, time: Duration, now: Instant) {
        let seconds = time.as_secs_f64();
        self.sum += seconds;
        self.count += 1;
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, seconds));
    }

    fn summary(&self, now: Instant) -> Summary {
        let recent = self.recent.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= WINDOW);
        let mut recent: Vec<f64> = recent.map(|(_, seconds)| *seconds).collect();
        recent.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a short list"
            )]
            let rank = (quantile * recent.len() as f64).ceil() as usize;
            recent.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        Summary { quantiles: [0.5, 0.9, 0.99].map(|quantile| (quantile, at(quantile))), sum: self.sum, count: self.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_what_was_lately() {
        let (mut slices, start) = (Slices::default(), Instant::now());
        let of = |slices: &Slices, now| slices.summaries(now).remove(0).1;
        assert!(of(&slices, start).quantiles.iter().all(|(_, value)| value.is_nan()));
        for ms in 1..=100 {
            slices.add(&Timings { evaluated: Duration::from_millis(ms), ..Timings::default() }, start);
        }
        let summary = of(&slices, start);
        assert_eq!(summary.quantiles, [(0.5, 0.05), (0.9, 0.09), (0.99, 0.099)]);
        assert!((summary.count, (summary.sum - 5.05).abs() < 1e-9) == (100, true), "{summary:?}");
        let later = of(&slices, start + WINDOW + Duration::from_secs(1));
        assert!(later.quantiles[0].1.is_nan() && later.count == 100, "{later:?}");
    }
}
