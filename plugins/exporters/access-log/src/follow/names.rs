//! Names of log files, and what rotation makes of them.

/// Ends of names whose content is compressed.
const PACKED: [&str; 8] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z", ".br"];
/// Words that stand for a number.
const WORDS: [&str; 4] = ["old", "prev", "previous", "last"];

/// Whether a name is that of a compressed file.
#[must_use]
pub fn is_packed(name: &str) -> bool {
    PACKED.iter().any(|end| name.ends_with(end))
}

/// Whether `name` is what rotation makes of `log`: the same with a number, a date or a word after `.`, `-` or `_`, not compressed.
#[must_use]
pub fn is_rotated(log: &str, name: &str) -> bool {
    name.strip_prefix(log).is_some_and(is_suffix)
}

fn is_suffix(suffix: &str) -> bool {
    let Some(rest) = suffix.strip_prefix(['.', '-', '_']) else { return false };
    let digits = rest.starts_with(|c: char| c.is_ascii_digit());
    let dated = digits && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | ':' | 'T' | 'Z' | '+'));
    WORDS.contains(&rest) || dated
}

/// Whether a name that a pattern matches is a log in use, rather than a rotated or compressed one.
#[must_use]
pub fn is_live(name: &str) -> bool {
    !is_packed(name) && !name.char_indices().skip(1).any(|(at, _)| is_suffix(&name[at..]) && name[..at].contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files() {
        for (name, expected) in [
            ("access.log", false),
            ("access.log.1", true),
            ("access.log.12", true),
            ("access.log-20261121", true),
            ("access.log.2026-11-21T13:00:00Z", true),
            ("access.log.old", true),
            ("access.log-20261121.gz", false),
            ("access.log.1.gz", false),
            ("access.log.json", false),
            ("access.log1", false),
            ("other.log.1", false),
        ] {
            assert_eq!(is_rotated("access.log", name), expected, "{name}");
        }
        for (name, expected) in [
            ("access.log", true),
            ("shop-2.access.log", true),
            ("site.10.log", true),
            ("access.log.1", false),
            ("access.log-20261121", false),
            ("access.log.2.gz", false),
            ("access.log.old", false),
            ("주문.log", true),
        ] {
            assert_eq!(is_live(name), expected, "{name}");
        }
    }
}
