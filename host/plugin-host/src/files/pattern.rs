//! Path patterns of `read` grants.
//!
//! A pattern is an absolute path. In a component `*` stands for any characters, `?` for one, `[a-z]` for one of these and `[!a]`
//! for one of the others; no wildcard stands for `/`. `**` as a whole component stands for any number of components, none
//! included, and a `/` at the end is short for `/**`: the directory and all below it.

use std::path::{Component, Path, PathBuf};

/// Components of a pattern.
const COMPONENTS_MAX: usize = 64;

/// Makes a pattern absolute, relative to `base`, and resolves `.` and `..` as text. A `/` at the end stays.
pub(crate) fn absolute(base: &Path, pattern: &str) -> String {
    let joined = base.join(pattern);
    // Fails for an empty path and without a current directory: then it stays relative, and matches nothing.
    let joined = std::path::absolute(&joined).unwrap_or(joined);
    let mut clean = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    let mut text = clean.to_string_lossy().into_owned();
    if pattern.ends_with('/') && !text.ends_with('/') {
        text.push('/');
    }
    text
}

/// What is wrong with a pattern.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() || pattern.contains('\0') {
        return Err("expected a path, or a pattern of paths as in /var/log/nginx/*.log".to_owned());
    }
    if pattern.split('/').count() > COMPONENTS_MAX || pattern.len() > super::PATH_BYTES_MAX {
        return Err(format!("{pattern:?} is too long for a pattern of paths"));
    }
    for component in pattern.split('/') {
        if component.contains("**") && component != "**" {
            return Err(format!("{pattern:?}: ** stands for whole directories: write it as in /var/log/**"));
        }
        let mut rest: Vec<char> = component.chars().collect();
        rest.reverse();
        while let Some(c) = rest.pop() {
            if c == '[' && Class::parse(&mut rest).is_none() {
                return Err(format!("{pattern:?}: [ is not closed: write [[] for the character itself"));
            }
        }
    }
    Ok(())
}

/// Whether a path, which is absolute and has no `.` or `..`, is one of the pattern's.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (parts, reached) = walk(pattern, path);
    reached[parts]
}

/// Whether a path is one of the pattern's or a directory above one that could be.
pub(crate) fn leads_to(pattern: &str, path: &str) -> bool {
    let (_, reached) = walk(pattern, path);
    reached.contains(&true)
}

/// Which parts of the pattern could come next after all of the path. The last position means: nothing more is needed.
fn walk(pattern: &str, path: &str) -> (usize, Vec<bool>) {
    if !pattern.starts_with('/') || !path.starts_with('/') {
        return (0, vec![false]);
    }
    let mut parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    if pattern.ends_with('/') {
        parts.push("**");
    }
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    skip_stars(&parts, &mut reached);
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| reached[*at]) {
            if *part == "**" {
                next[at] = true;
            } else if component_matches(part, name) {
                next[at + 1] = true;
            }
        }
        skip_stars(&parts, &mut next);
        reached = next;
    }
    (parts.len(), reached)
}

fn skip_stars(parts: &[&str], reached: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if reached[at] && *part == "**" {
            reached[at + 1] = true;
        }
    }
}

