//! Compiled components, kept on disk so that the next start does not compile them again.
//!
//! A `.cwasm` file is native code: whoever can write one runs in this process. So the folder is private to the user, each
//! file begins with a keyed hash over its name and its content, and what is checked is what is loaded: the bytes in memory,
//! not the file once more. A file that does not fit its hash is compiled anew.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;

/// Of the hash that a file begins with.
const TAG_BYTES: usize = 32;

/// Largest file that is read: that of a 19 MB Python component has 34 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Files that are kept; the oldest go first.
const FILES_MAX: usize = 200;

/// The folder of compiled components.
pub(crate) struct Cache {
    /// None: nothing is kept.
    dir: Option<PathBuf>,
    key: [u8; 32],
    /// Names the engine's version and settings.
    compatibility: String,
}

impl Cache {
    /// Opens the folder. Where it cannot be made private, nothing is kept, and that is said.
    pub(crate) fn open(dir: Option<&Path>, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = format!("{:016x}", hasher.finish());
        let opened = dir.and_then(|dir| match private_dir(dir).and_then(|()| key(dir)) {
            Ok(key) => Some((dir.to_owned(), key)),
            Err(error) => {
                tracing::warn!(path = %dir.display(), "compiled plugins are not kept, each start compiles them again: {error}");
                None
            }
        });
        match opened {
            Some((dir, key)) => Self { dir: Some(dir), key, compatibility },
            None => Self { dir: None, key: [0; 32], compatibility },
        }
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{}.cwasm", self.compatibility)
    }

    /// What was compiled from the file with this hash, if it is there and nobody has altered it.
    pub(crate) fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.dir.as_ref()?.join(self.name(sha256));
        let mut bytes = Vec::new();
        File::open(&path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let fits = bytes.len() > TAG_BYTES && same(&bytes[..TAG_BYTES], &self.tag(&self.name(sha256), &bytes[TAG_BYTES..]));
        if !fits {
            tracing::warn!(path = %path.display(), "a compiled plugin does not fit its hash and is compiled anew");
            return None;
        }
        bytes.drain(..TAG_BYTES);
        Some(bytes)
    }

    /// Keeps what was compiled. A failure costs time at the next start.
    pub(crate) fn put(&self, sha256: &str, compiled: &[u8]) {
        let Some(dir) = &self.dir else { return };
        let name = self.name(sha256);
        let write = || -> std::io::Result<()> {
            let (fresh, mut file) = fresh_file(dir)?;
            let renamed = file
                .write_all(&self.tag(&name, compiled))
                .and_then(|()| file.write_all(compiled))
                .and_then(|()| fs::rename(&fresh, dir.join(&name)));
            renamed.inspect_err(|_| drop(fs::remove_file(&fresh)))?;
            forget_oldest(dir)
        };
        if let Err(error) = write() {
            tracing::warn!(path = %dir.display(), "failed to keep a compiled plugin, the next start compiles it again: {error}");
        }
    }

    /// HMAC-SHA-256 (RFC 2104) over the name and the content: what is good under one name is not good under another.
    fn tag(&self, name: &str, content: &[u8]) -> [u8; TAG_BYTES] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.key).for_each(|(b, k)| *b ^= k);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(name).chain_update([0]).chain_update(content).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

/// In a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let metadata = fs::symlink_metadata(dir)?;
    if !metadata.is_dir() {
        return Err(std::io::Error::other("it is a link or a file, not a folder"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    // What this process makes belongs to its user; so must the folder, even where root could use anybody's.
    let (probe, file) = fresh_file(dir)?;
    let user = file.metadata()?.uid();
    fs::remove_file(&probe)?;
    if user == metadata.uid() { Ok(()) } else { Err(std::io::Error::other("it belongs to another user")) }
}

/// The key of the folder, made at the first use.
fn key(dir: &Path) -> std::io::Result<[u8; 32]> {
    let path = dir.join("key");
    if let Some(key) = read_key(&path) {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    let (fresh, mut file) = fresh_file(dir)?;
    file.write_all(&key)?;
    // Of two processes that make one at the same time, the second takes that of the first.
    let linked = fs::hard_link(&fresh, &path);
    fs::remove_file(&fresh)?;
    match (linked, read_key(&path)) {
        (_, Some(key)) => Ok(key),
        (Err(error), None) => Err(error),
        (Ok(()), None) => Err(std::io::Error::other("its key cannot be read")),
    }
}

fn read_key(path: &Path) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    File::open(path).ok()?.read_exact(&mut key).ok()?;
    Some(key)
}

/// A file that nobody else writes, to be given its name when it is whole.
fn fresh_file(dir: &Path) -> std::io::Result<(PathBuf, File)> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let path = dir.join(format!("{:016x}.new", u64::from_le_bytes(bytes)));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok((path, file))
}

fn forget_oldest(dir: &Path) -> std::io::Result<()> {
    let entries = fs::read_dir(dir)?.filter_map(Result::ok).filter(|e| e.path().extension().is_some_and(|x| x == "cwasm"));
    let mut files: Vec<_> = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(FILES_MAX) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn g16_an_altered_artefact_is_never_taken() {
        let dir = TempDir::new("cache");
        let engine = Engine::default();
        let cache = Cache::open(Some(dir.path()), &engine);
        assert_eq!(cache.get("aa"), None);
        cache.put("aa", b"native code");
        cache.put("bb", b"other code");
        assert_eq!(cache.get("aa").as_deref(), Some(&b"native code"[..]));
        assert_eq!(Cache::open(Some(dir.path()), &engine).get("aa").as_deref(), Some(&b"native code"[..]), "the key lasts");
        assert_eq!(fs::metadata(dir.path()).expect("it is there").permissions().mode() & 0o777, 0o700);
        let (a, b) = (dir.path().join(cache.name("aa")), dir.path().join(cache.name("bb")));
        let whole = fs::read(&a).expect("it is there");
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&a, &altered).expect("a scratch file");
            assert_eq!(cache.get("aa"), None, "altered at {at}");
        }
        fs::write(&a, &whole[..TAG_BYTES]).expect("a scratch file");
        assert_eq!(cache.get("aa"), None, "nothing but a hash");
        fs::copy(&b, &a).expect("a scratch file");
        assert_eq!(cache.get("aa"), None, "another component's");
        fs::write(dir.path().join("key"), [7; 32]).expect("a scratch file");
        assert_eq!(Cache::open(Some(dir.path()), &engine).get("bb"), None, "made with another key");
    }
}
