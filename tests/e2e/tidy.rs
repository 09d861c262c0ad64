//! What the repository says about itself is true: the table of arrows, the top level, lengths of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use test_support::workspace_root;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(workspace_root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Names of packages and what they depend on, tests' dependencies left out.
fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().into_iter().flatten();
        all.filter(|d| d["kind"].is_null()).filter_map(|d| d["rename"].as_str().or(d["name"].as_str()).map(str::to_owned)).collect()
    };
    packages.iter().map(|p| (p["name"].as_str().expect("a name").to_owned(), dependencies(p))).collect()
}

fn cells(row: &str) -> Vec<BTreeSet<String>> {
    let names = |cell: &str| cell.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
    row.trim().trim_matches('|').split('|').map(names).collect()
}

#[test]
fn arrows_are_those_of_the_table() {
    let text = fs::read_to_string(workspace_root().join("host/ARCHITECTURE.md")).expect("the document is there");
    let table = text.lines().skip_while(|l| !l.starts_with("| crate |")).skip(2).take_while(|l| l.starts_with('|'));
    let rows: Vec<Vec<BTreeSet<String>>> = table.map(cells).collect();
    let manifests = manifests();
    let ours: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let [names, allowed, home] = row.as_slice() else { panic!("a row has three cells: {row:?}") };
        let name = names.first().expect("a crate's name");
        seen.insert(name.clone());
        let depends = manifests.get(name).unwrap_or_else(|| panic!("{name} is in the table and not in the workspace"));
        let inside: BTreeSet<String> = depends.iter().filter(|d| ours.contains(d.as_str())).cloned().collect();
        if &inside != allowed {
            wrong.push(format!("{name} depends on {inside:?}, the table says {allowed:?}"));
        }
        for package in home {
            for (other, depends) in &manifests {
                if other != name && depends.contains(package) && !other.starts_with("plugin-") | (other == "plugin-host") {
                    wrong.push(format!("{other} names {package}, whose home is {name}"));
                }
            }
        }
    }
    for name in &ours {
        let plugin = manifests[*name].contains("skopos-sdk");
        let apart = ["skopos-sdk", "plugin-bundle", "test-support"].contains(name);
        if plugin && manifests[*name].iter().any(|d| rows.iter().any(|r| r[0].contains(d))) {
            wrong.push(format!("the plugin {name} names a crate of the host"));
        }
        if !plugin && !apart && !seen.contains(*name) {
            wrong.push(format!("{name} is missing in the table"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} crates as the table says", rows.len());
}

#[test]
fn one_binary() {
    let metadata = metadata();
    let targets = metadata["packages"].as_array().into_iter().flatten().flat_map(|p| p["targets"].as_array().into_iter().flatten());
    let binaries: Vec<&str> = targets.filter(|t| t["kind"][0] == "bin").filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(binaries, ["skopos"]);
}

#[test]
fn the_top_level_is_what_was_agreed() {
    let output = Command::new("git").args(["ls-files"]).current_dir(workspace_root()).output();
    let Ok(output) = output else { return };
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    let tops: BTreeSet<&str> = files.lines().filter_map(|f| f.split('/').next()).collect();
    let agreed = [
        "Cargo.toml",
        "Cargo.lock",
        "host",
        "plugins",
        "wit",
        "config",
        "tests",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "clippy.toml",
        "deny.toml",
    ];
    let others: Vec<&&str> = tops.iter().filter(|t| !t.starts_with('.') && !agreed.contains(t)).collect();
    assert!(others.is_empty(), "{others:?} do not belong at the top level");
}

#[test]
fn examples_of_configuration_load() {
    check(&workspace_root().join("config/skopos.yml"));
    let examples = workspace_root().join("config/examples");
    for entry in fs::read_dir(&examples).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "yml") {
            check(&path);
        }
    }
}

fn check(path: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_skopos"))
        .args(["check", "config"])
        .arg(path)
        .current_dir(workspace_root())
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
}
