//! Differences that are known: they come from the age of Debian's Prometheus (2.42), where newer versions, whose meaning is ours, do
//! otherwise. Each is known by what the expression holds and by what is different, so that nothing else hides behind it for long.

use std::collections::BTreeSet;

use crate::answer::Answer;
use crate::case::When;
use crate::contradiction::{self, Both};
use crate::tree::Tree;

/// A difference and how it is known.
struct Known {
    name: &'static str,
    /// One of these is in the expression,
    parts: &'static [&'static str],
    /// and this too.
    also: &'static str,
    /// What the answers look like.
    shape: Shape,
}

/// How answers differ.
enum Shape {
    /// Both answer.
    Answers,
    /// Both answer with the same series at the same times, only values differ.
    Values,
    /// Both answer, and theirs contradicts what it says when it is asked for each step alone, where it says what we say.
    Alone,
    /// Both answer, and theirs contradicts what it says of the steps of a subquery, when it is asked for each alone.
    Within,
    /// Both answer, and theirs contradicts what it says of a part that stands still.
    Still,
    /// Both agree where another operator stands in the place of `atan2`. What the one that fails says, if one does.
    Renamed(&'static str),
    /// Theirs has one point in each series, ours none at all.
    Later,
    /// Only the older one fails, with this text.
    TheirsFails(&'static str),
    /// Only ours fails, with this text.
    OursFails(&'static str),
}

use Shape::{Alone, Answers, Later, OursFails, Renamed, Still, TheirsFails, Values, Within};

/// What depends on the last place of a number, and beyond it where that is large.
const UNSTEADY: &[&str] = &["sin(", "cos(", "tan(", " % ", "minute(", "hour(", "day", "month(", "year("];

/// What grows so large that libraries differ in the last place.
const fn huge(by: &'static str) -> Known {
    Known { name: "the last place of what is huge", parts: UNSTEADY, also: by, shape: Values }
}

const KNOWN: &[Known] = &[
    huge("cosh("),
    huge("sinh("),
    huge("exp("),
    huge("^"),
    // Two that differ in their last place at most are the same, or are not.
    Known { name: "the last place of a library's function", parts: &["changes(", "resets("], also: "atan(", shape: Values },
    Known { name: "the last place of a library's function", parts: &["log10(", "log2(", "ln("], also: " ^ ", shape: Values },
    // Behind a flag and with another name since version 3: double_exponential_smoothing.
    Known { name: "holt_winters", parts: &["holt_winters("], also: "", shape: OursFails("unknown function") },
    // The name of the metric stayed; it is dropped since 2.52, as for other operators. Without it series can become equal.
    Known { name: "atan2 keeps the name", parts: &["atan2"], also: "", shape: Renamed("") },
    Known { name: "atan2 keeps the name", parts: &["atan2"], also: "", shape: Renamed("same labelset") },
    // The deviation of one NaN or infinite value was 0; it is NaN now.
    Known { name: "deviation of NaN is 0", parts: &["stddev", "stdvar"], also: "", shape: Answers },
    // So that a comparison with it had something on its left, for which the right was looked at. Quantiles are what is infinite or NaN.
    Known {
        name: "deviation of NaN is 0",
        parts: &["stddev", "stdvar"],
        also: "quantile",
        shape: TheirsFails("many-to-many matching not allowed"),
    },
    // A parameter below one takes nothing now, whatever it is.
    Known { name: "topk of -Inf fails", parts: &["topk", "bottomk"], also: "", shape: TheirsFails("overflows int64") },
    // A window at a fixed time moved on with the steps where another argument changes with them, and in an aggregation's parameter.
    Known { name: "window at a fixed time", parts: &["] @ "], also: "", shape: Alone },
    Known { name: "window at a fixed time", parts: &["predict_linear(", "quantile_over_time("], also: "] @ ", shape: Within },
    // So it is for `(x @ t)[r:s] offset -o` where the subquery begins with the step of the query, and for `(f((x @ t)[r:s] @ t))[r:s]`
    // where both subqueries begin with the same step. This is a fault of today's version too:
    // it works out the distance to `t` anew only where a subquery begins elsewhere than what is around it (3.14, `runSubquery` in
    // `engine.go`), and else takes `x` from that first step, or nothing where that is before what was read.
    Known { name: "a fixed time where a subquery begins", parts: &[" @ "], also: "ms:", shape: Still },
    // Where a counter begins within a window, the time to its zero counted before half a step between samples did; since 2.53 after.
    Known { name: "a counter's zero", parts: &["rate(", "increase("], also: "", shape: Values },
    // Two series that match one on the other side were only refused where the comparison held for more than one of them.
    Known {
        name: "many to one in comparisons",
        parts: &["==", "!=", "<", ">"],
        also: "",
        shape: OursFails("many-to-one matching must be explicit"),
    },
    // Likewise two results of one series with `group_left`.
    Known {
        name: "many to one in comparisons",
        parts: &["==", "!=", "<", ">"],
        also: "group_",
        shape: OursFails("grouping labels must ensure unique matches"),
    },
    Known { name: "atan2 keeps the name", parts: &["atan2"], also: "group_", shape: Renamed("grouping labels must ensure unique matches") },
    // An infinite value made the compensation of rounding errors NaN.
    Known { name: "regression with infinities", parts: &["predict_linear(", "deriv("], also: "temperature", shape: Values },
    // Where a range is asked of a selector that stands at the start or the end, only other times were refused.
    Known {
        name: "@ start() before a range",
        parts: &[" @ start()", " @ end()"],
        also: "[5m]",
        shape: OursFails("no @ modifiers allowed"),
    },
    // Lengths of time without a unit are seconds since 2.54.
    Known { name: "seconds without a unit", parts: &["[300]"], also: "", shape: TheirsFails("missing unit") },
    // A subquery that has no step in its window was answered with a point after it if what is in it stands at a fixed time; since 3.4
    // it has none.
    Known { name: "a point after the window", parts: &["00ms:"], also: "", shape: Later },
    // It was worked out for that, and could fail.
    Known { name: "a point after the window", parts: &["00ms:"], also: " @ ", shape: TheirsFails("same labelset") },
];

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name).collect::<BTreeSet<_>>().into_iter()
}

/// The name of the difference, if it is known.
pub(crate) fn explains(both: &mut Both<'_>, tree: &Tree, when: When, answers: [&Answer; 2]) -> Option<&'static str> {
    let text = tree.to_string();
    let mut fits = |shape: &Shape| match (shape, answers) {
        (Answers, [Ok(_), Ok(_)]) => true,
        (Values, [Ok(theirs), Ok(ours)]) => theirs.has_the_times_of(ours),
        (Alone, [Ok(_), Ok(_)]) => contradiction::by_each_step_alone(both, &text, when, answers[1]),
        (Within, [Ok(_), Ok(_)]) => contradiction::by_each_step_of_a_subquery(both, tree, when),
        (Still, [Ok(_), Ok(_)]) => contradiction::by_what_stands_still(both, tree, when),
        (Renamed(says), [Ok(_), Ok(_)]) => says.is_empty() && contradiction::by_another_operator(both, &text, when),
        (Renamed(says), [Err(error), Ok(_)] | [Ok(_), Err(error)]) => {
            !says.is_empty() && error.contains(says) && contradiction::by_another_operator(both, &text, when)
        }
        (Later, [Ok(theirs), Ok(ours)]) => {
            theirs.kind == "matrix" && ours.series.is_empty() && theirs.series.values().all(|points| points.len() <= 1)
        }
        (TheirsFails(says), [Err(error), Ok(_)]) | (OursFails(says), [Ok(_), Err(error)]) => error.contains(says),
        _ => false,
    };
    let holds = |known: &&Known| known.parts.iter().any(|part| text.contains(part)) && text.contains(known.also);
    KNOWN.iter().filter(holds).find(|known| fits(&known.shape)).map(|known| known.name)
}
