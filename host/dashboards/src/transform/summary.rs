//! Fewer rows: calculations over columns and over groups of rows.

use std::collections::HashMap;

use model::view::{Field, Frame, Values};

use super::{check_cells, rows_of};
use crate::frames::column;
use crate::json::{self, Object};
use crate::reduce::{Cell, cell, column_of, reduce, reduce_cells, text_of};

const REDUCERS_MAX: usize = 50;

/// Each field becomes a row with a column for each calculation, or with `mode: reduceFields` a single cell.
pub(super) fn reduce_fields(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let mut reducers = json::texts(options, "reducers");
    if reducers.is_empty() {
        reducers.push("max".to_owned());
    }
    reducers.truncate(REDUCERS_MAX);
    for id in &reducers {
        known(id)?;
    }
    let with_time = json::flag(options, "includeTimeField");
    let reduced = |field: &&Field| with_time || !matches!(field.values, Values::Times(_));
    if json::text(options, "mode") == "reduceFields" {
        let one = |frame: &Frame| Frame {
            query: frame.query.clone(),
            name: frame.name.clone(),
            fields: frame.fields.iter().filter(reduced).map(|field| single(field, &reducers[0])).collect(),
        };
        return Ok(frames.iter().map(one).filter(|frame| !frame.fields.is_empty()).collect());
    }
    let fields: Vec<&Field> = frames.iter().flat_map(|frame| frame.fields.iter().filter(reduced)).collect();
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let mut out = vec![column("Field", Values::Strings(fields.iter().map(|field| field.display_name.clone()).collect()))];
    if json::flag(options, "labelsToFields") {
        let names: std::collections::BTreeSet<&str> = fields.iter().flat_map(|f| f.labels.iter().map(|(name, _)| name)).collect();
        check_cells(names.len().saturating_mul(fields.len()))?;
        for name in names {
            out.push(column(name, Values::Strings(fields.iter().map(|f| f.labels.get(name).unwrap_or("").to_owned()).collect())));
        }
    }
    for id in &reducers {
        let cells = fields.iter().map(|field| reduce_cells(&field.values, id).unwrap_or(Cell::Missing)).collect();
        out.push(column(&title(id), column_of(cells)));
    }
    Ok(vec![Frame { query: frames.first().map(|f| f.query.clone()).unwrap_or_default(), name: String::new(), fields: out }])
}

fn single(field: &Field, id: &str) -> Field {
    Field { values: column_of(vec![reduce_cells(&field.values, id).unwrap_or(Cell::Missing)]), ..field.clone() }
}

fn known(id: &str) -> Result<(), String> {
    let is_known = reduce(&[], id).is_some() || matches!(id, "uniqueValues" | "allValues");
    if is_known { Ok(()) } else { Err(format!("the calculation {id:?} is not known")) }
}

/// What a calculation is called, by which later steps and overrides refer to its column.
fn title(id: &str) -> String {
    let known = [
        ("lastNotNull", "Last *"),
        ("last", "Last"),
        ("firstNotNull", "First *"),
        ("first", "First"),
        ("min", "Min"),
        ("max", "Max"),
        ("mean", "Mean"),
        ("sum", "Total"),
        ("count", "Count"),
        ("range", "Range"),
        ("delta", "Delta"),
        ("step", "Step"),
        ("diff", "Difference"),
        ("diffperc", "Difference percent"),
        ("logmin", "Min (above zero)"),
        ("stdDev", "StdDev"),
        ("variance", "Variance"),
        ("median", "Median"),
        ("changeCount", "Change count"),
        ("distinctCount", "Distinct count"),
        ("allIsZero", "All Zeros"),
        ("allIsNull", "All Nulls"),
        ("allValues", "All values"),
        ("uniqueValues", "All unique values"),
    ];
    if let Some((_, title)) = known.iter().find(|(known, _)| *known == id) {
        return (*title).to_owned();
    }
    id.strip_prefix('p').map_or_else(|| id.to_owned(), |number| format!("{number}th %"))
}

/// A row for each combination of values of the fields to group by, with calculations over the others.
pub(super) fn group_by(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let empty = Object::new();
    let rules = json::object(options, "fields").unwrap_or(&empty);
    for id in rules.values().filter_map(serde_json::Value::as_object).flat_map(|rule| json::texts(rule, "aggregations")) {
        known(&id)?;
    }
    Ok(frames.iter().filter_map(|frame| group_frame(frame, rules)).collect())
}

fn group_frame(frame: &Frame, rules: &Object) -> Option<Frame> {
    let rule = |field: &Field| rules.get(&field.display_name).or_else(|| rules.get(&field.name)).and_then(serde_json::Value::as_object);
    let operation = |field: &Field| rule(field).map(|rule| json::text(rule, "operation")).unwrap_or_default();
    let keys: Vec<&Field> = frame.fields.iter().filter(|field| operation(field) == "groupby").collect();
    if keys.is_empty() {
        return None;
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<Vec<String>, usize> = HashMap::new();
    for row in 0..rows_of(frame) {
        let key = keys.iter().map(|field| text_of(cell(&field.values, row))).collect();
        let at = *known.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(row);
    }
    let mut fields: Vec<Field> = Vec::new();
    for field in &keys {
        let firsts = groups.iter().map(|rows| cell(&field.values, rows[0])).collect();
        fields.push(Field { values: column_of(firsts), ..(*field).clone() });
    }
    for field in frame.fields.iter().filter(|field| operation(field) == "aggregate") {
        for id in rule(field).map(|rule| json::texts(rule, "aggregations")).unwrap_or_default().into_iter().take(REDUCERS_MAX) {
            let cells = groups.iter().map(|rows| {
                let part = column_of(rows.iter().map(|row| cell(&field.values, *row)).collect());
                reduce_cells(&part, &id).unwrap_or(Cell::Missing)
            });
            let name = format!("{} ({id})", field.display_name);
            fields.push(Field { display_name: name.clone(), name, values: column_of(cells.collect()), ..field.clone() });
        }
    }
    Some(Frame { query: frame.query.clone(), name: frame.name.clone(), fields })
}
