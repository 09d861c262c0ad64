//! Steps that change results before they are drawn, by Grafana's ids.

mod calculate;
mod columns;
mod join;
mod labels;
mod rows;
mod summary;

use model::view::{Field, Frame};
use serde_json::{Map, Value};

use crate::json::Object;
use crate::model::Transformation;

/// Most cells a step may make. A board that joins more cannot be looked at.
const CELLS_MAX: usize = 5_000_000;

/// Applies the steps in their order. A step that is not known, or cannot be applied, is left out, with a sentence that names
/// it.
#[must_use]
pub fn transform(frames: Vec<Frame>, steps: &[Transformation]) -> (Vec<Frame>, Vec<String>) {
    let (mut frames, mut warnings) = (frames, Vec::new());
    for step in steps {
        match apply(&frames, step) {
            Ok(changed) => frames = changed,
            Err(reason) => warnings.push(format!("the transformation {:?} is not applied: {reason}", step.id)),
        }
    }
    (frames, warnings)
}

fn apply(frames: &[Frame], step: &Transformation) -> Result<Vec<Frame>, String> {
    let empty = Map::new();
    let options: &Object = match &step.options {
        Value::Object(options) => options,
        _ => &empty,
    };
    match step.id.as_str() {
        "organize" => Ok(columns::organize(frames, options)),
        "filterFieldsByName" => columns::filter_by_name(frames, options),
        "filterByRefId" => columns::filter_by_query(frames, options),
        "renameByRegex" => columns::rename(frames, options),
        "concatenate" => columns::concatenate(frames),
        "merge" => rows::merge(frames),
        "sortBy" => Ok(rows::sort(frames, options)),
        "limit" => Ok(rows::limit(frames, options)),
        "groupBy" => summary::group_by(frames, options),
        "seriesToRows" => rows::series_to_rows(frames),
        "reduce" => summary::reduce_fields(frames, options),
        "joinByField" | "seriesToColumns" => join::join(frames, options),
        "labelsToFields" => labels::labels_to_fields(frames, options),
        "calculateField" => calculate::calculate(frames, options),
        _ => Err("it is not there yet".to_owned()),
    }
}

/// Rows of a frame: the length of its longest column.
fn rows_of(frame: &Frame) -> usize {
    frame.fields.iter().map(|field| field.values.len()).max().unwrap_or(0)
}

/// Whether `name` means this field: by its own name or by what it is shown as.
fn is_called(field: &Field, name: &str) -> bool {
    field.display_name == name || field.name == name
}

fn check_cells(cells: usize) -> Result<(), String> {
    if cells > CELLS_MAX { Err(format!("it would make {cells} cells, the limit is {CELLS_MAX}")) } else { Ok(()) }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
