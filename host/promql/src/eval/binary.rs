//! Binary operators. Series are matched by labels once; what is there at a step is looked at step by step, since errors
//! of matching depend on it.

use std::sync::Arc;

use model::{LabelSet, METRIC_NAME, is_absent};

use super::members::Members;
use super::mixed::Outcome;
use super::number::{Number, element, scalars};
use super::numbers::{NUMBER_BYTES, Numbers, Only};
use super::{Column, Columns, Data, Element, Query, Scalars, Steps, clean, is_metadata, refuse, without_metadata};
use crate::ast::{Binary, BinaryStep, Matching, Side};
use crate::error::EvalError;
use crate::histogram::FloatHistogram;
use crate::limits::LABELS_WORK;
use crate::position::Span;
use crate::text::all_labels;

impl Query<'_> {
    pub(super) fn binary(&self, binary: &Binary, steps: Steps) -> Result<Data<'_>, EvalError> {
        let (mut left, span) = (self.eval(&binary.first, steps)?, binary.first.span);
        for step in &binary.rest {
            let right = self.eval(&step.operand, steps)?;
            left = match (left, right) {
                (Data::Scalar(left), Data::Scalar(right)) => Data::Scalar(scalars(step, left, &right)),
                (Data::Vector(left), Data::Scalar(right)) => Data::Vector(self.with_scalar(step, span, left, &right, false)?),
                (Data::Scalar(left), Data::Vector(right)) => Data::Vector(self.with_scalar(step, span, right, &left, true)?),
                (Data::Vector(left), Data::Vector(right)) if step.op.is_set() => Data::Vector(self.set(step, left, right, steps)?),
                (Data::Vector(left), Data::Vector(right)) => Data::Vector(self.vectors(step, span, &left, &right, steps)?),
                _ => return Err(refuse(step.op_span, "an operator takes no strings")),
            };
        }
        Ok(left)
    }

    /// A vector and a scalar; `swapped` if the scalar stands on the left.
    fn with_scalar<'b>(
        &self,
        step: &BinaryStep,
        span: Span,
        mut vector: Columns<'b>,
        scalar: &Scalars<'_>,
        swapped: bool,
    ) -> Result<Columns<'b>, EvalError> {
        let op = step.op;
        for column in &mut vector.series {
            self.budget.work(column.values.len())?;
            if column.histograms.is_some() || op.is_trim() {
                self.elements_with_scalar(step, span, column, scalar, swapped);
                continue;
            }
            for (value, scalar) in column.values.iter_mut().zip(&scalar.values).filter(|(v, _)| !is_absent(**v)) {
                let (left, right) = if swapped { (*scalar, *value) } else { (*value, *scalar) };
                *value = match element(op, left, right) {
                    Number::Value(result) => clean(result),
                    Number::Verdict(verdict) if step.return_bool => f64::from(u8::from(verdict)),
                    // A filter keeps the vector's value on whatever side it stands.
                    Number::Verdict(true) => *value,
                    Number::Verdict(false) => model::absent(),
                };
            }
        }
        let kept = op.keeps_metric() && !step.return_bool;
        if !kept {
            return self.without_names(vector);
        }
        vector.series.retain(Column::has_any);
        Ok(vector)
    }

    /// The same for a column that has histograms, or an operator for them.
    fn elements_with_scalar(&self, step: &BinaryStep, span: Span, column: &mut Column, scalar: &Scalars<'_>, swapped: bool) {
        for (at, scalar) in scalar.values.iter().enumerate() {
            let Some(own) = column.element(at) else { continue };
            let scalar = Element::Float(*scalar);
            let (left, right) = if swapped { (&scalar, &own) } else { (&own, &scalar) };
            let result = self.pair_of(step, span, left, right).and_then(|outcome| match outcome {
                Outcome::Value(value) => Some(value),
                Outcome::Verdict(verdict) if step.return_bool => Some(Element::Float(f64::from(u8::from(verdict)))),
                Outcome::Verdict(verdict) => verdict.then(|| own.clone()),
            });
            column.clear(at);
            if let Some(result) = result {
                column.set(at, result);
            }
        }
    }

    /// What an operator makes of two samples.
    fn pair_of(&self, step: &BinaryStep, span: Span, left: &Element, right: &Element) -> Option<Outcome> {
        match (left, right) {
            (Element::Float(left), Element::Float(right)) if !step.op.is_trim() => Some(match element(step.op, *left, *right) {
                Number::Value(value) => Outcome::Value(Element::Float(value)),
                Number::Verdict(verdict) => Outcome::Verdict(verdict),
            }),
            _ => self.operate(step, span, left, right),
        }
    }

    /// Arithmetic and comparison of two vectors.
    fn vectors(
        &self,
        step: &BinaryStep,
        span: Span,
        left: &Columns<'_>,
        right: &Columns<'_>,
        steps: Steps,
    ) -> Result<Columns<'_>, EvalError> {
        let drops_name = !step.op.keeps_metric() || step.return_bool && !self.limits.delayed_name_removal;
        let includes = step.matching.group.as_ref().is_some_and(|group| !group.include.is_empty());
        let keep = |name: &str| includes || stays(&step.matching, drops_name, name);
        let mut joined = Joined {
            query: self,
            step,
            span,
            steps,
            columns: Columns { series: Vec::new(), charge: self.budget.charge(0)? },
            drops_name,
            places: Numbers::new(Only(keep), 0),
            touched: Vec::new(),
            groups_done: 0,
            many_present: Vec::new(),
            known: Vec::new(),
        };
        // "One" and "many" sides; one-to-one counts the left as many.
        let swapped = step.matching.group.as_ref().is_some_and(|g| g.many == Side::Right);
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let series = many.series.len().saturating_add(one.series.len());
        let mut scratch = self.budget.charge(0)?;
        self.budget.add_bytes(&mut scratch, series.saturating_mul(NUMBER_BYTES + MEMBER_BYTES))?;
        let mut groups = Numbers::new(Only(|name: &str| matches_by(&step.matching, name)), 0);
        let mut firsts: Vec<&LabelSet> = Vec::new();
        let mut of = [Vec::with_capacity(many.series.len()), Vec::with_capacity(one.series.len())];
        for (columns, of) in [many, one].into_iter().zip(&mut of) {
            for column in &columns.series {
                self.budget.work(LABELS_WORK)?;
                let group = groups.find_or_add(&column.labels, |group| firsts[group]);
                if group == firsts.len() {
                    firsts.push(&column.labels);
                }
                of.push(group);
            }
        }
        let [many_of, one_of] = of.map(|of| Members::of(&of, firsts.len()));
        // Needed only to tell errors from steps where nothing can match.
        if (0..firsts.len()).any(|group| one_of.group(group).len() > 1) {
            joined.many_present = present_at(many, steps);
        }
        let fills = step.matching.fill_left.is_some() || step.matching.fill_right.is_some();
        let (mut many_of_group, mut one_of_group) = (Vec::new(), Vec::new());
        for (group, first) in firsts.iter().enumerate() {
            self.budget.work(1)?;
            many_of_group.clear();
            many_of_group.extend(many_of.group(group).iter().map(|at| &many.series[*at]));
            one_of_group.clear();
            one_of_group.extend(one_of.group(group).iter().map(|at| &one.series[*at]));
            // Only what is filled in has these labels.
            let key = if fills { first.filter(|name| matches_by(&step.matching, name)) } else { LabelSet::empty() };
            joined.group(&key, &many_of_group, &one_of_group, swapped)?;
        }
        joined.columns.series.retain(Column::has_any);
        if !includes {
            self.filter_labels(joined.columns.series.iter_mut(), keep)?;
        }
        for column in &joined.columns.series {
            self.budget.add_histograms(&mut joined.columns.charge, column)?;
        }
        Ok(joined.columns)
    }
}

