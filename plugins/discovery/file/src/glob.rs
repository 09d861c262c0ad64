//! Names of files by a pattern: `*` for any characters, `?` for one, `[a-z]` for one of a class and `[^a-z]` for one of no class, as in
//! Go's `path/filepath.Match`.

/// Whether a pattern stands for more than its own text.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name is one of the pattern's. Takes no longer than the product of both lengths; a class that is not closed has no names.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how much of the name it has been given: it gets one more character where what follows does not fit.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, read));
            at += 1;
        } else if let Some(next) = one(&pattern, at, name[read]) {
            (at, read) = (next, read + 1);
        } else if let Some((begin, given)) = star {
            star = Some((begin, given + 1));
            (at, read) = (begin + 1, given + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on if its next part stands for this character.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => class(pattern, at + 1, c),
        own => (*own == c).then_some(at + 1),
    }
}

/// Likewise for what stands after `[`.
fn class(pattern: &[char], begin: usize, c: char) -> Option<usize> {
    let negated = pattern.get(begin) == Some(&'^');
    let first = begin + usize::from(negated);
    let (mut at, mut found) = (first, false);
    loop {
        let from = *pattern.get(at)?;
        if from == ']' && at > first {
            return (found != negated).then_some(at + 1);
        }
        let until = pattern.get(at + 2).filter(|until| pattern.get(at + 1) == Some(&'-') && **until != ']');
        found |= (from..=*until.unwrap_or(&from)).contains(&c);
        at += if until.is_some() { 3 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_patterns() {
        for (pattern, name, expected) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", true),
            ("*.json", "a.yml", false),
            ("a*b*.json", "a1b2.json", true),
            ("a*b*.json", "ab.json", true),
            ("a*b*.json", "a1.json", false),
            ("web-?.yml", "web-1.yml", true),
            ("web-?.yml", "web-가.yml", true),
            ("web-?.yml", "web-12.yml", false),
            ("web-?.yml", "web-.yml", false),
            ("[a-c]x.yml", "bx.yml", true),
            ("[a-c]x.yml", "dx.yml", false),
            ("[^a-c]x.yml", "dx.yml", true),
            ("[^a-c]x.yml", "ax.yml", false),
            ("[]-]x.yml", "-x.yml", true),
            ("[]-]x.yml", "]x.yml", true),
            ("[ax.yml", "ax.yml", false),
            ("plain.yml", "plain.yml", true),
            ("plain.yml", "plain.yml2", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        // What would take for ever where each star were tried with each of the others.
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)) && !matches(&format!("{}b", "*a".repeat(50)), &"a".repeat(5000)));
    }
}
