//! Imports every public dashboard of the conformance data: no error, every panel of a known kind, every variable replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dashboards::{Dashboard, PanelKind, Scope, VariableKind, import, resolve, transform};
use model::LabelSet;

/// Kinds that the plugins of this project draw, now or by plan. Anything else is a placeholder.
const KNOWN: [&str; 10] =
    ["timeseries", "stat", "gauge", "bargauge", "table", "text", "heatmap", "piechart", "state-timeline", "status-history"];

fn conformance() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let dir = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, PathBuf::from);
    dir.join("dashboards").is_dir().then_some(dir)
}

fn boards() -> Option<Vec<(String, Dashboard)>> {
    let dir = conformance()?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("dashboards")).expect("it is a folder").map(|e| e.expect("an entry").path()).collect();
    files.extend(["exercises", "lab"].map(|part| dir.join("diamol").join(part).join("grafana/dashboard.json")));
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let name = path.to_string_lossy().into_owned();
        let board = import(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, board)
    };
    Some(files.iter().map(read).collect())
}

/// A scope in which every variable has two values, and the built-in ones are set.
fn scope(board: &Dashboard) -> Scope {
    let mut scope = Scope::new();
    for name in ["__interval", "__rate_interval", "__range", "interval", "__auto_interval_interval"] {
        scope.set_builtin(name, "5m");
    }
    for name in ["__interval_ms", "__range_s", "__range_ms", "__from", "__to"] {
        scope.set_builtin(name, "300000");
    }
    for variable in &board.variables {
        let options = match variable.kind {
            VariableKind::Query(_) => variable.options_of(vec!["a.b".into(), "c".into()]).expect("its pattern is good"),
            _ => variable.options.clone(),
        };
        let chosen = variable.selection(&options, None);
        scope.set(variable, &options, &chosen);
    }
    scope
}

#[test]
fn every_public_dashboard_is_read() {
    let Some(boards) = boards() else {
        println!("skipped: no conformance data (set SKOPOS_CONFORMANCE)");
        return;
    };
    let (mut panels, mut placeholders, mut exprs) = (0, BTreeMap::<String, usize>::new(), 0);
    let mut warnings: BTreeMap<String, usize> = BTreeMap::new();
    for (name, board) in &boards {
        let scope = scope(board);
        let mut ids = std::collections::HashSet::new();
        for panel in &board.panels {
            assert!(ids.insert(panel.id), "{name}: the id {} comes twice", panel.id);
            assert!(panel.grid.x + panel.grid.w <= 24 && panel.grid.h > 0, "{name}: {:?}", panel.grid);
            if panel.kind != PanelKind::Panel {
                continue;
            }
            panels += 1;
            if !KNOWN.contains(&panel.type_name.as_str()) {
                *placeholders.entry(panel.type_name.clone()).or_default() += 1;
            }
            for target in panel.targets.iter().filter(|t| !t.expr.is_empty()) {
                exprs += 1;
                let filled = scope.fill_query(&target.expr);
                let defined = |name: &String| name.starts_with("__") || board.variables.iter().any(|v| v.name == *name);
                let (open, foreign): (Vec<_>, Vec<_>) = scope.unknown_references(&filled).into_iter().partition(defined);
                assert!(open.is_empty(), "{name}: panel {:?}: {filled}", panel.title);
                for reference in foreign {
                    println!("{name}: panel {:?} refers to ${reference}, which the board does not have", panel.title);
                }
            }
            // With no result at all, every part of a panel still has to hold.
            let (frames, unread) = transform(Vec::new(), &panel.transformations);
            let resolved = resolve(frames, &panel.fields, &panel.type_name);
            for text in unread.into_iter().chain(resolved.warnings) {
                *warnings.entry(text).or_default() += 1;
            }
        }
        for text in &board.warnings {
            println!("{name}: {text}");
        }
    }
    println!("{} dashboards, {panels} panels, {exprs} expressions, placeholders {placeholders:?}, warnings {warnings:?}", boards.len());
    assert!(boards.len() >= 2 && panels > 0);
}

/// Overrides, thresholds and mappings are applied to a series, whatever a board says about it.
#[test]
fn every_panel_shows_a_series() {
    use dashboards::frames::{ResultSeries, frames};
    let Some(boards) = boards() else {
        println!("skipped: no conformance data (set SKOPOS_CONFORMANCE)");
        return;
    };
    let labels = LabelSet::from_pairs([("__name__", "m"), ("job", "node"), ("instance", "a:1"), ("le", "+Inf")]);
    for (name, board) in &boards {
        for panel in board.panels.iter().filter(|p| p.kind == PanelKind::Panel) {
            let several = panel.targets.len() > 1;
            let of = |target| {
                let series = ResultSeries { labels: labels.clone(), times: vec![0, 15_000], values: vec![1.0, 2.0] };
                frames(target, "m", vec![series], Some(15_000), several)
            };
            let all = panel.targets.iter().filter(|t| !t.hide).flat_map(of).collect();
            let (shaped, unread) = transform(all, &panel.transformations);
            for text in unread {
                println!("{name}: panel {:?}: {text}", panel.title);
            }
            let resolved = resolve(shaped, &panel.fields, &panel.type_name);
            for field in resolved.frames.iter().flat_map(|frame| &frame.fields) {
                assert!((field.config as usize) < resolved.configs.len(), "{name}: {:?}", panel.title);
            }
            serde_json::to_value(&resolved.configs).expect("they serialise");
            for text in resolved.warnings {
                println!("{name}: panel {:?}: {text}", panel.title);
            }
        }
    }
}

/// The boards that Skopos brings along are read without a warning, and every panel of theirs is drawn by its own plugins.
#[test]
fn our_own_boards_are_whole() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/dashboards");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).expect("it is a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let board = import(&std::fs::read_to_string(&path).expect("it can be read")).expect("it is a dashboard");
        assert_eq!(board.warnings, [] as [String; 0], "{}", path.display());
        for panel in board.panels.iter().filter(|panel| panel.kind == PanelKind::Panel) {
            assert!(["timeseries", "stat", "table"].contains(&panel.type_name.as_str()), "{}: {}", path.display(), panel.type_name);
            // Every title and description in each language.
            for (tag, texts) in &board.translations {
                for text in [&panel.title, &panel.description, &board.description].into_iter().filter(|text| !text.is_empty()) {
                    assert!(texts.contains_key(text), "{}: {tag} lacks {text:?}", path.display());
                }
            }
        }
        count += 1;
    }
    assert!(count > 0);
}
