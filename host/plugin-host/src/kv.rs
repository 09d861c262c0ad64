//! The store of one plugin that lasts over calls and restarts.
//!
//! One append-only file per plugin. A record is written with one call to the system and checked by a hash, so that a value
//! is there whole or not at all, whatever kills the process. All values are held in memory; the quota bounds both.
//!
//! Format of `<plugin>.kv`, version 0: the 8 bytes `SKPSKV0\n`, then records: length of what follows the hash (u32, little
//! endian), the first 8 bytes of the SHA-256 of that, then kind (1 set, 2 delete), length of the key (u32, little endian),
//! key, value.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"SKPSKV0\n";
const SET: u8 = 1;
const DELETE: u8 = 2;

/// Length and hash.
const HEADER_BYTES: usize = 12;

/// Bytes of a key, and of a value.
const KEY_BYTES_MAX: usize = 1024;
const VALUE_BYTES_MAX: usize = 1 << 20;

/// What an entry costs beside its bytes, so that many empty values count too.
const ENTRY_BYTES: u64 = 64;

/// The file is written anew when it is larger than twice what it holds and this.
const SLACK_BYTES: u64 = 1 << 20;

/// Why an operation did not take place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KvError {
    /// Past a limit; the text says which.
    Quota(String),
    /// The file could not be read or written.
    Failed(String),
}

/// The store of one plugin.
pub(crate) struct Kv {
    path: PathBuf,
    file: File,
    entries: BTreeMap<String, Vec<u8>>,
    /// Of keys and values, with what entries cost.
    held_bytes: u64,
    file_bytes: u64,
    quota_bytes: u64,
}

fn failed(path: &Path, what: &str, error: &std::io::Error) -> KvError {
    KvError::Failed(format!("failed to {what} {}: {error}", path.display()))
}

