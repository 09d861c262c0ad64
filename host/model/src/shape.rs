//! Patterns that need no automaton: literals, sets of them, and literals with anything before or behind.

/// What a pattern says, where that can be said without an automaton.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Exactly these texts, sorted, each once.
    Set(Vec<String>),
    /// One of several.
    Parts(Vec<Part>),
    /// Only the automaton knows.
    Other,
}

/// A literal, with what may stand before and behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    before: Around,
    text: String,
    behind: Around,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Nothing,
    /// `.*`
    Anything,
    /// `.+`
    Something,
}

/// More alternatives are left to the automaton, which looks at each character once.
const PARTS_MAX: usize = 8;

impl Shape {
    /// Of a pattern in RE2's syntax that is anchored at both ends and whose dot takes any character.
    pub(crate) fn of(source: &str) -> Self {
        let parts: Option<Vec<Part>> = source.split('|').map(Part::of).collect();
        let Some(parts) = parts else { return Self::Other };
        if parts.iter().all(|part| part.before == Around::Nothing && part.behind == Around::Nothing) {
            let mut set: Vec<String> = parts.into_iter().map(|part| part.text).collect();
            set.sort_unstable();
            set.dedup();
            return Self::Set(set);
        }
        if parts.len() <= PARTS_MAX { Self::Parts(parts) } else { Self::Other }
    }

    /// Whether the whole text is meant; None if only the automaton knows.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        match self {
            Self::Set(set) if set.len() <= 4 => Some(set.iter().any(|one| one == text)),
            Self::Set(set) => Some(set.binary_search_by(|one| one.as_str().cmp(text)).is_ok()),
            Self::Parts(parts) => Some(parts.iter().any(|part| part.matches(text))),
            Self::Other => None,
        }
    }

    /// What each text that is meant begins with.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Parts(parts) => match parts.as_slice() {
                [part] if part.before == Around::Nothing => &part.text,
                _ => "",
            },
            _ => "",
        }
    }
}

impl Part {
    fn of(source: &str) -> Option<Self> {
        let around = |text: &str| match text {
            ".*" => Around::Anything,
            _ => Around::Something,
        };
        let (mut before, mut behind, mut rest) = (Around::Nothing, Around::Nothing, source);
        if let Some(text) = rest.get(..2).filter(|text| matches!(*text, ".*" | ".+")) {
            (before, rest) = (around(text), &rest[2..]);
        }
        if let Some(at) = rest.len().checked_sub(2)
            && let Some(text) = rest.get(at..).filter(|text| matches!(*text, ".*" | ".+"))
            && !rest[..at].ends_with('\\')
        {
            (behind, rest) = (around(text), &rest[..at]);
        }
        let text = literal(rest)?;
        // In the middle, what stands on both sides would have to share.
        let simple = text.is_empty() && behind != Around::Nothing && before != Around::Nothing
            || before == Around::Something && behind != Around::Nothing;
        (!simple).then_some(Self { before, text, behind })
    }

    fn matches(&self, text: &str) -> bool {
        let enough = |rest: &str, around: Around| match around {
            Around::Nothing => rest.is_empty(),
            Around::Anything => true,
            Around::Something => !rest.is_empty(),
        };
        match (self.before, self.behind) {
            (Around::Nothing, behind) => text.strip_prefix(self.text.as_str()).is_some_and(|rest| enough(rest, behind)),
            (before, Around::Nothing) => text.strip_suffix(self.text.as_str()).is_some_and(|rest| enough(rest, before)),
            // Before it anything may stand: the first place leaves most behind it.
            (_, behind) => text.find(&self.text).is_some_and(|at| enough(&text[at + self.text.len()..], behind)),
        }
    }
}

/// The text of a pattern without operators.
fn literal(source: &str) -> Option<String> {
    let mut text = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation).filter(|c| !matches!(c, '<' | '>'))?),
            '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    #[test]
    fn what_needs_no_automaton() {
        let set = |texts: &[&str]| Shape::Set(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(Shape::of("a|b|a"), set(&["a", "b"]));
        assert_eq!(Shape::of(r"host-1\.example|"), set(&["", "host-1.example"]));
        assert_eq!(Shape::of("api_.*").prefix(), "api_");
        for other in ["a[bc]", "(a|b)", "a?", "x.y", r"\d", "^a$", "a{2}", ".*.*.", "(?i)a", r"a\|b", r"\.+x"] {
            assert_eq!(Shape::of(other), Shape::Other, "{other}");
        }
    }

    /// Each shape says what the automaton says, over all short texts.
    #[test]
    fn it_agrees_with_the_automaton() {
        let patterns = [
            "",
            "a",
            "a|b",
            "|a",
            ".*",
            ".+",
            "a.*",
            "a.+",
            ".*a",
            ".+a",
            ".*a.*",
            ".*a.+",
            ".+a.*",
            ".+a.+",
            "ab.*|.*ba",
            "a|b.*",
            ".*ab",
            ".*|x",
            r"\.",
            r".*\.",
            r"\..*",
            r"a\.*",
            r"a\.+",
            "é.*",
            ".+é",
            ".*.*",
            ".+.+",
            "..*",
            "a\nb|\n",
            "a.*b",
            "-|_",
            r"\-a.*",
            r"\\.*",
            r"\\|a",
        ];
        let letters = ["a", "b", ".", "é", "\n", "\\", "-"];
        let mut texts = vec![String::new()];
        for at in 0..400 {
            let next: Vec<String> = letters.iter().map(|letter| format!("{}{letter}", texts[at])).collect();
            texts.extend(next);
        }
        for source in patterns {
            let (shape, pattern) = (Shape::of(source), Pattern::new(source).expect("the pattern is good"));
            for text in &texts {
                if let Some(says) = shape.matches(text) {
                    assert_eq!(says, pattern.automaton_matches(text), "/{source}/ of {text:?}");
                }
                assert!(!pattern.is_match(text) || text.starts_with(shape.prefix()), "/{source}/ of {text:?}");
            }
        }
    }
}
