//! Picks columns and makes values of them: `reduceOptions`.

use regex_lite::RegexBuilder;
use skopos_sdk::config::Options;
use skopos_sdk::panel::{Column, Datum, Field, Frame, Reading, Request, Values};
use skopos_sdk::reduce::Calculation;
use skopos_sdk::types::Error;

/// Rows shown by `values: true` where no limit is written.
const ROWS_DEFAULT: usize = 25;
/// What a page can show at all.
const READINGS_MAX: usize = 1000;
/// Of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The readings of a request: one for each column and calculation, or for each row. None if no column has a row.
///
/// # Errors
/// For a calculation that is not known, and a pattern that cannot be read.
pub fn readings(options: &Options, request: &Request) -> Result<Vec<Reading>, Error> {
    let reduce = options.object("reduceOptions");
    let picked = Picked::parse(reduce.text("fields"))?;
    let calculations = calculations(&reduce)?;
    let rows = rows(&reduce);
    let spark = options.text("graphMode") != "none";
    let change = options.flag("showPercentChange") == Some(true);
    let mut readings = Vec::new();
    for (frame, at) in request.frames.iter().zip(0_u32..) {
        let times = (0_u32..).zip(&frame.fields).find(|(_, field)| matches!(field.values, Values::Times(_))).map(|(at, _)| at);
        for (field, field_at) in frame.fields.iter().zip(0_u32..).filter(|(field, _)| picked.takes(field) && length(field) > 0) {
            let source = Column { frame: at, field: field_at };
            if let Some(rows) = rows {
                readings.extend((0..length(field).min(rows)).map(|row| row_reading(frame, field, source, row)));
                continue;
            }
            let x = times.filter(|_| spark && matches!(field.values, Values::Numbers(_))).map(|field| Column { frame: at, field });
            readings.extend(calculations.iter().map(|(id, calculation)| Reading {
                source,
                value: value(field, *calculation),
                // With one calculation the page knows the name; with several they must be told apart.
                title: if calculations.len() > 1 { format!("{} {id}", field.display_name) } else { String::new() },
                spark: x,
                change: if change { number(field, Calculation::DiffPerc).filter(|change| change.is_finite()) } else { None },
            }));
        }
        if readings.len() > READINGS_MAX {
            readings.truncate(READINGS_MAX);
            break;
        }
    }
    Ok(readings)
}

/// With their ids. The last value there is, where nothing is written.
fn calculations(reduce: &Options) -> Result<Vec<(String, Calculation)>, Error> {
    match reduce.texts("calcs") {
        None => Ok(vec![("lastNotNull".to_owned(), Calculation::LastNotNull)]),
        // As the dashboards' own program takes an empty list.
        Some(ids) if ids.is_empty() => Ok(vec![("last".to_owned(), Calculation::Last)]),
        Some(ids) => ids
            .into_iter()
            .map(|id| match Calculation::parse(&id) {
                Some(calculation) => Ok((id, calculation)),
                None => Err(Error::Config(format!("reduceOptions.calcs: there is no calculation {id:?}"))),
            })
            .collect(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right before")]
fn rows(reduce: &Options) -> Option<usize> {
    let limit = reduce.number("limit").map_or(ROWS_DEFAULT, |limit| limit.clamp(0.0, READINGS_MAX as f64) as usize);
    (reduce.flag("values") == Some(true)).then_some(limit)
}

/// Which columns are shown.
enum Picked {
    Numbers,
    Named(String),
    Like(regex_lite::Regex),
}

impl Picked {
    fn parse(written: &str) -> Result<Self, Error> {
        if written.is_empty() {
            return Ok(Self::Numbers);
        }
        let Some((pattern, flags)) = written.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
            return Ok(Self::Named(written.to_owned()));
        };
        RegexBuilder::new(pattern)
            .case_insensitive(flags.contains('i'))
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map(Self::Like)
            .map_err(|error| Error::Config(format!("reduceOptions.fields: {written:?} is no pattern: {error}")))
    }

    fn takes(&self, field: &Field) -> bool {
        match self {
            Self::Numbers => matches!(field.values, Values::Numbers(_)),
            Self::Named(name) => field.display_name == *name || field.name == *name,
            Self::Like(pattern) => pattern.is_match(&field.display_name) || pattern.is_match(&field.name),
        }
    }
}

fn length(field: &Field) -> usize {
    match &field.values {
        Values::Times(times) => times.len(),
        Values::Numbers(numbers) => numbers.len(),
        Values::Strings(texts) => texts.len(),
    }
}

fn number(field: &Field, calculation: Calculation) -> Option<f64> {
    match &field.values {
        Values::Numbers(numbers) => calculation.of(numbers),
        Values::Times(_) | Values::Strings(_) => None,
    }
}

fn value(field: &Field, calculation: Calculation) -> Datum {
    let row = match calculation {
        Calculation::Last | Calculation::LastNotNull => length(field).checked_sub(1),
        Calculation::First | Calculation::FirstNotNull => Some(0),
        _ => None,
    };
    match (&field.values, row, calculation) {
        (Values::Numbers(_), _, _) => number(field, calculation).map_or(Datum::Missing, Datum::Number),
        (_, _, Calculation::Count) => Datum::Number(length(field) as f64),
        // A text may be empty where there is none; the last and the first that say something are meant.
        (Values::Strings(texts), _, Calculation::LastNotNull) => first_text(texts.iter().rev()),
        (Values::Strings(texts), _, Calculation::FirstNotNull) => first_text(texts.iter()),
        (_, Some(row), _) => cell(field, row),
        _ => Datum::Missing,
    }
}

fn first_text<'a>(mut texts: impl Iterator<Item = &'a String>) -> Datum {
    texts.find(|text| !text.is_empty()).map_or(Datum::Missing, |text| Datum::Text(text.clone()))
}

fn cell(field: &Field, row: usize) -> Datum {
    let cell = match &field.values {
        Values::Times(times) => times.get(row).map(|time| Datum::Time(*time)),
        Values::Numbers(numbers) => numbers.get(row).filter(|number| !number.is_nan()).map(|number| Datum::Number(*number)),
        Values::Strings(texts) => texts.get(row).map(|text| Datum::Text(text.clone())),
    };
    cell.unwrap_or(Datum::Missing)
}

/// One row: titled by the row's texts, and by the column's name where there are several columns of numbers.
fn row_reading(frame: &Frame, field: &Field, source: Column, row: usize) -> Reading {
    let numbers = frame.fields.iter().filter(|field| matches!(field.values, Values::Numbers(_))).count();
    let mut title: Vec<&str> = frame
        .fields
        .iter()
        .filter(|other| !std::ptr::eq(*other, field))
        .filter_map(|other| match &other.values {
            Values::Strings(texts) => texts.get(row).map(String::as_str),
            Values::Times(_) | Values::Numbers(_) => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    if !title.is_empty() && numbers > 1 {
        title.push(&field.display_name);
    }
    Reading { source, value: cell(field, row), title: title.join(" "), spark: None, change: None }
}