impl Kv {
    /// Opens the store, making it if it is not there. An unfinished record at the end, which was never acknowledged, is cut
    /// off; a damaged one is set aside with what follows it, and said.
    pub(crate) fn open(path: &Path, quota_bytes: u64) -> Result<Self, KvError> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|e| failed(dir, "make", &e))?;
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(|e| failed(path, "open", &e))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| failed(path, "read", &e))?;
        let mut kv = Self { path: path.to_owned(), file, entries: BTreeMap::new(), held_bytes: 0, file_bytes: 0, quota_bytes };
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            kv.file.set_len(0).map_err(|e| failed(path, "write", &e))?;
            kv.file.rewind().and_then(|()| kv.file.write_all(MAGIC)).map_err(|e| failed(path, "write", &e))?;
            kv.file_bytes = MAGIC.len() as u64;
            return Ok(kv);
        }
        if !bytes.starts_with(MAGIC) {
            return Err(KvError::Failed(format!(
                "{} is not a store of this version: move it away, and the plugin begins anew",
                path.display()
            )));
        }
        let good = kv.replay(&bytes);
        if good < bytes.len() {
            kv.cut(good, &bytes)?;
        }
        kv.file_bytes = good as u64;
        kv.file.seek(SeekFrom::Start(kv.file_bytes)).map_err(|e| failed(path, "read", &e))?;
        Ok(kv)
    }

    /// Takes the records in order; gives where the last good one ends.
    fn replay(&mut self, bytes: &[u8]) -> usize {
        let mut at = MAGIC.len();
        while let Some((body, next)) = record(bytes, at) {
            let Some((kind, key, value)) = split(body) else { break };
            match kind {
                SET => self.put(key.to_owned(), value.to_vec()),
                _ => self.take(key),
            }
            at = next;
        }
        at
    }

    /// Cuts off what is behind the last good record. A whole header with a body that does not fit its hash is damage, and is
    /// kept beside the file.
    fn cut(&mut self, good: usize, bytes: &[u8]) -> Result<(), KvError> {
        let rest = &bytes[good..];
        let unfinished = rest.len() < HEADER_BYTES || rest.len() - HEADER_BYTES < length(rest);
        if !unfinished {
            let aside = self.path.with_extension("kv.damaged");
            fs::write(&aside, rest).map_err(|e| failed(&aside, "write", &e))?;
            tracing::error!(path = %self.path.display(), "a record of the store is damaged: {} bytes from offset {good} on are set aside in {}", rest.len(), aside.display());
        }
        self.file.set_len(good as u64).map_err(|e| failed(&self.path, "write", &e))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    pub(crate) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), KvError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(KvError::Quota(format!("a key has at most {KEY_BYTES_MAX} bytes")));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(KvError::Quota(format!("a value has at most {VALUE_BYTES_MAX} bytes")));
        }
        let old = self.entries.get(key);
        if old.is_some_and(|old| old == value) {
            return Ok(());
        }
        let freed = old.map_or(0, |old| cost(key, old));
        if self.held_bytes - freed + cost(key, value) > self.quota_bytes {
            return Err(KvError::Quota(format!("the plugin's store is full: {} bytes; raise limits: {{kv: …}}", self.quota_bytes)));
        }
        self.append(SET, key, value)?;
        self.put(key.to_owned(), value.to_vec());
        self.compact_if_due();
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) -> Result<(), KvError> {
        if self.entries.contains_key(key) {
            self.append(DELETE, key, &[])?;
            self.take(key);
            self.compact_if_due();
        }
        Ok(())
    }

    /// False if the value is not `expected`.
    pub(crate) fn compare_and_set(&mut self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, KvError> {
        if self.get(key) != expected {
            return Ok(false);
        }
        self.set(key, value).map(|()| true)
    }

    /// Keys that start with `prefix`, in order.
    pub(crate) fn list(&self, prefix: &str) -> Vec<String> {
        let from = self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// To the disk, for a machine that loses power.
    pub(crate) fn sync(&self) -> Result<(), KvError> {
        self.file.sync_data().map_err(|e| failed(&self.path, "write", &e))
    }

    fn put(&mut self, key: String, value: Vec<u8>) {
        self.take(&key);
        self.held_bytes += cost(&key, &value);
        self.entries.insert(key, value);
    }

    fn take(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.held_bytes -= cost(key, &old);
        }
    }

    fn append(&mut self, kind: u8, key: &str, value: &[u8]) -> Result<(), KvError> {
        let bytes = encode(kind, key, value);
        if let Err(error) = self.file.write_all(&bytes) {
            // Nothing may follow half a record.
            let back = self.file.set_len(self.file_bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.file_bytes)));
            back.map_err(|e| failed(&self.path, "take back half a record of", &e))?;
            return Err(failed(&self.path, "write", &error));
        }
        self.file_bytes += bytes.len() as u64;
        Ok(())
    }

    fn compact_if_due(&mut self) {
        if self.file_bytes <= 2 * self.held_bytes + SLACK_BYTES {
            return;
        }
        // The values are safe in the file there is: a failure costs room alone.
        if let Err(error) = self.compact() {
            tracing::warn!(path = %self.path.display(), "failed to write the store anew, it goes on growing: {error}");
        }
    }

    fn compact(&mut self) -> std::io::Result<()> {
        let fresh = self.path.with_extension("kv.new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&fresh)?;
        let mut bytes = MAGIC.to_vec();
        for (key, value) in &self.entries {
            bytes.extend_from_slice(&encode(SET, key, value));
        }
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.file = file;
        self.file_bytes = bytes.len() as u64;
        Ok(())
    }
}

fn cost(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_BYTES
}

fn encode(kind: u8, key: &str, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(5 + key.len() + value.len());
    body.push(kind);
    body.extend_from_slice(&(key.len() as u32).to_le_bytes());
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(value);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&Sha256::digest(&body)[..8]);
    bytes.extend_from_slice(&body);
    bytes
}

fn length(header: &[u8]) -> usize {
    u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize
}

/// The body of the record at `at`, and where the next one begins. None where no good record is.
fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    let end = (at + HEADER_BYTES).checked_add(length(header))?;
    let body = bytes.get(at + HEADER_BYTES..end)?;
    (Sha256::digest(body)[..8] == header[4..]).then_some((body, end))
}

