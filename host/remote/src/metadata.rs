//! What senders say of their metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::FamilyKind;

/// Most families that are kept, and bytes of their texts.
const FAMILIES_MAX: usize = 50_000;
const BYTES_MAX: usize = 8 << 20;
/// Most bytes of one help text; the rest is cut off.
const HELP_BYTES_MAX: usize = 2 << 10;
/// Most bytes of a name or a unit.
const NAME_BYTES_MAX: usize = 1 << 10;

/// What is known of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// As the sender gives it.
    pub name: Box<str>,
    /// Its type.
    pub kind: FamilyKind,
    /// For people.
    pub help: Box<str>,
    /// Empty for none.
    pub unit: Box<str>,
}

impl Family {
    pub(crate) fn new(name: &str, kind: FamilyKind, help: &str, unit: &str) -> Self {
        let help = &help[..help.floor_char_boundary(HELP_BYTES_MAX)];
        Self { name: name.into(), kind, help: help.into(), unit: unit.into() }
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.help.len() + self.unit.len() + 100
    }
}

/// The families of all senders: what was said last of each counts.
#[derive(Default)]
pub(crate) struct Metadata {
    families: BTreeMap<Box<str>, Arc<Family>>,
    bytes: usize,
}

impl Metadata {
    /// Takes what was said. False where there is no room for more.
    pub(crate) fn put(&mut self, family: Family) -> bool {
        if family.name.is_empty() || family.name.len() > NAME_BYTES_MAX || family.unit.len() > NAME_BYTES_MAX {
            return false;
        }
        let before = self.families.get(&family.name);
        if before.is_some_and(|before| **before == family) {
            return true;
        }
        let (count, freed) = before.map_or((self.families.len() + 1, 0), |before| (self.families.len(), before.bytes()));
        let bytes = self.bytes - freed + family.bytes();
        if count > FAMILIES_MAX || bytes > BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.families.insert(family.name.clone(), family.into());
        true
    }

    /// Sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Family>> {
        self.families.values().cloned().collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
