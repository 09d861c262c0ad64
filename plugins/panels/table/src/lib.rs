//! Shows rows and columns: panels of `type: table`, with the options of Grafana's panel of that name.
//!
//! Start reading at [`table`], which picks the frame and makes the view; [`column`] reads what stands in a field's options. What
//! the columns are is decided before: by the queries and the dashboard's transformations. Units, colours, sorting by a click
//! and scrolling are the page's work.

pub mod column;
pub mod table;

use skopos_sdk::about::{self, Description};
use skopos_sdk::panel::{self, Rendering, Request};
use skopos_sdk::types::Error;

/// JSON Schema of the panel's options.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Table;

impl about::Guest for Table {
    fn describe() -> Description {
        Description {
            summary: "Rows and columns, sorted by a click.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl panel::Guest for Table {
    fn render(request: Request) -> Result<Rendering, Error> {
        Ok(Rendering { view: table::view(&request)?, frames: Vec::new() })
    }
}

about::export!(Table);
panel::export!(Table);
