//! The text of an expression over several lines, as upstream's `format_query` and `promtool promql format` print it.
//!
//! What fits into a line stays in it; what does not is taken apart at its outermost operator, call or parenthesis, and what
//! is inside stands two spaces further to the right.

use std::fmt::{self, Display, Write};

use crate::ast::{Aggregate, Binary, Call, Expr, ExprKind, Subquery};
use crate::print::Suffix;

/// Bytes that stay in one line, without the spaces in front.
const LINE_BYTES_MAX: usize = 100;
/// A chain of operators goes one level further in with each of them. Indents stop growing here, so that the text of a very
/// long chain does not grow with the square of its length.
const LEVEL_MAX: usize = 200;

impl Expr {
    /// The canonical text over as many lines as it takes. Reading it back gives the same tree.
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = pretty(self, 0, &mut out);
        out
    }
}

fn pretty(expr: &Expr, level: usize, out: &mut String) -> fmt::Result {
    match &expr.kind {
        ExprKind::Unary { minus, operand } => {
            let mut inner = String::new();
            pretty(operand, level, &mut inner)?;
            indent(level, out);
            write!(out, "{}{}", if *minus { "-" } else { "+" }, inner.trim_start())
        }
        // As upstream: in a line of its own, but without an indent.
        ExprKind::Subquery(_) if fits(expr) => write!(out, "{expr}"),
        ExprKind::Subquery(subquery) => split_subquery(subquery, level, out),
        ExprKind::Binary(binary) if !fits(expr) => split_binary(binary, level, out),
        ExprKind::Call(call) if !fits(expr) => split_call(call, level, out),
        ExprKind::Aggregate(aggregate) if !fits(expr) => split_aggregate(aggregate, level, out),
        ExprKind::Paren(inner) if !fits(expr) => {
            indent(level, out);
            out.push_str("(\n");
            pretty(inner, level + 1, out)?;
            close(level, out);
            Ok(())
        }
        _ => {
            indent(level, out);
            write!(out, "{expr}")
        }
    }
}

fn split_subquery(subquery: &Subquery, level: usize, out: &mut String) -> fmt::Result {
    pretty(&subquery.expr, level, out)?;
    write!(out, "{}", Suffix(subquery))
}

fn split_call(call: &Call, level: usize, out: &mut String) -> fmt::Result {
    indent(level, out);
    writeln!(out, "{}(", call.function.name)?;
    for (at, arg) in call.args.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ",\n" });
        pretty(arg, level + 1, out)?;
    }
    close(level, out);
    Ok(())
}

fn split_aggregate(aggregate: &Aggregate, level: usize, out: &mut String) -> fmt::Result {
    indent(level, out);
    aggregate.head(out)?;
    out.push_str("(\n");
    if let Some(param) = &aggregate.param {
        pretty(param, level + 1, out)?;
        out.push_str(",\n");
    }
    pretty(&aggregate.expr, level + 1, out)?;
    close(level, out);
    Ok(())
}

/// Upstream's tree has the operators of a chain one inside the other, the last one outermost: each step to the left is one
/// level further in. What fits into a line from the left stays together.
fn split_binary(binary: &Binary, level: usize, out: &mut String) -> fmt::Result {
    let mut line = Line::default();
    let mut together = 0;
    if write!(line, "{}", binary.first).is_ok() {
        together = binary.rest.iter().take_while(|step| write!(line, "{step}").is_ok()).count();
    }
    let steps = binary.rest.len();
    if together == 0 {
        pretty(&binary.first, level + steps, out)?;
    } else {
        indent(level + steps - together, out);
        write!(out, "{}", binary.first)?;
        binary.rest[..together].iter().try_for_each(|step| write!(out, "{step}"))?;
    }
    for (at, step) in binary.rest.iter().enumerate().skip(together) {
        let level = level + steps - 1 - at;
        out.push('\n');
        indent(level, out);
        step.operator(out)?;
        out.push('\n');
        pretty(&step.operand, level + 1, out)?;
    }
    Ok(())
}

fn indent(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", level.min(LEVEL_MAX)));
}

fn close(level: usize, out: &mut String) {
    out.push('\n');
    indent(level, out);
    out.push(')');
}

/// Whether the text fits into a line. Looks no further than it has to.
fn fits(text: &impl Display) -> bool {
    write!(Line::default(), "{text}").is_ok()
}

/// Counts what is written and fails once it is too much for a line.
#[derive(Default)]
struct Line(usize);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        if self.0 <= LINE_BYTES_MAX { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    /// `aa…a`
    fn long(c: char, length: usize) -> String {
        std::iter::repeat_n(c, length).collect()
    }

    #[test]
    fn lines() {
        let (a, b, c, d) = (long('a', 50), long('b', 60), long('c', 120), long('d', 40));
        for (query, expected) in [
            ("sum(a)by(b)/on(x)c # why".to_owned(), "sum by (b) (a) / on (x) c".to_owned()),
            // A hundred bytes fit, one more does not.
            (format!("({})", long('a', 98)), format!("({})", long('a', 98))),
            (format!("({})", long('a', 99)), format!("(\n  {}\n)", long('a', 99))),
            (c.clone(), c.clone()),
            (format!("sum by(x)(rate({c}[5m]))"), format!("sum by (x) (\n  rate(\n    {c}[5m]\n  )\n)")),
            (format!("topk(3,{c})"), format!("topk(\n  3,\n  {c}\n)")),
            (format!("clamp({a}, 1, scalar({b}))"), format!("clamp(\n  {a},\n  1,\n  scalar({b})\n)")),
            (format!("{a} * on(x) group_left(y) {b}"), format!("  {a}\n* on (x) group_left (y)\n  {b}")),
            (format!("{a} + x > bool {b}"), format!("  {a} + x\n> bool\n  {b}")),
            (format!("{a} + {b} - 1"), format!("    {a}\n  +\n    {b}\n-\n  1")),
            (format!("-({c})"), format!("-(\n  {c}\n)")),
            (format!("abs(-{c})"), format!("abs(\n  -{c}\n)")),
            (
                format!("max_over_time(rate({c}[5m])[30m:1m] offset 1h)"),
                format!("max_over_time(\n  rate(\n    {c}[5m]\n  )[30m:1m] offset 1h\n)"),
            ),
            // Upstream does not indent a subquery that fits.
            (
                format!("avg(max_over_time(x[30m:1m])) + max_over_time({a}{d}[1h:])"),
                format!("  avg(max_over_time(x[30m:1m]))\n+\n  max_over_time(\n{a}{d}[1h:]\n  )"),
            ),
        ] {
            let expr = parse(&query).expect("a good query");
            assert_eq!(expr.pretty(), expected, "{query}");
            assert_eq!(parse(&expected).expect("a good text"), expr, "{query}");
        }
    }

    #[test]
    fn a_long_chain_stays_in_proportion() {
        let text = vec!["metric"; 2_000].join(" + ");
        let printed = parse(&text).expect("a good query").pretty();
        assert!(printed.len() < text.len() * 110, "{} bytes of {}", printed.len(), text.len());
    }
}
