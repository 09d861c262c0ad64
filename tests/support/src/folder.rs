use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of the test's own, removed at the end.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// Below the system's folder for temporary files.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("skopos-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it, folders on the way included, by renaming: a watcher never sees half of it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder can be made");
        }
        let temporary = path.with_extension("being-written");
        fs::write(&temporary, content).expect("a file can be written");
        fs::rename(&temporary, &path).expect("a file can be renamed");
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if std::env::var_os("SKOPOS_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The folder of the root `Cargo.toml`.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/support lies two below the root").to_owned()
}

/// A part of the peers' test data: below `SKOPOS_CONFORMANCE`, or `../shared/conformance` beside the checkout. None, with
/// a message, where it is absent.
#[must_use]
pub fn conformance(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SKOPOS_CONFORMANCE").map_or_else(|| workspace_root().join("../shared/conformance"), PathBuf::from);
    let path = root.join(part);
    if !path.exists() {
        eprintln!("skipped: {} is not there; SKOPOS_CONFORMANCE names the folder of the conformance data", path.display());
        return None;
    }
    Some(path)
}
