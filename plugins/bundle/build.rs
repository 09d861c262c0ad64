//! Compiles the plugins of this repository to components and lists them for `src/lib.rs`.
//!
//! - Which plugins there are stands in the root manifest: its members `plugins/<kind>/<name>`. What lies in the target
//!   directory does not count, since a plugin that was renamed leaves its old file there.
//! - They are built in a target directory of their own, `<target>/plugins`: the outer cargo holds the lock of `<target>`, and
//!   below `$OUT_DIR` every profile, and clippy, would build them anew.
//! - `SKOPOS_PLUGINS_DIR` names a folder with `<name>.wasm` files to take instead, for those who package Skopos without
//!   the target `wasm32-wasip2`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";
const PREBUILT: &str = "SKOPOS_PLUGINS_DIR";
/// Set by the outer cargo for this workspace's host code; the components must be built without.
const NOT_INHERITED: [&str; 5] = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"];

fn main() {
    if let Err(error) = run() {
        // One line, as cargo wants it.
        println!("cargo::error={}", error.replace('\n', " "));
    }
}

fn run() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    let root = root.canonicalize().map_err(|error| format!("cannot find the workspace's root {}: {error}", root.display()))?;
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let names = names(&root.join("Cargo.toml"))?;
    let files = match env::var_os(PREBUILT) {
        Some(dir) => prebuilt(Path::new(&dir), &names)?,
        None => built(&root, &out_dir, &names)?,
    };
    let list = names.iter().zip(&files).fold(String::new(), |mut list, ((_, name), file)| {
        // Writing to a String does not fail.
        let _ = writeln!(list, "({name:?}, include_bytes!({:?})),", file.display().to_string());
        list
    });
    let to = out_dir.join("plugins.rs");
    fs::write(&to, format!("&[\n{list}]\n")).map_err(|error| format!("cannot write {}: {error}", to.display()))
}

/// The members `plugins/<kind>/<name>` of the root manifest, as (path, name).
fn names(manifest: &Path) -> Result<Vec<(String, String)>, String> {
    println!("cargo::rerun-if-changed={}", manifest.display());
    let text = fs::read_to_string(manifest).map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
    let members = text
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once("\n]"))
        .map(|(members, _)| members)
        .ok_or_else(|| format!("{} has no list `members`, one path a line", manifest.display()))?;
    let mut names: Vec<(String, String)> = members
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .filter(|path| path.starts_with("plugins/") && path.split('/').count() == 3)
        .map(|path| (path.to_owned(), path.rsplit('/').next().unwrap_or_default().to_owned()))
        .collect();
    names.sort_by(|a, b| a.1.cmp(&b.1));
    match names.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        Some(pair) => Err(format!("two plugins are called {}: {} and {}", pair[0].1, pair[0].0, pair[1].0)),
        None => Ok(names),
    }
}

fn prebuilt(dir: &Path, names: &[(String, String)]) -> Result<Vec<PathBuf>, String> {
    let dir = dir.canonicalize().map_err(|error| format!("{PREBUILT}={}: {error}", dir.display()))?;
    names
        .iter()
        .map(|(_, name)| {
            let file = dir.join(format!("{name}.wasm"));
            println!("cargo::rerun-if-changed={}", file.display());
            if file.is_file() { Ok(file) } else { Err(format!("{PREBUILT} is set, but {} is missing", file.display())) }
        })
        .collect()
}

fn built(root: &Path, out_dir: &Path, names: &[(String, String)]) -> Result<Vec<PathBuf>, String> {
    watch(root, names);
    check_target()?;
    // <target>/<profile>/build/<package>-<hash>/out, with --target one folder deeper.
    let target = out_dir.ancestors().nth(4).ok_or("OUT_DIR is not where cargo puts it")?.join("plugins");
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.args(["build", "--profile", PROFILE, "--locked", "--target", TARGET]);
    // By name: never the workspace's default member, which needs this very crate.
    for (_, name) in names {
        cargo.args(["-p", &format!("plugin-{name}")]);
    }
    cargo.current_dir(root).env("CARGO_TARGET_DIR", &target);
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    let status = cargo.status().map_err(|error| format!("cannot run cargo for the plugins: {error}"))?;
    if !status.success() {
        // Not `cargo::error`: cargo shows the compiler's messages only of a script that failed.
        std::process::exit(1);
    }
    let folder = target.join(TARGET).join(PROFILE);
    names
        .iter()
        .map(|(_, name)| {
            let file = folder.join(format!("plugin_{}.wasm", name.replace('-', "_")));
            if file.is_file() { Ok(file) } else { Err(format!("plugins/*/{name} has built no component {}", file.display())) }
        })
        .collect()
}

/// Everything the components are made of. Cargo looks into folders in depth.
fn watch(root: &Path, names: &[(String, String)]) {
    for path in ["wit", "Cargo.lock", "plugins/sdk/src", "plugins/sdk/Cargo.toml", "plugins/sdk/wit"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for (path, _) in names {
        for part in ["src", "Cargo.toml"] {
            println!("cargo::rerun-if-changed={}", root.join(path).join(part).display());
        }
    }
}

fn check_target() -> Result<(), String> {
    let missing = || format!("the bundled plugins need the Rust target {TARGET}: install it with `rustup target add {TARGET}`");
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let libdir = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(libdir.trim()).is_dir() { Ok(()) } else { Err(missing()) }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
