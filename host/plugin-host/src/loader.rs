//! The one thread that loads plugins: embedded ones at their first use, files when they come, change and go.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

use model::seams::PluginError;
use wasmtime::component::Component;

use crate::compile::Compiler;
use crate::config::check_name;
use crate::inspect::{Inspection, MODULE_BYTES_MAX, inspect};
use crate::loaded::Loaded;
use crate::shared::Shared;
use crate::slot::{Origin, Slot, SlotState};
use crate::standing::Standing;

/// How often the folder is looked at, and stores are brought to the disk.
const LOOK: Duration = Duration::from_millis(250);
const SYNC: Duration = Duration::from_secs(1);

/// How long a file must not have changed before it is read: whoever writes it may not be done.
const QUIET: Duration = Duration::from_millis(200);

/// Files of the folder that are looked at.
const FILES_MAX: usize = 1000;

/// What the thread is asked to do. Each is answered when it is done.
pub(crate) enum Job {
    /// Compile and check the embedded component of a name.
    Load(String, SyncSender<Result<Arc<Loaded>, PluginError>>),
    /// Look at the folder now, and take over the configuration.
    Rescan(SyncSender<()>),
}

/// What was seen of a file.
struct Seen {
    stamp: Stamp,
    since: Instant,
    handled: bool,
}

#[derive(PartialEq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
    /// Changes even where the time of modification was set back.
    changed: (i64, i64),
}

pub(crate) struct Loader {
    shared: Arc<Shared>,
    compiler: Compiler,
    runtime: tokio::runtime::Runtime,
    seen: HashMap<PathBuf, Seen>,
    /// Said once.
    dir_error: String,
    synced: Instant,
}