/// What a series takes while it is matched, beside its number: the number of its group, twice, and its place among those of the group.
const MEMBER_BYTES: usize = 24;

/// A sample on one side of an operator.
#[derive(Clone, Copy)]
struct Operand<'c> {
    labels: &'c LabelSet,
    /// Meaningless where there is a histogram.
    float: f64,
    histogram: Option<&'c Arc<FloatHistogram>>,
}

impl<'c> Operand<'c> {
    fn of(column: &'c Column, at: usize) -> Self {
        Self { labels: &column.labels, float: column.values[at], histogram: column.histogram(at) }
    }

    fn filled(labels: &'c LabelSet, float: f64) -> Self {
        Self { labels, float, histogram: None }
    }

    fn element(self) -> Element {
        self.histogram.map_or(Element::Float(self.float), |h| Element::Histogram(Arc::clone(h)))
    }
}

/// The result of a match of two vectors while it grows.
struct Joined<'r, 'q, 's, F> {
    query: &'r Query<'q>,
    step: &'s BinaryStep,
    /// Of the whole expression.
    span: Span,
    steps: Steps,
    /// Where no labels of the "one" side are included, they have all of those of the "many" side, and lose some in the end.
    columns: Columns<'q>,
    drops_name: bool,
    /// The column of a result by its labels.
    places: Numbers<Only<F>>,
    /// For each result the group and step at which it was last met, kept or not, to find doubled ones.
    touched: Vec<(usize, usize)>,
    groups_done: usize,
    /// At which steps there is anything on the "many" side, in any group. Empty if no group has doubled series.
    many_present: Vec<bool>,
    /// Of the last group: where the last result of each series of the "many" side went.
    known: Vec<Option<(LabelSet, usize)>>,
}

