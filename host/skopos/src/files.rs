//! Where configuration files come from: the disk, or what is embedded for the default configuration.

mod glob;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::config::{ConfigError, Node, Position};

/// Largest file that a configuration may name, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The default configuration and what it names, as in the folder `config/`.
const EMBEDDED: [(&str, &str); 3] = [
    ("skopos.yml", include_str!("../../../config/skopos.yml")),
    ("rules/example.yml", include_str!("../../../config/rules/example.yml")),
    ("dashboards/home.json", include_str!("../../../config/dashboards/home.json")),
];

/// The dashboard of the first page, for configurations that bring none of their own.
pub(crate) const HOME_DASHBOARD: &str = EMBEDDED[2].1;

/// The address in the embedded configuration that the listen address takes the place of.
const EMBEDDED_ADDRESS: &str = "127.0.0.1:9090";

/// How the paths of its targets begin, which `--web.route-prefix` goes before.
const EMBEDDED_PATH: &str = "metrics_path: /";

/// A source of files. Paths in a configuration are relative to its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// The disk.
    Disk,
    /// The default configuration, whose targets are this process.
    Embedded(Own),
}

/// Where this process answers, and how it lets itself in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// `host:port`
    pub(crate) address: String,
    /// The path below which everything lies, as `/skopos`, or nothing.
    pub(crate) prefix: String,
    /// In place of a password, where there are users.
    pub(crate) pass: Option<String>,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
}

impl Own {
    /// A text of the default configuration, with its targets as they are now.
    fn place(&self, text: &str) -> String {
        let text = text.replace(EMBEDDED_ADDRESS, &self.address);
        let mut placed = String::with_capacity(text.len());
        for line in text.lines() {
            let Some((indent, path)) = line.split_once(EMBEDDED_PATH) else {
                placed += line;
                placed.push('\n');
                continue;
            };
            placed += &format!("{indent}metrics_path: {}/{path}\n", self.prefix);
            if let Some(pass) = &self.pass {
                placed += &format!("{indent}authorization: {{credentials: {pass}}}\n");
            }
            if self.tls {
                // The certificate is for the name that others use; the address is one that this process itself has bound.
                placed += &format!("{indent}scheme: https\n{indent}tls_config: {{insecure_skip_verify: true}}\n");
            }
        }
        placed
    }
}

impl Files {
    /// A whole text. The error names the place in the file where one is at fault.
    pub(crate) fn read(&self, path: &Path) -> Result<String, ConfigError> {
        match self {
            Self::Disk => read_disk(path).map_err(|error| match error {
                ReadError::At(position, message) => ConfigError { position, ..Node::empty_mapping().error(message) },
                ReadError::Whole(error) => Node::empty_mapping().error(format!("failed to read it: {error}")),
            }),
            Self::Embedded(own) => {
                let found = EMBEDDED.iter().find(|(name, _)| Path::new(name) == path);
                let missing = || Node::empty_mapping().error("failed to read it: it is not among what is embedded");
                found.map(|(_, text)| own.place(text)).ok_or_else(missing)
            }
        }
    }

    /// The files that a pattern matches, sorted. `*`, `?` and `[a-z]` stand for what they stand for in a shell, without
    /// crossing a slash. A pattern without any of them is one file, which is left out if it is not there.
    pub(crate) fn glob(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        match self {
            Self::Disk => glob::matching(pattern),
            Self::Embedded(_) => {
                let names = EMBEDDED.iter().map(|(name, _)| PathBuf::from(name));
                Ok(names.filter(|path| glob::is_match(pattern, path)).collect())
            }
        }
    }

    /// The files of a folder, sorted. A folder that is not there has none.
    pub(crate) fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = match self {
            Self::Disk => {
                let folder_read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                let entries = match fs::read_dir(folder_read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                    entries => entries?,
                };
                let paths: io::Result<Vec<PathBuf>> = entries.map(|e| Ok(folder.join(e?.file_name()))).collect();
                paths?.into_iter().filter(|path| path.is_file()).collect()
            }
            Self::Embedded(_) => {
                EMBEDDED.iter().map(|(name, _)| PathBuf::from(name)).filter(|p| p.parent() == Some(folder)).collect::<Vec<_>>()
            }
        };
        found.sort();
        Ok(found)
    }
}

enum ReadError {
    /// Something in the file.
    At(Position, String),
    /// The file as a whole.
    Whole(io::Error),
}

fn read_disk(path: &Path) -> Result<String, ReadError> {
    // Before it is opened: a pipe would wait for a writer.
    if !fs::metadata(path).map_err(ReadError::Whole)?.is_file() {
        return Err(ReadError::Whole(io::Error::other("it is not a regular file")));
    }
    let file = fs::File::open(path).map_err(ReadError::Whole)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(ReadError::Whole)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ReadError::At(place(&bytes), format!("the file goes on after {} MiB, which is the limit", FILE_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (good, at) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let byte = at.get(good).copied().unwrap_or_default();
        ReadError::At(place(&at[..good]), format!("not UTF-8 text: the byte 0x{byte:02x} begins no character; save the file as UTF-8"))
    })
}

/// The place after some bytes: lines from 1, columns from 1 in characters.
fn place(before: &[u8]) -> Position {
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let count = |bytes: &[u8], of: fn(&&u8) -> bool| u32::try_from(bytes.iter().filter(of).count()).unwrap_or(u32::MAX);
    let (lines, characters) = (count(before, |b| **b == b'\n'), count(&before[line_start..], |b| **b & 0xc0 != 0x80));
    Position { line: lines.saturating_add(1), column: characters.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d2_what_is_no_text_is_named_with_its_place() {
        let folder = test_support::TempFolder::new("odd");
        let path = folder.path().join("latin1.yml");
        fs::write(&path, b"a: 1\nna\xc3\xafve: caf\xe9\n").expect("written");
        let error = Files::Disk.read(&path).expect_err("Latin-1").to_string();
        assert!(error.starts_with("2:11: not UTF-8 text: the byte 0xe9"), "{error}");
        let error = Files::Disk.read(folder.path()).expect_err("a folder").to_string();
        assert!(error.contains("failed to read it"), "{error}");
    }

    #[test]
    fn embedded_files_follow_the_address() {
        let files = Files::Embedded(Own {
            address: "127.0.0.1:1234".to_owned(),
            prefix: "/skopos".to_owned(),
            pass: Some("secret".to_owned()),
            tls: true,
        });
        let text = files.read(Path::new("skopos.yml")).expect("embedded");
        assert!(text.contains("127.0.0.1:1234") && !text.contains("127.0.0.1:9090"));
        let jobs = |line: &str| text.lines().filter(|l| l.trim() == line).count();
        assert_eq!((jobs("authorization: {credentials: secret}"), jobs("scheme: https")), (3, 3), "{text}");
        assert!(text.contains("metrics_path: /skopos/metrics") && text.contains("metrics_path: /skopos/plugins/opengraph/metrics"));
        assert_eq!(files.glob(Path::new("rules/*.yml")).expect("embedded"), [PathBuf::from("rules/example.yml")]);
        assert!(files.read(Path::new("rules/other.yml")).is_err());
    }
}
