//! A disk in memory: files with inodes, so that rotation, links and truncation are what they are on a real one. All of it is
//! granted, but for what a test denies.

use std::collections::BTreeMap;

use super::Host;
use crate::imports::files::{Chunk, Entry, Error, Kind, Metadata};

/// Of all files here.
const DEVICE: u64 = 1;
/// Links on a way.
const LINKS_MAX: usize = 40;

#[derive(Default)]
pub(super) struct Disk {
    names: BTreeMap<String, Node>,
    inodes: BTreeMap<u64, File>,
    /// Of the last change.
    now_ms: i64,
    denied: Vec<String>,
    /// What the call may still read, none for any amount.
    bytes_left: Option<u64>,
}

enum Node {
    File(u64),
    Link(String),
}

#[derive(Default)]
struct File {
    data: Vec<u8>,
    modified: i64,
}

impl Disk {
    fn allowed(&self, path: &str) -> Result<(), Error> {
        if !path.starts_with('/') {
            return Err(Error::Failed(format!("{path} is not absolute")));
        }
        let denied = self.denied.iter().any(|prefix| path.starts_with(prefix.as_str()));
        if denied { Err(Error::Denied(format!("read: {path}"))) } else { Ok(()) }
    }

    fn is_directory(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.names.keys().any(|name| name.starts_with(&below))
    }

    fn find(&self, path: &str) -> Result<(u64, &File), Error> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            self.allowed(&path)?;
            match self.names.get(&path) {
                Some(Node::File(inode)) => return self.inodes.get(inode).map(|file| (*inode, file)).ok_or(Error::NotFound),
                Some(Node::Link(to)) if to.starts_with('/') => path.clone_from(to),
                Some(Node::Link(to)) => path = format!("{}/{to}", path.rsplit_once('/').map_or("", |(above, _)| above)),
                None if self.is_directory(&path) => return Err(Error::Failed(format!("{path} is a directory"))),
                None => return Err(Error::NotFound),
            }
        }
        Err(Error::Failed(format!("{path}: too many links")))
    }

    /// The least that is free, as many file systems do: the inode of a file just removed comes again.
    fn free_inode(&self) -> u64 {
        (1..).find(|inode| !self.inodes.contains_key(inode)).unwrap_or(u64::MAX)
    }

    fn drop_unnamed(&mut self) {
        let names = &self.names;
        self.inodes.retain(|inode, _| names.values().any(|node| matches!(node, Node::File(named) if named == inode)));
    }

    fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.now_ms += 1;
        let inode = match self.names.get(path) {
            Some(Node::File(inode)) => *inode,
            _ => {
                let inode = self.free_inode();
                self.names.insert(path.to_owned(), Node::File(inode));
                inode
            }
        };
        let file = self.inodes.entry(inode).or_default();
        change(&mut file.data);
        file.modified = self.now_ms;
    }

    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(left) = &mut self.bytes_left else { return Ok(()) };
        *left = left.checked_sub(bytes as u64).ok_or(Error::TooLarge)?;
        Ok(())
    }
}

impl Host {
    /// Makes a file, or gives the one that is there another content, inode kept.
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]>) {
        self.state().disk.change(path, |data| *data = content.as_ref().to_vec());
    }

    /// Appends to a file, made if it is not there.
    pub fn append_file(&self, path: &str, content: impl AsRef<[u8]>) {
        self.state().disk.change(path, |data| data.extend_from_slice(content.as_ref()));
    }

    /// Gives a file another name, in the place of what has it.
    pub fn rename_file(&self, from: &str, to: &str) {
        let mut state = self.state();
        let node = state.disk.names.remove(from).expect("a test renames what is there");
        state.disk.names.insert(to.to_owned(), node);
        state.disk.drop_unnamed();
    }

    /// Copies a file to a new inode.
    pub fn copy_file(&self, from: &str, to: &str) {
        let data = self.state().disk.find(from).expect("a test copies what is there").1.data.clone();
        self.remove_file(to);
        self.write_file(to, data);
    }

    /// Removes a name, and the file with its last one. Without effect on what is not there.
    pub fn remove_file(&self, path: &str) {
        let mut state = self.state();
        state.disk.names.remove(path);
        state.disk.drop_unnamed();
    }

    /// Makes a link.
    pub fn link_file(&self, path: &str, to: &str) {
        self.state().disk.names.insert(path.to_owned(), Node::Link(to.to_owned()));
    }

    /// What begins so is denied from now on; none gives everything back.
    pub fn deny_files(&self, prefixes: &[&str]) {
        self.state().disk.denied = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    }

    /// How many bytes calls may read from now on, until it is told anew.
    pub fn limit_file_bytes(&self, bytes: Option<u64>) {
        self.state().disk.bytes_left = bytes;
    }
}

