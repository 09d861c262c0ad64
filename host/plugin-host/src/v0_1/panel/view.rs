//! Views, with every index checked against what there is to refer to.

use model::view as m;

use super::{Known, at_most, computed_frame};
use crate::v0_1::unstable::panel as wit;

/// Bytes of a text.
const TEXT_BYTES_MAX: usize = 2 << 20;

/// What a panel answered to a request with these frames (number of fields and rows of each) and so many configurations.
pub(crate) fn rendering(answer: wit::Rendering, frames: &[(usize, usize)], configs: usize) -> Result<m::Rendering, String> {
    at_most(answer.frames.len(), "frames")?;
    let computed = answer.frames.into_iter().map(|frame| computed_frame(frame, configs)).collect::<Result<Vec<_>, _>>()?;
    let sizes =
        frames.iter().copied().chain(computed.iter().map(|f| (f.fields.len(), f.fields.first().map_or(0, |field| field.values.len()))));
    let (fields, rows) = sizes.unzip();
    let known = Known { fields, rows, configs };
    Ok(m::Rendering { view: known.view(answer.view)?, frames: computed })
}

impl Known {
    fn view(&self, from: wit::View) -> Result<m::View, String> {
        Ok(match from {
            wit::View::Chart(chart) => m::View::Chart(self.chart(chart)?),
            wit::View::Stats(stats) => m::View::Stats(m::Stats {
                readings: self.readings(stats.readings)?,
                orientation: stats.orientation.into(),
                show: stats.show.into(),
                paint: stats.paint.into(),
                centered: stats.centered,
                title_size: stats.title_size,
                value_size: stats.value_size,
            }),
            wit::View::Gauges(gauges) => m::View::Gauges(m::Gauges {
                readings: self.readings(gauges.readings)?,
                orientation: gauges.orientation.into(),
                threshold_markers: gauges.threshold_markers,
                threshold_labels: gauges.threshold_labels,
            }),
            wit::View::BarGauges(bars) => m::View::BarGauges(m::BarGauges {
                readings: self.readings(bars.readings)?,
                orientation: bars.orientation.into(),
                style: bars.style.into(),
                unfilled: bars.unfilled,
                show: bars.show.into(),
            }),
            wit::View::Table(table) => m::View::Table(self.table(table)?),
            wit::View::Heatmap(heatmap) => m::View::Heatmap(self.heatmap(heatmap)?),
            wit::View::Pie(pie) => m::View::Pie(m::Pie {
                readings: self.readings(pie.readings)?,
                donut: pie.donut,
                labels: pie.labels.into(),
                legend: pie.legend.into(),
            }),
            wit::View::StateTimeline(timeline) => m::View::StateTimeline(self.state_timeline(timeline)?),
            wit::View::Text(text) => m::View::Text(short(text.content.len()).map(|()| text.into())?),
            wit::View::Logs(logs) => m::View::Logs(self.logs(logs)?),
            // It has to be sanitised before it is shown, which no one does yet.
            wit::View::Svg(_) => {
                return Err("views of the kind svg are not shown yet: answer a chart, stats or another view of the contract".to_owned());
            }
            wit::View::Empty(reason) => m::View::Empty(reason),
        })
    }

    fn chart(&self, from: wit::Chart) -> Result<m::Chart, String> {
        at_most(from.series.len(), "series")?;
        let (count, axes) = (from.series.len(), from.axes.len());
        Ok(m::Chart {
            series: from.series.into_iter().map(|series| self.series(series, count, axes)).collect::<Result<_, _>>()?,
            x_axis: self.axis(from.x_axis)?,
            axes: from.axes.into_iter().map(|axis| self.axis(axis)).collect::<Result<_, _>>()?,
            regions: from.regions.into_iter().map(Into::into).collect(),
            legend: from.legend.into(),
            tooltip: from.tooltip.into(),
        })
    }

    fn series(&self, from: wit::Series, count: usize, axes: usize) -> Result<m::Series, String> {
        if from.axis as usize >= axes {
            return Err(format!("a series stands on axis {}, and there are {axes}", from.axis));
        }
        if let Some(other) = from.fill_below_to.filter(|other| *other as usize >= count) {
            return Err(format!("a series fills down to series {other}, and there are {count}"));
        }
        let (x, y) = (self.column(from.x)?, self.column(from.y)?);
        Ok(m::Series {
            x,
            y,
            color: from.color,
            mark: from.mark.into(),
            axis: from.axis,
            line_width: from.line_width,
            dash: from.dash,
            fill_opacity: from.fill_opacity,
            gradient: from.gradient.into(),
            fill_below_to: from.fill_below_to,
            points: from.points.into(),
            point_size: from.point_size,
            nulls: from.nulls.into(),
            stack: from.stack.map(|s| m::Stack { group: s.group, mode: s.mode.into() }),
            negate: from.negate,
            hidden_from: from.hidden_from.into(),
        })
    }

