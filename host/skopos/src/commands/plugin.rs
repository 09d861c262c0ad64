//! `skopos plugin …`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plugin_host::{Inspection, inspect_component};
use serde_json::Value;

use super::client::Server;
use super::failed;
use super::loaded::{hosted, plugins_of};
use crate::cli::{ConfigFiles, ListOutput};
use crate::out;

/// Prints the plugins of a server, or those that a server would have.
pub(crate) fn list(files: &ConfigFiles, url: Option<&str>, http_config: Option<&Path>, output: ListOutput) -> ExitCode {
    let plugins = match url {
        Some(url) => Server::new(url, http_config).and_then(|server| Ok(server.ask("/api/v1/plugins", &[])?.0["plugins"].take())),
        None => in_runtime(|| hosted(files).map(|host| serde_json::json!(host.status()))),
    };
    let plugins = match plugins {
        Ok(plugins) => plugins,
        Err(error) => return failed(error),
    };
    match output {
        ListOutput::Json => out::line(&plugins),
        ListOutput::Table => plugins.as_array().map(Vec::as_slice).unwrap_or_default().iter().for_each(row),
    }
    ExitCode::SUCCESS
}

/// `dns          discovery      embedded  0.1.0  One line of its own`, and what is wrong below.
fn row(plugin: &Value) {
    let text = |key: &str| plugin[key].as_str().unwrap_or_default().to_owned();
    let texts = |key: &str| plugin[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let line = format!("{:<14} {:<24} {:<9} {:<8} {}", text("name"), texts("kinds"), text("origin"), text("version"), text("summary"));
    out::line(line.trim_end());
    if !texts("grants").is_empty() {
        out::line(format_args!("    granted: {}", texts("grants")));
    }
    for refused in plugin["refused"].as_array().into_iter().flatten() {
        let (what, line) = (refused["what"].as_str().unwrap_or_default(), refused["line_to_add"].as_str().unwrap_or_default());
        out::line(format_args!("    refused {} times: {what}; to allow it: grants: {line}", refused["count"]));
    }
    if !text("error").is_empty() {
        out::line(format_args!("    NOT LOADED: {}", text("error")));
    }
}

/// Prints what a component is, and fails if this host would not load it.
pub(crate) fn check(file: &Path) -> ExitCode {
    match in_runtime(|| checked(file)) {
        Ok(lines) => {
            lines.iter().for_each(out::line);
            ExitCode::SUCCESS
        }
        Err(error) => failed(format_args!("{}: {error}", file.display())),
    }
}

fn checked(file: &Path) -> Result<Vec<String>, String> {
    let name = file.file_stem().and_then(|name| name.to_str()).ok_or("its name is not a text")?.to_owned();
    if file.extension().is_none_or(|extension| extension != "wasm") {
        return Err("a plugin's file ends in .wasm, and what stands before it is the plugin's name".to_owned());
    }
    let bytes = fs::read(file).map_err(|e| format!("failed to read it: {e}"))?;
    let inspection = inspect_component(&bytes)?;
    // Loaded in earnest, out of a folder of its own, under the file's name.
    let folder = Scratch::new()?;
    fs::write(folder.0.join(format!("{name}.wasm")), &bytes).map_err(|e| format!("failed to copy it: {e}"))?;
    let host = plugins_of(Path::new("."), Some(&folder.0))?;
    let status = host.status().into_iter().find(|status| status.name == name && (status.origin == "file" || !status.error.is_empty()));
    let Some(status) = status else {
        return Err(format!("{name} is the name of an embedded plugin: name the file otherwise, or write it into plugins.override"));
    };
    // That an embedded one goes before is the configuration's business.
    if !status.error.is_empty() && !status.error.contains("override") {
        return Err(status.error);
    }
    Ok(describe(&name, &inspection, &status.summary))
}

fn describe(name: &str, inspection: &Inspection, summary: &str) -> Vec<String> {
    let kinds: Vec<&str> = inspection.kinds.iter().map(|kind| kind.as_str()).collect();
    let of_contract = |package: &str| {
        let mut versions: Vec<&str> =
            inspection.imports.iter().filter(|i| i.starts_with(package)).filter_map(|i| Some(i.split_once('@')?.1)).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.join(", ")
    };
    let version = if inspection.version.is_empty() { "no version" } else { &inspection.version };
    let mut lines = vec![format!("{name} ({version}): {}", kinds.join(", "))];
    if !summary.is_empty() {
        lines.push(format!("  summary   {summary}"));
    }
    lines.push(format!("  contract  skopos:plugin {}", of_contract("skopos:plugin/")));
    let (ours, wasi): (Vec<&String>, Vec<&String>) = inspection.imports.iter().partition(|import| import.starts_with("skopos:"));
    for import in ours {
        lines.push(format!("  imports   {import}"));
    }
    if !wasi.is_empty() {
        let names: Vec<&str> = wasi.iter().map(|import| import.split('@').next().unwrap_or_default()).collect();
        lines.push(format!("  imports   of WASI 0.2: {}", names.join(" ").replace("wasi:", "")));
    }
    for unstable in &inspection.unstable {
        lines.push(format!("  unstable  {unstable}: it may change with the next Skopos"));
    }
    let wants: Vec<&str> = ["http", "net", "dns", "files", "host-info", "kv"]
        .into_iter()
        .filter(|grant| inspection.imports.iter().any(|import| import.starts_with(&format!("skopos:plugin/{grant}@"))))
        .collect();
    lines.push(match wants.as_slice() {
        [] => "  grants    none needed".to_owned(),
        wants => {
            format!("  grants    it may ask for {}; addresses in its own sections are granted by being written there", wants.join(", "))
        }
    });
    lines.push(format!("  sha256    {}", inspection.sha256));
    lines.push("  would load: put it into plugins/".to_owned());
    lines
}

/// A folder that goes with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("skopos-plugin-check-{}", std::process::id()));
        fs::create_dir(&path).map_err(|e| format!("failed to make {}: {e}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It holds one copy of a file.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plugins want a runtime to be there.
fn in_runtime<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| format!("failed to start: {e}"))?;
    let _inside = runtime.enter();
    work()
}
