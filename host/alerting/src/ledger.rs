//! What was sent, on disk, so that a restart neither repeats nor forgets.
//!
//! `notifications.log` has a line for each message that arrived: a checksum (CRC-32 of what follows the space, in hex), a
//! space, a JSON object. Lines are appended and synced; the last one for a place and group counts. At start, and when the
//! file has far more lines than it says things, it is written anew beside and renamed. A line that is torn or damaged is left
//! out: at worst a message goes out twice.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use model::{Alert, LabelSet, TimestampMs};
use serde_json::{Map, Value, json};

use crate::core::RETENTION_MS;
use crate::sent::{LaneKey, Sent, SentLog};

const FILE: &str = "notifications.log";
/// A line longer than this is no line of ours.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The open file.
pub(crate) struct Ledger {
    dir: PathBuf,
    /// None: the disk was full when it was to be made.
    file: Option<File>,
    lines: usize,
    /// The last write failed half-way: the next begins on a line of its own.
    torn: bool,
}

/// What was found at start.
pub(crate) struct Found {
    pub(crate) sent: SentLog,
    /// Lines that were damaged.
    pub(crate) damaged: usize,
}

impl Ledger {
    /// Reads the ledger of a directory, making it if it is not there, and forgets what is too old. A full disk keeps nobody from
    /// starting: then the file stays as it is, and is made when there is space.
    pub(crate) fn open(dir: &Path, now: TimestampMs) -> io::Result<(Self, Found)> {
        let found = read(&dir.join(FILE), now)?;
        let (file, torn) = match std::fs::create_dir_all(dir).and_then(|()| write_anew(dir, &found.sent)) {
            Ok(file) => (Some(file), false),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                tracing::warn!(dir = %dir.display(), %error, "the ledger of notifications cannot be written; until it can, a restart may repeat some");
                // The old one may end in the middle of a line.
                (OpenOptions::new().append(true).open(dir.join(FILE)).ok(), true)
            }
            Err(error) => return Err(error),
        };
        Ok((Self { dir: dir.to_owned(), file, lines: found.sent.len(), torn }, found))
    }

    /// The open file, made if it could not be made before.
    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                std::fs::create_dir_all(&self.dir)?;
                let file = OpenOptions::new().append(true).create(true).open(self.dir.join(FILE))?;
                File::open(&self.dir)?.sync_all()?;
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Appends and syncs.
    pub(crate) fn append(&mut self, key: &LaneKey, group: &str, sent: &Sent) -> io::Result<()> {
        let mut line = if self.torn { "\n".to_owned() } else { String::new() };
        line.push_str(&encode(key, group, sent));
        let file = self.file()?;
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        self.torn = true;
        written?;
        self.torn = false;
        self.lines += 1;
        Ok(())
    }

    /// Whether most lines say what later ones say anew.
    pub(crate) fn wants_compaction(&self, live: usize) -> bool {
        self.lines > 1000 + 4 * live
    }

    /// Writes the file anew with what is known.
    pub(crate) fn compact(&mut self, sent: &SentLog) -> io::Result<()> {
        self.file = Some(write_anew(&self.dir, sent)?);
        self.lines = sent.len();
        self.torn = false;
        Ok(())
    }
}

fn read(path: &Path, now: TimestampMs) -> io::Result<Found> {
    let mut found = Found { sent: SentLog::new(), damaged: 0 };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = io::Read::take(&mut reader, LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(found);
        }
        match std::str::from_utf8(&line).ok().and_then(|line| decode(line.strip_suffix('\n')?)) {
            Some((key, group, sent)) if sent.at > now - RETENTION_MS => {
                found.sent.insert((key, group), sent);
            }
            Some(_) => {}
            None if line == b"\n" => {}
            None => found.damaged += 1,
        }
    }
}

fn write_anew(dir: &Path, sent: &SentLog) -> io::Result<File> {
    let beside = dir.join(format!("{FILE}.new"));
    write_beside(dir, &beside, sent).inspect_err(|_| {
        // What is half written would only take space.
        let _ = std::fs::remove_file(&beside);
    })
}

fn write_beside(dir: &Path, beside: &Path, sent: &SentLog) -> io::Result<File> {
    let path = dir.join(FILE);
    let mut writer = BufWriter::new(File::create(beside)?);
    for ((key, group), sent) in sent {
        writer.write_all(encode(key, group, sent).as_bytes())?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(beside, &path)?;
    File::open(dir)?.sync_all()?;
    OpenOptions::new().append(true).open(&path)
}

fn encode(key: &LaneKey, group: &str, sent: &Sent) -> String {
    let body = json!({
        "receiver": key.receiver,
        "entry": key.entry,
        "group": group,
        "at": sent.at,
        "firing": sent.firing,
        "resolved": sent.resolved,
        "alerts": sent.alerts.iter().map(alert_json).collect::<Vec<_>>(),
        "receipt": sent.receipt,
        "sequence": sent.sequence,
    })
    .to_string();
    format!("{:08x} {body}\n", crc32(body.as_bytes()))
}

fn alert_json(alert: &Alert) -> Value {
    json!({
        "labels": labels_json(&alert.labels),
        "annotations": labels_json(&alert.annotations),
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "generator_url": alert.generator_url,
        "value": alert.value,
    })
}

fn labels_json(labels: &LabelSet) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<String, Value>>())
}

