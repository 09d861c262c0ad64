//! Panel requests and views, between the types of `model` and the contract's. One to one: only shapes change, and indices are
//! checked, so that a page can follow them.

use model::view as m;

use super::exporter::label_set;
use super::unstable::panel as wit;
use super::unstable_types::data;
use crate::limits::RECORDS_MAX;

mod from_wit;
mod view;

pub(crate) use view::rendering;

/// What the component gets.
pub(crate) fn request(from: m::PanelRequest) -> wit::Request {
    wit::Request {
        options: from.options,
        width: from.width,
        height: from.height,
        theme: match from.theme {
            m::Theme::Light => wit::Theme::Light,
            m::Theme::Dark => wit::Theme::Dark,
        },
        from: from.from,
        to: from.to,
        time_zone: from.time_zone,
        frames: from.frames.into_iter().map(frame).collect(),
        configs: from.configs.into_iter().map(config).collect(),
    }
}

fn frame(from: m::Frame) -> wit::Frame {
    let fields = from.fields.into_iter().map(|field| wit::Field {
        name: field.name,
        labels: field.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        display_name: field.display_name,
        config: field.config,
        values: match field.values {
            m::Values::Times(cells) => data::Values::Times(cells),
            m::Values::Numbers(cells) => data::Values::Numbers(cells),
            m::Values::Strings(cells) => data::Values::Strings(cells),
        },
    });
    wit::Frame { query: from.query, name: from.name, fields: fields.collect() }
}

fn config(from: m::FieldConfig) -> wit::FieldConfig {
    wit::FieldConfig {
        unit: from.unit,
        decimals: from.decimals,
        min: from.min,
        max: from.max,
        color: match from.color {
            m::ColorMode::Palette => wit::ColorMode::Palette,
            m::ColorMode::Fixed(color) => wit::ColorMode::Fixed(color),
            m::ColorMode::Thresholds => wit::ColorMode::Thresholds,
            m::ColorMode::Scale(name) => wit::ColorMode::Scale(name),
        },
        thresholds: from.thresholds.into_iter().map(|t| wit::Threshold { value: t.value, color: t.color }).collect(),
        mappings: from.mappings.into_iter().map(mapping).collect(),
        no_value: from.no_value,
        links: from.links.into_iter().map(|l| wit::DataLink { title: l.title, url: l.url, new_tab: l.new_tab }).collect(),
        custom: from.custom,
    }
}

fn mapping(from: m::Mapping) -> wit::Mapping {
    let matches = match from.matches {
        m::Match::Text(text) => wit::Match::Text(text),
        m::Match::Range(low, high) => wit::Match::Range((low, high)),
        m::Match::Pattern(pattern) => wit::Match::Pattern(pattern),
        m::Match::Missing => wit::Match::Missing,
        m::Match::Empty => wit::Match::Empty,
    };
    wit::Mapping { matches, text: from.text, color: from.color }
}

/// A frame that a panel has computed. Its columns are of one length, as the contract says.
fn computed_frame(from: wit::Frame, configs: usize) -> Result<m::Frame, String> {
    let mut fields = Vec::with_capacity(from.fields.len());
    for field in from.fields {
        let values = match field.values {
            data::Values::Times(cells) => m::Values::Times(cells),
            data::Values::Numbers(cells) => m::Values::Numbers(cells),
            data::Values::Strings(cells) => m::Values::Strings(cells),
        };
        if field.config as usize >= configs {
            return Err(format!("a field of a frame names configuration {}, and there are {configs}", field.config));
        }
        fields.push(m::Field {
            name: field.name,
            labels: label_set(&field.labels)?,
            display_name: field.display_name,
            config: field.config,
            values,
        });
    }
    if fields.windows(2).any(|pair: &[m::Field]| pair[0].values.len() != pair[1].values.len()) {
        return Err("the columns of a frame are not of one length".to_owned());
    }
    Ok(m::Frame { query: from.query, name: from.name, fields })
}

/// What a view may refer to: the number of fields of each frame, and of configurations.
struct Known {
    fields: Vec<usize>,
    rows: Vec<usize>,
    configs: usize,
}

impl Known {
    fn column(&self, from: wit::Column) -> Result<m::Column, String> {
        let fields = self.fields.get(from.frame as usize).copied().unwrap_or_default();
        if from.field as usize >= fields {
            return Err(format!("the view refers to field {} of frame {}, which is not there", from.field, from.frame));
        }
        Ok(m::Column { frame: from.frame, field: from.field })
    }

    fn field(&self, frame: u32, field: u32) -> Result<u32, String> {
        self.column(wit::Column { frame, field }).map(|column| column.field)
    }

    fn config(&self, index: u32) -> Result<u32, String> {
        if index as usize >= self.configs.max(1) {
            Err(format!("the view refers to configuration {index}, which is not there"))
        } else {
            Ok(index)
        }
    }
}

fn at_most(count: usize, what: &str) -> Result<(), String> {
    if count > RECORDS_MAX { Err(format!("the view has {count} {what}, more than the limit of {RECORDS_MAX}")) } else { Ok(()) }
}
