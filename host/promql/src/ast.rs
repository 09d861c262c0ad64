//! What a query means, as a tree. Positions stay with it, for errors and annotations.

mod duration;
mod operators;

use model::Matcher;

pub use duration::{DurationChain, DurationExpr};
pub use operators::{AggregateOp, BinaryOp};

pub use crate::position::{LineColumn, Span};
pub use crate::signatures::{More, Signature};

/// An expression. Two expressions are equal if they mean the same; positions do not count.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the text.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number; durations are numbers of seconds.
    Number(Number),
    /// A string.
    String(String),
    /// `(…)`
    Paren(Box<Expr>),
    /// `-x`, `+x`
    Unary {
        /// Whether it is the minus.
        minus: bool,
        /// What it applies to.
        operand: Box<Expr>,
    },
    /// `a + b - c …`: a first operand, then operators applied from left to right.
    Binary(Box<Binary>),
    /// `name{label="value"}`
    Selector(Box<Selector>),
    /// `name[5m]`
    Range(Box<RangeSelector>),
    /// `expr[1h:5m]`
    Subquery(Box<Subquery>),
    /// `rate(…)`
    Call(Box<Call>),
    /// `sum by (a) (…)`
    Aggregate(Box<Aggregate>),
}

/// A literal number.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The value; seconds if it was written as a duration.
    pub value: f64,
    /// Whether it was written with units.
    pub duration: bool,
}

/// By bits, so that NaN equals itself.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value.to_bits() == other.value.to_bits() && self.duration == other.duration
    }
}

/// Operators from left to right. A chain of equal precedence is one node, however long, so that depth stays small; any
/// other left operand is the same fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The leftmost operand.
    pub first: Expr,
    /// Operators with their right operands; never empty.
    pub rest: Vec<BinaryStep>,
}

/// One operator of a chain and its right operand.
#[derive(Clone, Debug)]
pub struct BinaryStep {
    /// The operator.
    pub op: BinaryOp,
    /// Where it stands.
    pub op_span: Span,
    /// Whether a comparison answers 0 or 1 (`bool`).
    pub return_bool: bool,
    /// How vectors are matched, as it was written.
    pub matching: Matching,
    /// The right operand.
    pub operand: Expr,
}

impl PartialEq for BinaryStep {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.return_bool == other.return_bool && self.matching == other.matching && self.operand == other.operand
    }
}

/// `on`, `ignoring`, `group_left`, `group_right`, `fill…`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// Whether `labels` are those that count (`on`), or those that do not (`ignoring`, also when nothing is written).
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// Whether one side may have many elements for each of the other.
    pub group: Option<Group>,
    /// Stands in for a missing element on the left.
    pub fill_left: Option<f64>,
    /// Likewise on the right.
    pub fill_right: Option<f64>,
}

/// `group_left (…)`, `group_right (…)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which side may have many elements.
    pub many: Side,
    /// Labels that the result takes from the other side.
    pub include: Vec<String>,
}

/// A side of a binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before the operator.
    Left,
    /// Behind it.
    Right,
}

/// An instant vector selector. The order of matchers does not count for equality, since it does not change the meaning.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The name before the braces; a name inside them is a matcher like others.
    pub name: Option<String>,
    /// What is in the braces, as written.
    pub matchers: Vec<Matcher>,
    /// `offset`, `@`
    pub shift: Shift,
    /// `anchored`, `smoothed`
    pub edges: Option<Edges>,
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        fn sorted(matchers: &[Matcher]) -> Vec<(&str, &str, &str)> {
            let mut sorted: Vec<_> = matchers.iter().map(|m| (m.name(), m.op().symbol(), m.value())).collect();
            sorted.sort_unstable();
            sorted
        }
        let same_matchers = || sorted(&self.matchers) == sorted(&other.matchers);
        self.name == other.name && self.shift == other.shift && self.edges == other.edges && same_matchers()
    }
}

impl Selector {
    /// All conditions, that on the name included.
    #[must_use]
    pub fn all_matchers(&self) -> Vec<Matcher> {
        self.matchers.iter().cloned().chain(self.name.as_ref().map(|name| Matcher::equal(model::METRIC_NAME, name.as_str()))).collect()
    }
}

/// How a selector treats the ends of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// The last sample before the range counts as its beginning.
    Anchored,
    /// Values at the ends are interpolated.
    Smoothed,
}

impl Edges {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// When a selector or a subquery looks, if not at the time of evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shift {
    /// How far back.
    pub offset: Option<DurationExpr>,
    /// A fixed time.
    pub at: Option<AtTime>,
}

/// `@ …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTime {
    /// Unix milliseconds.
    Time(i64),
    /// `start()`: where the query begins.
    Start,
    /// `end()`: where it ends.
    End,
}

/// `selector[5m]`
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSelector {
    /// What is selected, when it is shifted to.
    pub selector: Selector,
    /// How long the range is.
    pub range: DurationExpr,
}

/// `expr[range:step]`
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated at each step.
    pub expr: Expr,
    /// How long the range is.
    pub range: DurationExpr,
    /// How far the steps are apart; without it the default of the limits.
    pub step: Option<DurationExpr>,
    /// When, if not now.
    pub shift: Shift,
}

/// A call of a function.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which function.
    pub function: &'static Signature,
    /// With what; number and types were checked.
    pub args: Vec<Expr>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && self.args == other.args
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub op: AggregateOp,
    /// Of what.
    pub expr: Expr,
    /// The parameter of those that have one.
    pub param: Option<Expr>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether they are those that do not count.
    pub without: bool,
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// A text.
    String,
    /// Series with one value each.
    Vector,
    /// Series with a stretch of samples each.
    Matrix,
}

impl ValueType {
    /// As messages name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

impl Expr {
    /// What it yields.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Paren(inner) => inner.value_type(),
            ExprKind::Unary { operand, .. } => operand.value_type(),
            ExprKind::Binary(binary) => {
                let scalars = std::iter::once(&binary.first).chain(binary.rest.iter().map(|step| &step.operand));
                if scalars.map(Self::value_type).all(|t| t == ValueType::Scalar) { ValueType::Scalar } else { ValueType::Vector }
            }
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Range(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Call(call) => call.function.returns,
        }
    }

    /// The expression inside any parentheses.
    #[must_use]
    pub fn unwrap_parens(&self) -> &Self {
        let mut inner = self;
        while let ExprKind::Paren(next) = &inner.kind {
            inner = next;
        }
        inner
    }
}
