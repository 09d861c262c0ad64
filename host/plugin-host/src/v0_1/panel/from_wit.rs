//! Enumerations and small records, which have the same cases on both sides.

use model::view as m;

use crate::v0_1::unstable::panel as wit;

impl From<wit::Interpolation> for m::Interpolation {
    fn from(from: wit::Interpolation) -> Self {
        match from {
            wit::Interpolation::Linear => Self::Linear,
            wit::Interpolation::Smooth => Self::Smooth,
            wit::Interpolation::StepBefore => Self::StepBefore,
            wit::Interpolation::StepAfter => Self::StepAfter,
        }
    }
}

impl From<wit::Alignment> for m::Alignment {
    fn from(from: wit::Alignment) -> Self {
        match from {
            wit::Alignment::Before => Self::Before,
            wit::Alignment::Center => Self::Center,
            wit::Alignment::After => Self::After,
        }
    }
}

impl From<wit::Gradient> for m::Gradient {
    fn from(from: wit::Gradient) -> Self {
        match from {
            wit::Gradient::None => Self::None,
            wit::Gradient::Opacity => Self::Opacity,
            wit::Gradient::Hue => Self::Hue,
            wit::Gradient::Scale => Self::Scale,
        }
    }
}

impl From<wit::Visibility> for m::Visibility {
    fn from(from: wit::Visibility) -> Self {
        match from {
            wit::Visibility::Auto => Self::Auto,
            wit::Visibility::Always => Self::Always,
            wit::Visibility::Never => Self::Never,
        }
    }
}

impl From<wit::Stacking> for m::Stacking {
    fn from(from: wit::Stacking) -> Self {
        match from {
            wit::Stacking::Normal => Self::Normal,
            wit::Stacking::Percent => Self::Percent,
        }
    }
}

impl From<wit::Side> for m::Side {
    fn from(from: wit::Side) -> Self {
        match from {
            wit::Side::Auto => Self::Auto,
            wit::Side::Left => Self::Left,
            wit::Side::Right => Self::Right,
            wit::Side::Bottom => Self::Bottom,
            wit::Side::Hidden => Self::Hidden,
        }
    }
}

impl From<wit::ThresholdStyle> for m::ThresholdStyle {
    fn from(from: wit::ThresholdStyle) -> Self {
        match from {
            wit::ThresholdStyle::None => Self::None,
            wit::ThresholdStyle::Lines => Self::Lines,
            wit::ThresholdStyle::Dashed => Self::Dashed,
            wit::ThresholdStyle::Areas => Self::Areas,
            wit::ThresholdStyle::LinesAndAreas => Self::LinesAndAreas,
        }
    }
}

impl From<wit::Placement> for m::Placement {
    fn from(from: wit::Placement) -> Self {
        match from {
            wit::Placement::Hidden => Self::Hidden,
            wit::Placement::Bottom => Self::Bottom,
            wit::Placement::Right => Self::Right,
        }
    }
}

impl From<wit::TooltipMode> for m::TooltipMode {
    fn from(from: wit::TooltipMode) -> Self {
        match from {
            wit::TooltipMode::Hidden => Self::Hidden,
            wit::TooltipMode::One => Self::One,
            wit::TooltipMode::All => Self::All,
        }
    }
}

impl From<wit::Order> for m::Order {
    fn from(from: wit::Order) -> Self {
        match from {
            wit::Order::Ascending => Self::Ascending,
            wit::Order::Descending => Self::Descending,
        }
    }
}

impl From<wit::Orientation> for m::Orientation {
    fn from(from: wit::Orientation) -> Self {
        match from {
            wit::Orientation::Auto => Self::Auto,
            wit::Orientation::Horizontal => Self::Horizontal,
            wit::Orientation::Vertical => Self::Vertical,
        }
    }
}

impl From<wit::ShownText> for m::ShownText {
    fn from(from: wit::ShownText) -> Self {
        match from {
            wit::ShownText::Auto => Self::Auto,
            wit::ShownText::Value => Self::Value,
            wit::ShownText::ValueAndName => Self::ValueAndName,
            wit::ShownText::Name => Self::Name,
            wit::ShownText::None => Self::None,
        }
    }
}