pub(crate) mod files {
    use super::{Chunk, DEVICE, Entry, Error, Kind, Metadata, Node};
    use crate::fake::current;

    pub(crate) fn read(path: &str, max: u32) -> Result<Vec<u8>, Error> {
        let host = current();
        let mut state = host.state();
        let data = state.disk.find(path)?.1.data.clone();
        if data.len() as u64 > u64::from(max) {
            return Err(Error::TooLarge);
        }
        state.disk.take(data.len())?;
        Ok(data)
    }

    pub(crate) fn read_at(path: &str, offset: u64, max: u32) -> Result<Chunk, Error> {
        let host = current();
        let mut state = host.state();
        let left = state.disk.bytes_left;
        if left == Some(0) && max > 0 {
            return Err(Error::TooLarge);
        }
        let max = left.map_or(u64::from(max), |left| left.min(u64::from(max)));
        let (inode, file) = state.disk.find(path)?;
        let size = file.data.len();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(size);
        let to = from.saturating_add(usize::try_from(max).unwrap_or(usize::MAX)).min(size);
        let chunk = Chunk { data: file.data[from..to].to_vec(), inode, device: DEVICE, size: size as u64 };
        state.disk.take(chunk.data.len())?;
        Ok(chunk)
    }

    pub(crate) fn read_link(path: &str) -> Result<String, Error> {
        let host = current();
        let state = host.state();
        state.disk.allowed(path)?;
        match state.disk.names.get(path) {
            Some(Node::Link(to)) => Ok(to.clone()),
            Some(Node::File(_)) => Err(Error::Failed(format!("{path} is no link"))),
            None => Err(Error::NotFound),
        }
    }

    pub(crate) fn list(path: &str) -> Result<Vec<Entry>, Error> {
        let host = current();
        let state = host.state();
        let below = format!("{}/", path.trim_end_matches('/'));
        if !state.disk.is_directory(path) {
            return Err(if state.disk.names.contains_key(path) {
                Error::Failed(format!("{path} is no directory"))
            } else {
                Error::NotFound
            });
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (name, node) in state.disk.names.iter().filter(|(name, _)| state.disk.allowed(name).is_ok()) {
            let Some(rest) = name.strip_prefix(&below) else { continue };
            let (first, deeper) = rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
            let kind = match node {
                _ if deeper => Kind::Directory,
                Node::File(_) => Kind::File,
                Node::Link(_) => Kind::Link,
            };
            if entries.last().is_none_or(|last| last.name != first) {
                entries.push(Entry { name: first.to_owned(), kind });
            }
        }
        Ok(entries)
    }

    pub(crate) fn stat(path: &str) -> Result<Metadata, Error> {
        let host = current();
        let state = host.state();
        match state.disk.find(path) {
            Ok((inode, file)) => {
                Ok(Metadata { kind: Kind::File, size: file.data.len() as u64, modified: file.modified, inode, device: DEVICE })
            }
            Err(Error::Failed(_)) if state.disk.is_directory(path) => {
                Ok(Metadata { kind: Kind::Directory, size: 0, modified: 0, inode: u64::MAX, device: DEVICE })
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports::files;

    #[test]
    fn files_are_found_by_name_link_and_inode() {
        let host = Host::default();
        let _entered = host.enter();
        host.append_file("/var/log/a.log", "one\n");
        host.link_file("/var/log/current", "a.log");
        let first = files::read_at("/var/log/current", 1, 2).unwrap();
        assert_eq!((first.data.as_slice(), first.size), (&b"ne"[..], 4));
        host.rename_file("/var/log/a.log", "/var/log/a.log.1");
        host.append_file("/var/log/a.log", "two\n");
        let (old, new) = (files::stat("/var/log/a.log.1").unwrap(), files::stat("/var/log/a.log").unwrap());
        assert_eq!(old.inode, first.inode);
        assert!(new.inode != old.inode && new.modified > old.modified);
        let names: Vec<String> = files::list("/var/log/").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a.log", "a.log.1", "current"]);
        assert_eq!(files::list("/var").unwrap(), [Entry { name: "log".to_owned(), kind: Kind::Directory }]);
        host.remove_file("/var/log/a.log.1");
        host.append_file("/var/log/b.log", "");
        assert_eq!(files::stat("/var/log/b.log").unwrap().inode, old.inode, "inodes come again");
        assert_eq!(files::read("/var/log/a.log.1", 9), Err(Error::NotFound));
        assert_eq!(files::read("/var/log/a.log", 3), Err(Error::TooLarge));
        assert!(files::read_at("/var/log/a.log", 100, 3).unwrap().data.is_empty());
        host.deny_files(&["/var/log/a"]);
        assert_eq!(files::read("/var/log/a.log", 9), Err(Error::Denied("read: /var/log/a.log".to_owned())));
        assert_eq!(files::list("/var/log").unwrap().len(), 2);
    }
}
