//! Shows one value of each series: panels of `type: stat`, with the options of Grafana's panel of that name.
//!
//! Start reading at [`readings`], which picks columns and makes values of them. How large they are, what colour and in which
//! unit is the page's work.

pub mod readings;

use skopos_sdk::about::{self, Description};
use skopos_sdk::config::Options;
use skopos_sdk::panel::{self, Orientation, Paint, Rendering, Request, ShownText, Stats, View};
use skopos_sdk::types::Error;

/// JSON Schema of the panel's options.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Stat;

impl about::Guest for Stat {
    fn describe() -> Description {
        Description {
            summary: "Single values, large, with a line behind them.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl panel::Guest for Stat {
    fn render(request: Request) -> Result<Rendering, Error> {
        let options = Options::parse(&request.options)?;
        let readings = readings::readings(&options, &request)?;
        let view = if readings.is_empty() { View::Empty(String::new()) } else { View::Stats(stats(&options, readings)) };
        Ok(Rendering { view, frames: Vec::new() })
    }
}

fn stats(options: &Options, readings: Vec<panel::Reading>) -> Stats {
    let text = options.object("text");
    Stats {
        readings,
        orientation: match options.text("orientation") {
            "horizontal" => Orientation::Horizontal,
            "vertical" => Orientation::Vertical,
            _ => Orientation::Auto,
        },
        show: match options.text("textMode") {
            "value" => ShownText::Value,
            "value_and_name" => ShownText::ValueAndName,
            "name" => ShownText::Name,
            "none" => ShownText::None,
            _ => ShownText::Auto,
        },
        paint: match options.text("colorMode") {
            "none" => Paint::None,
            "background" => Paint::Gradient,
            "background_solid" => Paint::Background,
            _ => Paint::Value,
        },
        centered: options.text("justifyMode") == "center",
        title_size: size(text.number("titleSize")),
        value_size: size(text.number("valueSize")),
    }
}

/// CSS pixels of a text.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right before")]
fn size(pixels: Option<f64>) -> Option<u32> {
    pixels.filter(|pixels| *pixels >= 1.0).map(|pixels| pixels.clamp(1.0, 1000.0) as u32)
}

about::export!(Stat);
panel::export!(Stat);