impl From<wit::Paint> for m::Paint {
    fn from(from: wit::Paint) -> Self {
        match from {
            wit::Paint::None => Self::None,
            wit::Paint::Value => Self::Value,
            wit::Paint::Background => Self::Background,
            wit::Paint::Gradient => Self::Gradient,
        }
    }
}

impl From<wit::BarStyle> for m::BarStyle {
    fn from(from: wit::BarStyle) -> Self {
        match from {
            wit::BarStyle::Plain => Self::Plain,
            wit::BarStyle::Gradient => Self::Gradient,
            wit::BarStyle::Segments => Self::Segments,
        }
    }
}

impl From<wit::CellAlign> for m::CellAlign {
    fn from(from: wit::CellAlign) -> Self {
        match from {
            wit::CellAlign::Auto => Self::Auto,
            wit::CellAlign::Left => Self::Left,
            wit::CellAlign::Center => Self::Center,
            wit::CellAlign::Right => Self::Right,
        }
    }
}

impl From<wit::Hidden> for m::Hidden {
    fn from(from: wit::Hidden) -> Self {
        Self {
            plot: from.contains(wit::Hidden::PLOT),
            legend: from.contains(wit::Hidden::LEGEND),
            tooltip: from.contains(wit::Hidden::TOOLTIP),
        }
    }
}

impl From<wit::SliceLabels> for m::SliceLabels {
    fn from(from: wit::SliceLabels) -> Self {
        Self {
            name: from.contains(wit::SliceLabels::NAME),
            value: from.contains(wit::SliceLabels::VALUE),
            percent: from.contains(wit::SliceLabels::PERCENT),
        }
    }
}

impl From<wit::Nulls> for m::Nulls {
    fn from(from: wit::Nulls) -> Self {
        match from {
            wit::Nulls::Gap => Self::Gap,
            wit::Nulls::Connect => Self::Connect,
            wit::Nulls::ConnectBelow(ms) => Self::ConnectBelow(ms),
            wit::Nulls::BreakAbove(ms) => Self::BreakAbove(ms),
        }
    }
}

impl From<wit::Scale> for m::Scale {
    fn from(from: wit::Scale) -> Self {
        match from {
            wit::Scale::Linear => Self::Linear,
            wit::Scale::Log(base) => Self::Log(base),
            wit::Scale::Symlog((base, until)) => Self::Symlog(base, until),
        }
    }
}

impl From<wit::Mark> for m::Mark {
    fn from(from: wit::Mark) -> Self {
        match from {
            wit::Mark::Line(interpolation) => Self::Line(interpolation.into()),
            wit::Mark::Bars(b) => {
                Self::Bars(m::Bars { alignment: b.alignment.into(), width: b.width, labels: b.labels.into(), horizontal: b.horizontal })
            }
            wit::Mark::Points => Self::Points,
        }
    }
}

impl From<wit::Datum> for m::Datum {
    fn from(from: wit::Datum) -> Self {
        match from {
            wit::Datum::Missing => Self::Missing,
            wit::Datum::Number(value) => Self::Number(value),
            wit::Datum::Time(ms) => Self::Time(ms),
            wit::Datum::Text(text) => Self::Text(text),
        }
    }
}

impl From<wit::Legend> for m::Legend {
    fn from(from: wit::Legend) -> Self {
        Self {
            placement: from.placement.into(),
            table: from.table,
            calculations: from.calculations,
            sort_by: from.sort_by,
            descending: from.descending,
        }
    }
}

impl From<wit::Tooltip> for m::Tooltip {
    fn from(from: wit::Tooltip) -> Self {
        Self { mode: from.mode.into(), sort: from.sort.map(Into::into) }
    }
}

impl From<wit::Region> for m::Region {
    fn from(from: wit::Region) -> Self {
        Self { from: from.from, to: from.to, title: from.title, color: from.color }
    }
}

impl From<wit::Text> for m::Text {
    fn from(from: wit::Text) -> Self {
        let format = match from.format {
            wit::TextFormat::Markdown => m::TextFormat::Markdown,
            wit::TextFormat::Html => m::TextFormat::Html,
            wit::TextFormat::Code(language) => m::TextFormat::Code(language),
        };
        Self { content: from.content, format }
    }
}
