//! `histogram_count`, `histogram_sum`, `histogram_avg` need no buckets of the histograms that they look at, unless something
//! between them and the selector does. Buckets are left out then as samples are decoded; whether a counter was reset, which
//! only they tell for sure, is found out before.

use std::sync::Arc;

use model::{Histogram, ResetHint};

use super::Query;
use crate::ast::{Expr, ExprKind};
use crate::histogram::FloatHistogram;
use crate::position::Span;

/// What stands around an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Nothing that matters.
    Nothing,
    /// A function that wants totals.
    Totals,
    /// Something that wants buckets, wherever it stands. A subquery does too: steps are not samples.
    Buckets,
}

/// Where the selectors stand whose buckets nobody wants.
pub(super) fn selectors(expr: &Expr) -> Vec<Span> {
    let mut found = Vec::new();
    collect(expr, Around::Nothing, &mut found);
    found
}

fn collect(expr: &Expr, around: Around, found: &mut Vec<Span>) {
    let inner = match &expr.kind {
        ExprKind::Subquery(_) => Around::Buckets,
        ExprKind::Call(call) => match call.function.name {
            "histogram_count" | "histogram_sum" | "histogram_avg" if around == Around::Nothing => Around::Totals,
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => Around::Buckets,
            _ => around,
        },
        ExprKind::Binary(binary) if binary.rest.iter().any(|step| step.op.is_trim()) => Around::Buckets,
        ExprKind::Selector(_) | ExprKind::Range(_) if around == Around::Totals => {
            found.push(expr.span);
            around
        }
        _ => around,
    };
    crate::plan::each_child(expr, &mut |child| collect(child, inner, found));
}

impl Query<'_> {
    /// Whether nobody wants the buckets of the selector that stands there.
    pub(super) fn wants_totals_only(&self, span: Span) -> bool {
        self.totals_only.contains(&span)
    }
}

/// Decodes the histograms of a series in the order of time.
pub(super) struct Decoder {
    totals_only: bool,
    /// The last one with its buckets, and what is known of it.
    last: Option<FloatHistogram>,
}

impl Decoder {
    pub(super) fn new(totals_only: bool) -> Self {
        Self { totals_only, last: None }
    }

    pub(super) fn decode(&mut self, histogram: &Histogram) -> Arc<FloatHistogram> {
        let mut whole = FloatHistogram::from(histogram);
        if !self.totals_only || histogram.is_stale() {
            return Arc::new(whole);
        }
        if let (ResetHint::Unknown, Some(last)) = (whole.reset_hint, &self.last) {
            whole.reset_hint = if whole.is_reset_since(last) { ResetHint::Reset } else { ResetHint::NoReset };
        }
        let totals = FloatHistogram {
            schema: whole.schema,
            count: whole.count,
            sum: whole.sum,
            reset_hint: whole.reset_hint,
            ..FloatHistogram::default()
        };
        self.last = Some(whole);
        Arc::new(totals)
    }
}
