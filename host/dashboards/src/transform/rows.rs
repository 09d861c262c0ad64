//! Which rows there are and in which order.

use std::cmp::Ordering;
use std::collections::HashMap;

use model::view::{Field, Frame, Values};

use super::{check_cells, is_called, rows_of};
use crate::frames::column;
use crate::json::{self, Object};
use crate::reduce::{Cell, cell, column_of, text_of};

/// What a field is called in a merged table: series are told apart by what they are shown as.
fn merged_name(field: &Field) -> &str {
    if field.labels.is_empty() { &field.name } else { &field.display_name }
}

/// One table of all frames. Rows that agree in the fields which all frames have become one, unless their other fields differ.
pub(super) fn merge(frames: &[Frame]) -> Result<Vec<Frame>, String> {
    let frames: Vec<&Frame> = frames.iter().filter(|frame| !frame.fields.is_empty()).collect();
    let [first, _, ..] = frames.as_slice() else { return Ok(frames.into_iter().cloned().collect()) };
    let mut fields: Vec<Field> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for field in frames.iter().flat_map(|frame| &frame.fields) {
        index.entry(merged_name(field)).or_insert_with(|| {
            fields.push(Field { values: Values::Numbers(Vec::new()), ..field.clone() });
            fields.len() - 1
        });
    }
    let shared: Vec<&str> =
        index.keys().copied().filter(|name| frames.iter().all(|f| f.fields.iter().any(|x| merged_name(x) == *name))).collect();
    let rows_total: usize = frames.iter().map(|frame| rows_of(frame)).sum();
    check_cells(rows_total.saturating_mul(fields.len()))?;
    let mut rows: Vec<Vec<Option<Cell>>> = Vec::new();
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for frame in &frames {
        let places: Vec<usize> = frame.fields.iter().map(|field| index[merged_name(field)]).collect();
        let keys: Vec<&Field> = frame.fields.iter().filter(|field| shared.contains(&merged_name(field))).collect();
        for row in 0..rows_of(frame) {
            let mut key: Vec<String> = keys.iter().map(|f| format!("{}\u{0}{}", merged_name(f), text_of(cell(&f.values, row)))).collect();
            key.sort();
            let cells: Vec<(usize, Cell)> = places.iter().zip(&frame.fields).map(|(at, field)| (*at, cell(&field.values, row))).collect();
            let candidates = by_key.entry(key.join("\u{1}")).or_default();
            let fits = |row: &[Option<Cell>]| cells.iter().all(|(at, cell)| row[*at].as_ref().is_none_or(|known| known == cell));
            // A row that has met this many others of its key will not find its place.
            let found = candidates.iter().take(50).copied().find(|at| fits(&rows[*at]));
            let at = found.unwrap_or_else(|| {
                rows.push(vec![None; fields.len()]);
                candidates.push(rows.len() - 1);
                rows.len() - 1
            });
            for (column, cell) in cells {
                rows[at][column] = Some(cell);
            }
        }
    }
    for (at, field) in fields.iter_mut().enumerate() {
        field.values = column_of(rows.iter_mut().map(|row| row[at].take().unwrap_or(Cell::Missing)).collect());
    }
    Ok(vec![Frame { query: first.query.clone(), name: String::new(), fields }])
}

/// Orders the rows of each frame that has the field.
pub(super) fn sort(frames: &[Frame], options: &Object) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    let Some(by) = json::objects(options, "sort").next() else { return frames };
    let (name, descending) = (json::text(by, "field"), json::flag(by, "desc"));
    for frame in &mut frames {
        let Some(field) = frame.fields.iter().find(|field| is_called(field, &name)) else { continue };
        let mut order: Vec<usize> = (0..rows_of(frame)).collect();
        order.sort_by(|a, b| {
            let (a, b) = (cell(&field.values, *a), cell(&field.values, *b));
            let order = compare(&a, &b);
            // What is missing comes last either way.
            if descending && a != Cell::Missing && b != Cell::Missing { order.reverse() } else { order }
        });
        take_rows(frame, &order);
    }
    frames
}

pub(super) fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
        (Cell::Time(a), Cell::Time(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Missing, Cell::Missing) => Ordering::Equal,
        (Cell::Missing, _) => Ordering::Greater,
        (_, Cell::Missing) => Ordering::Less,
        (a, b) => text_of(a.clone()).cmp(&text_of(b.clone())),
    }
}

fn take_rows(frame: &mut Frame, rows: &[usize]) {
    for field in &mut frame.fields {
        let at = |row: &usize| *row < field.values.len();
        field.values = match &field.values {
            Values::Times(cells) => Values::Times(rows.iter().filter(|r| at(r)).map(|r| cells[*r]).collect()),
            Values::Numbers(cells) => Values::Numbers(rows.iter().filter(|r| at(r)).map(|r| cells[*r]).collect()),
            Values::Strings(cells) => Values::Strings(rows.iter().filter(|r| at(r)).map(|r| cells[*r].clone()).collect()),
        };
    }
}

/// The first rows of each frame.
pub(super) fn limit(frames: &[Frame], options: &Object) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    let limit = json::count(options, "limitField", u32::MAX).unwrap_or(10) as usize;
    for frame in &mut frames {
        let rows: Vec<usize> = (0..rows_of(frame).min(limit)).collect();
        take_rows(frame, &rows);
    }
    frames
}

/// All series below each other: time, name, value, the newest first.
pub(super) fn series_to_rows(frames: &[Frame]) -> Result<Vec<Frame>, String> {
    let mut rows: Vec<(i64, &str, f64)> = Vec::new();
    for frame in frames {
        let times = frame.fields.iter().find_map(|field| if let Values::Times(times) = &field.values { Some(times) } else { None });
        let Some(times) = times else { return Err("a frame has no time".to_owned()) };
        for field in &frame.fields {
            let Values::Numbers(values) = &field.values else { continue };
            rows.extend(times.iter().zip(values).map(|(time, value)| (*time, field.display_name.as_str(), *value)));
        }
    }
    check_cells(rows.len().saturating_mul(3))?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    let fields = vec![
        column("Time", Values::Times(rows.iter().map(|row| row.0).collect())),
        column("Metric", Values::Strings(rows.iter().map(|row| row.1.to_owned()).collect())),
        column("Value", Values::Numbers(rows.iter().map(|row| row.2).collect())),
    ];
    Ok(vec![Frame { query: frames.first().map(|f| f.query.clone()).unwrap_or_default(), name: String::new(), fields }])
}
