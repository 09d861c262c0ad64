//! Draws panels of `type: timeseries`, with the options of Grafana's panel of that name.
//!
//! Start reading at [`chart`], which makes the view; [`style`] reads how a series is drawn, [`axes`] which of them share an
//! axis. A view says what to draw: pixels, numbers as text and colours of the palette are the page's work.

pub mod axes;
pub mod chart;
pub mod style;

use skopos_sdk::about::{self, Description};
use skopos_sdk::panel::{self, Rendering, Request};
use skopos_sdk::types::Error;

/// JSON Schema of the panel's options.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Timeseries;

impl about::Guest for Timeseries {
    fn describe() -> Description {
        Description {
            summary: "Time series as lines, bars or points.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl panel::Guest for Timeseries {
    fn render(request: Request) -> Result<Rendering, Error> {
        Ok(Rendering { view: chart::view(&request)?, frames: Vec::new() })
    }
}

about::export!(Timeseries);
panel::export!(Timeseries);
