//! What is to go wrong, and when.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The kinds of calls a disk gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// A directory is made.
    MakeDir,
    /// Names are listed.
    List,
    /// A file is made.
    Create,
    /// A file is opened.
    Open,
    /// A file is removed.
    Remove,
    /// A file gets another name.
    Rename,
    /// A file gets a further name.
    Link,
    /// Names are made durable.
    SyncDir,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// Not a call: the first part of a write is done. Only told to [`super::SimDisk::on_call`], and never fails.
    WriteMiddle,
    /// A file is cut or made longer.
    SetLen,
    /// Content is made durable.
    Sync,
    /// A file is mapped.
    Map,
}

impl Call {
    /// Those that need space.
    pub const WRITING: &[Call] = &[Call::MakeDir, Call::Create, Call::Rename, Call::Link, Call::Write];
    /// Those that change something, which a disk that became read-only refuses.
    pub const CHANGING: &[Call] = &[Call::MakeDir, Call::Create, Call::Remove, Call::Rename, Call::Link, Call::Write, Call::SetLen];
    /// Those that make something durable.
    pub const SYNCING: &[Call] = &[Call::Sync, Call::SyncDir];
    /// Those that give content.
    pub const READING: &[Call] = &[Call::Read, Call::Map];
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `ENOSPC`. A write is carried out in part.
    NoSpace,
    /// `EDQUOT`. A write is carried out in part.
    Quota,
    /// `EROFS`.
    ReadOnly,
    /// `EIO`. A write is carried out in part; a sync makes some durable and forgets about the rest.
    Io,
    /// `EMFILE`.
    TooManyFiles,
    /// Reading gives less than there was, as from a file that somebody cut. Other calls do not fail so.
    Short,
}

impl Failure {
    /// What the system says.
    #[must_use]
    pub fn error(self) -> io::Error {
        // The numbers of Linux, which are what `io::ErrorKind` is made of.
        io::Error::from_raw_os_error(match self {
            Self::NoSpace => 28,
            Self::Quota => 122,
            Self::ReadOnly => 30,
            Self::Io | Self::Short => 5,
            Self::TooManyFiles => 24,
        })
    }
}

/// Calls that are to fail.
#[derive(Clone, Debug)]
pub struct Fault {
    calls: &'static [Call],
    failure: Failure,
    /// Part of the path.
    path: String,
    /// Calls that still succeed.
    after: u64,
    /// Calls that fail then.
    times: u64,
}

impl Fault {
    /// These calls fail from now on.
    #[must_use]
    pub fn always(calls: &'static [Call], failure: Failure) -> Self {
        Self { calls, failure, path: String::new(), after: 0, times: u64::MAX }
    }

    /// The next of these calls fails.
    #[must_use]
    pub fn once(calls: &'static [Call], failure: Failure) -> Self {
        Self { times: 1, ..Self::always(calls, failure) }
    }

    /// So many of them succeed before.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// Only those on paths with this in them.
    #[must_use]
    pub fn on(mut self, path_part: &str) -> Self {
        path_part.clone_into(&mut self.path);
        self
    }
}

#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) list: Vec<Fault>,
    counts: BTreeMap<Call, u64>,
    /// How many calls failed by `list`.
    pub(super) hits: u64,
}

impl Faults {
    /// Counts the call and says how it fails, if it does.
    pub(super) fn judge(&mut self, call: Call, path: &Path) -> Option<Failure> {
        *self.counts.entry(call).or_default() += 1;
        let mut failure = None;
        for fault in &mut self.list {
            if !fault.calls.contains(&call) || !path.to_string_lossy().contains(&fault.path) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && failure.is_none() {
                fault.times -= 1;
                failure = Some(fault.failure);
            }
        }
        self.hits += u64::from(failure.is_some());
        failure
    }

    pub(super) fn calls(&self, of: &[Call]) -> u64 {
        of.iter().filter_map(|call| self.counts.get(call)).sum()
    }
}
