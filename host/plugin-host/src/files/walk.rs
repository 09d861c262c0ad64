//! From a path to an open file, with no moment between check and use.
//!
//! Why it is right: the path is never handed to the system as a whole. Each component is opened by its name in the directory
//! that is already open, without following links (`O_PATH | O_NOFOLLOW`), and what counts is what was opened: whether it is a
//! link, on which file system it lies and whether it is the host's own directory is asked of the descriptor, not of the name. A
//! link is read from its own descriptor and its text is walked in the same way, against the grants; so the kernel's magic links
//! (`/proc/<pid>/root`), which lead elsewhere than their text says, are never jumped through. Whoever swaps a directory or a
//! file for a link meanwhile changes what is opened next, and that is checked as anything else. The last component is opened
//! once more for reading by its name in its open directory, again without following a link and without waiting
//! (`O_NONBLOCK`), and once more the descriptor is asked what it is: only regular files and directories are read.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fstat, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::{FileError, Kind, PATH_BYTES_MAX, Rules};
use crate::files::pattern;

/// Links of one path.
const LINKS_MAX: u32 = 40;

/// Of `linux/magic.h`.
const SYSFS_MAGIC: i128 = 0x6265_6572;

/// The root of every `/proc`.
const PROC_ROOT_INODE: u64 = 1;

/// What `/proc` has of processes, and of the kernel, that no grant opens, and what it is.
const WITHHELD: [(&str, &str); 9] = [
    ("mem", "the memory of a process"),
    ("environ", "the environment of a process"),
    ("fd", "the open files of a process"),
    ("fdinfo", "the open files of a process"),
    ("map_files", "the memory of a process"),
    ("root", "the file system as a process sees it"),
    ("cwd", "the working directory of a process"),
    ("kcore", "the memory of the machine"),
    ("kmsg", "the log of the kernel, which reading empties"),
];

const OWN: &str = "the host's own data";

/// Links of the root of `/proc` that stand for the process that asks.
const PROC_LINKS: [&str; 4] = ["self", "thread-self", "net", "mounts"];

/// What a grant has to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The path itself.
    Whole,
    /// The path, or something that could be below it.
    Within,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileSystem {
    Proc,
    Sys,
    Other,
}

/// Something that was opened, for its place and not for its content.
pub(super) struct Place {
    pub(super) stat: Stat,
    pub(super) fd: OwnedFd,
    name: String,
    system: FileSystem,
}

impl Place {
    pub(super) fn kind(&self) -> Kind {
        kind_of(FileType::from_raw_mode(self.stat.st_mode))
    }

    /// Whether an entry of this directory is one that no grant opens.
    pub(super) fn withholds(&self, name: &str) -> bool {
        withheld(self.system, name).is_some()
    }
}

pub(super) fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

/// What is still to be walked, the next at the end.
enum Step {
    Name(String),
    /// The end of a link whose own name stands for what it led to, if that is on the same file system.
    LinkEnds(FileSystem, String),
}

/// Where a path led: the open places from the root down.
pub(super) struct Walk<'r> {
    rules: &'r Rules<'r>,
    need: Need,
    own: Vec<(u64, u64)>,
    places: Vec<Place>,
    /// The name that grants are held against: the real one, save for links within `/sys` and of `/proc` itself.
    shown: String,
    links_left: u32,
}

