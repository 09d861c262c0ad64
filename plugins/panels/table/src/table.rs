//! From frames to a table.

use skopos_sdk::config::Options;
use skopos_sdk::panel::{Field, Frame, Order, Request, Table, TableColumn, Values, View};
use skopos_sdk::reduce::Calculation;
use skopos_sdk::types::Error;

use crate::column;

/// More columns than that nobody reads, and a page that draws them stands still.
const COLUMNS_MAX: usize = 300;

/// The table of a request, or that there is nothing to show.
///
/// # Errors
/// For options that are no JSON object, for a field whose configuration is not there, and for a footer's calculation that is not known.
pub fn view(request: &Request) -> Result<View, Error> {
    let options = Options::parse(&request.options)?;
    let Some((at, frame)) = frame(request, &options) else { return Ok(View::Empty(String::new())) };
    let footer = Footer::parse(&options.object("footer"))?;
    let mut columns = Vec::with_capacity(frame.fields.len());
    for (field, place) in frame.fields.iter().zip(0_u32..) {
        let config = request.configs.get(field.config as usize).ok_or_else(|| {
            Error::Internal(format!("field {:?} has configuration {}, but there are {}", field.name, field.config, request.configs.len()))
        })?;
        let custom = Options::parse(&config.custom).unwrap_or_default();
        if column::hidden(&custom) || columns.len() == COLUMNS_MAX {
            continue;
        }
        let own = custom.object("footer").texts("reducers").unwrap_or_default().into_iter().next();
        columns.push(TableColumn {
            field: place,
            // The page shows the field's display name.
            title: String::new(),
            cell: column::cell(&custom, &field.values),
            align: column::align(&custom),
            width: column::width(&custom),
            wrap: column::wrap(&custom),
            filter: custom.flag("filterable") == Some(true),
            footer: match own {
                Some(id) => calculation(id)?,
                None => footer.of(field, columns.is_empty()),
            },
        });
    }
    if columns.is_empty() {
        return Ok(View::Empty(String::new()));
    }
    let sort = sort(&options, &columns, frame);
    // `enablePagination` is not asked for: all rows are there, and only those in sight are drawn.
    Ok(View::Table(Table { frame: at, rows: None, columns, header: options.flag("showHeader") != Some(false), sort, page_size: None }))
}

/// The frame that the options name, else the first with a row.
fn frame<'a>(request: &'a Request, options: &Options) -> Option<(u32, &'a Frame)> {
    let has_rows = |frame: &Frame| frame.fields.iter().any(|field| rows(field) > 0);
    let with_rows = || request.frames.iter().zip(0_u32..).filter(|(frame, _)| has_rows(frame)).map(|(frame, at)| (at, frame));
    let named = options.number("frameIndex").and_then(|index| with_rows().find(|(at, _)| f64::from(*at) == index));
    named.or_else(|| with_rows().next())
}

fn rows(field: &Field) -> usize {
    match &field.values {
        Values::Times(times) => times.len(),
        Values::Numbers(numbers) => numbers.len(),
        Values::Strings(texts) => texts.len(),
    }
}

/// The first of `sortBy` whose column is shown, by the name people see.
fn sort(options: &Options, columns: &[TableColumn], frame: &Frame) -> Option<(u32, Order)> {
    let wanted = options.objects("sortBy");
    wanted.iter().find_map(|wanted| {
        let name = wanted.text("displayName");
        let named = |column: &&TableColumn| {
            frame.fields.get(column.field as usize).is_some_and(|field| field.display_name == name || field.name == name)
        };
        let at = columns.iter().position(|column| !name.is_empty() && named(&column))?;
        let order = if wanted.flag("desc") == Some(true) { Order::Descending } else { Order::Ascending };
        Some((u32::try_from(at).ok()?, order))
    })
}

/// What stands below the columns: one calculation for all of them, or the number of rows below the first.
struct Footer {
    calculation: Option<String>,
    /// None for every column of numbers.
    only: Option<Vec<String>>,
    count_rows: bool,
}

impl Footer {
    fn parse(options: &Options) -> Result<Self, Error> {
        let shown = options.flag("show") == Some(true);
        let id = options.texts("reducer").unwrap_or_default().into_iter().next().filter(|_| shown);
        let only = options.texts("fields").filter(|names| !names.is_empty());
        let calculation = id.map(calculation).transpose()?;
        let count_rows = calculation.as_deref() == Some("count") && options.flag("countRows") == Some(true);
        Ok(Self { calculation, only, count_rows })
    }

    fn of(&self, field: &Field, first: bool) -> String {
        let Some(calculation) = &self.calculation else { return String::new() };
        let here = if self.count_rows {
            first
        } else {
            let named = |names: &Vec<String>| names.iter().any(|name| *name == field.display_name || *name == field.name);
            matches!(field.values, Values::Numbers(_)) && self.only.as_ref().is_none_or(named)
        };
        if here { calculation.clone() } else { String::new() }
    }
}

fn calculation(id: String) -> Result<String, Error> {
    match Calculation::parse(&id) {
        Some(_) => Ok(id),
        None => Err(Error::Config(format!("footer: there is no calculation {id:?}"))),
    }
}
