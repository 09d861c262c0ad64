//! Differences that come from the age of Debian's Prometheus (2.42): what newer versions, whose meaning is ours, do otherwise. Each is
//! known by what the expression holds and by what is different, so that nothing else hides behind it for long.

use crate::answer::Answer;

/// A difference and how it is known.
struct Age {
    name: &'static str,
    /// One of these is in the expression.
    parts: &'static [&'static str],
    /// What the answers look like.
    shape: Shape,
}

#[derive(PartialEq)]
enum Shape {
    /// Both answer.
    Answers,
    /// Both answer with the same series at the same times, only values differ.
    Values,
    /// Only the older one fails, with this text.
    TheirsFails(&'static str),
    /// Only ours fails, with this text.
    OursFails(&'static str),
}

use Shape::{Answers, OursFails, TheirsFails, Values};

const AGES: &[Age] = &[
    // Behind a flag and with another name since version 3: double_exponential_smoothing.
    Age { name: "holt_winters", parts: &["holt_winters("], shape: OursFails("unknown function") },
    // The name of the metric stayed; it is dropped since 2.52, as for other operators.
    Age { name: "atan2 keeps the name", parts: &["atan2"], shape: Answers },
    // The deviation of one NaN or infinite value was 0; it is NaN now.
    Age { name: "deviation of NaN is 0", parts: &["stddev", "stdvar"], shape: Answers },
    // A parameter below one takes nothing now, whatever it is.
    Age { name: "topk of -Inf fails", parts: &["topk", "bottomk"], shape: TheirsFails("overflows int64") },
    // A window at a fixed time moved on with the steps, because the function depends on the step's time.
    Age { name: "predict_linear at a fixed time", parts: &["predict_linear("], shape: Answers },
    // Where a counter begins within a window, the time to its zero counted before half a step between samples did; since 2.53 after.
    Age { name: "a counter's zero", parts: &["rate(", "increase("], shape: Values },
    // Two series that match one on the other side were only refused where the comparison held for more than one of them.
    Age { name: "many to one in comparisons", parts: &["==", "!=", "<", ">"], shape: OursFails("many-to-one matching must be explicit") },
];

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    AGES.iter().map(|age| age.name)
}

/// The name of the difference, if it is one of age.
pub(crate) fn explains(text: &str, theirs: &Answer, ours: &Answer) -> Option<&'static str> {
    let fits = |shape: &Shape| match (shape, theirs, ours) {
        (Answers, Ok(_), Ok(_)) => true,
        (Values, Ok(theirs), Ok(ours)) => theirs.has_the_times_of(ours),
        (TheirsFails(says), Err(error), Ok(_)) | (OursFails(says), Ok(_), Err(error)) => error.contains(says),
        _ => false,
    };
    AGES.iter().find(|age| fits(&age.shape) && age.parts.iter().any(|part| text.contains(part))).map(|age| age.name)
}