/// One component. Takes at most the product of both lengths.
fn component_matches(part: &str, name: &str) -> bool {
    if !part.contains(['*', '?', '[']) {
        return part == name;
    }
    let name: Vec<char> = name.chars().collect();
    let mut pending: Vec<char> = part.chars().collect();
    pending.reverse();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    while let Some(c) = pending.pop() {
        let mut next = vec![false; name.len() + 1];
        if c == '*' {
            let mut any = false;
            for at in 0..reached.len() {
                any |= reached[at];
                next[at] = any;
            }
        } else {
            // A pattern that is not closed was refused when it was read; here it matches nothing.
            let class = match c {
                '[' => Class::parse(&mut pending),
                '?' => Some(Class { negated: true, ranges: Vec::new() }),
                other => Some(Class { negated: false, ranges: vec![(other, other)] }),
            };
            for at in 0..name.len() {
                next[at + 1] = reached[at] && class.as_ref().is_some_and(|class| class.has(name[at]));
            }
        }
        reached = next;
    }
    reached[name.len()]
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// What stands after `[`, from the end of a reversed text.
    fn parse(rest: &mut Vec<char>) -> Option<Self> {
        let negated = matches!(rest.last(), Some('!' | '^'));
        if negated {
            rest.pop();
        }
        let mut ranges = Vec::new();
        loop {
            let from = rest.pop()?;
            if from == ']' && !ranges.is_empty() {
                return Some(Self { negated, ranges });
            }
            let until = rest.len().checked_sub(2).map(|at| rest[at]).filter(|until| rest.last() == Some(&'-') && *until != ']');
            if until.is_some() {
                rest.truncate(rest.len() - 2);
            }
            ranges.push((from, until.unwrap_or(from)));
        }
    }

    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, until)| (*from..=*until).contains(&c)) != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_component() {
        for (pattern, path, exact, leads) in [
            ("/a/b", "/a/b", true, true),
            ("/a/b", "/a", false, true),
            ("/a/b", "/", false, true),
            ("/a/b", "/a/b/c", false, false),
            ("/a/b", "/a/bc", false, false),
            ("/a/*.log", "/a/x.log", true, true),
            ("/a/*.log", "/a/x/y.log", false, false),
            ("/a/*.log", "/a/x.log.1", false, false),
            ("/a/*.log*", "/a/x.log.1", true, true),
            ("/a/*/c", "/a/x", false, true),
            ("/a/*/c", "/a/x/c", true, true),
            ("/a/?[0-9]", "/a/x7", true, true),
            ("/a/?[0-9]", "/a/xy", false, false),
            ("/a/[!0-9x]", "/a/y", true, true),
            ("/a/[!0-9x]", "/a/x", false, false),
            ("/a/[]x]", "/a/]", true, true),
            ("/a/[[]", "/a/[", true, true),
            ("/a/[a-]", "/a/-", true, true),
            ("/a/**", "/a", true, true),
            ("/a/**", "/a/b/c", true, true),
            ("/a/", "/a/b/c", true, true),
            ("/a/", "/ab", false, false),
            ("/a/**/z", "/a/z", true, true),
            ("/a/**/z", "/a/b/c/z", true, true),
            ("/a/**/z", "/a/b/c", false, true),
            ("/**", "/etc/shadow", true, true),
            ("/", "/etc/shadow", true, true),
            ("a/b", "/a/b", false, false),
            ("/a/*a*a*a*a*b", "/a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false),
            ("/한/*글", "/한/가글", true, true),
        ] {
            assert_eq!((matches(pattern, path), leads_to(pattern, path)), (exact, leads), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_become_absolute() {
        for (pattern, expected) in [
            ("a.json", "/etc/skopos/a.json"),
            ("./x/../a.json", "/etc/skopos/a.json"),
            ("../logs/*.log", "/etc/logs/*.log"),
            ("../../../../x", "/x"),
            ("/var//log/", "/var/log/"),
            ("logs/", "/etc/skopos/logs/"),
            ("/a/**", "/a/**"),
        ] {
            assert_eq!(absolute(Path::new("/etc/skopos"), pattern), expected, "{pattern}");
        }
        assert!(absolute(Path::new("conf"), "a").starts_with('/'), "a base that is relative is so to the current directory");
    }

    #[test]
    fn mistakes_are_named() {
        for (pattern, part) in [("", "expected a path"), ("/a/**b", "whole directories"), ("/a/[b", "not closed"), ("/a/[]", "not closed")]
        {
            let error = check(pattern).expect_err(pattern);
            assert!(error.contains(part), "{pattern}: {error}");
        }
        assert!(check("/a/[]]/**/*?").is_ok());
    }
}
