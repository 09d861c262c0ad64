//! What functions compute, apart from how their arguments are found.

pub(crate) mod histogram;
pub(crate) mod math;
pub(crate) mod mixed;
pub(crate) mod native;
pub(crate) mod over_time;
pub(crate) mod rate;
pub(crate) mod sums;
pub(crate) mod time;

use crate::eval::Window;

/// Functions that look at the time of evaluation themselves.
pub(crate) const TIMED: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// A function over the samples of a window. None where it has no value. The second argument are the scalars of those that
/// take some, in order.
pub(crate) type RangeFunction = fn(&Window<'_>, &[f64]) -> Option<f64>;

/// A function of a range vector that looks at one series at a time, and whether its result keeps the metric's name.
pub(crate) fn over_range(name: &str) -> Option<(RangeFunction, bool)> {
    let function: RangeFunction = match name {
        "rate" => |w, _| rate::extrapolated(w, true, true),
        "increase" => |w, _| rate::extrapolated(w, true, false),
        "delta" => |w, _| rate::extrapolated(w, false, false),
        "irate" => |w, _| rate::instant(w, true),
        "idelta" => |w, _| rate::instant(w, false),
        "deriv" => |w, _| rate::deriv(w),
        "predict_linear" => |w, p| rate::predict_linear(w, scalar(p, 0)),
        "resets" => |w, _| over_time::resets(w),
        "changes" => |w, _| over_time::changes(w),
        "avg_over_time" => |w, _| sums::mean(w.values),
        "sum_over_time" => |w, _| (!w.values.is_empty()).then(|| sums::sum(w.values)),
        "min_over_time" => |w, _| over_time::extreme(w.values, |new, old| new < old),
        "max_over_time" => |w, _| over_time::extreme(w.values, |new, old| new > old),
        "count_over_time" => |w, _| (!w.values.is_empty()).then_some(w.values.len() as f64),
        "stddev_over_time" => |w, _| sums::variance(w.values).map(f64::sqrt),
        "stdvar_over_time" => |w, _| sums::variance(w.values),
        "present_over_time" => |w, _| (!w.values.is_empty()).then_some(1.0),
        "quantile_over_time" => |w, p| (!w.values.is_empty()).then(|| sums::quantile(scalar(p, 0), &mut w.values.to_vec())),
        "mad_over_time" => |w, _| sums::median_deviation(w.values),
        "double_exponential_smoothing" => |w, p| over_time::smooth(w.values, scalar(p, 0), scalar(p, 1)),
        "ts_of_first_over_time" => |w, _| over_time::seconds(w.times.first()),
        "ts_of_last_over_time" => |w, _| over_time::seconds(w.times.last()),
        "ts_of_min_over_time" => |w, _| over_time::time_of(w, |new, old| new <= old),
        "ts_of_max_over_time" => |w, _| over_time::time_of(w, |new, old| new >= old),
        "first_over_time" => return Some((|w, _| w.values.first().copied(), true)),
        "last_over_time" => return Some((|w, _| w.values.last().copied(), true)),
        _ => return None,
    };
    Some((function, false))
}

fn scalar(scalars: &[f64], at: usize) -> f64 {
    scalars.get(at).copied().unwrap_or(f64::NAN)
}
