//! Head to blocks to larger blocks to nothing: the answers stay those of a store too simple to be wrong.

mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::seams::{Select, SelectRequest};
use model::{Clock, ManualClock, MatchOp, TimeRange};
use support::life::{H, Life, MIN, NOON, feed};
use support::{ALWAYS, DIR, Feeder, Stored, labels, matcher, read, read_all, stored};
use tsdb::disk::{Disk, DiskFile, DiskLock, LockError, RealDisk, SimDisk, Space};
use tsdb::{Db, Options};

#[test]
fn a_closed_range_becomes_a_block_and_the_answers_stay() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 3 * H, &["a", "b"]);
    let before = read_all(life.db());
    assert_eq!(before[&labels("__name__=a")].len(), 720);
    let report = life.pass(0);
    assert_eq!(report.flushed, 1, "{report:?}");
    assert_eq!(life.blocks(), [(NOON, NOON + 2 * H - 15_000, 1)]);
    assert_eq!(read_all(life.db()), before);
    assert_eq!(life.db().stats().samples_appended, 1440);
    let range = TimeRange { start: NOON + 2 * H - 30_000, end: NOON + 2 * H + 15_000 };
    assert_eq!(read(life.db(), &[], range)[&labels("__name__=a")].len(), 4, "from both sides of the seam");
    drop(feeder);
    life.restart();
    assert_eq!(read_all(life.db()), before);
    assert_eq!(life.db().stats().recovery_samples, 480, "what is in the block is not read from the log");
    assert_eq!(life.db().label_values("__name__", &[], ALWAYS, 0).expect("names"), ["a", "b"]);
    let old = TimeRange { start: NOON, end: NOON + H };
    assert_eq!(life.db().series(&[], old, 0).expect("series").len(), 2, "from the block alone");
}

#[test]
fn the_log_gives_up_what_blocks_have() {
    let life = Life::new(SimDisk::default(), |options| options.segment_bytes = 4096);
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 2 * H, &["a", "b", "c"]);
    life.pass(0);
    let before = life.db().stats().log_bytes;
    feed(&life, &mut feeder, H, &["a", "b", "c"]);
    life.pass(0);
    let after = life.db().stats();
    assert_eq!(after.flushes, 1);
    assert!(after.log_bytes < before * 6 / 10, "{before} bytes before, {} after", after.log_bytes);
}

#[test]
fn f15_a_query_keeps_what_it_began_with() {
    let life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 3 * H, &["a"]);
    let request = SelectRequest { matchers: &[], range: ALWAYS };
    let held = life.db().select(&request).expect("it selects");
    assert_eq!(life.pass(MIN).flushed, 1);
    assert_eq!(held[0].read().expect("it reads").times.len(), 720, "from the head, beside the block");
    drop(held);
    life.pass(MIN);
    let closed = TimeRange { start: NOON, end: NOON + 2 * H - 1 };
    let from_block = life.db().select(&SelectRequest { matchers: &[], range: closed }).expect("it selects");
    for _ in 0..8 {
        feed(&life, &mut feeder, 2 * H, &["a"]);
        life.pass(MIN);
    }
    assert!(life.db().blocks().iter().any(|block| block.level > 1), "{:?}", life.blocks());
    assert_eq!(from_block[0].read().expect("it reads").times.len(), 480, "from blocks whose files are gone");
}

#[test]
fn blocks_grow_threefold_and_leave_no_other_files() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    let from = life.clock.now();
    for _ in 0..30 {
        feed(&life, &mut feeder, H, &["a", "b"]);
        life.pass(0);
    }
    let blocks = life.blocks();
    // Ranges of 18 hours begin at six in the morning of that day; the last two hours are still in the head.
    assert!(blocks.len() <= 6, "{blocks:?}");
    assert!(blocks.iter().any(|(first, last, _)| last - first > 11 * H), "{blocks:?}");
    let files = life.files("blocks");
    assert_eq!(files.len(), blocks.len() + 1, "a file a block, and what is covered: {files:?}");
    assert_eq!(read_all(life.db())[&labels("__name__=a")].len(), 30 * 240);
    let before = read_all(life.db());
    drop(feeder);
    life.restart();
    assert_eq!(life.blocks(), blocks);
    assert_eq!(read_all(life.db()), before);
    assert_eq!(before[&labels("__name__=a")][0].0, from);
}

