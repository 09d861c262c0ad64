//! Texts of plugins, made fit for logs and errors.

/// At most so many bytes, cut at a character, with a mark where it was cut.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Control characters as escapes, so that a line stays a line and a terminal is not steered.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// The last lines of what a component wrote, for its error.
pub(crate) fn last_lines(output: &[u8], lines: usize, bytes_max: usize) -> String {
    let text = String::from_utf8_lossy(output);
    let mut last: Vec<String> =
        text.lines().rev().filter(|line| !line.trim().is_empty()).take(lines).map(|line| one_line(&shortened(line, bytes_max))).collect();
    last.reverse();
    last.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_escaped() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("한글", 4), "한…");
        assert_eq!(one_line("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(last_lines(b"one\n\ntwo\nthree\n\xff\n", 2, 100), "three | \u{fffd}");
    }
}
