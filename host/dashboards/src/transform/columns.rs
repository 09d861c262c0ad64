//! Which columns there are, in which order, under which names.

use model::view::{Field, Frame, Values};
use serde_json::Value;

use super::{check_cells, is_called, rows_of};
use crate::json::{self, Object};
use crate::matcher::pattern;
use crate::reduce::{Cell, cell, column_of};

/// Leaves out, orders and renames.
pub(super) fn organize(frames: &[Frame], options: &Object) -> Vec<Frame> {
    let entry = |section: &str, field: &Field| -> Option<&Value> {
        let section = json::object(options, section)?;
        section.get(&field.display_name).or_else(|| section.get(&field.name))
    };
    let included = json::object(options, "includeByName").filter(|names| names.values().any(|v| *v == Value::Bool(true)));
    let organize_one = |frame: &Frame| {
        let mut fields: Vec<(usize, Field)> = frame
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| entry("excludeByName", field) != Some(&Value::Bool(true)))
            .filter(|(_, field)| included.is_none() || entry("includeByName", field) == Some(&Value::Bool(true)))
            .map(|(at, field)| {
                let index = entry("indexByName", field).and_then(json::as_number).filter(|n| *n >= 0.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; `as` cuts what is too large")]
                (index.map_or(at, |n| n as usize), field.clone())
            })
            .collect();
        fields.sort_by_key(|(index, _)| *index);
        let mut out = Frame { query: frame.query.clone(), name: frame.name.clone(), fields: Vec::with_capacity(fields.len()) };
        for (_, mut field) in fields {
            if let Some(name) = entry("renameByName", &field).map(json::as_text).filter(|name| !name.is_empty()) {
                field.name.clone_from(&name);
                field.display_name = name;
            }
            out.fields.push(field);
        }
        out
    };
    frames.iter().map(organize_one).filter(|frame| !frame.fields.is_empty()).collect()
}

/// Keeps the fields that `include` names and `exclude` does not.
pub(super) fn filter_by_name(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let include = Names::read(options, "include")?;
    let exclude = Names::read(options, "exclude")?;
    let kept =
        |field: &Field| include.as_ref().is_none_or(|names| names.has(field)) && !exclude.as_ref().is_some_and(|names| names.has(field));
    Ok(keep_fields(frames, kept))
}

fn keep_fields(frames: &[Frame], kept: impl Fn(&Field) -> bool) -> Vec<Frame> {
    let one = |frame: &Frame| Frame {
        query: frame.query.clone(),
        name: frame.name.clone(),
        fields: frame.fields.iter().filter(|field| kept(field)).cloned().collect(),
    };
    frames.iter().map(one).filter(|frame| !frame.fields.is_empty()).collect()
}

struct Names {
    names: Vec<String>,
    pattern: Option<regex::Regex>,
}

impl Names {
    fn read(options: &Object, key: &str) -> Result<Option<Self>, String> {
        let Some(object) = json::object(options, key) else { return Ok(None) };
        let names = json::texts(object, "names");
        let text = json::text(object, "pattern");
        let pattern = if text.is_empty() { None } else { Some(pattern(&text)?) };
        Ok((!names.is_empty() || pattern.is_some()).then_some(Self { names, pattern }))
    }

    fn has(&self, field: &Field) -> bool {
        self.names.iter().any(|name| is_called(field, name)) || self.pattern.as_ref().is_some_and(|p| p.is_match(&field.display_name))
    }
}

/// Keeps the frames of some queries: `A`, `A|B`, or a list.
pub(super) fn filter_by_query(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let letters = |key: &str| -> Vec<String> {
        json::texts(options, key)
            .iter()
            .flat_map(|text| text.split('|').map(str::to_owned).collect::<Vec<_>>())
            .filter(|t| !t.is_empty())
            .collect()
    };
    let (include, exclude) = (letters("include"), letters("exclude"));
    let kept = |frame: &&Frame| (include.is_empty() || include.contains(&frame.query)) && !exclude.contains(&frame.query);
    Ok(frames.iter().filter(kept).cloned().collect())
}

/// Renames by a pattern; `$1` is a group.
pub(super) fn rename(frames: &[Frame], options: &Object) -> Result<Vec<Frame>, String> {
    let pattern = pattern(&json::text(options, "regex"))?;
    let replacement = braced(&json::text(options, "renamePattern"));
    let mut frames = frames.to_vec();
    for field in frames.iter_mut().flat_map(|frame| &mut frame.fields).filter(|f| !matches!(f.values, Values::Times(_))) {
        if pattern.is_match(&field.display_name) {
            field.display_name = pattern.replace(&field.display_name, replacement.as_str()).into_owned();
        }
    }
    Ok(frames)
}

/// `$1x` is group 1 and an x in JavaScript, but a group named `1x` here.
fn braced(replacement: &str) -> String {
    let mut out = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '$' || !chars.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        out.push('{');
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            out.push(digit);
        }
        out.push('}');
    }
    out
}

/// All fields in one frame, the shorter ones filled up.
pub(super) fn concatenate(frames: &[Frame]) -> Result<Vec<Frame>, String> {
    let rows = frames.iter().map(rows_of).max().unwrap_or(0);
    let count: usize = frames.iter().map(|frame| frame.fields.len()).sum();
    check_cells(rows.saturating_mul(count))?;
    let mut out = Frame { query: frames.first().map(|f| f.query.clone()).unwrap_or_default(), ..Frame::default() };
    for field in frames.iter().flat_map(|frame| &frame.fields) {
        let values = if field.values.len() == rows {
            field.values.clone()
        } else {
            column_of((0..rows).map(|row| if row < field.values.len() { cell(&field.values, row) } else { Cell::Missing }).collect())
        };
        out.fields.push(Field { values, ..field.clone() });
    }
    Ok(if out.fields.is_empty() { Vec::new() } else { vec![out] })
}