#[test]
fn what_was_deleted_stays_deleted() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 4 * H, &["a", "b"]);
    life.pass(0);
    let a = [matcher("__name__", MatchOp::Equal, "a")];
    // From a block, and from the head.
    let range = TimeRange { start: NOON + H, end: NOON + 3 * H };
    let report = life.db().delete(&[a.to_vec()], range).expect("it deletes");
    assert_eq!((report.blocks, report.columns), (2, 2));
    let check = |life: &Life, what: &str| {
        let all = read_all(life.db());
        let times: Vec<i64> = all[&labels("__name__=a")].iter().map(|(time, _)| *time).collect();
        assert_eq!(times.len(), 960 - 481, "{what}");
        assert!(times.iter().all(|time| *time < range.start || *time > range.end), "{what}");
        assert_eq!(all[&labels("__name__=b")].len(), 960, "{what}");
    };
    check(&life, "at once");
    let within = TimeRange { start: NOON + H + MIN, end: NOON + 2 * H - MIN };
    assert_eq!(life.db().label_values("__name__", &[], within, 0).expect("values"), ["b"]);
    drop(feeder);
    life.restart();
    check(&life, "after a restart");
    assert_eq!(life.db().clean_tombstones().expect("it cleans"), 2);
    assert!(life.db().blocks().iter().all(|block| block.columns_deleted == 0));
    check(&life, "cleaned");
    assert!(!life.files("blocks").iter().any(|path| path.extension().is_some_and(|ext| ext == "deleted")));
    life.restart();
    check(&life, "cleaned and restarted");
    let all = [matcher("__name__", MatchOp::Matches, ".*")];
    life.db().delete(&[all.to_vec()], ALWAYS).expect("it deletes");
    assert_eq!(read_all(life.db()), Stored::new());
    life.db().clean_tombstones().expect("it cleans");
    assert_eq!(life.blocks(), []);
    life.restart();
    assert_eq!(read_all(life.db()), Stored::new(), "the log does not bring it back");
}

/// A disk on which a block takes so long that a further row comes meanwhile.
struct Busy {
    disk: SimDisk,
    rows: Arc<AtomicU64>,
    blocks: AtomicU64,
}

impl Disk for Busy {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // So that it ends also where what is tested for happens.
        if path.to_string_lossy().contains(".block") && self.blocks.fetch_add(1, Ordering::Relaxed) < 40 {
            let before = self.rows.load(Ordering::Relaxed);
            while self.rows.load(Ordering::Relaxed) < before + 2 {
                std::thread::yield_now();
            }
        }
        self.disk.create_new(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }
    fn space(&self, dir: &Path) -> Option<Space> {
        self.disk.space(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn DiskLock>, LockError> {
        self.disk.lock(path, holder)
    }
}

/// Rows come faster than blocks are made: neither a deletion nor what is due goes on for as long as they do.
#[test]
fn who_writes_without_pause_keeps_neither_deletion_nor_flushing_going() {
    let rows = Arc::new(AtomicU64::new(0));
    let disk = Busy { disk: SimDisk::default(), rows: rows.clone(), blocks: AtomicU64::new(0) };
    let mut options = Options::new(Arc::new(ManualClock::at(NOON)));
    options.retention_ms = 0;
    let (db, _) = Db::open(Path::new(DIR), options, Arc::new(disk), NOON).expect("it opens");
    Feeder::open(&db, "first").row(NOON - 6 * H, &[("__name__=a", 1.0)]);
    let stop = AtomicBool::new(false);
    let (due, deleted) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut feeder = Feeder::open(&db, "steady");
            // All within one range, which is over.
            for n in (0..2 * H).take_while(|_| !stop.load(Ordering::Relaxed)) {
                feeder.row(NOON - 4 * H + n, &[("__name__=a", n as f64)]);
                rows.fetch_add(1, Ordering::Relaxed);
            }
            // Nobody waits for more.
            rows.store(u64::MAX / 2, Ordering::Relaxed);
        });
        while rows.load(Ordering::Relaxed) < 10 {
            std::thread::yield_now();
        }
        let done = (db.tend(NOON), db.delete(&[vec![matcher("__name__", MatchOp::Equal, "a")]], ALWAYS));
        stop.store(true, Ordering::Relaxed);
        done
    });
    assert_eq!((due.flushed, due.errors), (2, Vec::new()), "one for each range");
    assert!(deleted.expect("it deletes").blocks > 0);
    assert!(db.blocks().len() <= 4, "{:?}", db.blocks());
}