fn split(body: &[u8]) -> Option<(u8, &str, &[u8])> {
    let (kind, rest) = body.split_first()?;
    let key_length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let key = rest.get(4..4_usize.checked_add(key_length)?)?;
    Some((*kind, std::str::from_utf8(key).ok()?, &rest[4 + key_length..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn open(dir: &TempDir) -> Kv {
        Kv::open(&dir.path().join("p.kv"), 4096).expect("it opens")
    }

    #[test]
    fn values_last_over_a_restart() {
        let dir = TempDir::new("kv");
        let mut kv = open(&dir);
        kv.set("a/1", b"one").expect("room");
        kv.set("a/2", b"two").expect("room");
        kv.set("b", b"").expect("room");
        kv.set("a/1", b"uno").expect("room");
        kv.delete("a/2").expect("there");
        kv.delete("none").expect("without effect");
        assert_eq!(kv.compare_and_set("a/1", Some(b"one"), b"x"), Ok(false));
        assert_eq!(kv.compare_and_set("a/1", Some(b"uno"), b"eins"), Ok(true));
        assert_eq!(kv.compare_and_set("c", None, b"new"), Ok(true));
        assert_eq!(kv.compare_and_set("c", None, b"newer"), Ok(false));
        drop(kv);
        let kv = open(&dir);
        assert_eq!(kv.list(""), ["a/1", "b", "c"]);
        assert_eq!(kv.list("a/"), ["a/1"]);
        assert_eq!((kv.get("a/1"), kv.get("b"), kv.get("c"), kv.get("a/2")), (Some(&b"eins"[..]), Some(&b""[..]), Some(&b"new"[..]), None));
    }

    #[test]
    fn a_file_cut_anywhere_holds_whole_values() {
        let dir = TempDir::new("kv-cut");
        let path = dir.path().join("p.kv");
        let mut kv = open(&dir);
        kv.set("k", b"first").expect("room");
        let first = kv.file_bytes as usize;
        kv.set("k", b"second").expect("room");
        drop(kv);
        let whole = fs::read(&path).expect("it is there");
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("a scratch file");
            let mut kv = open(&dir);
            let expected: Option<&[u8]> = if cut < first {
                None
            } else if cut < whole.len() {
                Some(b"first")
            } else {
                Some(b"second")
            };
            assert_eq!(kv.get("k"), expected, "cut at {cut}");
            kv.set("after", b"1").expect("it goes on");
            drop(kv);
            assert_eq!(open(&dir).get("after"), Some(&b"1"[..]), "cut at {cut}");
        }
        assert!(!dir.path().join("p.kv.damaged").exists(), "a cut is not damage");
    }

    #[test]
    fn damage_is_set_aside_and_said() {
        let dir = TempDir::new("kv-damage");
        let path = dir.path().join("p.kv");
        let mut kv = open(&dir);
        kv.set("a", b"1").expect("room");
        let good = kv.file_bytes as usize;
        kv.set("b", b"2").expect("room");
        kv.set("c", b"3").expect("room");
        drop(kv);
        let mut bytes = fs::read(&path).expect("it is there");
        bytes[good + HEADER_BYTES + 2] ^= 1;
        fs::write(&path, &bytes).expect("a scratch file");
        let kv = open(&dir);
        assert_eq!(kv.list(""), ["a"]);
        assert_eq!(fs::read(dir.path().join("p.kv.damaged")).expect("set aside"), &bytes[good..]);
        fs::write(&path, b"something else entirely").expect("a scratch file");
        assert!(matches!(Kv::open(&path, 4096), Err(KvError::Failed(text)) if text.contains("not a store")));
    }

    #[test]
    fn the_quota_holds_and_the_file_does_not_grow_with_the_writes() {
        let dir = TempDir::new("kv-quota");
        let mut kv = open(&dir);
        assert!(matches!(kv.set(&"k".repeat(2000), b""), Err(KvError::Quota(_))));
        let value = vec![7; 1000];
        for key in ["a", "b", "c"] {
            kv.set(key, &value).expect("room");
        }
        assert!(matches!(kv.set("d", &value), Err(KvError::Quota(_))));
        for n in 0..3000_u32 {
            let mut value = value.clone();
            value[..4].copy_from_slice(&n.to_be_bytes());
            kv.set("a", &value).expect("the key is there");
        }
        assert!(kv.file_bytes < SLACK_BYTES + 16_000, "{}", kv.file_bytes);
        drop(kv);
        assert_eq!(open(&dir).get("a").map(|v| v[..4].to_vec()), Some(2999_u32.to_be_bytes().to_vec()));
    }
}
