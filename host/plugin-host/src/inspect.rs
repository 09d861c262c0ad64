//! What a file is, found out before anything of it is compiled: a component at all, its kinds, and whether this host has what
//! it imports.

use model::seams::PluginKind;
use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload};

/// Largest file that is looked at.
pub(crate) const MODULE_BYTES_MAX: usize = 100 << 20;

/// Largest body of one function, and most functions: compiling takes more than linear time in the first. The interpreters
/// of Python and JavaScript are far below both.
const FUNCTION_BYTES_MAX: usize = 2 << 20;
const FUNCTIONS_MAX: usize = 300_000;

/// Names that a component may import or export.
const NAMES_MAX: usize = 10_000;

/// Versions of our contract that this host serves.
const SERVED: &str = "0.1";

/// Of the package that may still change, the one version.
const UNSTABLE: &str = "0.0.1";

/// Interfaces that every component may import.
const IMPORTS: [&str; 9] = ["http", "net", "dns", "files", "host-info", "metrics", "kv", "log", "types"];

/// What a component says of itself without running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// In the order of the contract.
    pub kinds: Vec<PluginKind>,
    /// From the standard metadata section, or empty.
    pub version: String,
    /// Names of imports.
    pub imports: Vec<String>,
    /// Interfaces it uses that may still change.
    pub unstable: Vec<String>,
}

/// Looks at a file. The error is a sentence that says what to do.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(format!("the file has {} bytes, more than the limit of {MODULE_BYTES_MAX}", bytes.len()));
    }
    match bytes {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            return Err("it is a core module, not a component: run wasm-tools component new on it, or build for wasm32-wasip2".to_owned());
        }
        [b'\0', b'a', b's', b'm', ..] => return Err("it is WebAssembly of a layer or version that this host does not know".to_owned()),
        _ => return Err("it is not WebAssembly: it does not begin with \\0asm".to_owned()),
    }
    let mut seen = Inspection { sha256: sha256_hex(bytes), ..Inspection::default() };
    let mut exports = Vec::new();
    let (mut depth, mut functions) = (0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| format!("it is damaged: {e}"))?;
        match payload {
            Payload::Version { encoding: Encoding::Component | Encoding::Module, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Sections of what is nested belong to that.
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    seen.imports.push(import.map_err(|e| format!("it is damaged: {e}"))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(|e| format!("it is damaged: {e}"))?.name.name.to_owned());
                }
            }
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                let bytes = body.range().len();
                if bytes > FUNCTION_BYTES_MAX || functions > FUNCTIONS_MAX {
                    return Err(format!(
                        "it has a function of {bytes} bytes, or more than {FUNCTIONS_MAX} functions: it would take too long to compile"
                    ));
                }
            }
            Payload::CustomSection(section) if depth == 1 && section.name() == "version" => {
                seen.version = crate::text::one_line(&crate::text::shortened(&String::from_utf8_lossy(section.data()), 100));
            }
            _ => {}
        }
        if seen.imports.len() + exports.len() > NAMES_MAX {
            return Err(format!("it has more than {NAMES_MAX} imports and exports"));
        }
    }
    seen.imports.iter().try_for_each(|import| check_import(import))?;
    seen.kinds = kinds(&exports)?;
    let unstable =
        exports.iter().chain(&seen.imports).filter(|name| name.starts_with("skopos:plugin-unstable/") && !name.contains("/data@"));
    seen.unstable = unstable.cloned().collect();
    Ok(seen)
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A name such as `skopos:plugin/http@0.1.0`, taken apart.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = name.split_once('/')?;
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    Some((package, interface, version))
}

/// Whether `version` is `0.1.x`.
fn is_served(version: &str) -> bool {
    version.strip_prefix(SERVED).is_some_and(|rest| rest.starts_with('.'))
}

fn other_version(package: &str, version: &str) -> String {
    if package == "skopos:plugin" {
        format!("it was made for {package} {version}; this host serves {SERVED}")
    } else {
        format!("it was made for {package} {version}; this host has {UNSTABLE}: rebuild it")
    }
}

fn check_import(name: &str) -> Result<(), String> {
    let Some((package, interface, version)) = parts(name) else {
        return Err(format!("it imports {name}, which Skopos does not offer"));
    };
    match package {
        "skopos:plugin" if !is_served(version) => Err(other_version(package, version)),
        "skopos:plugin" if !IMPORTS.contains(&interface) => {
            Err(format!("it imports {name}, which this host does not offer yet: it is newer than the host"))
        }
        "skopos:plugin-unstable" if version != UNSTABLE => Err(other_version(package, version)),
        "skopos:plugin" | "skopos:plugin-unstable" => Ok(()),
        _ if package.starts_with("wasi:") && version.starts_with("0.3") => Err(format!(
            "it was built for WASI 0.3 ({name}), which this host does not serve: build it for WASI 0.2; with componentize-qjs that is --sync"
        )),
        _ if package.starts_with("wasi:") => Ok(()),
        _ => Err(format!("it imports {name}, which Skopos does not offer")),
    }
}

