//! Where configuration files come from: the disk, or what is embedded for the default configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that a configuration may name, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Most files that one pattern may match.
const MATCHES_MAX: usize = 10_000;

/// The default configuration and what it names, as in the folder `config/`.
const EMBEDDED: [(&str, &str); 3] = [
    ("skopos.yml", include_str!("../../../config/skopos.yml")),
    ("rules/example.yml", include_str!("../../../config/rules/example.yml")),
    ("dashboards/home.json", include_str!("../../../config/dashboards/home.json")),
];

/// The dashboard of the first page, for configurations that bring none of their own.
pub(crate) const HOME_DASHBOARD: &str = EMBEDDED[2].1;

/// The address in the embedded configuration that the listen address takes the place of.
const EMBEDDED_ADDRESS: &str = "127.0.0.1:9090";

/// A source of files. Paths in a configuration are relative to its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// The disk.
    Disk,
    /// The default configuration, whose targets follow this address.
    Embedded { address: String },
}

impl Files {
    /// A whole text.
    pub(crate) fn read(&self, path: &Path) -> io::Result<String> {
        match self {
            Self::Disk => {
                if fs::metadata(path)?.len() > FILE_BYTES_MAX {
                    return Err(io::Error::other(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
                }
                String::from_utf8(fs::read(path)?).map_err(|e| io::Error::other(format!("it is not UTF-8 text: {}", e.utf8_error())))
            }
            Self::Embedded { address } => {
                let found = EMBEDDED.iter().find(|(name, _)| Path::new(name) == path);
                found.map(|(_, text)| text.replace(EMBEDDED_ADDRESS, address)).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    /// The files that a pattern matches, sorted. Only the last part of a path may hold `*` and `?`, as upstream. A path
    /// without a wildcard is itself, there or not.
    pub(crate) fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(name) = pattern.file_name().and_then(|n| n.to_str()).filter(|n| n.contains(['*', '?'])) else {
            return Ok(vec![pattern.to_owned()]);
        };
        let parent = pattern.parent().unwrap_or(Path::new(""));
        let mut found = self.list(parent)?;
        found.retain(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| wildcard_match(name, n)));
        if found.len() > MATCHES_MAX {
            return Err(io::Error::other(format!("{} matches more than {MATCHES_MAX} files", pattern.display())));
        }
        Ok(found)
    }

    /// The files of a folder, sorted. A folder that is not there has none.
    pub(crate) fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = match self {
            Self::Disk => {
                let folder_read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                let entries = match fs::read_dir(folder_read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                    entries => entries?,
                };
                let paths: io::Result<Vec<PathBuf>> = entries.map(|e| Ok(folder.join(e?.file_name()))).collect();
                paths?.into_iter().filter(|path| path.is_file()).collect()
            }
            Self::Embedded { .. } => {
                EMBEDDED.iter().map(|(name, _)| PathBuf::from(name)).filter(|p| p.parent() == Some(folder)).collect::<Vec<_>>()
            }
        };
        found.sort();
        Ok(found)
    }
}

/// `*` is any run of characters, `?` one character.
fn wildcard_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last star does not fit: one character later.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, hits, misses) in [
            ("*.yml", vec!["a.yml", ".yml"], vec!["a.yaml", "a.yml.bak"]),
            ("a?c*", vec!["abc", "abcd"], vec!["ac", "xabc"]),
            ("*a*b", vec!["ab", "xaab", "aabb"], vec!["abx", "b"]),
        ] {
            for text in hits {
                assert!(wildcard_match(pattern, text), "{pattern} {text}");
            }
            for text in misses {
                assert!(!wildcard_match(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn embedded_files_follow_the_address() {
        let files = Files::Embedded { address: "127.0.0.1:1234".to_owned() };
        let text = files.read(Path::new("skopos.yml")).expect("embedded");
        assert!(text.contains("127.0.0.1:1234") && !text.contains("127.0.0.1:9090"));
        assert_eq!(files.glob(Path::new("rules/*.yml")).expect("embedded"), [PathBuf::from("rules/example.yml")]);
        assert!(files.read(Path::new("rules/other.yml")).is_err());
    }
}
