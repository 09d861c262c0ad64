//! `promtool promql …`: expressions as text in, as text out.

use std::process::ExitCode;

use clap::Subcommand;
use model::{MatchOp, Matcher};
use promql::ast::{Expr, ExprKind, Selector};

use crate::out;

#[derive(Debug, Subcommand)]
pub(super) enum Promql {
    /// An expression, set out in lines.
    Format {
        /// The expression.
        #[arg(value_name = "query", allow_hyphen_values = true)]
        query: String,
    },
    /// Changes the matchers of all selectors.
    #[command(subcommand)]
    LabelMatchers(LabelMatchers),
}

#[derive(Debug, Subcommand)]
pub(super) enum LabelMatchers {
    /// Sets one.
    Set {
        /// `=`, `!=`, `=~` or `!~`.
        #[arg(short = 't', long = "type", default_value = "=", value_parser = ["=", "!=", "=~", "!~"], allow_hyphen_values = true)]
        kind: String,
        /// The expression.
        #[arg(value_name = "query", allow_hyphen_values = true)]
        query: String,
        /// The label.
        #[arg(value_name = "name")]
        name: String,
        /// Its value.
        #[arg(value_name = "value", allow_hyphen_values = true)]
        value: String,
    },
    /// Removes those of a label.
    Delete {
        /// The expression.
        #[arg(value_name = "query", allow_hyphen_values = true)]
        query: String,
        /// The label.
        #[arg(value_name = "name")]
        name: String,
    },
}

pub(super) fn run(what: &Promql) -> ExitCode {
    let result = match what {
        Promql::Format { query } => parse(query),
        Promql::LabelMatchers(LabelMatchers::Set { kind, query, name, value }) => matcher(kind, name, value).and_then(|matcher| {
            let mut expr = parse(query)?;
            each_selector(&mut expr, &mut |selector| set(selector, &matcher));
            Ok(expr)
        }),
        Promql::LabelMatchers(LabelMatchers::Delete { query, name }) => parse(query).map(|mut expr| {
            each_selector(&mut expr, &mut |selector| selector.matchers.retain(|matcher| matcher.name() != name));
            expr
        }),
    };
    match result {
        Ok(expr) => {
            out::line(expr.pretty());
            ExitCode::SUCCESS
        }
        Err(error) => {
            out::error(format_args!("  FAILED:\n{error}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(query: &str) -> Result<Expr, String> {
    promql::parse(query).map_err(|error| error.to_string())
}

fn matcher(kind: &str, name: &str, value: &str) -> Result<Matcher, String> {
    let op = match kind {
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Matches,
        "!~" => MatchOp::NotMatches,
        _ => MatchOp::Equal,
    };
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

/// In the place of the first one of the label, or behind all.
fn set(selector: &mut Selector, matcher: &Matcher) {
    let mut found = false;
    for own in selector.matchers.iter_mut().filter(|own| own.name() == matcher.name()) {
        own.clone_from(matcher);
        found = true;
    }
    if !found {
        selector.matchers.push(matcher.clone());
    }
}

/// Recurses as deep as the parser lets expressions nest.
fn each_selector(expr: &mut Expr, change: &mut impl FnMut(&mut Selector)) {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => each_selector(inner, change),
        ExprKind::Binary(binary) => {
            each_selector(&mut binary.first, change);
            binary.rest.iter_mut().for_each(|step| each_selector(&mut step.operand, change));
        }
        ExprKind::Selector(selector) => change(selector),
        ExprKind::Range(range) => change(&mut range.selector),
        ExprKind::Subquery(subquery) => each_selector(&mut subquery.expr, change),
        ExprKind::Call(call) => call.args.iter_mut().for_each(|argument| each_selector(argument, change)),
        ExprKind::Aggregate(aggregate) => {
            each_selector(&mut aggregate.expr, change);
            if let Some(param) = &mut aggregate.param {
                each_selector(param, change);
            }
        }
    }
}
