//! Every table of the public dashboards is drawn: read, transformed and configured as the host does it.

use std::path::PathBuf;

use dashboards::frames::{ResultSeries, frames};
use dashboards::{PanelKind, import, resolve, transform};
use model::{LabelSet, view};
use plugin_table::Table;
use skopos_sdk::panel::{self, ColorMode, FieldConfig, Guest, Request, Theme, Values, View};

/// What a query of a table may answer: two series that differ in a label, by which tables are joined.
fn result(query: usize, instant: bool) -> Vec<ResultSeries> {
    let names = [
        "cluster",
        "namespace",
        "pod",
        "workload",
        "workload_type",
        "container",
        "job",
        "name",
        "queue",
        "backend",
        "alertname",
        "device",
        "mountpoint",
    ];
    ["one", "two"]
        .into_iter()
        .map(|value| {
            let labels = names.iter().map(|name| (*name, value)).chain([("__name__", "metric"), ("instance", "a:1")]);
            let points = if instant { 1 } else { 3 };
            ResultSeries {
                labels: LabelSet::from_pairs(labels),
                times: (0..points).map(|n| 1_700_000_000_000 + 15_000 * n).collect(),
                values: (0..points).map(|n| n as f64 + query as f64).collect(),
            }
        })
        .collect()
}

/// As the plugin host hands it over.
fn request(options: String, resolved: dashboards::Resolved) -> Request {
    let field = |field: view::Field| panel::Field {
        labels: field.labels.iter().map(|(name, value)| panel_label(name, value)).collect(),
        values: match field.values {
            view::Values::Times(times) => Values::Times(times),
            view::Values::Numbers(numbers) => Values::Numbers(numbers),
            view::Values::Strings(texts) => Values::Strings(texts),
        },
        name: field.name,
        display_name: field.display_name,
        config: field.config,
    };
    let config = |config: view::FieldConfig| FieldConfig {
        unit: config.unit,
        decimals: config.decimals,
        min: config.min,
        max: config.max,
        // The panel leaves colours, mappings and links to the page.
        color: ColorMode::Palette,
        thresholds: vec![],
        mappings: vec![],
        no_value: config.no_value,
        links: vec![],
        custom: config.custom,
    };
    Request {
        options,
        width: 800,
        height: 300,
        theme: Theme::Light,
        from: 0,
        to: 1,
        time_zone: "UTC".to_owned(),
        frames: resolved
            .frames
            .into_iter()
            .map(|frame| panel::Frame { query: frame.query, name: frame.name, fields: frame.fields.into_iter().map(field).collect() })
            .collect(),
        configs: resolved.configs.into_iter().map(config).collect(),
    }
}

fn panel_label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn every_table_of_the_public_dashboards_is_drawn() {
    let Some(dir) = test_support::conformance("dashboards") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).expect("it is a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.extend(["exercises", "lab"].map(|part| dir.join("../diamol").join(part).join("grafana/dashboard.json")));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut drawn, mut columns, mut failed) = (0, 0, Vec::new());
    let (mut colored, mut gauges, mut sorted, mut hidden) = (0, 0, 0, 0);
    for path in &files {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let board = import(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for table in board.panels.iter().filter(|panel| panel.kind == PanelKind::Panel && panel.type_name == "table") {
            let name = format!("{}: {:?}", path.file_name().unwrap_or_default().to_string_lossy(), table.title);
            let several = table.targets.len() > 1;
            let results = table.targets.iter().filter(|target| !target.hide).enumerate();
            let all = results.flat_map(|(n, target)| frames(target, "m", result(n, target.instant), Some(15_000), several)).collect();
            let (shaped, unread) = transform(all, &table.transformations);
            for text in unread {
                println!("{name}: {text}");
            }
            let resolved = resolve(shaped, &table.fields, &table.type_name);
            let fields = resolved.frames.first().map_or(0, |frame| frame.fields.len());
            let options = table.options.to_string();
            match Table::render(request(options, resolved)) {
                Ok(rendering) => match rendering.view {
                    View::Table(table) if !table.columns.is_empty() => {
                        drawn += 1;
                        columns += table.columns.len();
                        sorted += usize::from(table.sort.is_some());
                        hidden += fields.saturating_sub(table.columns.len());
                        colored += table
                            .columns
                            .iter()
                            .filter(|c| matches!(c.cell, panel::Cell::ColoredText | panel::Cell::ColoredBackground))
                            .count();
                        gauges += table.columns.iter().filter(|c| matches!(c.cell, panel::Cell::Gauge(_))).count();
                    }
                    other => failed.push(format!("{name}: {other:?}")),
                },
                Err(error) => failed.push(format!("{name}: {error:?}")),
            }
        }
    }
    println!("tables of dashboards: {drawn} passed, {} failed, 0 skipped", failed.len());
    println!("{columns} columns, {colored} coloured, {gauges} with bars, {hidden} hidden, {sorted} tables sorted at first");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(drawn >= 40, "the public dashboards hold at least 40 tables: {drawn}");
}
