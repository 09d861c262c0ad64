//! Builds the pages with npm and Vite and writes the table that `src/lib.rs` embeds.
//!
//! The sources are mirrored into `<target>/ui/work`, packages are installed and the bundle is made there, so that the source
//! tree stays as it was checked out. The bundle carries a stamp of everything it was made from: another profile, `clippy` or
//! `check` reuse it instead of building again.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// What the bundle is made from. `package.json` and its lock decide about the packages.
const SOURCES: [&str; 6] = ["package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html", "app"];
/// Where to find the bundle if it has been built elsewhere.
const PREBUILT: &str = "SKOPOS_UI_DIR";
/// More than the pages can ever need; a folder named by mistake is not embedded.
const TOTAL_BYTES_MAX: u64 = 16 << 20;

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    println!("cargo::rerun-if-changed=build.rs");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Cargo shows one line per directive.
            println!("cargo::error={}", problem.replace(['\r', '\n'], " ┊ "));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let dist = match std::env::var_os(PREBUILT).filter(|dir| !dir.is_empty()) {
        Some(dir) => prebuilt(Path::new(&dir))?,
        None => build(Path::new(&variable("CARGO_MANIFEST_DIR")?), &out_dir)?,
    };
    embed(&dist, &out_dir)
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| format!("{name} is not set as cargo sets it: {e}"))
}

/// Checks that a bundle stands where the variable points.
fn prebuilt(dir: &Path) -> Result<PathBuf, String> {
    let dir = dir.canonicalize().map_err(|e| format!("{PREBUILT}={}: {e}", dir.display()))?;
    if !dir.join("index.html").is_file() {
        return Err(format!("{PREBUILT}={} holds no index.html: point it at what `npm run build` wrote", dir.display()));
    }
    for (path, _) in files_below(&dir)? {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(dir)
}

/// Brings `<target>/ui/dist` up to date and answers its path.
fn build(manifest_dir: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    let sources = sources(manifest_dir)?;
    let room = target_dir(out_dir).join("ui");
    fs::create_dir_all(&room).map_err(|e| format!("cannot create {}: {e}", room.display()))?;
    // Two profiles may build at once; cargo locks each profile only.
    let lock = File::create(room.join("lock")).map_err(|e| format!("cannot create the lock in {}: {e}", room.display()))?;
    lock.lock().map_err(|e| format!("cannot take the lock in {}: {e}", room.display()))?;

    let stamp_path = room.join("dist.stamp");
    let dist = room.join("dist");
    let stamp = stamp(&sources);
    if dist.join("index.html").is_file() && fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) {
        return Ok(dist);
    }
    let _ = fs::remove_file(&stamp_path);
    let work = room.join("work");
    mirror(&sources, &work)?;
    install(&work)?;
    bundle(&work, &dist)?;
    fs::write(&stamp_path, stamp).map_err(|e| format!("cannot write {}: {e}", stamp_path.display()))?;
    Ok(dist)
}

/// The folder that cargo marks as its own; below it everything can be deleted.
fn target_dir(out_dir: &Path) -> &Path {
    out_dir.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file()).unwrap_or(out_dir)
}

/// Every source file with its place relative to the manifest.
fn sources(manifest_dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let mut files = Vec::new();
    for source in SOURCES {
        let path = manifest_dir.join(source);
        // For a folder this also notices files that come and go.
        println!("cargo::rerun-if-changed={}", path.display());
        let found = if path.is_dir() { files_below(&path)?.into_iter().map(|(path, _)| path).collect() } else { vec![path] };
        for path in found {
            // Tests change the bundle as little as a README does.
            if path.to_string_lossy().contains(".test.ts") {
                continue;
            }
            let bytes = fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            let relative = path.strip_prefix(manifest_dir).unwrap_or(&path).to_path_buf();
            files.push((relative, bytes));
        }
    }
    Ok(files)
}

/// All files below a folder in the order of their names, with their path relative to it.
fn files_below(dir: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    let mut total = 0;
    while let Some(folder) = folders.pop() {
        let explain = |e: io::Error| format!("cannot list {}: {e}", folder.display());
        for entry in fs::read_dir(&folder).map_err(explain)? {
            let entry = entry.map_err(explain)?;
            if entry.file_type().map_err(explain)?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            total += entry.metadata().map_err(explain)?.len();
            if total > TOTAL_BYTES_MAX {
                return Err(format!("{} holds more than {TOTAL_BYTES_MAX} bytes: these are not the pages", dir.display()));
            }
            let path = entry.path();
            let relative = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push((path, relative));
        }
    }
    found.sort();
    Ok(found)
}