impl<'r> Walk<'r> {
    /// Walks a path. A link at its end is followed only if so wished.
    pub(super) fn new(rules: &'r Rules<'r>, path: &str, need: Need, follow_last: bool) -> Result<Self, FileError> {
        let names = names_of(path)?;
        let own = rules.own_dirs.iter().filter_map(|dir| rustix::fs::stat(dir).ok()).map(|stat| (stat.st_dev, stat.st_ino)).collect();
        let mut walk = Self { rules, need, own, places: Vec::new(), shown: String::new(), links_left: LINKS_MAX };
        walk.check(&format!("/{}", names.join("/")))?;
        let fd = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| failed("/", e))?;
        let root = walk.place(String::new(), fd, None)?;
        walk.places.push(root);
        let mut steps: Vec<Step> = names.iter().rev().map(|name| Step::Name((*name).to_owned())).collect();
        let mut followed = false;
        while let Some(step) = steps.pop() {
            match step {
                Step::Name(name) => {
                    let is_last = !steps.iter().any(|step| matches!(step, Step::Name(_)));
                    followed |= walk.step(name, &mut steps, follow_last || !is_last)?;
                }
                Step::LinkEnds(system, shown) => {
                    if walk.last()?.system == system {
                        walk.shown = shown;
                    }
                }
            }
        }
        if followed {
            walk.check(walk.shown_path())?;
        }
        Ok(walk)
    }

    /// Goes on by one component. Whether that was a link which was followed.
    fn step(&mut self, name: String, steps: &mut Vec<Step>, follow: bool) -> Result<bool, FileError> {
        match name.as_str() {
            "" | "." => return Ok(false),
            ".." => {
                if self.places.len() > 1 {
                    self.places.pop();
                }
                // A link may have led deeper than its own name says.
                self.shown = self.real();
                return Ok(false);
            }
            _ => {}
        }
        let shown = format!("{}/{name}", self.shown);
        let parent = self.last()?;
        if let Some(what) = withheld(parent.system, &name) {
            return Err(FileError::Never(shown, what));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&parent.fd, name.as_str(), flags, Mode::empty()).map_err(|e| failed(&shown, e))?;
        let place = self.place(name, fd, Some(parent)).map_err(|e| named(e, &shown))?;
        if place.kind() != Kind::Link || !follow {
            self.places.push(place);
            self.shown = shown;
            return Ok(false);
        }
        let at_proc_root = parent.system == FileSystem::Proc && parent.stat.st_ino == PROC_ROOT_INODE;
        self.links_left = self.links_left.checked_sub(1).ok_or_else(|| FileError::Failed(format!("{shown}: too many links")))?;
        let text = readlinkat(&place.fd, "", Vec::new()).map_err(|e| failed(&shown, e))?;
        let text = text.to_str().map_err(|_| FileError::Failed(format!("{shown}: leads to a name that is no UTF-8")))?;
        let trusted = place.system == FileSystem::Sys || (at_proc_root && PROC_LINKS.contains(&place.name.as_str()));
        if trusted {
            steps.push(Step::LinkEnds(place.system, shown));
        } else {
            let begin = if text.starts_with('/') { String::new() } else { self.real() };
            let rest = steps.iter().rev().filter_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                Step::LinkEnds(..) => None,
            });
            let whole = format!("{begin}/{text}/{}", rest.collect::<Vec<_>>().join("/"));
            self.check(&clean(&whole))?;
        }
        if text.starts_with('/') {
            self.places.truncate(1);
            self.shown.clear();
        }
        if steps.len() + text.split('/').count() > PATH_BYTES_MAX {
            return Err(FileError::Failed(format!("{}: leads too far", self.shown_path())));
        }
        steps.extend(text.split('/').rev().map(|name| Step::Name(name.to_owned())));
        Ok(true)
    }

    /// What was opened, unless it is never granted.
    fn place(&self, name: String, fd: OwnedFd, parent: Option<&Place>) -> Result<Place, FileError> {
        let stat = fstat(&fd).map_err(|e| failed(&name, e))?;
        let system = match parent {
            Some(parent) if parent.stat.st_dev == stat.st_dev => parent.system,
            _ => system_of(&fd).map_err(|e| failed(&name, e))?,
        };
        if let Some(what) = withheld(system, &name) {
            return Err(FileError::Never(name, what));
        }
        if self.own.contains(&(stat.st_dev, stat.st_ino)) {
            return Err(FileError::Never(name, OWN));
        }
        Ok(Place { stat, fd, name, system })
    }

    /// What the path led to.
    pub(super) fn last(&self) -> Result<&Place, FileError> {
        self.places.last().ok_or(FileError::NotFound)
    }

    /// Opens what the path led to for reading: a regular file or a directory.
    pub(super) fn open(&self, wanted: Kind) -> Result<Place, FileError> {
        let last = self.last()?;
        self.expect(last, wanted)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let parent = self.places.len().checked_sub(2).map(|at| &self.places[at]);
        let fd = match parent {
            Some(parent) => openat(&parent.fd, last.name.as_str(), flags, Mode::empty()),
            None => openat(&last.fd, ".", flags, Mode::empty()),
        };
        // By now another file may have the name, after a log was rotated: it has the same name in the same directory, so the
        // grant holds, and whether it is never granted is asked again.
        let place = self.place(last.name.clone(), fd.map_err(|e| failed(self.shown_path(), e))?, parent);
        let place = place.map_err(|e| named(e, self.shown_path()))?;
        self.expect(&place, wanted)?;
        Ok(place)
    }

    fn expect(&self, place: &Place, wanted: Kind) -> Result<(), FileError> {
        let found = match place.kind() {
            kind if kind == wanted => return Ok(()),
            Kind::Directory => "is a directory",
            Kind::File => "is a file",
            Kind::Link => "is a link",
            Kind::Other => "is a device, a pipe or a socket",
        };
        Err(FileError::Failed(format!("{} {found}", self.shown_path())))
    }

    fn check(&self, path: &str) -> Result<(), FileError> {
        let granted = |pattern: &String| match self.need {
            Need::Whole => pattern::matches(pattern, path),
            Need::Within => pattern::leads_to(pattern, path),
        };
        if self.rules.grants.read.iter().any(granted) { Ok(()) } else { Err(FileError::Denied(path.to_owned())) }
    }

    fn shown_path(&self) -> &str {
        if self.shown.is_empty() { "/" } else { &self.shown }
    }

    /// By the names that were opened.
    fn real(&self) -> String {
        self.places.iter().skip(1).fold(String::new(), |path, place| format!("{path}/{}", place.name))
    }
}