#[test]
fn a_snapshot_opens_as_a_data_directory() {
    let life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 5 * H, &["a", "b"]);
    life.pass(0);
    life.db().delete(&[vec![matcher("__name__", MatchOp::Equal, "b")]], TimeRange { start: NOON, end: NOON + H }).expect("it deletes");
    feed(&life, &mut feeder, H, &["a", "b"]);
    let before = read_all(life.db());
    let (whole, blocks) = (life.db().snapshot(false).expect("a snapshot"), life.db().snapshot(true).expect("a snapshot"));
    assert_ne!(whole, blocks);
    feed(&life, &mut feeder, H, &["a", "b"]);
    life.pass(0);
    let open = |name: &str| {
        let dir = Path::new(DIR).join("snapshots").join(name);
        let disk = Arc::new(life.disk.process_kill()) as Arc<dyn Disk>;
        Db::open(&dir, life.options.clone(), disk, life.clock.now()).expect("it opens").0
    };
    assert_eq!(read_all(&open(&whole)), before);
    let without_head = read_all(&open(&blocks));
    assert!(without_head[&labels("__name__=a")].len() < before[&labels("__name__=a")].len());
}

#[test]
fn read_only_changes_nothing_and_sees_everything() {
    let life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 4 * H, &["a"]);
    life.pass(0);
    let disk = life.disk.clone();
    disk.put(&Path::new(DIR).join("blocks/0000000099.block.tmp"), b"unfinished".to_vec());
    let files = disk.files();
    let (db, report) = Db::open_read_only(Path::new(DIR), Arc::new(disk.clone())).expect("beside the server");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(read_all(&db), read_all(life.db()));
    assert_eq!(db.blocks().len(), 1);
    assert!(db.tend(life.clock.now()).errors.iter().all(|error| error.contains("reading only")));
    drop(db);
    assert!(files == disk.files(), "a file changed");
    let error = Db::open_read_only(&std::env::temp_dir().join("skopos-no-such-place"), Arc::new(RealDisk)).expect_err("nothing there");
    assert!(error.to_string().contains("not a data directory"), "{error}");
}

#[test]
fn f6_a_damaged_block_is_named_the_rest_is_served_and_repair_sets_it_aside() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 5 * H, &["a", "b"]);
    life.pass(0);
    assert_eq!(life.blocks().len(), 2);
    let whole = read_all(life.db());
    drop(feeder);
    life.db = None;
    let disk = life.disk.process_kill();
    let path = life.files("blocks").into_iter().find(|path| path.extension().is_some_and(|ext| ext == "block")).expect("a block");
    let good = disk.files().into_iter().find(|(name, _)| *name == path).expect("the file").1;
    // Its last byte is the footer's, its thirtieth a sample's.
    for (at, opens) in [(good.len() - 1, false), (30, true)] {
        let mut bad = good.clone();
        bad[at] ^= 16;
        let disk = disk.process_kill();
        disk.put(&path, bad);
        let open =
            |disk: &SimDisk| Db::open(Path::new(DIR), life.options.clone(), Arc::new(disk.clone()), life.clock.now()).expect("it opens");
        let (db, report) = open(&disk);
        assert_eq!(report.damage.is_empty(), opens, "{report:?}");
        let mut warnings = db.warnings(ALWAYS);
        for group in db.select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects") {
            warnings.extend(group.read().expect("it reads").warnings);
        }
        assert!(warnings.iter().any(|warning| warning.contains("0000000001.block") && warning.contains("missing")), "{warnings:?}");
        let rest = read_all(&db);
        for (labels, rows) in &rest {
            assert!(rows.iter().all(|row| whole[labels].contains(row)), "a wrong value");
            assert!(rows.len() < whole[labels].len() || opens);
        }
        drop(db);
        let report = Db::repair(Path::new(DIR), &(Arc::new(disk.clone()) as Arc<dyn Disk>)).expect("it repairs");
        assert_eq!((report.whole, report.set_aside.len()), (1, 1), "{report:?}");
        let (db, report) = open(&disk);
        assert!(report.damage.is_empty(), "{report:?}");
        assert_eq!(db.warnings(ALWAYS), Vec::<String>::new());
        assert_eq!(read_all(&db), rest, "what was readable still is");
        assert!(
            Db::verify(Path::new(DIR), &(Arc::new(disk) as Arc<dyn Disk>))
                .expect("it verifies")
                .iter()
                .all(|check| check.damage.is_empty())
        );
    }
}

