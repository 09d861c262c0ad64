//! The dashboard's pages, embedded.
//!
//! The pages are TypeScript below `app/`; `README.md` says how they hang together. `build.rs` bundles them through npm and
//! writes the table that this file includes. Start reading at [`asset`], which is all there is.
//!
//! This crate knows nothing of HTTP: which headers go with an asset is the web server's business.

/// One file of the pages.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// As it is.
    pub bytes: &'static [u8],
    /// For the header of that name.
    pub content_type: &'static str,
    /// Its path changes with its content, so that a browser may keep it for good.
    pub immutable: bool,
    /// The same in gzip, for whoever accepts that. Not there where it would not be shorter.
    pub gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at this path, which has no leading slash and is compared as it is. `index.html` is the page itself; it serves
/// every address of the interface, since the router runs in the browser.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let place = ASSETS.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(ASSETS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> &'static str {
        std::str::from_utf8(asset("index.html").expect("the page is there").bytes).expect("the page is text")
    }

    /// Values of an attribute, in the order of the text.
    fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
        let start = format!(" {name}=\"");
        html.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn everything_the_page_names_is_embedded_and_from_here() {
        let html = page();
        let named = [attributes(html, "src"), attributes(html, "href")].concat();
        assert!(named.len() >= 3, "script, style and icon: {named:?}");
        for name in named {
            let path = name.strip_prefix('/').unwrap_or_else(|| panic!("{name} is not an address on this server"));
            let asset = asset(path).unwrap_or_else(|| panic!("{path} is not embedded"));
            assert!(asset.immutable, "{path} carries no hash");
        }
    }

    #[test]
    fn the_page_needs_no_exception_in_a_strict_policy() {
        let html = page();
        for script in html.split("<script").skip(1) {
            let (head, body) = script.split_once('>').expect("the tag ends");
            assert!(head.contains(" src="), "a script stands in the page: {head}");
            assert!(body.starts_with("</script"), "a script has a body");
        }
        assert!(!html.contains("<style") && !html.contains(" style="), "no style in the page");
        let handlers: Vec<&str> = html.split(" on").skip(1).filter_map(|rest| rest.split_once('=')).map(|(name, _)| name).collect();
        assert!(!handlers.iter().any(|name| name.chars().all(char::is_alphabetic)), "a handler stands in the page: {handlers:?}");
    }

    #[test]
    fn what_is_not_there_is_none() {
        for path in ["", "/", "/index.html", "index.html/", "assets", "../index.html", "assets/../index.html", "INDEX.HTML"] {
            assert!(asset(path).is_none(), "{path:?}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_gzip_is_shorter() {
        assert!(ASSETS.is_sorted_by(|(a, _), (b, _)| a < b), "the search needs this");
        for (name, asset) in ASSETS {
            assert!(!asset.bytes.is_empty(), "{name} is empty");
            let Some(gzip) = asset.gzip else { continue };
            assert_eq!(&gzip[..3], [0x1f, 0x8b, 8], "{name}.gz is no gzip");
            // The last four bytes are the length of what was packed (RFC 1952).
            let length = u32::from_le_bytes(gzip[gzip.len() - 4..].try_into().expect("four bytes"));
            assert_eq!(length as usize, asset.bytes.len(), "{name}.gz holds something else");
            assert!(gzip.len() < asset.bytes.len(), "{name}.gz is not shorter");
        }
        assert!(ASSETS.iter().any(|(_, asset)| asset.gzip.is_some()), "scripts are packed");
    }
}
