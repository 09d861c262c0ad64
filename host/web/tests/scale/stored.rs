//! A server over TCP on top of a database that holds many series.

use std::path::Path;
use std::sync::Arc;

use model::seams::{Append, Row};
use model::{LabelSet, ManualClock};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tsdb::Db;
use tsdb::disk::SimDisk;
use web::State;

pub(crate) use crate::support::Server;
use crate::support::{Seen, state};

/// Milliseconds; the last row is 15 s older.
pub(crate) const NOW: i64 = 1_800_000_000_000;
const STEP: i64 = 15_000;
/// Series of a target.
const OF_TARGET: usize = 1000;

/// So many as the environment says, or few enough for every day.
pub(crate) fn wanted(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A database of so many series, a thousand of each target, three rows each. Each has a value of the label `id` of its own.
pub(crate) fn stored(series: usize) -> Db {
    let options = tsdb::Options::new(Arc::new(ManualClock::at(NOW)));
    let (db, _) = Db::open(Path::new("/data"), options, Arc::new(SimDisk::new()), NOW).expect("it opens");
    for target in 0..series.div_ceil(OF_TARGET) {
        let mut writer = db.open_group(&format!("target-{target}")).expect("nobody else writes");
        let instance = format!("10.1.{target}:80");
        let columns: Vec<_> = (0..OF_TARGET.min(series - target * OF_TARGET))
            .map(|at| {
                let (name, code, path) =
                    (format!("metric_{}_total", at / 10), (200 + at % 10).to_string(), format!("/a/long/path/{}", at / 10));
                let id = format!("{target:05}-{at:03}");
                let labels =
                    [("__name__", name.as_str()), ("instance", &instance), ("job", "api"), ("path", &path), ("code", &code), ("id", &id)];
                writer.column(&LabelSet::from_pairs(labels)).expect("new")
            })
            .collect();
        for row in 0..3_u32 {
            let value = |at: usize| f64::from(row) + f64::from(u16::try_from((at * 7919 + target * 31) % 4099).expect("small"));
            let values: Vec<f64> = (0..columns.len()).map(value).collect();
            writer.append(Row::floats(NOW - i64::from(3 - row) * STEP, &columns, &values)).expect("the disk is well");
        }
    }
    db
}

/// Turns all that is in the head into a block.
pub(crate) fn flush(db: &Db) {
    let report = db.tend(NOW + 4 * 3_600_000);
    assert!(report.flushed > 0 && report.errors.is_empty(), "{report:?}");
}

/// A server's state over a database.
pub(crate) fn over(db: &Arc<Db>) -> State {
    let mut state = state(&Seen::default());
    state.select = Arc::clone(db) as Arc<dyn model::seams::Select>;
    state.clock = Arc::new(ManualClock::at(NOW));
    // What is measured is not to end by itself.
    (state.limits.query_bytes, state.limits.samples_max) = (usize::MAX >> 1, usize::MAX >> 1);
    state
}

impl Server {
    /// Asks and does not read. The end of the answer is the end of the connection.
    pub(crate) async fn open(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        stream
    }
}
