//! `parse_query`: the syntax tree of an expression as JSON, in the shape that upstream's interface draws.

use axum::extract::{Request, State as Shared};
use axum::response::Response;
use model::Matcher;
use promql::ast::{
    Aggregate, AtTime, Binary, BinaryStep, Call, DurationExpr, Edges, Expr, ExprKind, More, Selector, Shift, Side, Subquery, ValueType,
};
use serde_json::json;

use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;
use crate::stream::{self, Sink};

/// `/api/v1/parse_query`
pub(crate) async fn parse_query(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    stream::answer(&app.runner, &app.state.limits, "application/json", move |_, sink| {
        let expr = promql::parse(params.first("query")).map_err(|error| ApiError::parameter("query", error))?;
        sink.raw(r#"{"status":"success","data":"#);
        write(&expr, sink)?;
        sink.raw("}");
        Ok(())
    })
    .await
}

/// Recurses as deep as the parser lets expressions nest. A chain of operators, which may be long, does not.
fn write(expr: &Expr, sink: &mut Sink) -> Result<(), ApiError> {
    sink.flush()?;
    match &expr.kind {
        ExprKind::Number(number) => sink.value(&json!({"type": "numberLiteral", "val": plain(number.value)})),
        ExprKind::String(text) => sink.value(&json!({"type": "stringLiteral", "val": text})),
        ExprKind::Paren(inner) => {
            sink.raw(r#"{"type":"parenExpr","expr":"#);
            write(inner, sink)?;
            sink.raw("}");
            Ok(())
        }
        ExprKind::Unary { minus, operand } => {
            sink.raw(if *minus { r#"{"type":"unaryExpr","op":"-","expr":"# } else { r#"{"type":"unaryExpr","op":"+","expr":"# });
            write(operand, sink)?;
            sink.raw("}");
            Ok(())
        }
        ExprKind::Binary(binary) => chain(binary, sink),
        ExprKind::Selector(selector) => sink.value(&selected(selector, None)),
        ExprKind::Range(range) => sink.value(&selected(&range.selector, Some(&range.range))),
        ExprKind::Subquery(inner) => subquery(inner, sink),
        ExprKind::Call(inner) => call(inner, sink),
        ExprKind::Aggregate(inner) => aggregate(inner, sink),
    }
}

/// `a + b - c`: the last operator is the outermost node.
fn chain(binary: &Binary, sink: &mut Sink) -> Result<(), ApiError> {
    // Whether all that stands before each operator is scalar: then its result is, and nothing is matched.
    let mut left_is_vector = Vec::with_capacity(binary.rest.len());
    let mut is_vector = binary.first.value_type() == ValueType::Vector;
    for step in &binary.rest {
        left_is_vector.push(is_vector);
        is_vector |= step.operand.value_type() == ValueType::Vector;
    }
    for (step, left) in binary.rest.iter().zip(&left_is_vector).rev() {
        sink.raw(r#"{"type":"binaryExpr","op":"#);
        sink.value(&step.op.symbol())?;
        sink.raw(if step.return_bool { r#","bool":true,"matching":"# } else { r#","bool":false,"matching":"# });
        let vectors = *left && step.operand.value_type() == ValueType::Vector;
        sink.value(&vectors.then(|| matching(step)))?;
        sink.raw(r#","lhs":"#);
        sink.flush()?;
    }
    write(&binary.first, sink)?;
    for step in &binary.rest {
        sink.raw(r#","rhs":"#);
        write(&step.operand, sink)?;
        sink.raw("}");
    }
    Ok(())
}

fn matching(step: &BinaryStep) -> serde_json::Value {
    let matching = &step.matching;
    let card = match &matching.group {
        _ if step.op.is_set() => "many-to-many",
        None => "one-to-one",
        Some(group) if group.many == Side::Left => "many-to-one",
        Some(_) => "one-to-many",
    };
    let include = matching.group.as_ref().map(|group| group.include.as_slice()).unwrap_or_default();
    json!({
        "card": card, "labels": matching.labels, "on": matching.on, "include": include,
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    })
}

fn selected(selector: &Selector, range: Option<&DurationExpr>) -> serde_json::Value {
    let mut matchers: Vec<Matcher> = selector.matchers.clone();
    matchers.extend(selector.name.as_ref().map(|name| Matcher::equal(model::METRIC_NAME, name.as_str())));
    let matchers: Vec<_> = matchers.iter().map(|m| json!({"name": m.name(), "value": m.value(), "type": m.op().symbol()})).collect();
    let (timestamp, start_or_end) = fixed(&selector.shift);
    let mut out = json!({
        "type": if range.is_some() { "matrixSelector" } else { "vectorSelector" },
        "name": selector.name.as_deref().unwrap_or_default(), "offset": offset(&selector.shift), "matchers": matchers,
        "timestamp": timestamp, "startOrEnd": start_or_end,
        "anchored": selector.edges == Some(Edges::Anchored), "smoothed": selector.edges == Some(Edges::Smoothed),
    });
    if let Some(range) = range {
        out["range"] = milliseconds(range).into();
    }
    out
}

fn subquery(subquery: &Subquery, sink: &mut Sink) -> Result<(), ApiError> {
    let (timestamp, start_or_end) = fixed(&subquery.shift);
    sink.raw(r#"{"type":"subquery","range":"#);
    sink.value(&milliseconds(&subquery.range))?;
    sink.raw(r#","offset":"#);
    sink.value(&offset(&subquery.shift))?;
    sink.raw(r#","step":"#);
    sink.value(&subquery.step.as_ref().map_or(0, milliseconds))?;
    sink.raw(r#","timestamp":"#);
    sink.value(&timestamp)?;
    sink.raw(r#","startOrEnd":"#);
    sink.value(&start_or_end)?;
    sink.raw(r#","expr":"#);
    write(&subquery.expr, sink)?;
    sink.raw("}");
    Ok(())
}

fn call(call: &Call, sink: &mut Sink) -> Result<(), ApiError> {
    let function = call.function;
    let kinds: Vec<&str> = function.args.iter().map(|kind| type_name(*kind)).collect();
    let variadic = match function.more {
        More::No => 0,
        More::UpTo(most) => i64::try_from(most).unwrap_or(i64::MAX),
        More::Any => -1,
    };
    sink.raw(r#"{"type":"call","func":"#);
    sink.value(&json!({"name": function.name, "argTypes": kinds, "variadic": variadic, "returnType": type_name(function.returns)}))?;
    sink.raw(r#","args":["#);
    for (at, argument) in call.args.iter().enumerate() {
        if at > 0 {
            sink.raw(",");
        }
        write(argument, sink)?;
    }
    sink.raw("]}");
    Ok(())
}

fn aggregate(aggregate: &Aggregate, sink: &mut Sink) -> Result<(), ApiError> {
    sink.raw(r#"{"type":"aggregation","op":"#);
    sink.value(&aggregate.op.name())?;
    sink.raw(r#","grouping":"#);
    sink.value(&aggregate.grouping)?;
    sink.raw(if aggregate.without { r#","without":true,"param":"# } else { r#","without":false,"param":"# });
    match &aggregate.param {
        Some(param) => write(param, sink)?,
        None => sink.raw("null"),
    }
    sink.raw(r#","expr":"#);
    write(&aggregate.expr, sink)?;
    sink.raw("}");
    Ok(())
}

/// A duration that is written out, in milliseconds; 0 for one that has to be computed, as upstream.
fn milliseconds(duration: &DurationExpr) -> i64 {
    match duration {
        #[expect(clippy::cast_possible_truncation, reason = "too large a number is cut to the largest")]
        DurationExpr::Literal(number) => (number.value * 1000.0).round() as i64,
        DurationExpr::Minus(inner) => milliseconds(inner).saturating_neg(),
        _ => 0,
    }
}

fn offset(shift: &Shift) -> i64 {
    shift.offset.as_ref().map_or(0, milliseconds)
}

/// `timestamp` and `startOrEnd`: one of them is null, or both are.
fn fixed(shift: &Shift) -> (Option<i64>, Option<&'static str>) {
    match shift.at {
        None => (None, None),
        Some(AtTime::Time(time)) => (Some(time), None),
        Some(AtTime::Start) => (None, Some("start")),
        Some(AtTime::End) => (None, Some("end")),
    }
}

fn type_name(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}

/// Never with an exponent.
fn plain(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}
