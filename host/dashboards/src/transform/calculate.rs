//! A column calculated from others, row by row.

use model::view::{Field, Frame, Values};
use serde_json::Value;

use super::join::join_by;
use super::{is_called, rows_of};
use crate::frames::column;
use crate::json::{self, Object};
use crate::reduce::reduce;

/// Adds a column to each frame; series are joined by time before, so that there are rows.
pub(super) fn calculate(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let mode = Some(json::text(options, "mode")).filter(|mode| !mode.is_empty()).unwrap_or_else(|| "reduceRow".to_owned());
    let series = frames.len() > 1 && frames.iter().all(|f| matches!(f.fields.first().map(|x| &x.values), Some(Values::Times(_))));
    let mut frames = if series { join_by(frames, "", false)? } else { frames.to_vec() };
    for frame in &mut frames {
        let (default, numbers) = match mode.as_str() {
            "reduceRow" => reduce_row(frame, options)?,
            "binary" => binary(frame, options)?,
            #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
            "index" => ("Row".to_owned(), (0..rows_of(frame)).map(|row| row as f64).collect()),
            other => return Err(format!("its mode {other:?} is not there yet")),
        };
        let alias = Some(json::text(options, "alias")).filter(|alias| !alias.is_empty()).unwrap_or(default);
        if json::flag(options, "replaceFields") {
            frame.fields.retain(|field| matches!(field.values, Values::Times(_)));
        }
        frame.fields.push(column(&alias, Values::Numbers(numbers)));
    }
    Ok(frames)
}

fn numbers(field: &Field) -> Option<&[f64]> {
    if let Values::Numbers(numbers) = &field.values { Some(numbers) } else { None }
}

fn reduce_row(frame: &Frame, options: &Object) -> Result<(String, Vec<f64>), String> {
    let empty = Object::new();
    let settings = json::object(options, "reduce").unwrap_or(&empty);
    let reducer = Some(json::text(settings, "reducer")).filter(|id| !id.is_empty()).unwrap_or_else(|| "sum".to_owned());
    if reduce(&[], &reducer).is_none() {
        return Err(format!("the calculation {reducer:?} is not known"));
    }
    let include = json::texts(settings, "include");
    let included = |field: &&Field| include.is_empty() || include.iter().any(|name| is_called(field, name));
    let columns: Vec<&[f64]> = frame.fields.iter().filter(included).filter_map(numbers).collect();
    let row = |row: usize| {
        let cells: Vec<f64> = columns.iter().map(|column| column.get(row).copied().unwrap_or(f64::NAN)).collect();
        reduce(&cells, &reducer).unwrap_or(f64::NAN)
    };
    Ok((reducer.clone(), (0..rows_of(frame)).map(row).collect()))
}

fn binary(frame: &Frame, options: &Object) -> Result<(String, Vec<f64>), String> {
    let empty = Object::new();
    let settings = json::object(options, "binary").unwrap_or(&empty);
    let operator = json::text(settings, "operator");
    let apply = match operator.as_str() {
        "+" => |a: f64, b: f64| a + b,
        "-" => |a, b| a - b,
        "*" => |a, b| a * b,
        "/" => |a, b| a / b,
        "%" => |a, b| a % b,
        "**" => f64::powf,
        _ => return Err(format!("the operator {operator:?} is not known")),
    };
    let (left_name, left) = operand(frame, settings.get("left"))?;
    let (right_name, right) = operand(frame, settings.get("right"))?;
    let values = (0..rows_of(frame)).map(|row| apply(left.at(row), right.at(row))).collect();
    Ok((format!("{left_name} {operator} {right_name}"), values))
}

enum Operand<'a> {
    Column(&'a [f64]),
    Constant(f64),
}

impl Operand<'_> {
    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Column(column) => column.get(row).copied().unwrap_or(f64::NAN),
            Self::Constant(number) => *number,
        }
    }
}

/// A field's name or a number, as text or in the newer form `{matcher: {id: byName, options}}` or `{fixed}`.
fn operand<'a>(frame: &'a Frame, value: Option<&Value>) -> Result<(String, Operand<'a>), String> {
    let text = match value {
        Some(Value::Object(object)) => match json::object(object, "matcher") {
            Some(matcher) => json::text(matcher, "options"),
            None => json::text(object, "fixed"),
        },
        Some(other) => json::as_text(other),
        None => String::new(),
    };
    if let Some(column) = frame.fields.iter().find(|field| is_called(field, &text)).and_then(numbers) {
        return Ok((text, Operand::Column(column)));
    }
    match text.trim().parse::<f64>() {
        Ok(number) => Ok((text, Operand::Constant(number))),
        Err(_) => Err(format!("there is no column of numbers named {text:?}")),
    }
}
