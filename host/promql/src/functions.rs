//! What functions compute, apart from how their arguments are found.

pub(crate) mod histogram;
pub(crate) mod math;
pub(crate) mod over_time;
pub(crate) mod rate;
pub(crate) mod sums;
pub(crate) mod time;

use crate::eval::Window;

/// A function over the samples of a window. None where it has no value. The second argument is the scalar of those that
/// take one.
pub(crate) type RangeFunction = fn(&Window<'_>, f64) -> Option<f64>;

/// A function of a range vector that looks at one series at a time, and whether its result keeps the metric's name.
pub(crate) fn over_range(name: &str) -> Option<(RangeFunction, bool)> {
    let function: RangeFunction = match name {
        "rate" => |w, _| rate::extrapolated(w, true, true),
        "increase" => |w, _| rate::extrapolated(w, true, false),
        "delta" => |w, _| rate::extrapolated(w, false, false),
        "irate" => |w, _| rate::instant(w, true),
        "idelta" => |w, _| rate::instant(w, false),
        "deriv" => |w, _| rate::deriv(w),
        "predict_linear" => rate::predict_linear,
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
        "quantile_over_time" => |w, q| (!w.values.is_empty()).then(|| sums::quantile(q, &mut w.values.to_vec())),
        "first_over_time" => return Some((|w, _| w.values.first().copied(), true)),
        "last_over_time" => return Some((|w, _| w.values.last().copied(), true)),
        _ => return None,
    };
    Some((function, false))
}

/// Functions that are evaluated; all others are refused by name before anything is read.
pub(crate) fn is_supported(name: &str) -> bool {
    over_range(name).is_some()
        || math::simple(name).is_some()
        || time::of_date(name).is_some()
        || matches!(
            name,
            "absent"
                | "absent_over_time"
                | "clamp"
                | "clamp_max"
                | "clamp_min"
                | "histogram_quantile"
                | "label_join"
                | "label_replace"
                | "pi"
                | "round"
                | "scalar"
                | "sort"
                | "sort_desc"
                | "time"
                | "timestamp"
                | "vector"
        )
}