impl<F: Fn(&str) -> bool> Joined<'_, '_, '_, F> {
    /// The series of one match group.
    fn group(&mut self, key: &LabelSet, many: &[&Column], one: &[&Column], swapped: bool) -> Result<(), EvalError> {
        let step = self.step;
        let matching = &step.matching;
        // By role, not by place: upstream's `fill_left` stands in for the "many" side also with `group_right`.
        let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
        if (many.is_empty() && fill_many.is_none()) || (one.is_empty() && fill_one.is_none()) {
            return self.check_unique(one, swapped);
        }
        self.groups_done += 1;
        // The other side rarely changes between steps.
        let mut known = std::mem::take(&mut self.known);
        known.clear();
        known.resize(many.len(), None);
        for at in 0..self.steps.count {
            self.query.budget.work(many.len() + one.len())?;
            let partner = self.partner(one, at, swapped)?.map(|c| Operand::of(c, at));
            let Some(other) = partner.or(fill_one.map(|v| Operand::filled(key, v))) else {
                continue;
            };
            let mut met = 0;
            for (column, known) in many.iter().zip(&mut known).filter(|(c, _)| c.has(at)) {
                met += 1;
                if met > 1 && matching.group.is_none() {
                    let message = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
                    return Err(EvalError::Execution(message.to_owned()));
                }
                self.pair(at, Operand::of(column, at), other, swapped, known)?;
            }
            // Both sides are filled only where one of them is there.
            if let (0, Some(fill), Some(partner)) = (met, fill_many, partner) {
                self.pair(at, Operand::filled(key, fill), partner, swapped, &mut None)?;
            }
        }
        self.known = known;
        Ok(())
    }

    /// Doubled series on the "one" side are an error even if nothing matches them, unless the other side is empty.
    fn check_unique(&self, one: &[&Column], swapped: bool) -> Result<(), EvalError> {
        if one.len() < 2 {
            return Ok(());
        }
        for at in (0..self.steps.count).filter(|at| self.many_present[*at]) {
            self.query.budget.work(one.len())?;
            self.partner(one, at, swapped)?;
        }
        Ok(())
    }

    /// The one series of the "one" side that is there at a step.
    fn partner<'c>(&self, one: &[&'c Column], at: usize, swapped: bool) -> Result<Option<&'c Column>, EvalError> {
        let mut present = one.iter().filter(|c| c.has(at));
        let first = present.next();
        match (first, present.next()) {
            (Some(first), Some(second)) if self.many_present[at] => {
                Err(duplicates(&self.step.matching, &first.labels, &second.labels, swapped))
            }
            _ => Ok(first.copied()),
        }
    }

    fn pair(
        &mut self,
        at: usize,
        many: Operand<'_>,
        one: Operand<'_>,
        swapped: bool,
        known: &mut Option<(LabelSet, usize)>,
    ) -> Result<(), EvalError> {
        let (left, right) = if swapped { (one, many) } else { (many, one) };
        let value = if left.histogram.is_some() || right.histogram.is_some() || self.step.op.is_trim() {
            let (left, right) = (left.element(), right.element());
            match self.query.operate(self.step, self.span, &left, &right) {
                // What cannot be told leaves no trace, not even for errors of matching.
                None => return Ok(()),
                Some(Outcome::Value(value)) => Some(value),
                Some(Outcome::Verdict(verdict)) if self.step.return_bool => Some(Element::Float(f64::from(u8::from(verdict)))),
                Some(Outcome::Verdict(verdict)) => verdict.then_some(left),
            }
        } else {
            let value = match element(self.step.op, left.float, right.float) {
                Number::Value(value) => Some(clean(value)),
                Number::Verdict(verdict) if self.step.return_bool => Some(f64::from(u8::from(verdict))),
                // A filter keeps the left value.
                Number::Verdict(verdict) => verdict.then_some(left.float),
            };
            value.map(Element::Float)
        };
        let place = match known {
            Some((labels, place)) if labels == one.labels => *place,
            _ => self.place(many.labels, one.labels)?,
        };
        *known = Some((one.labels.clone(), place));
        let met = std::mem::replace(&mut self.touched[place], (self.groups_done, at));
        if self.step.matching.group.is_some() && met == (self.groups_done, at) {
            let message = "multiple matches for labels: grouping labels must ensure unique matches";
            return Err(EvalError::Execution(message.to_owned()));
        }
        if let Some(value) = value {
            let column = &mut self.columns.series[place];
            if column.has(at) {
                return Err(super::same_labels());
            }
            column.set(at, value);
        }
        Ok(())
    }

    /// The column for the result of two series.
    fn place(&mut self, many: &LabelSet, one: &LabelSet) -> Result<usize, EvalError> {
        self.query.budget.work(LABELS_WORK)?;
        let labels = match &self.step.matching.group {
            Some(group) if !group.include.is_empty() => including(self.drops_name, &group.include, many, one),
            _ => many.clone(),
        };
        let series = &mut self.columns.series;
        let place = self.places.find_or_add(&labels, |place| &series[place].labels);
        if place == series.len() {
            self.query.budget.add_column(&mut self.columns.charge, self.steps.count)?;
            series.push(self.query.empty(labels, self.step.return_bool, self.steps.count));
            self.touched.push((0, 0));
        }
        Ok(place)
    }
}

