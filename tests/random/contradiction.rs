//! Where Debian's Prometheus contradicts itself: asked otherwise for the same, it answers what we answer.

use std::collections::BTreeSet;

use crate::answer::{Answer, difference};
use crate::case::When;
use crate::tree::{Kind, Tree};

/// Who answers.
pub(crate) struct Both<'f> {
    pub(crate) theirs: &'f mut dyn FnMut(&str, When) -> Answer,
    pub(crate) ours: &'f mut dyn FnMut(&str, When) -> Answer,
}

/// Whether it answers as we do when it is asked for each step alone: a range is nothing but its steps.
pub(crate) fn by_each_step_alone(both: &mut Both<'_>, text: &str, when: When, ours: &Answer) -> bool {
    let (When::Range { .. }, Ok(ours)) = (when, ours) else { return false };
    let text = when.with_its_times(text);
    when.steps().into_iter().all(|time| difference(&(both.theirs)(&text, When::At(time)), &Ok(ours.at(time)), false).is_none())
}

/// Whether a subquery in it has other points than what is in it has when it is asked for that alone at these times, where it answers as
/// we do.
pub(crate) fn by_each_step_of_a_subquery(both: &mut Both<'_>, tree: &Tree, when: When) -> bool {
    let holds = |range: &&Tree| range.kind == Kind::Range && range.to_string().contains(" @ ");
    tree.all().into_iter().filter(holds).any(|range| {
        let Some(inner) = range.holes().next() else { return false };
        let [range, inner] = [range.to_string(), inner.to_string()].map(|text| when.with_its_times(&text));
        when.steps().into_iter().any(|time| {
            let (theirs, ours) = ((both.theirs)(&range, When::At(time)), (both.ours)(&range, When::At(time)));
            if difference(&theirs, &ours, false).is_none() {
                return false;
            }
            let (Ok(theirs), Ok(ours)) = (theirs, ours) else { return false };
            let steps: BTreeSet<i64> = theirs.times().chain(ours.times()).map(|ms| ms / 1000).collect();
            steps.into_iter().all(|step| difference(&(both.theirs)(&inner, When::At(step)), &Ok(ours.at(step)), false).is_none())
        })
    })
}

/// Whether a subquery in it shows what stands at a fixed time with other values than this has when asked for alone, at whatever time.
/// We show the same values in both, and they are those that it gives to this alone.
pub(crate) fn by_what_stands_still(both: &mut Both<'_>, tree: &Tree, when: When) -> bool {
    let holds = |range: &&Tree| range.kind == Kind::Range && range.to_string().contains(" @ ");
    tree.all().into_iter().filter(holds).any(|range| {
        let Some(inner) = range.holes().next() else { return false };
        let [range, inner] = [range.to_string(), inner.to_string()].map(|text| when.with_its_times(&text));
        when.steps().into_iter().any(|time| {
            let at = When::At(time);
            let alone = (both.theirs)(&inner, at);
            let still = [7, 601, 1201].iter().all(|ago| alike(&alone, &(both.theirs)(&inner, When::At(time - ago))));
            still
                && alike(&alone, &(both.ours)(&inner, at))
                && alike(&alone, &(both.ours)(&range, at))
                && !alike(&alone, &(both.theirs)(&range, at))
        })
    })
}

/// Whether the second has the series of the first, whose value each of its points has.
fn alike(alone: &Answer, other: &Answer) -> bool {
    let (Ok(alone), Ok(other)) = (alone, other) else { return false };
    let same = |(labels, points): (&_, &Vec<(i64, f64)>)| {
        let value = alone.series.get(labels).and_then(|points| points.first());
        value.is_some_and(|(_, value)| points.iter().all(|(_, other)| other.to_bits() == value.to_bits()))
    };
    alone.series.len() == other.series.len() && other.series.iter().all(same)
}

/// Whether both agree on what has another operator in the place of `atan2`: one that binds as it does and drops names.
pub(crate) fn by_another_operator(both: &mut Both<'_>, text: &str, when: When) -> bool {
    let text = text.replace(" atan2 ", " * ");
    difference(&(both.theirs)(&text, when), &(both.ours)(&text, when), false).is_none()
}
