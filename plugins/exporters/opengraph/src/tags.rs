//! Finding `meta` elements in a page.
//!
//! The tokenizer is html5gum, which follows the HTML standard's state machine. What a tree builder would tell it, is told here:
//! behind which tags text is not markup. Scripts do not run, so what stands in `noscript` counts.

use encoding_rs::Encoding;
use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};
use serde::Serialize;

use crate::prescan::from_content_type;

/// Of one value. Longer ones are no titles or addresses; the whole answer must stay small.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What a page says of itself. `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scrap {
    /// `og:title`.
    pub title: Option<String>,
    /// `og:url`, as it stands there.
    pub url: Option<String>,
    /// `og:type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `og:image`, as it stands there.
    pub image: Option<String>,
    /// `og:description`.
    pub description: Option<String>,
    /// `og:article:author`.
    pub author: Option<String>,
}

/// The first `meta` element of each property, by its exact name; later ones do not count even if the first has no content.
#[must_use]
pub fn read(page: &str) -> Scrap {
    let mut found: [Option<Option<String>>; 6] = Default::default();
    for meta in metas(page.as_bytes()) {
        let Some(property) = meta.property else { continue };
        let wanted = ["og:title", "og:url", "og:type", "og:image", "og:description", "og:article:author"];
        let Some(place) = wanted.iter().position(|wanted| property == wanted.as_bytes()) else { continue };
        found[place].get_or_insert_with(|| meta.content.map(text));
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    let [title, url, kind, image, description, author] = found.map(Option::flatten);
    Scrap { title, url, kind, image, description, author }
}

/// All properties that begin with one of `prefixes`, in the order of the page.
pub fn properties<'a>(page: &'a str, prefixes: &'a [&str]) -> impl Iterator<Item = (String, Option<String>)> + 'a {
    metas(page.as_bytes()).filter_map(move |meta| {
        let property = text(meta.property?);
        prefixes.iter().any(|prefix| property.starts_with(prefix)).then(|| (property, meta.content.map(text)))
    })
}

/// The encoding that the first `meta` element with one names. The bytes are not decoded yet: tags are ASCII in every encoding
/// that can be declared so.
#[must_use]
pub fn declared_charset(bytes: &[u8]) -> Option<&'static Encoding> {
    metas(bytes).find_map(|meta| match (&meta.charset, &meta.http_equiv, &meta.content) {
        (Some(label), _, _) => Encoding::for_label(label),
        (None, Some(pragma), Some(content)) if pragma.eq_ignore_ascii_case(b"content-type") => from_content_type(content),
        _ => None,
    })
}

fn text(bytes: Vec<u8>) -> String {
    let mut text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if text.len() > VALUE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
    }
    text
}

/// The attributes of a `meta` element that are of use here, character references decoded.
#[derive(Debug, Default)]
struct Meta {
    property: Option<Vec<u8>>,
    content: Option<Vec<u8>>,
    charset: Option<Vec<u8>>,
    http_equiv: Option<Vec<u8>>,
}

/// A start tag that matters.
enum Tag {
    Meta(Meta),
    /// What follows is not markup.
    Raw(State),
}

fn metas(bytes: &[u8]) -> impl Iterator<Item = Meta> {
    let mut tokenizer = Tokenizer::new_with_emitter(bytes, CallbackEmitter::new(Tags::default()));
    std::iter::from_fn(move || {
        loop {
            let Ok(tag) = tokenizer.next()?;
            match tag {
                Tag::Meta(meta) => return Some(meta),
                Tag::Raw(state) => tokenizer.set_state(state),
            }
        }
    })
}

/// Puts start tags together from the tokenizer's events.
#[derive(Default)]
struct Tags {
    open: Open,
    /// Within `svg` or `math`, where `<style/>` is complete in itself.
    foreign: bool,
    meta: Meta,
    /// The attribute whose value comes next, if it is the first of its name and of use.
    attribute: Option<Wanted>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Other,
    Meta,
    Raw(State),
    Foreign,
}

#[derive(Clone, Copy)]
enum Wanted {
    Property,
    Content,
    Charset,
    HttpEquiv,
}

impl Tags {
    fn opened(&mut self, name: &[u8]) {
        self.attribute = None;
        self.open = match name {
            b"meta" => {
                self.meta = Meta::default();
                Open::Meta
            }
            b"title" | b"textarea" => Open::Raw(State::RcData),
            b"style" | b"xmp" | b"iframe" | b"noembed" | b"noframes" => Open::Raw(State::RawText),
            b"script" => Open::Raw(State::ScriptData),
            b"plaintext" => Open::Raw(State::PlainText),
            b"svg" | b"math" => Open::Foreign,
            _ => Open::Other,
        };
    }

