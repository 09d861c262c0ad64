//! What targets say of their metric families: kind, help, unit.
//!
//! A thousand targets of one kind say the same, so each entry is kept once for all of them. What is kept is bounded, for a
//! target and in all: texts come from outside.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use exposition::{FamilyLine, Format, family_lines, protobuf};
use model::FamilyKind;

/// Families that are kept of one target, and the bytes of their names and texts.
const TARGET_FAMILIES_MAX: usize = 20_000;
const TARGET_BYTES_MAX: usize = 4 << 20;

/// Bytes of different entries of all targets.
const SHARED_BYTES_MAX: usize = 64 << 20;

/// What an entry takes beside its texts, roughly.
const ENTRY_BYTES: usize = 96;

/// Entries in all before those that no target has any more are looked for.
const SWEEP_MIN: usize = 1024;

/// What a target says of one metric family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FamilyMetadata {
    /// The family's name, as its `# TYPE` line has it: in OpenMetrics a counter's without `_total`.
    pub name: Box<str>,
    /// Unknown where the target does not say.
    pub kind: FamilyKind,
    /// For people; empty where the target does not say.
    pub help: Box<str>,
    /// As in OpenMetrics, empty for none.
    pub unit: Box<str>,
}

impl FamilyMetadata {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.name.len() + self.help.len() + self.unit.len()
    }
}

/// The families of one target, each once, sorted by name.
pub type Families = Arc<[Arc<FamilyMetadata>]>;

/// The entries of all targets, each once.
#[derive(Default)]
pub(crate) struct SharedMetadata(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    entries: HashSet<Arc<FamilyMetadata>>,
    bytes: usize,
    sweep_at: usize,
}

impl SharedMetadata {
    /// The families that a body describes. The same as `before` if they are the same.
    pub(crate) fn read(&self, body: &[u8], format: Format, before: &Families) -> Families {
        let found = if format == Format::Protobuf { read_messages(body) } else { read(body, format) };
        if found.len() == before.len() && found.iter().zip(before.iter()).all(|(new, old)| *new == **old) {
            return Arc::clone(before);
        }
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut swept = false;
        found.into_iter().filter_map(|entry| shared.take(entry, &mut swept)).collect()
    }
}

impl Shared {
    /// The one entry that is like this one. None if there is no room for a new one.
    /// Room is made at most once for a body: that looks at all entries.
    fn take(&mut self, entry: FamilyMetadata, swept: &mut bool) -> Option<Arc<FamilyMetadata>> {
        if let Some(known) = self.entries.get(&entry) {
            return Some(Arc::clone(known));
        }
        let crowded = self.entries.len() >= self.sweep_at.max(SWEEP_MIN) || self.bytes + entry.bytes() > SHARED_BYTES_MAX;
        if crowded && !std::mem::replace(swept, true) {
            self.sweep();
        }
        if self.bytes + entry.bytes() > SHARED_BYTES_MAX {
            return None;
        }
        self.bytes += entry.bytes();
        let entry = Arc::new(entry);
        self.entries.insert(Arc::clone(&entry));
        Some(entry)
    }

    /// Forgets what no target has any more.
    fn sweep(&mut self) {
        self.entries.retain(|entry| Arc::strong_count(entry) > 1);
        self.entries.shrink_to_fit();
        self.bytes = self.entries.iter().map(|entry| entry.bytes()).sum();
        self.sweep_at = self.entries.len() * 2;
    }
}

fn read(body: &[u8], format: Format) -> Vec<FamilyMetadata> {
    let mut found: Vec<FamilyMetadata> = Vec::new();
    let mut places: HashMap<Box<str>, usize> = HashMap::new();
    let mut bytes = 0;
    for line in family_lines(body, format) {
        let name = match &line {
            FamilyLine::Help(name, _) | FamilyLine::Type(name, _) | FamilyLine::Unit(name, _) => name,
        };
        // The lines of a family stand together, as a rule.
        let at = match found.last().filter(|last| *last.name == **name) {
            Some(_) => found.len() - 1,
            None => match places.get(name.as_ref()) {
                Some(at) => *at,
                None if found.len() >= TARGET_FAMILIES_MAX => continue,
                None => {
                    let name: Box<str> = name.as_ref().into();
                    bytes += ENTRY_BYTES + name.len();
                    places.insert(name.clone(), found.len());
                    found.push(FamilyMetadata { name, kind: FamilyKind::Unknown, help: Box::default(), unit: Box::default() });
                    found.len() - 1
                }
            },
        };
        // The last line of each kind counts, as upstream.
        match line {
            FamilyLine::Help(_, text) => {
                bytes += text.len();
                found[at].help = text.as_ref().into();
            }
            FamilyLine::Type(_, kind) => found[at].kind = kind,
            FamilyLine::Unit(_, unit) => {
                bytes += unit.len();
                found[at].unit = unit.as_ref().into();
            }
        }
        if bytes > TARGET_BYTES_MAX {
            found.pop();
            break;
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Likewise of a body in protobuf, whose families come once.
fn read_messages(body: &[u8]) -> Vec<FamilyMetadata> {
    let (mut families, mut found, mut bytes) = (protobuf::Reader::new(body), Vec::new(), 0);
    while let Ok(Some(family)) = families.next_family() {
        let entry = FamilyMetadata { name: family.name.into(), kind: family.kind, help: family.help.into(), unit: family.unit.into() };
        bytes += entry.bytes();
        if found.len() >= TARGET_FAMILIES_MAX || bytes > TARGET_BYTES_MAX {
            break;
        }
        found.push(entry);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|later, first| later.name == first.name);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(shared: &SharedMetadata, body: &str) -> Families {
        shared.read(body.as_bytes(), Format::Text, &Families::default())
    }

    #[test]
    fn targets_share_what_they_say() {
        let shared = SharedMetadata::default();
        let a = families(&shared, "# TYPE b counter\n# HELP a first\n# HELP b second\nb 1\n");
        let b = families(&shared, "# HELP a first\n# HELP b other\n");
        assert_eq!(
            a.iter().map(|f| (&*f.name, f.kind, &*f.help)).collect::<Vec<_>>(),
            [("a", FamilyKind::Unknown, "first"), ("b", FamilyKind::Counter, "second"),]
        );
        assert!(Arc::ptr_eq(&a[0], &b[0]));
        assert!(!Arc::ptr_eq(&a[1], &b[1]));
        let same = shared.read(b"# HELP a first\n# HELP b other\n", Format::Text, &b);
        assert!(Arc::ptr_eq(&same, &b), "nothing new is made");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let shared = SharedMetadata::default();
        let text = "x".repeat(900);
        let mut kept = Vec::new();
        for target in 0..20 {
            let body: String = (0..10_000).map(|n| format!("# HELP m{n} {target}{text}\n")).collect();
            let found = families(&shared, &body);
            let bytes: usize = found.iter().map(|f| f.bytes()).sum();
            assert!(bytes <= TARGET_BYTES_MAX, "{bytes}");
            kept.push(found);
        }
        assert!(shared.0.lock().expect("not poisoned").bytes <= SHARED_BYTES_MAX);
        assert!(kept.last().expect("some").is_empty(), "there is no room for the last");
        kept.clear();
        assert!(!families(&shared, "# HELP again there is room\n").is_empty());
        let many: String = (0..TARGET_FAMILIES_MAX + 5).map(|n| format!("# TYPE m{n} gauge\n")).collect();
        assert_eq!(families(&shared, &many).len(), TARGET_FAMILIES_MAX);
    }
}