impl Loader {
    pub(crate) fn new(shared: Arc<Shared>, compiler: Compiler) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { shared, compiler, runtime, seen: HashMap::new(), dir_error: String::new(), synced: Instant::now() })
    }

    /// Until the host is gone.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(LOOK) {
                Ok(Job::Load(name, answer)) => {
                    let loaded = self.load_embedded(&name);
                    // Whoever asked may have gone.
                    let _ = answer.send(loaded);
                }
                Ok(Job::Rescan(answer)) => {
                    self.seen.values_mut().for_each(|seen| seen.handled = false);
                    self.settle();
                    let _ = answer.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.scan(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.synced.elapsed() >= SYNC {
                self.synced = Instant::now();
                self.shared.slots.load().values().for_each(|slot| slot.standing.sync());
            }
        }
        self.shared.slots.load().values().for_each(|slot| slot.standing.sync());
    }

    fn load_embedded(&self, name: &str) -> Result<Arc<Loaded>, PluginError> {
        let slot = self.shared.slot(name).ok_or_else(|| self.shared.missing(name))?;
        let state = slot.state();
        if let Some(loaded) = &state.loaded {
            return Ok(Arc::clone(loaded));
        }
        let failed = |reason: &str| PluginError::Failed(format!("plugin {name} does not load: {reason}"));
        let (Some(embedded), Some(Origin::Embedded)) = (&slot.embedded, state.origin) else { return Err(failed(&state.error)) };
        let inspection = embedded.inspection.clone().map_err(|reason| failed(&reason))?;
        if state.failed_sha256 == inspection.sha256 {
            return Err(failed(&state.error));
        }
        match self.load(embedded.bytes, inspection.clone(), &slot.standing) {
            Ok(loaded) => {
                slot.update(|state| state.loaded = Some(Arc::clone(&loaded)));
                Ok(loaded)
            }
            Err(reason) => {
                tracing::error!(plugin = name, "the embedded plugin does not load: {reason}");
                slot.update(|state| (state.error, state.failed_sha256) = (reason.clone(), inspection.sha256));
                Err(failed(&reason))
            }
        }
    }

    fn load(&self, bytes: &[u8], inspection: Inspection, standing: &Arc<Standing>) -> Result<Arc<Loaded>, String> {
        let begun = Instant::now();
        let component: Component = self.compiler.component(&self.shared.machine.engine, bytes, &inspection.sha256)?;
        let series = self.shared.config.load().get(&standing.name).and_then(|config| config.limits.series);
        let unstable = inspection.unstable.join(", ");
        let loading = Loaded::new(&self.shared.machine, &self.shared.means, &component, inspection, Arc::clone(standing), series);
        let loaded = self.runtime.block_on(loading)?;
        let kinds: Vec<&str> = loaded.inspection.kinds.iter().map(|kind| kind.as_str()).collect();
        tracing::debug!(plugin = standing.name, "loaded {} in {} ms: {}", loaded.title(), begun.elapsed().as_millis(), kinds.join(", "));
        if !unstable.is_empty() {
            tracing::info!(plugin = standing.name, "it uses interfaces that may still change with the next version of Skopos: {unstable}");
        }
        Ok(Arc::new(loaded))
    }

    /// Looks until every file that is there is quiet and handled, for a start or a reload that is complete when it returns.
    fn settle(&mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        self.scan();
        while self.seen.values().any(|seen| !seen.handled) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            self.scan();
        }
    }

    /// One look at the folder.
    pub(crate) fn scan(&mut self) {
        let dir = self.shared.dir();
        let files = match wasm_files(&dir) {
            Ok(files) => files,
            // A folder that is not there has no files; nobody needs one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                let text = format!("failed to read the plugins folder {}: {error}", dir.display());
                if self.dir_error != text {
                    tracing::error!("{text}");
                    self.dir_error = text;
                }
                return;
            }
        };
        self.dir_error.clear();
        self.forget_gone(&files);
        for (path, stamp) in files {
            let now = Instant::now();
            // A file that was written long before it was first seen is done.
            let old = stamp.modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age >= QUIET);
            let seen = self.seen.entry(path.clone()).or_insert_with(|| Seen {
                stamp: Stamp { bytes: u64::MAX, modified: None, inode: 0, changed: (0, 0) },
                since: now,
                handled: false,
            });
            if seen.stamp != stamp {
                *seen = Seen { stamp, since: now, handled: false };
            }
            if !seen.handled && (old || seen.since.elapsed() >= QUIET) {
                seen.handled = true;
                self.take_file(&path);
            }
        }
    }

    fn forget_gone(&mut self, files: &BTreeMap<PathBuf, Stamp>) {
        let gone: Vec<PathBuf> = self.seen.keys().filter(|path| !files.contains_key(*path)).cloned().collect();
        for path in gone {
            self.seen.remove(&path);
            let slot = name_of(&path).and_then(|name| self.shared.slot(&name));
            if let Some(slot) = slot {
                if slot.state().origin == Some(Origin::File) {
                    tracing::info!(plugin = slot.standing.name, "{} is gone", path.display());
                }
                slot.back_to_embedded(String::new());
            }
        }
    }

    /// A file is there, new or changed.
    fn take_file(&mut self, path: &Path) {
        let Some(name) = name_of(path) else {
            tracing::error!("{} is not loaded: its name is not text", path.display());
            return;
        };
        if let Err(reason) = check_name(&name) {
            tracing::error!("{} is not loaded: {reason}", path.display());
            return;
        }
        let slot = self.shared.slot_or_new(&name);
        if let Err(reason) = self.try_file(path, &slot) {
            let text = format!("{} is not loaded: {reason}", path.display());
            tracing::error!(plugin = name, "{text}");
            slot.update(|state| {
                state.error = text;
                state.origin.get_or_insert(Origin::File);
            });
        }
    }

    fn try_file(&self, path: &Path, slot: &Slot) -> Result<(), String> {
        let name = &slot.standing.name;
        let config = self.shared.config.load();
        let pin = config.get(name).and_then(|c| c.sha256.as_deref());
        if slot.embedded.is_some() && pin.is_none() && !config.overrides.contains(name) {
            slot.back_to_embedded(String::new());
            return Err(format!(
                "{name} is embedded, and a file would inherit what is granted to it; to use the file, write it under plugins: override: [{name}], or pin its sha256"
            ));
        }
        let bytes = read_limited(path)?;
        let inspection = inspect(&bytes)?;
        if let Some(pin) = pin.filter(|pin| *pin != inspection.sha256) {
            // What runs may go on only if it is what was pinned.
            slot.update(|state| state.loaded = state.loaded.take().filter(|loaded| loaded.inspection.sha256 == pin));
            return Err(format!("its sha256 is {}, and {pin} is pinned", inspection.sha256));
        }
        let state = slot.state();
        if state.loaded.as_ref().is_some_and(|loaded| loaded.inspection.sha256 == inspection.sha256) {
            slot.update(|state| (state.error, state.origin, state.inspection) = (String::new(), Some(Origin::File), Some(inspection)));
            return Ok(());
        }
        if state.failed_sha256 == inspection.sha256 {
            return Err(state.error.split_once("is not loaded: ").map_or(state.error.clone(), |(_, reason)| reason.to_owned()));
        }
        let sha256 = inspection.sha256.clone();
        let loaded =
            self.load(&bytes, inspection.clone(), &slot.standing).inspect_err(|_| slot.update(|state| state.failed_sha256 = sha256))?;
        let what = if state.loaded.is_some() { "replaced by" } else { "loaded from" };
        tracing::info!(plugin = name, "{what} {} ({})", path.display(), &inspection.sha256[..12]);
        slot.set(SlotState { origin: Some(Origin::File), inspection: Some(inspection), loaded: Some(loaded), ..SlotState::default() });
        Ok(())
    }
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}

fn wasm_files(dir: &Path) -> std::io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        if files.len() >= FILES_MAX {
            return Err(std::io::Error::other(format!("it holds more than {FILES_MAX} .wasm files")));
        }
        // A file that went between the two looks is gone.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_file() {
            let stamp = Stamp {
                bytes: metadata.len(),
                modified: metadata.modified().ok(),
                inode: metadata.ino(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            };
            files.insert(path, stamp);
        }
    }
    Ok(files)
}

fn read_limited(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|e| format!("it cannot be opened: {e}"))?;
    let size = file.metadata().map_err(|e| format!("it cannot be read: {e}"))?.len();
    if size > MODULE_BYTES_MAX as u64 {
        return Err(format!("it has {size} bytes, more than the limit of {MODULE_BYTES_MAX}"));
    }
    let mut bytes = Vec::new();
    file.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| format!("it cannot be read: {e}"))?;
    Ok(bytes)
}
