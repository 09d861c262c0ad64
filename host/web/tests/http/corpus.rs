//! The expressions of every public dashboard, variables filled in, are read by our own parser.

use std::path::{Path, PathBuf};

use dashboards::{Scope, VariableKind, import};

fn files() -> Vec<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let dir = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, PathBuf::from);
    let listed = std::fs::read_dir(dir.join("dashboards")).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let diamol = ["exercises", "lab"].map(|part| dir.join("diamol").join(part).join("grafana/dashboard.json"));
    listed.chain(diamol).filter(|path| path.extension().is_some_and(|e| e == "json") && path.is_file()).collect()
}

#[test]
fn expressions_of_public_dashboards_are_read() {
    let files = files();
    if files.is_empty() {
        println!("skipped: no conformance data (set SKOPOS_CONFORMANCE)");
        return;
    }
    let (mut read, mut wrong) = (0, Vec::new());
    for path in files {
        let board = import(&std::fs::read_to_string(&path).expect("it can be read")).expect("it is a dashboard");
        let mut scope = Scope::new();
        for (name, text) in
            [("__interval", "15s"), ("__rate_interval", "1m"), ("__range", "3600s"), ("__range_s", "3600"), ("__interval_ms", "15000")]
        {
            scope.set_builtin(name, text);
        }
        for variable in &board.variables {
            let options = match variable.kind {
                VariableKind::Query(_) => variable.options_of(vec!["a.b".into(), "c".into()]).expect("a good pattern"),
                _ => variable.options.clone(),
            };
            scope.set(variable, &options, &variable.selection(&options, None));
        }
        for target in board.panels.iter().flat_map(|panel| &panel.targets).filter(|t| !t.expr.is_empty() && t.unsupported.is_empty()) {
            read += 1;
            let text = scope.fill_query(&target.expr);
            match promql::parse(&text).map(|expr| promql::plan::supported(&expr, promql::Features::ALL)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => println!("not evaluated yet: {error}: {text}"),
                Err(error) => wrong.push(format!("{}: {error}: {text}", path.display())),
            }
        }
    }
    println!("{read} expressions, {} not read", wrong.len());
    for line in &wrong {
        println!("{line}");
    }
    // Boards of VictoriaMetrics may use its dialect, which has operators that PromQL has not.
    wrong.retain(|line| !line.contains("/vm-"));
    assert!(wrong.is_empty(), "{} of {read} expressions are not read", wrong.len());
}