/// To copy blocks between data directories is a habit from Prometheus.
#[test]
fn a_block_from_elsewhere_says_nothing_about_the_log_here() {
    let elsewhere = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(elsewhere.db(), "g");
    feed(&elsewhere, &mut feeder, 4 * H, &["theirs"]);
    assert!(elsewhere.pass(0).flushed > 0);
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, H, &["ours"]);
    drop(feeder);
    for (path, bytes) in elsewhere.disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "block")) {
        life.disk.put(&path, bytes);
    }
    life.restart();
    let found = read_all(life.db());
    assert_eq!(found[&labels("__name__=ours")].len(), 240);
    assert!(found[&labels("__name__=theirs")].len() >= 480);
    life.clock.set(life.clock.now() + 4 * H);
    life.pass(0);
    life.restart();
    assert_eq!(read_all(life.db()), found, "and their own block covers them later");
}

#[test]
fn a_series_in_two_groups_keeps_what_was_written_first() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let (mut one, mut two) = (Feeder::open(life.db(), "z"), Feeder::open(life.db(), "a"));
    one.row(NOON, &[("n=1", 1.0)]);
    two.row(NOON, &[("n=1", 2.0), ("n=2", 3.0)]);
    two.row(NOON + 1000, &[("n=1", 4.0)]);
    one.row(NOON + 1000, &[("n=1", 5.0)]);
    let expected = stored(&[("n=1", &[(NOON, 1.0), (NOON + 1000, 4.0)]), ("n=2", &[(NOON, 3.0)])]);
    assert_eq!(read_all(life.db()), expected);
    life.pass(4 * H);
    assert_eq!(life.db().blocks().len(), 1);
    assert_eq!(read_all(life.db()), expected);
    // Late, and never what counts: the block has these times.
    let mut three = Feeder::open(life.db(), "m");
    three.row(NOON, &[("n=1", 9.0), ("n=3", 6.0)]);
    three.row(NOON + 500, &[("n=1", 7.0)]);
    let expected =
        stored(&[("n=1", &[(NOON, 1.0), (NOON + 500, 7.0), (NOON + 1000, 4.0)]), ("n=2", &[(NOON, 3.0)]), ("n=3", &[(NOON, 6.0)])]);
    assert_eq!(read_all(life.db()), expected);
    life.pass(2 * H);
    life.pass(2 * H);
    assert_eq!(read_all(life.db()), expected);
    assert_eq!(life.db().blocks().len(), 1, "overlapping blocks are merged: {:?}", life.blocks());
    drop((one, two, three));
    life.restart();
    assert_eq!(read_all(life.db()), expected);
}

/// A sender that has one sample for each of many ranges does not make as many blocks.
#[test]
fn few_samples_of_many_ranges_share_blocks() {
    let mut life = Life::new(SimDisk::default(), |options| options.retention_ms = 100 * 24 * H);
    let mut feeder = Feeder::open(life.db(), "g");
    for n in 0..500 {
        feeder.row(NOON - 90 * 24 * H + n * 4 * H, &[("n=1", n as f64)]);
    }
    drop(feeder);
    let before = read_all(life.db());
    assert_eq!(before[&labels("n=1")].len(), 500);
    life.pass(MIN);
    // Ranges of 162 hours are the longest here.
    assert!(life.blocks().len() <= 500 * 4 / 162 + 3, "{:?}", life.blocks());
    assert_eq!(read_all(life.db()), before);
    life.restart();
    assert_eq!(read_all(life.db()), before);
}

/// A query that somebody never ends keeps what it has, and nothing waits for it.
#[test]
fn f15_an_answer_that_is_held_for_ever_does_not_keep_rows_in_the_head() {
    let life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 3 * H, &["a"]);
    let held = life.db().select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects");
    let first = held[0].read().expect("it reads").times;
    for _ in 0..4 {
        assert_eq!(life.pass(MIN).flushed, 1);
        feed(&life, &mut feeder, 2 * H, &["a"]);
    }
    life.db().delete(&[vec![matcher("__name__", MatchOp::Equal, "a")]], ALWAYS).expect("nor does deletion wait");
    assert!(life.db().stats().head_time.is_none(), "{:?}", life.db().stats());
    assert_eq!(held[0].read().expect("it reads").times, first);
}