fn present_at(columns: &Columns<'_>, steps: Steps) -> Vec<bool> {
    let mut present = vec![false; steps.count];
    for column in &columns.series {
        column.mark(&mut present);
    }
    present
}

/// Whether a label of this name is one of those by which series of both sides are matched.
pub(super) fn matches_by(matching: &Matching, name: &str) -> bool {
    let named = matching.labels.iter().any(|label| label == name);
    if matching.on { named } else { !named && name != METRIC_NAME }
}

/// Whether a result keeps a label of this name of the "many" side.
fn stays(matching: &Matching, drops_name: bool, name: &str) -> bool {
    let by_match = matching.group.is_some() || matching.labels.iter().any(|label| label == name) == matching.on;
    by_match && !(drops_name && is_metadata(name))
}

/// The labels of a result that gets some of the "one" side.
fn including(drops_name: bool, include: &[String], many: &LabelSet, one: &LabelSet) -> LabelSet {
    let mut labels = if drops_name { without_metadata(many) } else { many.clone() };
    for name in include {
        labels = labels.with(name, one.get(name).unwrap_or_default());
    }
    labels
}

fn duplicates(matching: &Matching, first: &LabelSet, second: &LabelSet, swapped: bool) -> EvalError {
    let named = |name: &str| matching.labels.iter().any(|label| label == name);
    let group = first.filter(|name| if matching.on { named(name) } else { name != METRIC_NAME && !named(name) });
    let side = if swapped { "left" } else { "right" };
    let (group, mut first, mut second) = (all_labels(&group), all_labels(first), all_labels(second));
    if first > second {
        std::mem::swap(&mut first, &mut second);
    }
    EvalError::Execution(format!(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, {second}];many-to-many matching \
         not allowed: matching labels must be unique on one side"
    ))
}