fn kinds(exports: &[String]) -> Result<Vec<PluginKind>, String> {
    let known = [
        ("skopos:plugin", PluginKind::Discovery),
        ("skopos:plugin", PluginKind::Exporter),
        ("skopos:plugin", PluginKind::HttpHandler),
        ("skopos:plugin-unstable", PluginKind::Channel),
        ("skopos:plugin-unstable", PluginKind::Panel),
        ("skopos:plugin-unstable", PluginKind::DataSource),
    ];
    let mut kinds = Vec::new();
    for (package, kind) in known {
        for name in exports {
            let Some((p, interface, version)) = parts(name) else { continue };
            if p != package || interface != kind.as_str() {
                continue;
            }
            let served = if package == "skopos:plugin" { is_served(version) } else { version == UNSTABLE };
            if !served {
                return Err(other_version(package, version));
            }
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        let list = if exports.is_empty() {
            "nothing".to_owned()
        } else {
            exports.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        return Err(format!(
            "it exports nothing that Skopos knows; it exports {}",
            crate::text::one_line(&crate::text::shortened(&list, 500))
        ));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wat(text: &str) -> Result<Inspection, String> {
        inspect(&wat::parse_str(text).expect("the text is a component"))
    }

    #[test]
    fn kinds_are_read_off_the_exports() {
        let seen = wat(
            r#"(component (instance $i) (export "skopos:plugin/exporter@0.1.0" (instance $i)) (export "skopos:plugin-unstable/panel@0.0.1" (instance $i)))"#,
        );
        let seen = seen.expect("it has two kinds");
        assert_eq!(seen.kinds, [PluginKind::Exporter, PluginKind::Panel]);
        assert_eq!(seen.unstable, ["skopos:plugin-unstable/panel@0.0.1"]);
        let patch = wat(r#"(component (instance $i) (export "skopos:plugin/discovery@0.1.7" (instance $i)))"#);
        assert_eq!(patch.expect("a patch version is served").kinds, [PluginKind::Discovery]);
    }

    #[test]
    fn g11_what_is_no_plugin_of_this_host_is_refused_with_the_reason() {
        let core = wat::parse_str("(module)").expect("a module");
        for (bytes, expected) in [
            (&b""[..], "not WebAssembly"),
            (b"#!/bin/sh", "not WebAssembly"),
            (core.as_slice(), "component new"),
            (b"\0asm\x0d\0\x02\0", "layer or version"),
        ] {
            let error = inspect(bytes).expect_err("no component");
            assert!(error.contains(expected), "{error}");
        }
        for (text, expected) in [
            ("(component)", "exports nothing that Skopos knows; it exports nothing"),
            (r#"(component (instance $i) (export "acme:rocket/engine@1.0.0" (instance $i)))"#, "it exports acme:rocket/engine@1.0.0"),
            (
                r#"(component (instance $i) (export "skopos:plugin/exporter@0.3.0" (instance $i)))"#,
                "made for skopos:plugin 0.3.0; this host serves 0.1",
            ),
            (r#"(component (instance $i) (export "skopos:plugin-unstable/panel@0.0.2" (instance $i)))"#, "this host has 0.0.1: rebuild it"),
            (r#"(component (import "skopos:plugin/http@0.2.0" (instance)))"#, "made for skopos:plugin 0.2.0"),
            (r#"(component (import "skopos:plugin/rockets@0.1.9" (instance)))"#, "newer than the host"),
            (r#"(component (import "wasi:cli/environment@0.3.0" (instance)))"#, "WASI 0.3"),
            (
                r#"(component (import "acme:rocket/engine@1.0.0" (instance)))"#,
                "imports acme:rocket/engine@1.0.0, which Skopos does not offer",
            ),
        ] {
            let error = wat(text).expect_err("no plugin of this host");
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn g11_what_would_take_too_long_to_compile_is_refused() {
        let body = "i32.const 1 drop ".repeat(FUNCTION_BYTES_MAX / 2);
        let error = wat(&format!("(component (core module (func {body})))")).expect_err("a huge function");
        assert!(error.contains("too long to compile"), "{error}");
    }

    #[test]
    fn g11_a_truncated_file_is_refused() {
        let whole =
            wat::parse_str(r#"(component (instance $i) (export "skopos:plugin/exporter@0.1.0" (instance $i)))"#).expect("a component");
        // What is behind the exports, names of things, may be missing.
        let expected = inspect(&whole).expect("it is whole").kinds;
        let good: Vec<usize> = (0..whole.len()).filter(|cut| inspect(&whole[..*cut]).is_ok_and(|seen| seen.kinds == expected)).collect();
        assert!(good.len() <= 1 && good.first().is_none_or(|cut| whole[*cut] == 0), "good when cut at {good:?}");
        assert!((0..whole.len()).all(|cut| good.contains(&cut) || inspect(&whole[..cut]).is_err()));
    }
}
