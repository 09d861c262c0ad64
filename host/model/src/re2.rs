//! RE2's syntax, which users write, in the syntax of the regex crate, which runs it.
//!
//! Both are automata of the same kind and agree on most of what is written. Where they do not (per the two libraries'
//! published syntax pages): in RE2 `\d`, `\w`, `\s` and `\b` know ASCII alone, a brace that begins no repetition is a
//! brace, a bracket or `&&` within a class is itself, `\Q…\E` quotes, `\<` is a character, and `\07` one by its octal code.

use std::fmt::Write;

/// The same pattern for the regex crate. What RE2 refuses need not be refused here; what it accepts means the same.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\\' => escape(rest, in_class, &mut out),
            '[' if in_class => class_bracket(rest, &mut out),
            '[' => {
                in_class = true;
                open_class(rest, &mut out)
            }
            ']' if in_class => {
                in_class = false;
                out.push(c);
                1
            }
            // Set operations of the regex crate.
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                1
            }
            '-' if in_class && rest.starts_with("--") => {
                // At the beginning the first is a member, later it makes a range that ends in the second.
                let first = out.ends_with(['[', '^']);
                out.push_str(if first { "\\-" } else { "-\\-" });
                if first { 1 } else { 2 }
            }
            '{' if !in_class && !begins_repetition(rest) => {
                out.push_str("\\{");
                1
            }
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

/// `rest` begins with a backslash. Returns how many bytes were taken.
fn escape(rest: &str, in_class: bool, out: &mut String) -> usize {
    let Some(next) = rest[1..].chars().next() else {
        // Refused by the regex crate, as by RE2.
        out.push('\\');
        return 1;
    };
    match (next, in_class) {
        ('Q', false) => {
            let quoted = &rest[2..];
            let (text, taken) = quoted.find("\\E").map_or((quoted, rest.len()), |end| (&quoted[..end], end + 4));
            out.push_str(&regex::escape(text));
            return taken;
        }
        ('d', false) => out.push_str("[0-9]"),
        ('d', true) => out.push_str("0-9"),
        ('D', _) => out.push_str("[^0-9]"),
        ('w', false) => out.push_str("[0-9A-Za-z_]"),
        ('w', true) => out.push_str("0-9A-Za-z_"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('s', false) => out.push_str(r"[\t\n\f\r ]"),
        ('s', true) => out.push_str(r"\t\n\f\r "),
        ('S', _) => out.push_str(r"[^\t\n\f\r ]"),
        ('b', false) => out.push_str(r"(?-u:\b)"),
        // Edges of words in the regex crate.
        ('<' | '>', _) => out.push(next),
        // The braces belong to the escape: `\x{fc}`, `\p{Greek}`.
        ('x' | 'p' | 'P', _) if rest[2..].starts_with('{') => {
            let taken = rest.find('}').map_or(rest.len(), |end| end + 1);
            out.push_str(&rest[..taken]);
            return taken;
        }
        ('0'..='7', _) if octal_digits(rest) > 1 || next == '0' => {
            let digits = &rest[1..=octal_digits(rest)];
            let code = u32::from_str_radix(digits, 8).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{{{code:x}}}");
            return 1 + digits.len();
        }
        _ => {
            out.push('\\');
            out.push(next);
        }
    }
    1 + next.len_utf8()
}

/// How many octal digits, three at most, follow the backslash that `rest` begins with. A single one that is not zero would
/// be a reference to a group, which neither library has.
fn octal_digits(rest: &str) -> usize {
    rest[1..].bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count()
}

/// `rest` begins with the bracket of a class; one that closes right behind it is a member.
fn open_class(rest: &str, out: &mut String) -> usize {
    out.push('[');
    let mut taken = 1;
    if rest[taken..].starts_with('^') {
        out.push('^');
        taken += 1;
    }
    if rest[taken..].starts_with(']') {
        out.push_str("\\]");
        taken += 1;
    }
    taken
}

/// A bracket within a class: `[:alpha:]` is a class of its own, any other is itself.
fn class_bracket(rest: &str, out: &mut String) -> usize {
    match rest.strip_prefix("[:").and_then(|inner| inner.find(":]")) {
        Some(end) => {
            let whole = &rest[..end + 4];
            out.push_str(whole);
            whole.len()
        }
        None => {
            out.push_str("\\[");
            1
        }
    }
}

/// `{2}`, `{2,}` or `{2,5}`.
fn begins_repetition(rest: &str) -> bool {
    let Some(inner) = rest[1..].split_once('}').map(|(inner, _)| inner) else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    #[track_caller]
    fn check(pattern: &str, hits: &[&str], misses: &[&str]) {
        let compiled = Pattern::new(pattern).expect(pattern);
        for text in hits {
            assert!(compiled.is_match(text), "{pattern} should take {text:?}");
        }
        for text in misses {
            assert!(!compiled.is_match(text), "{pattern} should not take {text:?}");
        }
    }

    #[test]
    fn short_classes_are_ascii() {
        check(r"\d+", &["12"], &["١٢"]);
        check(r"\w+", &["a_1"], &["값"]);
        check(r"[\w-]+", &["a-1"], &["é"]);
        check(r"\D\W\S", &["값값값"], &["1 a"]);
        check(r"[^\d]", &["a", "١"], &["1"]);
        check(r"a\sb", &["a b", "a\tb"], &["a\u{a0}b"]);
        check(r".*\bfoo\b.*", &["a foo b", "값foo값"], &["afoo"]);
    }

    #[test]
    fn what_is_no_operator_is_itself() {
        check("a{b}", &["a{b}"], &["ab"]);
        check("a{,2}", &["a{,2}"], &["aa"]);
        check("a{2}b{1,}", &["aabb"], &["ab"]);
        check("[[a]+", &["[a["], &["b"]);
        check("[]a]+", &["]a"], &["b"]);
        check("[^]a]", &["b"], &["]"]);
        check("[a&&b]+", &["a&b"], &["c"]);
        check("[+--]+", &["+,-"], &["a"]);
        check("[--9]+", &["-./9"], &["a"]);
        check("[[:alpha:]_]+", &["ab_"], &["1"]);
        check(r"\Qa.b*\E.", &["a.b*c"], &["axb*c"]);
        check(r"\Qa.b", &["a.b"], &["axb"]);
        check(r"\<a\>[\<]", &["<a><"], &["a"]);
        check(r"\.\[\]\\", &[r".[]\"], &["a[]b"]);
    }

    #[test]
    fn characters_by_code_and_class() {
        check(r"K\x{fc}che\x41", &["KücheA"], &["Kx{fc}cheA"]);
        check(r"[\x{61}-\x{63}]+", &["abc"], &["d"]);
        check(r"\p{Greek}\pL\P{Greek}", &["αaa"], &["aaa"]);
        check(r"[\p{Greek}_]+", &["α_"], &["a"]);
        check(r"\101\0\07[\060-\062]8", &["A\0\u{7}18"], &["A\0\u{7}38"]);
    }

    #[test]
    fn a_bad_pattern_stays_bad() {
        for bad in ["(", "a**b(", "[a", r"a\", "*a", "(?P<n", r"\1", r"\8", r"\x{", r"\p{Nothing}"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
