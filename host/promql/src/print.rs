//! The canonical text of an expression, as upstream prints it. Reading it back gives the same tree.

use std::fmt::{self, Display, Formatter, Write};

use model::{Matcher, format_duration, is_classic_label_name};

use crate::ast::{Aggregate, AtTime, Binary, BinaryStep, DurationExpr, Expr, ExprKind, Matching, Number, Selector, Shift, Side, Subquery};
use crate::text::{float_plain, float_short, quote};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::String(value) => f.write_str(&quote(value)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary { minus, operand } => write!(f, "{}{operand}", if *minus { "-" } else { "+" }),
            ExprKind::Binary(binary) => binary.fmt(f),
            ExprKind::Selector(selector) => {
                names(selector, f)?;
                at(&selector.shift, f)?;
                edges(selector, f)?;
                offset(&selector.shift, f)
            }
            ExprKind::Range(range) => {
                names(&range.selector, f)?;
                write!(f, "[{}]", Plain(&range.range))?;
                edges(&range.selector, f)?;
                at(&range.selector.shift, f)?;
                offset(&range.selector.shift, f)
            }
            ExprKind::Subquery(subquery) => {
                write!(f, "{}{}", subquery.expr, Suffix(subquery))
            }
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function.name)?;
                list(&call.args, f)?;
                f.write_str(")")
            }
            ExprKind::Aggregate(aggregate) => aggregate.fmt(f),
        }
    }
}

/// What follows the expression of a subquery: `[30m:1m] offset 1h`.
pub(crate) struct Suffix<'a>(pub(crate) &'a Subquery);

impl Display for Suffix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:", Plain(&self.0.range))?;
        if let Some(step) = &self.0.step {
            Plain(step).fmt(f)?;
        }
        f.write_str("]")?;
        at(&self.0.shift, f)?;
        offset(&self.0.shift, f)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duration {
            let sign = if self.value < 0.0 { "-" } else { "" };
            return write!(f, "{sign}{}", format_duration(milliseconds(self.value.abs())));
        }
        f.write_str(&float_plain(self.value))
    }
}

/// The parser keeps durations far below what milliseconds in an integer hold.
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

fn list(items: &[Expr], f: &mut Formatter<'_>) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for step in &self.rest {
            step.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for BinaryStep {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(" ")?;
        self.operator(f)?;
        write!(f, " {}", self.operand)
    }
}

impl BinaryStep {
    /// The operator with how it matches: `* on (a) group_left (b)`.
    pub(crate) fn operator(&self, out: &mut impl Write) -> fmt::Result {
        write!(out, "{}{}{}", self.op.symbol(), if self.return_bool { " bool" } else { "" }, self.matching)
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.on || !self.labels.is_empty() || self.group.is_some() {
            write!(f, " {} ({})", if self.on { "on" } else { "ignoring" }, Labels(&self.labels))?;
        }
        if let Some(group) = &self.group {
            let side = if group.many == Side::Left { "left" } else { "right" };
            write!(f, " group_{side} ({})", Labels(&group.include))?;
        }
        match (self.fill_left, self.fill_right) {
            (Some(left), Some(right)) if left == right => write!(f, " fill ({})", float_short(left)),
            (left, right) => {
                if let Some(value) = left {
                    write!(f, " fill_left ({})", float_short(value))?;
                }
                if let Some(value) = right {
                    write!(f, " fill_right ({})", float_short(value))?;
                }
                Ok(())
            }
        }
    }
}

struct Labels<'a>(&'a [String]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, label) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            label_name(label, f)?;
        }
        Ok(())
    }
}

fn label_name(name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if is_classic_label_name(name) { f.write_str(name) } else { f.write_str(&quote(name)) }
}

fn names(selector: &Selector, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(selector.name.as_deref().unwrap_or_default())?;
    // Braces may be left out only behind a name.
    if selector.matchers.is_empty() {
        return f.write_str(if selector.name.is_none() { "{}" } else { "" });
    }
    let mut texts: Vec<String> = selector.matchers.iter().map(|m| Condition(m).to_string()).collect();
    texts.sort();
    write!(f, "{{{}}}", texts.join(","))
}

struct Condition<'a>(&'a Matcher);

impl Display for Condition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        label_name(self.0.name(), f)?;
        write!(f, "{}{}", self.0.op().symbol(), quote(self.0.value()))
    }
}

fn edges(selector: &Selector, f: &mut Formatter<'_>) -> fmt::Result {
    selector.edges.map_or(Ok(()), |edges| write!(f, " {}", edges.word()))
}

fn at(shift: &Shift, f: &mut Formatter<'_>) -> fmt::Result {
    match shift.at {
        None => Ok(()),
        Some(AtTime::Start) => f.write_str(" @ start()"),
        Some(AtTime::End) => f.write_str(" @ end()"),
        Some(AtTime::Time(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            write!(f, " @ {sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
        }
    }
}

fn offset(shift: &Shift, f: &mut Formatter<'_>) -> fmt::Result {
    match &shift.offset {
        None => Ok(()),
        Some(DurationExpr::Literal(number)) if milliseconds(number.value.abs()) == 0 => Ok(()),
        Some(duration) => write!(f, " offset {}", Plain(duration)),
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        f.write_str("(")?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

impl Aggregate {
    /// What stands before the parenthesis: `sum by (a) `.
    pub(crate) fn head(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(self.op.name())?;
        if self.without || !self.grouping.is_empty() {
            write!(out, " {} ({}) ", if self.without { "without" } else { "by" }, Labels(&self.grouping))?;
        }
        Ok(())
    }
}

/// A duration where a literal alone stands for a length of time: always printed with units.
struct Plain<'a>(&'a DurationExpr);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            DurationExpr::Literal(number) => Number { duration: true, ..*number }.fmt(f),
            duration => duration.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(number) => number.fmt(f),
            Self::Step => f.write_str("step()"),
            Self::Range => f.write_str("range()"),
            Self::Minus(inner) => write!(f, "-{inner}"),
            Self::Paren(inner) => write!(f, "({inner})"),
            Self::MinOf(pair) => write!(f, "min_of({}, {})", pair.0, pair.1),
            Self::MaxOf(pair) => write!(f, "max_of({}, {})", pair.0, pair.1),
            Self::Arithmetic(chain) => {
                chain.first.fmt(f)?;
                chain.rest.iter().try_for_each(|(op, operand)| write!(f, " {} {operand}", op.symbol()))
            }
        }
    }
}
