//! Patterns of file names, as Go's `filepath.Glob` reads them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Most files that one pattern may match.
const MATCHES_MAX: usize = 50_000;

/// The paths that match, sorted. Folders are left out where they match the last part. What cannot be looked at (a link that leads
/// nowhere or in a circle) is kept: reading it gives the error, and nothing is left out in silence.
pub(super) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    let parts: Vec<Component<'_>> = pattern.components().collect();
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        let text = part.as_os_str().to_str().filter(|text| matches!(part, Component::Normal(_)) && has_wildcard(text));
        let mut next = Vec::new();
        for path in found {
            match text {
                Some(text) => list(&path, &Pattern::new(text)?, last, &mut next)?,
                // Whether it is there is asked once, at the end.
                None => next.push(path.join(part)),
            }
        }
        found = next;
    }
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    found.sort();
    Ok(found)
}

/// Whether a path matches a pattern of the same number of parts.
pub(super) fn is_match(pattern: &Path, path: &Path) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.components().collect(), path.components().collect());
    let same = |(pattern, part): (&Component<'_>, &Component<'_>)| match (pattern.as_os_str().to_str(), part.as_os_str().to_str()) {
        (Some(pattern), Some(part)) => Pattern::new(pattern).is_ok_and(|pattern| pattern.fits(part)),
        _ => false,
    };
    patterns.len() == parts.len() && patterns.iter().zip(&parts).all(same)
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The entries of a folder that fit. A folder that is not there has none.
fn list(folder: &Path, pattern: &Pattern, last: bool, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |error: io::Error| format!("failed to list {}: {error}", shown.display());
    let entries = match fs::read_dir(shown) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // A name that is no text cannot be written in a configuration either.
        let Some(name) = name.to_str().filter(|name| pattern.fits(name)) else { continue };
        let path = folder.join(name);
        if last && path.is_dir() {
            continue;
        }
        if found.len() >= MATCHES_MAX {
            return Err(format!("more than {MATCHES_MAX} files match"));
        }
        found.push(path);
    }
    Ok(())
}

/// One part of a path.
struct Pattern(Vec<Piece>);

enum Piece {
    /// Any run of characters.
    Run,
    /// Any character.
    Any,
    One(char),
    /// A character of these ranges, or of none of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Run | Self::Any => true,
            Self::One(one) => *one == c,
            Self::Class { negated, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let open = || format!("in the pattern {text:?} a [ is not closed");
        let mut chars = text.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Run,
                '?' => Piece::Any,
                '\\' => Piece::One(chars.next().ok_or("the pattern ends in a backslash")?),
                '[' => {
                    let negated = chars.next_if(|c| matches!(c, '^' | '!')).is_some();
                    let mut ranges = Vec::new();
                    loop {
                        let from = chars.next().ok_or_else(open)?;
                        if from == ']' && !ranges.is_empty() {
                            break;
                        }
                        let to = match chars.next_if_eq(&'-') {
                            Some(_) => chars.next().ok_or_else(open)?,
                            None => from,
                        };
                        ranges.push((from, to));
                    }
                    Piece::Class { negated, ranges }
                }
                other => Piece::One(other),
            });
        }
        Ok(Self(pieces))
    }

    fn fits(&self, text: &str) -> bool {
        let (pieces, text): (&[Piece], Vec<char>) = (&self.0, text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // Where to go on if what follows the last run does not fit: one character later.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pieces.get(p) {
                Some(Piece::Run) => {
                    retry = Some((p + 1, t));
                    p += 1;
                }
                Some(piece) if piece.takes(text[t]) => {
                    p += 1;
                    t += 1;
                }
                _ => match retry {
                    Some((after_run, from)) => {
                        p = after_run;
                        t = from + 1;
                        retry = Some((after_run, from + 1));
                    }
                    None => return false,
                },
            }
        }
        pieces[p..].iter().all(|piece| matches!(piece, Piece::Run))
    }
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
            ("[a-c]x[^0-9]", vec!["axy", "cxz"], vec!["dxy", "ax1"]),
            ("[]]", vec!["]"], vec!["a"]),
        ] {
            let pattern = Pattern::new(pattern).expect("good");
            for text in hits {
                assert!(pattern.fits(text), "{text}");
            }
            for text in misses {
                assert!(!pattern.fits(text), "{text}");
            }
        }
        assert!(Pattern::new("[a").is_err());
    }

    #[test]
    fn folders_may_be_patterns_and_dead_links_are_kept() {
        let folder = test_support::TempFolder::new("glob");
        for name in ["a/one.yml", "b/two.yml", "b/three.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "x").expect("written");
        }
        fs::create_dir(folder.path().join("a/folder.yml")).expect("made");
        std::os::unix::fs::symlink("nowhere", folder.path().join("b/dead.yml")).expect("linked");
        let names = |pattern: &str| -> Vec<String> {
            let found = matching(&folder.path().join(pattern)).expect("good");
            found.iter().map(|path| path.strip_prefix(folder.path()).expect("below it").display().to_string()).collect()
        };
        assert_eq!(names("[ab]/*.yml"), ["a/one.yml", "b/dead.yml", "b/two.yml"]);
        assert_eq!(names("a/one.yml"), ["a/one.yml"]);
        assert!(names("a/absent.yml").is_empty() && names("absent/*.yml").is_empty());
    }
}
