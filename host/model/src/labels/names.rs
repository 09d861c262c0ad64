/// Whether the name has only the characters that label names had before UTF-8 names: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_classic_label_name(name: &str) -> bool {
    is_classic(name, false)
}

/// Whether the name has only the characters that metric names had before UTF-8 names: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_classic_metric_name(name: &str) -> bool {
    is_classic(name, true)
}

fn is_classic(name: &str, colons: bool) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colons && b == b':'))
}
