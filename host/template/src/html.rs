//! Escapes values for the place in an HTML document where they stand, after the rules of Go's `html/template`.
//!
//! Go decides the place of each action when a template is parsed. Here it is followed while the text is written, which
//! comes to the same for templates whose branches end in the same place, and Go refuses all others.

mod encode;

use encode::{attribute, css_string, css_value, html_text, is_safe_scheme, js_string, js_value, strip_tags, url};

use crate::format::write_value;
use crate::text::{Text, TooLong};
use crate::value::{Safe, Value};

/// What Go writes where a value is not safe.
const UNSAFE: &str = "ZgotmplZ";

/// How the value of an attribute ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Delimiter {
    Double,
    Single,
    /// At white space or `>`.
    None,
}

/// What an attribute's value, or the text of an element, is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Language {
    Plain,
    Url(UrlPart),
    /// JavaScript, with the quote of the string it stands in.
    Js(Option<char>),
    Css(Option<char>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum UrlPart {
    Start,
    Path,
    Query,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    #[default]
    Text,
    /// `<!--`
    Comment,
    /// `<name`, with the name so far.
    TagName(String),
    /// Between attributes.
    Tag,
    /// An attribute's name so far.
    AttributeName(String),
    /// After `=`.
    BeforeValue(Language),
    Attribute(Language, Delimiter),
    /// Within `script`, `style`, `textarea` or `title`.
    Raw(Language),
}

/// Follows the document and escapes.
#[derive(Debug, Default)]
pub(crate) struct Escaper {
    state: State,
    /// The element whose tag is open, and within whose text `Raw` is.
    element: String,
}

const RAW_ELEMENTS: [&str; 4] = ["script", "style", "textarea", "title"];

impl Escaper {
    /// Text of the template itself: it stays as it is, without comments.
    pub(crate) fn literal(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if self.state == State::Comment {
                let Some(end) = rest.find("-->") else { return out };
                rest = &rest[end + 3..];
                self.state = State::Text;
                continue;
            }
            if self.state == State::Text && rest.starts_with("<!--") {
                self.state = State::Comment;
                rest = &rest[4..];
                continue;
            }
            self.advance(c, rest);
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        out
    }

    fn advance(&mut self, c: char, rest: &str) {
        let state = std::mem::take(&mut self.state);
        self.state = match state {
            State::Text | State::Comment => match rest.as_bytes() {
                [b'<', b'/', next, ..] | [b'<', next, ..] if next.is_ascii_alphabetic() => State::TagName(String::new()),
                _ => State::Text,
            },
            State::TagName(name) => match c {
                '>' | '/' | ' ' | '\t' | '\n' | '\r' | '\u{c}' if !(c == '/' && name.is_empty()) => {
                    self.element = name.to_ascii_lowercase();
                    self.after_tag_character(c)
                }
                c => State::TagName(format!("{name}{c}")),
            },
            State::Tag => self.after_tag_character(c),
            State::AttributeName(name) => match c {
                '=' => State::BeforeValue(language_of(&name)),
                '>' => self.after_tag_character(c),
                // A name, white space and a second name are two attributes; white space before `=` is allowed.
                c if c.is_whitespace() => {
                    if rest.trim_start().starts_with('=') {
                        State::AttributeName(name)
                    } else {
                        State::Tag
                    }
                }
                c => State::AttributeName(format!("{name}{c}")),
            },
            State::BeforeValue(language) => match c {
                '"' => State::Attribute(language, Delimiter::Double),
                '\'' => State::Attribute(language, Delimiter::Single),
                '>' => self.after_tag_character(c),
                c if c.is_whitespace() => State::BeforeValue(language),
                c => State::Attribute(step(language, c, ""), Delimiter::None),
            },
            State::Attribute(language, delimiter) => match (c, delimiter) {
                ('"', Delimiter::Double) | ('\'', Delimiter::Single) => State::Tag,
                ('>', Delimiter::None) => self.after_tag_character(c),
                (c, Delimiter::None) if c.is_whitespace() => State::Tag,
                _ => State::Attribute(step(language, c, rest), delimiter),
            },
            State::Raw(language) => {
                let end = rest
                    .strip_prefix("</")
                    .and_then(|rest| rest.get(..self.element.len()))
                    .is_some_and(|name| name.eq_ignore_ascii_case(&self.element));
                if end { State::TagName(String::new()) } else { State::Raw(step(language, c, rest)) }
            }
        };
    }

    /// Within a tag, after its name or an attribute.
    fn after_tag_character(&mut self, c: char) -> State {
        match c {
            '>' => match self.element.as_str() {
                "script" => State::Raw(Language::Js(None)),
                "style" => State::Raw(Language::Css(None)),
                name if RAW_ELEMENTS.contains(&name) => State::Raw(Language::Plain),
                _ => State::Text,
            },
            '/' => State::Tag,
            c if c.is_whitespace() => State::Tag,
            c => State::AttributeName(c.to_string()),
        }
    }

    /// A value, escaped for where it stands. `room` bounds it.
    pub(crate) fn value(&mut self, value: &Value, room: &mut Text) -> Result<String, TooLong> {
        // A nil says nothing, unlike in text mode.
        if !matches!(value, Value::Nil) {
            write_value(room, value, false)?;
        }
        let text = room.as_str();
        let (escaped, state) = match std::mem::take(&mut self.state) {
            State::Comment => (String::new(), State::Comment),
            State::Text => (if matches!(value, Value::Safe(Safe::Html, _)) { text.to_owned() } else { html_text(text) }, State::Text),
            state @ (State::TagName(_) | State::Tag | State::AttributeName(_)) => (attribute_name(text), state),
            State::BeforeValue(language) => {
                let (inner, next) = in_language(language, value, text)?;
                (attribute(&inner, Delimiter::None), State::Attribute(next, Delimiter::None))
            }
            State::Attribute(language, delimiter) => {
                let (inner, next) = in_language(language, value, text)?;
                (attribute(&inner, delimiter), State::Attribute(next, delimiter))
            }
            State::Raw(language) => {
                let (inner, next) = in_language(language, value, text)?;
                (if language == Language::Plain { html_text(&inner) } else { inner }, State::Raw(next))
            }
        };
        self.state = state;
        Ok(escaped)
    }
}

/// What the value of an attribute is, by its name.
fn language_of(name: &str) -> Language {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("data-").unwrap_or(&name);
    let name = name.split_once(':').map_or(name, |(prefix, local)| if prefix == "xmlns" { "src" } else { local });
    match name {
        "style" => Language::Css(None),
        "srcset" | "imagesrcset" => Language::Url(UrlPart::Start),
        name if name.starts_with("on") => Language::Js(None),
        "action" | "archive" | "background" | "cite" | "classid" | "codebase" | "data" | "formaction" | "href" | "icon" | "longdesc"
        | "manifest" | "poster" | "profile" | "src" | "usemap" => Language::Url(UrlPart::Start),
        // Names that hint at an address are taken as one.
        name if name.contains("src") || name.contains("uri") || name.contains("url") => Language::Url(UrlPart::Start),
        _ => Language::Plain,
    }
}

/// The language after one more character of literal text.
fn step(language: Language, c: char, rest: &str) -> Language {
    match language {
        Language::Url(UrlPart::Query) => language,
        Language::Url(_) => Language::Url(if matches!(c, '?' | '#') { UrlPart::Query } else { UrlPart::Path }),
        Language::Js(None) if matches!(c, '"' | '\'' | '`') => Language::Js(Some(c)),
        Language::Css(None) if matches!(c, '"' | '\'') => Language::Css(Some(c)),
        // An escaped quote does not end a string: its backslash takes it along.
        Language::Js(Some('\\')) | Language::Css(Some('\\')) => language,
        Language::Js(Some(quote)) if c == quote && !rest.is_empty() => Language::Js(None),
        Language::Css(Some(quote)) if c == quote && !rest.is_empty() => Language::Css(None),
        other => other,
    }
}

fn in_language(language: Language, value: &Value, text: &str) -> Result<(String, Language), TooLong> {
    let safe_url = matches!(value, Value::Safe(Safe::Url, _));
    Ok(match language {
        Language::Plain if matches!(value, Value::Safe(Safe::Html, _)) => (strip_tags(text), language),
        Language::Plain => (text.to_owned(), language),
        Language::Url(UrlPart::Query) => (url(text, safe_url), language),
        Language::Url(part) => {
            let allowed = part == UrlPart::Path || safe_url || is_safe_scheme(text);
            let next = if text.contains(['?', '#']) {
                UrlPart::Query
            } else if text.is_empty() {
                part
            } else {
                UrlPart::Path
            };
            (if allowed { url(text, true) } else { format!("#{UNSAFE}") }, Language::Url(next))
        }
        Language::Js(Some(_)) => (js_string(text), language),
        Language::Js(None) => (js_value(value, text)?, language),
        Language::Css(Some(_)) => (css_string(text), language),
        Language::Css(None) => (css_value(text), language),
    })
}

/// A value where a name stands: letters and digits only, and no attribute that runs or leads anywhere.
fn attribute_name(text: &str) -> String {
    let name = text.to_ascii_lowercase();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain && language_of(&name) == Language::Plain && !RAW_ELEMENTS.contains(&name.as_str()) { name } else { UNSAFE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{}` stands for the value.
    #[track_caller]
    fn check(template: &str, value: &Value, expected: &str) {
        let mut escaper = Escaper::default();
        let mut out = String::new();
        for (at, part) in template.split("{}").enumerate() {
            if at > 0 {
                out.push_str(&escaper.value(value, &mut Text::new(10_000)).expect("it is short"));
            }
            out.push_str(&escaper.literal(part));
        }
        assert_eq!(out, expected, "{template}");
    }

    #[test]
    fn each_place_has_its_escapes() {
        let evil = Value::text("</script><b onclick='x()'>\"&");
        check("<p>{}</p>", &evil, "<p>&lt;/script&gt;&lt;b onclick=&#39;x()&#39;&gt;&#34;&amp;</p>");
        check("<p title=\"{}\">", &Value::text("a\"b c"), "<p title=\"a&#34;b c\">");
        check("<p title={}>", &Value::text("a b>"), "<p title=a&#32;b&gt;>");
        check("<a href=\"{}\">", &Value::text("javascript:alert(1)"), "<a href=\"#ZgotmplZ\">");
        check("<a href=\"{}\">", &Value::text("https://x/?a=b&c"), "<a href=\"https://x/?a=b&amp;c\">");
        check("<a href=\"/s?q={}\">", &Value::text("a b&c"), "<a href=\"/s?q=a%20b%26c\">");
        check("<a href='/{}'>", &Value::text("x:y'"), "<a href='/x:y%27'>");
        check(
            "<script>var x = {};</script>{}",
            &Value::text("</script>"),
            "<script>var x = \"\\u003c/script\\u003e\";</script>&lt;/script&gt;",
        );
        check("<script>var x = '{}';</script>", &Value::text("'</script>"), "<script>var x = '\\u0027\\u003c\\/script\\u003e';</script>");
        check("<b onclick=\"f({})\">", &Value::text("\"x"), "<b onclick=\"f(&#34;\\&#34;x&#34;)\">");
        check("<p style=\"color: {}\">", &Value::text("red"), "<p style=\"color: red\">");
        check("<p style=\"color: {}\">", &Value::text("expression(alert(1))"), "<p style=\"color: ZgotmplZ\">");
        check("<!-- {} -->x", &evil, "x");
        check("<textarea>{}</textarea>", &evil, "<textarea>&lt;/script&gt;&lt;b onclick=&#39;x()&#39;&gt;&#34;&amp;</textarea>");
        check("<b {}=1>", &Value::text("onclick"), "<b ZgotmplZ=1>");
        check("{}", &Value::Safe(Safe::Html, "<b>".into()), "<b>");
        check("{}", &Value::Nil, "");
        check("a < b {}", &Value::text("<"), "a < b &lt;");
    }
}