fn decode(line: &str) -> Option<(LaneKey, String, Sent)> {
    let (sum, body) = line.split_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != crc32(body.as_bytes()) {
        return None;
    }
    let body: Value = serde_json::from_str(body).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let set = |value: &Value| value.as_array()?.iter().map(Value::as_u64).collect::<Option<BTreeSet<u64>>>();
    let sent = Sent {
        at: body["at"].as_i64()?,
        firing: set(&body["firing"])?,
        resolved: set(&body["resolved"])?,
        alerts: body["alerts"].as_array()?.iter().map(decode_alert).collect::<Option<_>>()?,
        receipt: text(&body["receipt"])?,
        sequence: u32::try_from(body["sequence"].as_u64()?).ok()?,
    };
    Some((LaneKey { receiver: text(&body["receiver"])?, entry: text(&body["entry"])? }, text(&body["group"])?, sent))
}

fn decode_alert(value: &Value) -> Option<Alert> {
    let labels = |value: &Value| {
        value.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect::<Option<LabelSet>>()
    };
    Some(Alert {
        labels: labels(&value["labels"])?,
        annotations: labels(&value["annotations"])?,
        starts_at: value["starts_at"].as_i64()?,
        ends_at: value["ends_at"].as_i64(),
        generator_url: value["generator_url"].as_str()?.to_owned(),
        value: value["value"].as_f64(),
    })
}

/// CRC-32 as in zlib and Ethernet (reflected polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(at: TimestampMs) -> Sent {
        let alert = Alert {
            labels: LabelSet::from_pairs([("alertname", "값\n\"x\""), ("a", "b")]),
            annotations: LabelSet::from_pairs([("summary", "s")]),
            starts_at: 5,
            ends_at: Some(9),
            generator_url: "/graph".to_owned(),
            value: Some(1.5),
        };
        Sent {
            at,
            firing: [alert.labels.fingerprint()].into(),
            resolved: [u64::MAX].into(),
            alerts: vec![alert],
            receipt: "r".to_owned(),
            sequence: 3,
        }
    }

    fn key() -> LaneKey {
        LaneKey { receiver: "team".to_owned(), entry: "slack[0]".to_owned() }
    }

    /// A directory of its own under the target directory, removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("skopos-ledger-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&dir).expect("the directory for temporary files can be written");
            Self(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn checksums_are_the_common_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_appended_is_found_again() {
        let dir = Dir::new("again");
        let (mut ledger, found) = Ledger::open(&dir.0, 1000).expect("it opens");
        assert!(found.sent.is_empty());
        for at in [1000, 2000] {
            ledger.append(&key(), "g", &sent(at)).expect("it is written");
        }
        let (_, found) = Ledger::open(&dir.0, 3000).expect("it opens");
        assert_eq!(found.damaged, 0);
        assert_eq!(found.sent, SentLog::from([((key(), "g".to_owned()), sent(2000))]));
        let (_, found) = Ledger::open(&dir.0, 2000 + RETENTION_MS).expect("it opens");
        assert!(found.sent.is_empty(), "too old to matter");
    }

    #[test]
    fn damage_costs_the_damaged_line_alone() {
        let dir = Dir::new("damage");
        let whole = format!("{}{}{}", encode(&key(), "a", &sent(1000)), encode(&key(), "b", &sent(1000)), encode(&key(), "c", &sent(1000)));
        let second = whole.find('\n').expect("three lines") + 1;
        for cut in [whole.len() - 1, whole.len() - 20, second + 30] {
            std::fs::write(dir.0.join(FILE), &whole[..cut]).expect("it is written");
            let (_, found) = Ledger::open(&dir.0, 1000).expect("it opens");
            assert_eq!((found.damaged, found.sent.len()), (1, whole[..cut].matches('\n').count()), "cut at {cut}");
        }
        let mut bytes = whole.clone().into_bytes();
        bytes[second + 40] ^= 1;
        std::fs::write(dir.0.join(FILE), bytes).expect("it is written");
        let (_, found) = Ledger::open(&dir.0, 1000).expect("it opens");
        assert_eq!((found.damaged, found.sent.len()), (1, 2));
    }

    #[test]
    fn compaction_keeps_what_counts() {
        let dir = Dir::new("compact");
        let (mut ledger, _) = Ledger::open(&dir.0, 1000).expect("it opens");
        for at in 0..1100 {
            ledger.append(&key(), "g", &sent(1000 + at)).expect("it is written");
        }
        assert!(ledger.wants_compaction(1));
        let live = SentLog::from([((key(), "g".to_owned()), sent(2099))]);
        ledger.compact(&live).expect("it is written");
        ledger.append(&key(), "h", &sent(3000)).expect("it is written");
        let (_, found) = Ledger::open(&dir.0, 3000).expect("it opens");
        assert_eq!(found.sent.len(), 2);
    }
}
