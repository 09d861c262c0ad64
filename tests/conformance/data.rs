//! Where the conformance data are.

use std::path::PathBuf;

/// The file or folder in the conformance data, or None, said on the output, if the data are not on this machine.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) fn path(below: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SKOPOS_CONFORMANCE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"), PathBuf::from);
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; SKOPOS_CONFORMANCE names the folder", path.display());
    None
}

/// A JSON document of the conformance data.
pub(crate) fn json(below: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(path(below)?).expect("the file can be read");
    Some(serde_json::from_str(&text).expect("the file is JSON"))
}

/// All files below a folder whose names end so.
pub(crate) fn files(folder: &std::path::Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}