/// Tells whether a bundle was made from these files. Compared on one machine only, so a hash of the standard library serves.
fn stamp(sources: &[(PathBuf, Vec<u8>)]) -> String {
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Writes what differs and removes what is gone, so that Vite sees exactly the sources.
fn mirror(sources: &[(PathBuf, Vec<u8>)], work: &Path) -> Result<(), String> {
    let app = work.join("app");
    if app.is_dir() {
        fs::remove_dir_all(&app).map_err(|e| format!("cannot empty {}: {e}", app.display()))?;
    }
    for (relative, bytes) in sources {
        let path = work.join(relative);
        let folder = path.parent().unwrap_or(work);
        fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}

/// `npm ci`, unless the packages of this very lock file are there.
fn install(work: &Path) -> Result<(), String> {
    let lock = fs::read(work.join("package-lock.json")).map_err(|e| format!("cannot read package-lock.json: {e}"))?;
    let installed = work.join("node_modules/.skopos-lock");
    if fs::read(&installed).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    // What only tests need stays out: a build wants Vite and the libraries of the pages.
    let arguments = ["ci", "--omit=dev", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
    let output = Command::new(npm).args(arguments).current_dir(work).output().map_err(|e| missing("npm", &e))?;
    succeeded(&output, "npm ci", "is the npm registry reachable?")?;
    fs::write(&installed, lock).map_err(|e| format!("cannot write {}: {e}", installed.display()))
}

/// Runs Vite.
fn bundle(work: &Path, dist: &Path) -> Result<(), String> {
    let output = Command::new("node")
        .args(["node_modules/vite/bin/vite.js", "build", "--emptyOutDir", "--logLevel=warn", "--outDir"])
        .arg(dist)
        .current_dir(work)
        // A setting of the caller's shell must not change what is embedded.
        .env("NODE_ENV", "production")
        .output()
        .map_err(|e| missing("node", &e))?;
    succeeded(&output, "vite build", "Node 20.19 or newer is needed; `npm ci && npm run build` in host/ui shows more")
}

fn missing(program: &str, e: &io::Error) -> String {
    let why = if e.kind() == io::ErrorKind::NotFound { "is not installed".to_owned() } else { format!("does not start ({e})") };
    format!("the web interface needs {program}, which {why}: install Node.js 20.19 or newer with npm, or set {PREBUILT} to a built one")
}

fn succeeded(output: &Output, what: &str, advice: &str) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stderr[..], &output.stdout[..]].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(12).collect();
    Err(format!("`{what}` failed ({}), {advice}\n{}", output.status, lines.join("\n")))
}

/// Copies the bundle beside the generated table, which refers to it.
fn embed(dist: &Path, out_dir: &Path) -> Result<(), String> {
    let copy = out_dir.join("dist");
    if copy.is_dir() {
        fs::remove_dir_all(&copy).map_err(|e| format!("cannot empty {}: {e}", copy.display()))?;
    }
    let files = files_below(dist)?;
    let mut rows = Vec::new();
    for (path, name) in &files {
        let place = copy.join(name);
        fs::create_dir_all(place.parent().unwrap_or(&copy)).map_err(|e| format!("cannot create {}: {e}", place.display()))?;
        fs::copy(path, &place).map_err(|e| format!("cannot copy {}: {e}", path.display()))?;
        if name.ends_with(".gz") {
            continue;
        }
        let zipped = format!("{name}.gz");
        let gzip = if files.iter().any(|(_, other)| *other == zipped) {
            format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})))", format!("/dist/{zipped}"))
        } else {
            "None".to_owned()
        };
        // Vite puts what carries a hash of its content in its name below `assets/`.
        let immutable = name.starts_with("assets/");
        rows.push(format!(
            "    ({name:?}, Asset {{ bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})), content_type: {:?}, immutable: {immutable}, gzip: {gzip} }}),\n",
            format!("/dist/{name}"),
            content_type(name)?,
        ));
    }
    rows.sort();
    let table = format!("/// Sorted by path.\nstatic ASSETS: &[(&str, Asset)] = &[\n{}];\n", rows.concat());
    fs::write(out_dir.join("assets.rs"), table).map_err(|e| format!("cannot write the table of assets: {e}"))
}

fn content_type(name: &str) -> Result<&'static str, String> {
    Ok(match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => return Err(format!("the pages hold {name}, whose content type host/ui/build.rs does not know: add it there")),
    })
}
