//! What may not pass from data into a message: mentions, invisible reordering, addresses that are no web addresses.
//!
//! A message arrives as expanded text, in which the operator's words and the alert's values stand side by side. Escaping all of
//! it would break what operators write on purpose (`<https://…|graph>`, `<!channel>`), escaping nothing would let a label
//! call the whole channel. So the alert's values are looked at: if any of them could be part of a mention, all mentions of the
//! message become plain text; if none could, the mentions are the operator's own and stay.

use skopos_sdk::channel::Notification;

/// What the values of a notification make necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety {
    /// A value holds the beginning of `<!channel>`, `<@U123>` or `<#C123>`, or ends in a bare `<`.
    pub tagged: bool,
    /// A value holds `@channel`, `@here` or `@everyone`, which count only where `link_names` is set.
    pub named: bool,
}

const NAMED: [&str; 3] = ["@channel", "@here", "@everyone"];

impl Safety {
    /// Looks at all labels and annotations.
    #[must_use]
    pub fn of(notification: &Notification, link_names: bool) -> Self {
        let alerts = notification.alerts.iter().flat_map(|alert| alert.labels.iter().chain(&alert.annotations));
        let common = notification.group_labels.iter().chain(&notification.common_labels).chain(&notification.common_annotations);
        let mut safety = Self { tagged: false, named: false };
        for (_, value) in alerts.chain(common) {
            safety.tagged |= value.trim_end().ends_with('<') || has_mention(value);
            safety.named |= link_names && has_name(value);
        }
        safety
    }

    /// At most `chars_max` characters of the text, without what may not pass: mentions if a value could have made them, and the
    /// characters that reorder what is read or are not text at all. Says whether it had to be cut off.
    #[must_use]
    pub fn clean(self, text: &str, chars_max: usize) -> (String, bool) {
        let passes = |c: &char| !reorders(*c) && (!c.is_control() || matches!(c, '\n' | '\t'));
        // One more than there is room for tells that there was more, and an endless text costs no more than a long one.
        let mut text: String = text.chars().filter(passes).take(chars_max + 1).collect();
        if self.tagged {
            text = break_mentions(&text);
        }
        if self.named {
            for name in NAMED {
                text = break_name(&text, name);
            }
        }
        let cut = text.char_indices().nth(chars_max).is_some();
        if cut {
            // Room for the sign that something is missing.
            let end = text.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(end, _)| end);
            text.truncate(end);
            text.push('…');
        }
        (text, cut)
    }
}

/// A web address, or nothing: `javascript:` and its like are dropped.
#[must_use]
pub fn web_address(url: &str) -> Option<&str> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https")).then_some(url)
}

/// Whether a `<` at this place begins a mention: one of `!@#` follows, blanks between or not.
fn mentions_at(text: &str, start: usize) -> bool {
    text[start + 1..].trim_start().starts_with(['!', '@', '#'])
}

fn has_mention(text: &str) -> bool {
    text.match_indices('<').any(|(start, _)| mentions_at(text, start))
}

fn break_mentions(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    let mut done = 0;
    for (start, _) in text.match_indices('<').filter(|(start, _)| mentions_at(text, *start)) {
        broken.push_str(&text[done..start]);
        broken.push_str("&lt;");
        done = start + 1;
    }
    broken.push_str(&text[done..]);
    broken
}

fn has_name(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.trim_end().ends_with('@') || NAMED.iter().any(|name| value.contains(name))
}

/// Puts a space of no width behind each `@` of the name.
fn break_name(text: &str, name: &str) -> String {
    // ASCII alone changes, so places in one are places in the other.
    let lower = text.to_ascii_lowercase();
    let mut broken = String::with_capacity(text.len());
    let mut done = 0;
    for (start, _) in lower.match_indices(name) {
        broken.push_str(&text[done..=start]);
        broken.push('\u{200b}');
        done = start + 1;
    }
    broken.push_str(&text[done..]);
    broken
}

/// Embeddings, overrides and isolates of the bidirectional algorithm. Hebrew and Arabic read right without them.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_and_names_become_text() {
        let all = Safety { tagged: true, named: true };
        for (text, expected) in [
            ("<!channel> up", "&lt;!channel> up"),
            ("< !here>", "&lt; !here>"),
            ("<@U1> <#C1> <!subteam^S1|ops>", "&lt;@U1> &lt;#C1> &lt;!subteam^S1|ops>"),
            ("<https://x.example|graph>", "<https://x.example|graph>"),
            ("a < b", "a < b"),
            ("@here @Channel me@here.example", "@\u{200b}here @\u{200b}Channel me@\u{200b}here.example"),
            ("a\u{202e}b\u{0}c\nd\te\r", "abc\nd\te"),
            ("<<!channel>", "<&lt;!channel>"),
        ] {
            assert_eq!(all.clean(text, 100), (expected.to_owned(), false), "{text:?}");
        }
        let none = Safety { tagged: false, named: false };
        assert_eq!(none.clean("<!channel> @here", 100).0, "<!channel> @here");
        assert_eq!(all.clean(&"<!".repeat(1_000_000), 10), ("&lt;!&lt;!…".chars().take(9).chain(['…']).collect(), true));
    }

    #[test]
    fn only_web_addresses_are_links() {
        for (url, kept) in [
            ("https://a.example/", true),
            ("HTTP://a.example", true),
            ("javascript:alert(1)", false),
            ("javascript://x", false),
            ("//a.example", false),
            ("", false),
        ] {
            assert_eq!(web_address(url).is_some(), kept, "{url}");
        }
    }
}
