//! A disk in memory, for tests, with the habits of a bad one.

mod content;
mod dice;
mod faults;
mod files;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use faults::{Call, Failure, Fault};

use content::Content;
use dice::Dice;
use faults::Faults;
use names::{Change, File, Names, Node};

/// A disk in memory, for tests, with the habits of a bad one: [`SimDisk::power_cut`] loses, reorders and tears what was not
/// synced, space can end, and any call can be made to fail ([`SimDisk::fail`]) or be watched ([`SimDisk::on_call`]).
///
/// It does nothing that a disk under Linux could not do: names change atomically, each on its own, and last after
/// [`super::Disk::sync_dir`]; unsynced bytes last by sectors of 512 bytes or pages of 4 KiB, in any order; the system writes
/// some of them back when it likes; a failed sync makes some durable, and the next one does not try the others again. Files
/// do not last longer for being synced under a name that is not.
///
/// Everything is by the dice of one seed. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Shared>);

/// What is told of each call before it is done.
type Hook = Arc<dyn Fn(&SimDisk, Call, &Path) + Send + Sync>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    hook: Mutex<Option<Hook>>,
}

#[derive(Default)]
struct State {
    names: Names,
    locks: BTreeMap<PathBuf, String>,
    /// Bytes that may still be written; none: no limit.
    space: Option<u64>,
    faults: Faults,
    syncs_fail: bool,
    truncation_fails: bool,
    dice: Dice,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk with these dice.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of(State { dice: Dice(seed), ..State::default() })
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), hook: Mutex::default() }))
    }

    /// From now on only so many bytes can be written before the disk is full; none lifts the limit. A write that does not
    /// fit is carried out in part, as the system does; what is cut off or removed is free again.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state().space = bytes;
    }

    /// Whether syncs fail, having synced only a part and, as on Linux, forgetting that there was something to sync.
    pub fn set_syncs_fail(&self, fail: bool) {
        self.state().syncs_fail = fail;
    }

    /// Whether cutting files fails.
    pub fn set_truncation_fails(&self, fail: bool) {
        self.state().truncation_fails = fail;
    }

    /// Lets calls fail.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.list.push(fault);
    }

    /// Ends everything that was asked for by [`SimDisk::fail`], the limit on space and failing syncs.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.list.clear();
        (state.space, state.syncs_fail, state.truncation_fails) = (None, false, false);
    }

    /// How many calls of these kinds there were.
    #[must_use]
    pub fn calls(&self, of: &[Call]) -> u64 {
        self.state().faults.calls(of)
    }

    /// How many calls failed by [`SimDisk::fail`].
    #[must_use]
    pub fn faults_hit(&self) -> u64 {
        self.state().faults.hits
    }

    /// Tells `hook` of each call before it is done, outside of all of the disk's own locks: it may wait, or take copies of
    /// the disk. A write is done in two parts then, with [`Call::WriteMiddle`] between them.
    pub fn on_call(&self, hook: impl Fn(&SimDisk, Call, &Path) + Send + Sync + 'static) {
        *lock(&self.0.hook) = Some(Arc::new(hook));
    }

    /// Nobody is told any more.
    pub fn off_call(&self) {
        *lock(&self.0.hook) = None;
    }

    /// What the machine finds after the power came back: a new disk, by the dice of `seed`.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let tree = {
            let state = self.state();
            let mut copies = HashMap::new();
            let tree = state.names.after_power_cut(&mut dice);
            let found = |node: &Node| names::copied(node, &mut copies, |content| Content::synced(content.after_power_cut(&mut dice)));
            let (names, nodes): (Vec<_>, Vec<_>) = tree.into_iter().unzip();
            let nodes: Vec<_> = nodes.iter().map(found).collect();
            names.into_iter().zip(nodes).collect()
        };
        Self::of(State { names: Names::settled(tree), dice, ..State::default() })
    }

    /// The disk as a new process finds it after this one was killed: all that was written, no locks. Changes to the copy
    /// do not touch this disk.
    #[must_use]
    pub fn process_kill(&self) -> Self {
        let state = self.state();
        Self::of(State { names: state.names.deep_copy(), dice: state.dice.clone(), space: state.space, ..State::default() })
    }

    /// Names and content of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        let files = state.names.live.iter().filter_map(|(name, node)| match node {
            Node::File(file) => Some((name.clone(), lock(file).written.clone())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// Puts a file there, synced, or replaces it.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        self.state().names.put(path, Arc::new(Mutex::new(Content::synced(bytes))));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Tells the hook, counts the call, and says how it fails.
    fn enter(&self, call: Call, path: &Path) -> Option<Failure> {
        self.tell(call, path);
        self.state().faults.judge(call, path)
    }

    /// Likewise for calls that fail without having done anything.
    fn enter_whole(&self, call: Call, path: &Path) -> std::io::Result<()> {
        self.enter(call, path).map_or(Ok(()), |failure| Err(failure.error()))
    }

    /// Returns whether there is a hook.
    fn tell(&self, call: Call, path: &Path) -> bool {
        let hook = lock(&self.0.hook).clone();
        if let Some(hook) = &hook {
            hook(self, call, path);
        }
        hook.is_some()
    }
}

impl State {
    /// Takes a file's last name away, with what it takes.
    fn free(&mut self, file: &File) {
        if self.names.links(file) == 0
            && let Some(space) = &mut self.space
        {
            *space += lock(file).written.len() as u64;
        }
    }

    fn change(&mut self, change: Change) {
        self.names.change(change);
    }
}

/// A panic elsewhere leaves a disk that is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