#[test]
fn f6_a_block_that_does_not_open_is_missed_only_in_its_range() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 5 * H, &["a", "b"]);
    life.pass(0);
    life.db().delete(&[vec![matcher("__name__", MatchOp::Equal, "b")]], TimeRange { start: NOON, end: NOON + H }).expect("it deletes");
    drop(feeder);
    life.db = None;
    let disk = life.disk.process_kill();
    let find = |end: &str| disk.files().into_iter().find(|(path, _)| path.to_string_lossy().ends_with(end)).expect("the file");
    // A byte of the symbols, which stand before postings, groups, meta and footer; and a byte of what was deleted.
    let (block, bytes) = find("0000000001.block");
    let symbols = u64::from_le_bytes(bytes[bytes.len() - 148 + 24 + 8..][..8].try_into().expect("eight")) as usize;
    for (path, at) in [(block.clone(), symbols + 3), (find("0000000001.block.deleted").0, 20)] {
        let disk = disk.process_kill();
        let mut bad = find(&path.to_string_lossy()).1;
        bad[at] ^= 1;
        disk.put(&path, bad);
        let (db, report) = Db::open(Path::new(DIR), life.options.clone(), Arc::new(disk.clone()), life.clock.now()).expect("it opens");
        assert_eq!(report.damage.len(), 1);
        let within = db.warnings(TimeRange { start: NOON + H, end: NOON + 9 * H });
        assert!(within.len() == 1 && within[0].contains("samples between") && within[0].contains("0000000001.block"), "{within:?}");
        assert_eq!(db.warnings(TimeRange { start: NOON + 2 * H, end: NOON + 9 * H }), Vec::<String>::new());
        let all = read_all(&db);
        assert!(all.values().all(|rows| rows.iter().all(|(time, _)| *time >= NOON + 2 * H)), "what was deleted does not come back");
    }
}

/// What the retention had dropped from the head is in the log until its segment goes. What of it was deleted does not come back with
/// a restart, as what was not deleted may.
#[test]
fn what_was_deleted_stays_so_where_the_retention_had_dropped_it() {
    let mut life = Life::new(SimDisk::default(), |options| options.retention_ms = H);
    let mut feeder = Feeder::open(life.db(), "g");
    // As many rows as a page has, so that they are dropped alone.
    for n in 0..64 {
        feeder.row(NOON + n, &[("n=1", 1.0), ("n=2", 2.0)]);
    }
    feeder.row(NOON + 64, &[("n=2", 2.0)]);
    // In one page with newer ones after a restart.
    life.clock.set(NOON + H + 65);
    feeder.row(NOON + H, &[("n=3", 3.0)]);
    life.db().maintain(life.clock.now());
    let of = |life: &Life, n: &str| read_all(life.db()).get(&labels(n)).map_or(0, Vec::len);
    assert_eq!(of(&life, "n=1"), 0, "the retention drops it");
    let deleted = life.db().delete(&[vec![matcher("n", MatchOp::Equal, "1")]], ALWAYS).expect("it deletes");
    assert_eq!(deleted.columns, 0, "there is nothing to be seen of it");
    life.restart_with(vec![feeder]);
    assert_eq!((of(&life, "n=1"), of(&life, "n=3")), (0, 1));
    life.clock.set(life.clock.now() - 30 * MIN);
    life.restart();
    assert_eq!((of(&life, "n=1"), of(&life, "n=3")), (0, 1), "though the clock has it within the retention again");
}

/// A segment whose removal a power cut undoes does not bring back what was deleted of it.
#[test]
fn f2_what_was_deleted_stays_so_where_a_removed_segment_comes_back() {
    let life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = 10 * H);
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, H, &["a", "b"]);
    life.db().delete(&[vec![matcher("__name__", MatchOp::Equal, "a")]], ALWAYS).expect("it deletes");
    // From now on no block says it.
    assert_eq!(life.db().clean_tombstones().expect("it cleans"), 1);
    // The next row begins a new segment. It is a late one, whose block says less of the log than the deletion did; before it is made, the
    // first segment goes.
    life.pass(H + 10 * MIN);
    feeder.row(NOON - 3 * H, &[("__name__=b", 2.0)]);
    life.clock.set(life.clock.now() + 2 * H);
    assert_eq!(life.db().tend(life.clock.now()).flushed, 1);
    assert_eq!(life.files("wal").len(), 1);
    for seed in 0..300 {
        let disk = life.disk.power_cut(seed);
        let (db, _) = Db::open(Path::new(DIR), life.options.clone(), Arc::new(disk), life.clock.now()).expect("it opens");
        assert!(!read_all(&db).contains_key(&labels("__name__=a")), "SKOPOS_SEED={seed}");
    }
}