    fn axis(&self, from: wit::Axis) -> Result<m::Axis, String> {
        Ok(m::Axis {
            label: from.label,
            side: from.side.into(),
            config: self.config(from.config)?,
            soft_min: from.soft_min,
            soft_max: from.soft_max,
            scale: from.scale.into(),
            centered: from.centered,
            grid: from.grid.into(),
            thresholds: from.thresholds.into(),
        })
    }

    fn readings(&self, from: Vec<wit::Reading>) -> Result<Vec<m::Reading>, String> {
        at_most(from.len(), "readings")?;
        let readings = from.into_iter().map(|reading| {
            Ok(m::Reading {
                source: self.column(reading.source)?,
                value: reading.value.into(),
                title: reading.title,
                spark: reading.spark.map(|column| self.column(column)).transpose()?,
                change: reading.change,
            })
        });
        readings.collect()
    }

    fn table(&self, from: wit::Table) -> Result<m::Table, String> {
        let frame = from.frame;
        let rows = self.rows.get(frame as usize).copied().ok_or_else(|| format!("the table shows frame {frame}, which is not there"))?;
        if let Some(row) = from.rows.iter().flatten().find(|row| **row as usize >= rows) {
            return Err(format!("the table shows row {row} of frame {frame}, which has {rows}"));
        }
        let columns = from.columns.len();
        if let Some((column, _)) = from.sort.filter(|(column, _)| *column as usize >= columns) {
            return Err(format!("the table is sorted by column {column}, and there are {columns}"));
        }
        Ok(m::Table {
            frame,
            rows: from.rows,
            columns: from.columns.into_iter().map(|column| self.table_column(frame, column)).collect::<Result<_, _>>()?,
            header: from.header,
            sort: from.sort.map(|(column, order)| (column, order.into())),
            page_size: from.page_size,
        })
    }

    fn table_column(&self, frame: u32, from: wit::TableColumn) -> Result<m::TableColumn, String> {
        let cell = match from.cell {
            wit::Cell::Auto => m::Cell::Auto,
            wit::Cell::ColoredText => m::Cell::ColoredText,
            wit::Cell::ColoredBackground => m::Cell::ColoredBackground,
            wit::Cell::Gauge(style) => m::Cell::Gauge(style.into()),
            wit::Cell::Json => m::Cell::Json,
            wit::Cell::Sparklines(lines) => {
                let lines = lines.into_iter().map(|line| Ok(m::Sparkline { x: self.column(line.x)?, y: self.column(line.y)? }));
                m::Cell::Sparklines(lines.collect::<Result<_, String>>()?)
            }
        };
        Ok(m::TableColumn {
            field: self.field(frame, from.field)?,
            title: from.title,
            cell,
            align: from.align.into(),
            width: from.width,
            wrap: from.wrap,
            filter: from.filter,
            footer: from.footer,
        })
    }

    fn heatmap(&self, from: wit::Heatmap) -> Result<m::Heatmap, String> {
        let buckets = from.buckets.into_iter().map(|b| Ok(m::HeatBucket { low: b.low, high: b.high, counts: self.column(b.counts)? }));
        Ok(m::Heatmap {
            x: self.column(from.x)?,
            buckets: buckets.collect::<Result<_, String>>()?,
            x_axis: self.axis(from.x_axis)?,
            y_axis: self.axis(from.y_axis)?,
            colors: from.colors,
            reverse: from.reverse,
            min: from.min,
            max: from.max,
            gap: from.gap,
            legend: from.legend,
        })
    }

    fn state_timeline(&self, from: wit::StateTimeline) -> Result<m::StateTimeline, String> {
        let lanes = from.lanes.into_iter().map(|lane| Ok(m::Lane { x: self.column(lane.x)?, states: self.column(lane.states)? }));
        Ok(m::StateTimeline {
            lanes: lanes.collect::<Result<_, String>>()?,
            merge: from.merge,
            labels: from.labels.into(),
            row_height: from.row_height,
            legend: from.legend.into(),
        })
    }

    fn logs(&self, from: wit::Logs) -> Result<m::Logs, String> {
        let frame = from.frame;
        Ok(m::Logs {
            frame,
            time: self.field(frame, from.time)?,
            line: self.field(frame, from.line)?,
            level: from.level.map(|field| self.field(frame, field)).transpose()?,
            details: from.details.into_iter().map(|field| self.field(frame, field)).collect::<Result<_, _>>()?,
            newest_first: from.newest_first,
            wrap: from.wrap,
            show_time: from.show_time,
        })
    }
}

fn short(bytes: usize) -> Result<(), String> {
    if bytes > TEXT_BYTES_MAX {
        Err(format!("the view is a text of {bytes} bytes, more than the limit of {TEXT_BYTES_MAX}"))
    } else {
        Ok(())
    }
}
