//! One frame of many, row by row by the values of a field they share.

use std::collections::{BTreeMap, HashMap};

use model::view::{Field, Frame, Values};

use super::{check_cells, is_called, rows_of};
use crate::json::{self, Object};
use crate::reduce::{Cell, cell, column_of, text_of};

/// Joins frames that have the field; those without it are left out, as in Grafana. `inner` keeps rows that all have.
pub(super) fn join(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let name = json::text(options, "byField");
    let inner = json::text(options, "mode") == "inner";
    join_by(frames, &name, inner)
}

/// Joins by the field of this name, or by time if it is empty.
pub(super) fn join_by(frames: &[Frame], name: &str, inner: bool) -> Result<Vec<Frame>, String> {
    let is_key = |field: &Field| if name.is_empty() { matches!(field.values, Values::Times(_)) } else { is_called(field, name) };
    let joined: Vec<(&Frame, usize)> = frames.iter().filter_map(|frame| Some((frame, frame.fields.iter().position(is_key)?))).collect();
    let Some((first, key_at)) = joined.first().copied() else { return Ok(frames.to_vec()) };
    if joined.len() == 1 {
        return Ok(vec![first.clone()]);
    }
    // Rows in the order of their keys.
    let mut keys: BTreeMap<Key, (Cell, usize)> = BTreeMap::new();
    for (frame, at) in &joined {
        let mut own: HashMap<Key, ()> = HashMap::new();
        for row in 0..rows_of(frame) {
            let value = cell(&frame.fields[*at].values, row);
            let key = Key::of(&value);
            let fresh = own.insert(key.clone(), ()).is_none();
            let entry = keys.entry(key).or_insert((value, 0));
            entry.1 += usize::from(fresh);
        }
    }
    if inner {
        keys.retain(|_, (_, frames)| *frames == joined.len());
    }
    let columns: usize = joined.iter().map(|(frame, _)| frame.fields.len()).sum();
    check_cells(keys.len().saturating_mul(columns))?;
    let places: HashMap<&Key, usize> = keys.keys().enumerate().map(|(at, key)| (key, at)).collect();
    let key_field = &first.fields[key_at];
    let mut fields = vec![Field { values: column_of(keys.values().map(|(value, _)| value.clone()).collect()), ..key_field.clone() }];
    for (frame, at) in &joined {
        let rows: Vec<Option<usize>> =
            (0..rows_of(frame)).map(|row| places.get(&Key::of(&cell(&frame.fields[*at].values, row))).copied()).collect();
        for (_, field) in frame.fields.iter().enumerate().filter(|(index, _)| index != at) {
            let mut cells = vec![Cell::Missing; keys.len()];
            // Of rows with the same key the last counts, as in Grafana.
            for (row, place) in rows.iter().enumerate() {
                if let Some(place) = place {
                    cells[*place] = cell(&field.values, row);
                }
            }
            fields.push(Field { values: typed(cells, &field.values), ..field.clone() });
        }
    }
    number_equal_names(&mut fields);
    Ok(vec![Frame { query: first.query.clone(), name: String::new(), fields }])
}

/// A column of nothing keeps the type it had.
fn typed(cells: Vec<Cell>, like: &Values) -> Values {
    if matches!(like, Values::Strings(_)) { Values::Strings(cells.into_iter().map(text_of).collect()) } else { column_of(cells) }
}

/// Columns of the same name become `Value 1`, `Value 2`, which is how dashboards refer to them.
fn number_equal_names(fields: &mut [Field]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for field in fields.iter() {
        *counts.entry(field.display_name.clone()).or_default() += 1;
    }
    let mut next: HashMap<String, usize> = HashMap::new();
    for field in fields.iter_mut().filter(|field| counts.get(&field.display_name).is_some_and(|count| *count > 1)) {
        let number = next.entry(field.display_name.clone()).or_insert(0);
        *number += 1;
        field.display_name = format!("{} {number}", field.display_name);
        if field.labels.is_empty() {
            field.name.clone_from(&field.display_name);
        }
    }
}

/// A cell as something that can be ordered and looked up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Time(i64),
    /// The bits of a float, turned so that they order as the float does.
    Number(u64),
    Text(String),
    Missing,
}

impl Key {
    fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Time(time) => Self::Time(*time),
            Cell::Number(number) => {
                let bits = number.to_bits();
                Self::Number(if bits >> 63 == 1 { !bits } else { bits | (1 << 63) })
            }
            Cell::Text(text) => Self::Text(text.clone()),
            Cell::Missing => Self::Missing,
        }
    }
}