/// Components of an absolute path without `.` and `..`.
fn names_of(path: &str) -> Result<Vec<&str>, FileError> {
    if !path.starts_with('/') {
        return Err(FileError::Failed("the path is relative: an absolute one is wanted".to_owned()));
    }
    if path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(FileError::Failed("the path is too long, or has a zero byte".to_owned()));
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(FileError::Failed("the path has . or .. in it: write where it leads".to_owned()));
    }
    Ok(names)
}

/// `.`, `..` and `//` resolved as text.
fn clean(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            other => names.push(other),
        }
    }
    format!("/{}", names.join("/"))
}

/// `/proc` may be mounted elsewhere too, and a part of it: so the names count wherever they are on it.
fn withheld(system: FileSystem, name: &str) -> Option<&'static str> {
    let found = WITHHELD.iter().find(|(withheld, _)| *withheld == name)?;
    (system == FileSystem::Proc).then_some(found.1)
}

fn system_of(fd: &OwnedFd) -> Result<FileSystem, Errno> {
    // The type differs between machines.
    let magic = i128::from(fstatfs(fd)?.f_type);
    Ok(match magic {
        SYSFS_MAGIC => FileSystem::Sys,
        proc if proc == i128::from(PROC_SUPER_MAGIC) => FileSystem::Proc,
        _ => FileSystem::Other,
    })
}

fn named(error: FileError, shown: &str) -> FileError {
    match error {
        FileError::Never(_, what) => FileError::Never(shown.to_owned(), what),
        other => other,
    }
}

/// An error of the system. A process that ends takes its files along.
pub(super) fn failed(path: &str, error: Errno) -> FileError {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::SRCH => FileError::NotFound,
        other => FileError::Failed(format!("{path}: {}", std::io::Error::from(other))),
    }
}