    fn named(&mut self, name: &[u8]) {
        self.attribute = None;
        if self.open != Open::Meta {
            return;
        }
        let wanted = match name {
            b"property" => Wanted::Property,
            b"content" => Wanted::Content,
            b"charset" => Wanted::Charset,
            b"http-equiv" => Wanted::HttpEquiv,
            _ => return,
        };
        // The first attribute of a name counts. Without a value it is empty.
        let place = self.place(wanted);
        if place.is_none() {
            *place = Some(Vec::new());
            self.attribute = Some(wanted);
        }
    }

    fn place(&mut self, wanted: Wanted) -> &mut Option<Vec<u8>> {
        match wanted {
            Wanted::Property => &mut self.meta.property,
            Wanted::Content => &mut self.meta.content,
            Wanted::Charset => &mut self.meta.charset,
            Wanted::HttpEquiv => &mut self.meta.http_equiv,
        }
    }

    fn closed(&mut self, self_closing: bool) -> Option<Tag> {
        match std::mem::take(&mut self.open) {
            Open::Meta => Some(Tag::Meta(std::mem::take(&mut self.meta))),
            Open::Raw(state) if !(self.foreign && self_closing) => Some(Tag::Raw(state)),
            Open::Foreign => {
                self.foreign = !self_closing;
                None
            }
            Open::Raw(_) | Open::Other => None,
        }
    }
}

impl Callback<Tag, ()> for Tags {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _span: Span<()>) -> Option<Tag> {
        match event {
            CallbackEvent::OpenStartTag { name } => self.opened(name),
            CallbackEvent::AttributeName { name } => self.named(name),
            CallbackEvent::AttributeValue { value } => {
                if let Some(wanted) = self.attribute {
                    *self.place(wanted) = Some(value.to_vec());
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => return self.closed(self_closing),
            CallbackEvent::EndTag { name: b"svg" | b"math" } => self.foreign = false,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        let tag = "<meta property=og:title content=x>";
        for (page, title) in [
            (r#"<meta property="og:title" content="a &amp; b &eacute;&#x41; &copy">"#.to_owned(), Some("a & b éA ©")),
            (r"<META PROPERTY='og:title' CONTENT='T'/>".to_owned(), Some("T")),
            ("<meta content=T property=og:title>".to_owned(), Some("T")),
            ("<meta property=og:title>".to_owned(), None),
            (format!("<meta property=og:title>{tag}"), None),
            ("<meta property=og:title content>".to_owned(), Some("")),
            (r#"<meta property="og:title" content="">"#.to_owned(), Some("")),
            (r#"<meta property="og:title" content="1" content="2" property="x">"#.to_owned(), Some("1")),
            (r#"<meta property="og:title " content="1">"#.to_owned(), None),
            (r#"<meta property="OG:TITLE" content="1">"#.to_owned(), None),
            (r#"<meta name="og:title" content="1">"#.to_owned(), None),
            (r#"<metadata property="og:title" content="1">"#.to_owned(), None),
            (format!("<!-- {tag} -->"), None),
            (format!("<!--> {tag}"), Some("x")),
            (format!("<!-- --!> {tag}"), Some("x")),
            (format!("<title>{tag}</title>"), None),
            (format!("<textarea>{tag}</textarea>"), None),
            (format!("<style>{tag}</style>"), None),
            (format!("<iframe>{tag}</iframe><noframes>{tag}</noframes><xmp>{tag}</xmp>"), None),
            (format!("<script>var x = '{tag}'</script>"), None),
            (format!("<script><!--<script></script>{tag}--></script>"), None),
            (format!("<script><!--</script>{tag}"), Some("x")),
            (format!("<plaintext>{tag}"), None),
            (format!("<noscript>{tag}</noscript>"), Some("x")),
            (format!("<svg><style/><title/></svg>{tag}"), Some("x")),
            (format!("<style/>{tag}</style>"), None),
            (format!("<![CDATA[{tag}]]>"), None),
            (format!("<p title=\"{tag}\">"), None),
            (format!("</p title=\"{tag}\">"), None),
            (format!("<meta name=a {tag}"), Some("x")),
            ("<meta property=og:title content=x".to_owned(), None),
            ("<meta property=og:title content='x\r\ny\rz'>".to_owned(), Some("x\ny\nz")),
            (String::new(), None),
        ] {
            assert_eq!(read(&page).title.as_deref(), title, "{page}");
        }
    }

    #[test]
    fn all_six() {
        let names = ["title", "url", "type", "image", "description", "article:author", "site_name"];
        let page: String = names.iter().map(|name| format!("<meta property='og:{name}' content='{name}'>")).collect();
        let expected =
            r#"{"title":"title","url":"url","type":"type","image":"image","description":"description","author":"article:author"}"#;
        assert_eq!(serde_json::to_string(&read(&page)).unwrap(), expected);
    }

    #[test]
    fn values_are_cut_between_characters() {
        let page = format!("<meta property='og:title' content='x{}'>", "한".repeat(100_000));
        let title = read(&page).title.unwrap();
        assert!(title.len() <= VALUE_BYTES_MAX && title.len() > VALUE_BYTES_MAX - 4, "{}", title.len());
    }
}
