//! Directories: what they show, and what of that a power cut leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::content::Content;
use super::dice::Dice;
use super::lock;

/// A file's content, which outlives its names while it is open.
pub(super) type File = Arc<Mutex<Content>>;

#[derive(Clone)]
pub(super) enum Node {
    Dir,
    File(File),
}

pub(super) type Tree = BTreeMap<PathBuf, Node>;

/// A change of names. Each is atomic.
#[derive(Clone)]
pub(super) enum Change {
    Make(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
}

impl Change {
    fn names(&self) -> [&Path; 2] {
        match self {
            Self::Make(name, _) | Self::Remove(name) => [name, name],
            Self::Rename(from, to) | Self::Link(from, to) => [from, to],
        }
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Make(name, node) => {
                tree.insert(name.clone(), node.clone());
            }
            Self::Remove(name) => {
                tree.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(node) = tree.remove(from) {
                    tree.insert(to.clone(), node);
                }
            }
            Self::Link(from, to) => {
                if let Some(node) = tree.get(from).cloned() {
                    tree.insert(to.clone(), node);
                }
            }
        }
    }
}

/// A change that a power cut may undo, and the directories of it that were synced since.
#[derive(Clone)]
struct Pending {
    change: Change,
    synced: Vec<PathBuf>,
}

impl Pending {
    fn is_synced(&self) -> bool {
        self.change.names().iter().all(|name| name.parent().is_none_or(|parent| self.synced.iter().any(|dir| dir == parent)))
    }
}

#[derive(Clone, Default)]
pub(super) struct Names {
    pub(super) live: Tree,
    /// What certainly outlasts a power cut.
    durable: Tree,
    pending: Vec<Pending>,
}

impl Names {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(Pending { change, synced: Vec::new() });
    }

    /// Puts a file there and everything that leads to it, all synced.
    pub(super) fn put(&mut self, path: &Path, file: File) {
        for tree in [&mut self.live, &mut self.durable] {
            for dir in path.ancestors().skip(1) {
                tree.entry(dir.to_owned()).or_insert(Node::Dir);
            }
            tree.insert(path.to_owned(), Node::File(file.clone()));
        }
        self.pending.retain(|pending| !pending.change.names().contains(&path));
    }

    pub(super) fn file(&self, path: &Path) -> Option<File> {
        match self.live.get(path) {
            Some(Node::File(file)) => Some(file.clone()),
            _ => None,
        }
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || matches!(self.live.get(path), Some(Node::Dir))
    }

    /// How many names a file has.
    pub(super) fn links(&self, file: &File) -> usize {
        self.live.values().filter(|node| matches!(node, Node::File(other) if Arc::ptr_eq(other, file))).count()
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        for pending in &mut self.pending {
            if pending.change.names().iter().any(|name| name.parent() == Some(dir)) {
                pending.synced.push(dir.to_owned());
            }
        }
        // A change rests on the earlier ones of its names.
        let mut names: BTreeSet<PathBuf> = BTreeSet::new();
        let mut settled = vec![false; self.pending.len()];
        for (at, pending) in self.pending.iter().enumerate().rev() {
            if pending.is_synced() || pending.change.names().iter().any(|name| names.contains(*name)) {
                settled[at] = true;
                names.extend(pending.change.names().map(Path::to_owned));
            }
        }
        let mut at = settled.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            let settled = at.next() == Some(true);
            if settled {
                pending.change.apply(durable);
            }
            !settled
        });
    }

    /// The tree when the power is back: of the changes that were not synced each is there or not by the dice; one that rests
    /// on another only with it.
    pub(super) fn after_power_cut(&self, dice: &mut Dice) -> Tree {
        let mut tree = self.durable.clone();
        let mut lost: BTreeSet<PathBuf> = BTreeSet::new();
        let kept = [1, 4, 7, 8][dice.below(4)];
        for Pending { change, .. } in &self.pending {
            let rests_on_lost = change.names().iter().any(|name| name.ancestors().any(|part| lost.contains(part)));
            if rests_on_lost || !dice.eighths(kept) {
                lost.extend(change.names().map(Path::to_owned));
            } else {
                change.apply(&mut tree);
            }
        }
        let whole = tree.clone();
        let reachable =
            |name: &Path| name.ancestors().skip(1).all(|dir| dir.parent().is_none() || matches!(whole.get(dir), Some(Node::Dir)));
        tree.retain(|name, _| reachable(name));
        tree
    }

    /// A tree that is all synced.
    pub(super) fn settled(tree: Tree) -> Self {
        Self { durable: tree.clone(), live: tree, pending: Vec::new() }
    }

    /// A copy with contents of its own.
    pub(super) fn deep_copy(&self) -> Self {
        let mut copies = HashMap::new();
        let mut copy = |node: &Node| copied(node, &mut copies, Content::clone);
        let mut tree = |tree: &Tree| tree.iter().map(|(name, node)| (name.clone(), copy(node))).collect();
        let (live, durable) = (tree(&self.live), tree(&self.durable));
        let pending = self.pending.iter().map(|pending| {
            let change = match &pending.change {
                Change::Make(name, node) => Change::Make(name.clone(), copied(node, &mut copies, Content::clone)),
                other => other.clone(),
            };
            Pending { change, synced: pending.synced.clone() }
        });
        Self { live, durable, pending: pending.collect() }
    }
}

/// The node with another content, the same one for all names of a file.
pub(super) fn copied(node: &Node, copies: &mut HashMap<*const Mutex<Content>, File>, copy: impl FnOnce(&Content) -> Content) -> Node {
    match node {
        Node::Dir => Node::Dir,
        Node::File(file) => {
            let new = copies.entry(Arc::as_ptr(file)).or_insert_with(|| Arc::new(Mutex::new(copy(&lock(file)))));
            Node::File(new.clone())
        }
    }
}
