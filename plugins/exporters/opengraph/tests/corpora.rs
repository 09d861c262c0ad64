//! The open conformance data: pages with what they say, and documents that declare a character set in every way.

#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use plugin_opengraph::{charset, tags};
use serde_json::Value;

/// The folder `opengraph` of the data, or a printed word and nothing.
fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("SKOPOS_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().expect("this folder is there").join("../../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("opengraph");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no conformance data at {}; set SKOPOS_CONFORMANCE", folder.display());
    None
}

/// By the label of another library's name for it.
fn encoding_of(label: &str) -> &'static Encoding {
    let label = match label {
        "cp949" => "euc-kr",
        "cp932" => "shift_jis",
        other => other,
    };
    Encoding::for_label(label.as_bytes()).unwrap_or_else(|| panic!("{label} is no encoding"))
}

#[test]
fn pages() {
    let Some(corpus) = corpus() else { return };
    let expected: Value = serde_json::from_slice(&fs::read(corpus.join("expected.json")).unwrap()).unwrap();
    let (mut pairs, mut failed) = (0, Vec::new());
    let pages = expected.as_object().unwrap();
    for (name, expected) in pages {
        let bytes = fs::read(corpus.join("pages").join(name)).unwrap();
        let page = charset::decode(&bytes, Some("text/html"));
        let scrap = serde_json::to_value(tags::read(&page)).unwrap();
        if scrap != expected["scrap"] {
            failed.push(format!("{name}: {scrap} in place of {}", expected["scrap"]));
        }
        let encoding = charset::encoding(&bytes, Some("text/html")).unwrap_or(encoding_rs::UTF_8);
        if encoding != encoding_of(expected["charset"].as_str().unwrap())
            && !(encoding == encoding_rs::GBK && expected["charset"] == "gb18030")
        {
            failed.push(format!("{name}: {} in place of {}", encoding.name(), expected["charset"]));
        }
        let found: Vec<Value> =
            tags::properties(&page, &["og:", "article:"]).map(|(name, content)| serde_json::json!([name, content])).collect();
        pairs += found.len();
        if Value::Array(found.clone()) != expected["og_pairs"] {
            failed.push(format!("{name}: {} pairs in place of {}", found.len(), expected["og_pairs"].as_array().unwrap().len()));
        }
    }
    println!("opengraph pages: {} of {}, {pairs} pairs", pages.len() - failed.len(), pages.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn html5lib_encodings() {
    let Some(corpus) = corpus() else { return };
    let bytes = fs::read(corpus.join("charset_sniff/html5lib/tests1.dat")).unwrap();
    let (mut cases, mut failed) = (0, Vec::new());
    for block in split(&bytes, b"#data\n") {
        let Some(middle) = find(block, b"\n#encoding\n") else { continue };
        let label = String::from_utf8_lossy(&block[middle + 11..]);
        let label = label.trim();
        let page = &block[..middle];
        let found = charset::encoding(page, None).unwrap_or(encoding_rs::WINDOWS_1252);
        cases += 1;
        if found != encoding_of(label) {
            failed.push(format!("{:.120}: {} in place of {label}", String::from_utf8_lossy(page), found.name()));
        }
    }
    println!("html5lib encodings: {} of {cases}", cases - failed.len());
    assert!(cases > 50 && failed.is_empty(), "{cases} {failed:#?}");
}

#[test]
fn sniffer_encodings() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("charset_sniff/sniffer");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found = charset::encoding(&fs::read(&path).unwrap(), None);
        let expected = match (name.split_once('_'), name.as_str()) {
            _ if name.starts_with("no-result") => None,
            (Some((_, label)), _) => Some(encoding_of(label)),
            (None, "bom-UTF-16BE") => Some(encoding_rs::UTF_16BE),
            (None, "bom-UTF-16LE") => Some(encoding_rs::UTF_16LE),
            // ASCII that says it is UTF-16 is UTF-8.
            (None, _) => Some(encoding_rs::UTF_8),
        };
        assert_eq!(found, expected, "{name}");
        cases += 1;
    }
    println!("sniffer encodings: {cases}");
    assert!(cases >= 10);
}

#[test]
fn w3c_and_miniflux_encodings() {
    let Some(corpus) = corpus() else { return };
    for (file, content_type, expected) in [
        ("w3c/HTTP-charset.html", "text/html; charset=iso-8859-15", Some("iso-8859-15")),
        ("w3c/HTTP-vs-UTF-8-BOM.html", "text/html; charset=iso-8859-15", Some("utf-8")),
        ("w3c/HTTP-vs-meta-charset.html", "text/html; charset=iso-8859-15", Some("iso-8859-15")),
        ("w3c/HTTP-vs-meta-content.html", "text/html; charset=iso-8859-15", Some("iso-8859-15")),
        ("w3c/No-encoding-declaration.html", "text/html", None),
        ("w3c/UTF-16BE-BOM.html", "text/html", Some("utf-16be")),
        ("w3c/UTF-8-BOM-vs-meta-charset.html", "text/html", Some("utf-8")),
        ("w3c/meta-charset-attribute.html", "text/html", Some("iso-8859-15")),
        ("miniflux/iso-8859-1.html", "text/html", Some("iso-8859-1")),
        ("miniflux/iso-8859-1-meta-after-1024.html", "text/html", Some("iso-8859-1")),
        ("miniflux/utf8.html", "text/html", Some("utf-8")),
        ("miniflux/utf8-meta-after-1024.html", "text/html", Some("utf-8")),
    ] {
        let bytes = fs::read(corpus.join("charset_sniff").join(file)).unwrap();
        assert_eq!(charset::encoding(&bytes, Some(content_type)), expected.map(encoding_of), "{file}");
    }
}

#[test]
fn pages_without_a_declaration_do_no_harm() {
    let Some(corpus) = corpus() else { return };
    for entry in fs::read_dir(corpus.join("charset_detect")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let _ = tags::read(&charset::decode(&bytes, Some("text/html")));
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let Some(at) = find(rest, separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}
