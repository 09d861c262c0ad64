//! Labels of series as columns or rows.

use std::collections::BTreeSet;

use model::LabelSet;
use model::view::{Field, Frame, Values};

use super::rows::merge;
use super::{check_cells, rows_of};
use crate::frames::column;
use crate::json::{self, Object};

/// A column for each label, or with `mode: rows` a row for each; then one table of all frames.
pub(super) fn labels_to_fields(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let keep = json::texts(options, "keepLabels");
    let value_label = json::text(options, "valueLabel");
    let kept = |name: &str| keep.is_empty() || keep.iter().any(|k| k == name);
    if json::text(options, "mode") == "rows" {
        return Ok(frames.iter().map(|frame| as_rows(frame, &kept)).collect());
    }
    let names: BTreeSet<&str> =
        frames.iter().flat_map(|f| &f.fields).flat_map(|f| f.labels.iter().map(|(name, _)| name)).filter(|name| kept(name)).collect();
    let cells: usize = frames.iter().map(|frame| rows_of(frame).saturating_mul(names.len() + frame.fields.len())).sum();
    check_cells(cells)?;
    let widened: Vec<Frame> = frames.iter().map(|frame| as_columns(frame, &kept, &value_label)).collect();
    merge(&widened)
}

fn as_columns(frame: &Frame, kept: &dyn Fn(&str) -> bool, value_label: &str) -> Frame {
    let rows = rows_of(frame);
    let mut out = Frame { query: frame.query.clone(), name: frame.name.clone(), fields: Vec::new() };
    let (mut values, mut seen) = (Vec::new(), BTreeSet::new());
    for field in &frame.fields {
        if field.labels.is_empty() {
            out.fields.push(field.clone());
            continue;
        }
        let name = field.labels.get(value_label).map_or(field.name.clone(), str::to_owned);
        for (label, text) in field.labels.iter().filter(|(label, _)| kept(label) && *label != value_label) {
            if seen.insert(label.to_owned()) {
                out.fields.push(column(label, Values::Strings(vec![text.to_owned(); rows])));
            }
        }
        values.push(Field { display_name: name.clone(), name, labels: LabelSet::empty(), ..field.clone() });
    }
    out.fields.extend(values);
    out
}

fn as_rows(frame: &Frame, kept: &dyn Fn(&str) -> bool) -> Frame {
    let pairs: Vec<(&str, &str)> = frame.fields.iter().flat_map(|field| field.labels.iter()).filter(|(label, _)| kept(label)).collect();
    let fields = vec![
        column("label", Values::Strings(pairs.iter().map(|(label, _)| (*label).to_owned()).collect())),
        column("value", Values::Strings(pairs.iter().map(|(_, value)| (*value).to_owned()).collect())),
    ];
    Frame { query: frame.query.clone(), name: frame.name.clone(), fields }
}
