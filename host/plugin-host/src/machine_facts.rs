//! Facts of the machine that no file tells a component: what `uname` and `statfs` say.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

/// How long a file system may take to say how full it is.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Mounts that are looked at.
const MOUNTS_MAX: usize = 10_000;

/// Mount points whose file system was asked and has not answered since: they are not asked again until it does.
pub(crate) type Unanswering = Arc<Mutex<BTreeSet<String>>>;

/// As `uname` has them, and what else is fixed. Times in Unix milliseconds.
pub(crate) struct System {
    pub(crate) sysname: String,
    pub(crate) nodename: String,
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) machine: String,
    pub(crate) domainname: String,
    pub(crate) boot_time: i64,
    pub(crate) page_size: u32,
    pub(crate) clock_ticks: u32,
    pub(crate) cpu_count: u32,
}

/// A line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    pub(crate) device: String,
    pub(crate) mount_point: String,
    pub(crate) fs_type: String,
    pub(crate) read_only: bool,
}

/// Bytes and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) size: u64,
    pub(crate) free: u64,
    pub(crate) available: u64,
    pub(crate) files: u64,
    pub(crate) files_free: u64,
}

/// The error is for people.
#[cfg(target_os = "linux")]
pub(crate) fn system() -> Result<System, String> {
    let text = |path: &str| fs::read_to_string(path).map_err(|e| format!("failed to read {path}: {e}"));
    let kernel = |name: &str| Ok::<_, String>(text(&format!("/proc/sys/kernel/{name}"))?.trim_end().to_owned());
    let stat = text("/proc/stat")?;
    let boot_seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let is_cpu = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(System {
        sysname: kernel("ostype")?,
        nodename: kernel("hostname")?,
        release: kernel("osrelease")?,
        version: kernel("version")?,
        // Since Linux 6.1; before it, what this program was built for, which is the same but for 32 bits on 64.
        machine: kernel("arch").unwrap_or_else(|_| std::env::consts::ARCH.to_owned()),
        domainname: kernel("domainname")?,
        boot_time: boot_seconds.ok_or("/proc/stat does not say when the machine started")?.saturating_mul(1000),
        page_size: number(rustix::param::page_size() as u64),
        clock_ticks: number(rustix::param::clock_ticks_per_second()),
        cpu_count: number(stat.lines().filter(is_cpu).count() as u64),
    })
}

/// The error is for people.
#[cfg(not(target_os = "linux"))]
pub(crate) fn system() -> Result<System, String> {
    Err("this host tells plugins facts of the machine on Linux only".to_owned())
}

/// Every mounted file system, the topmost of each mount point, and how full it is. `permits` bounds the threads that wait for
/// one that does not answer.
pub(crate) async fn filesystems(permits: Arc<Semaphore>, unanswering: Unanswering) -> Result<Vec<(Mounted, Result<Room, String>)>, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| format!("failed to read /proc/self/mounts: {e}"))?;
    let mounts = mounted(&mounts);
    let points: Vec<String> = mounts.iter().map(|mount| mount.mount_point.clone()).collect();
    let rooms = rooms(points, &permits, &unanswering, room).await?;
    Ok(mounts.into_iter().zip(rooms).collect())
}

/// Asks one after the other on one thread, which costs next to nothing; goes on with another thread when one does not answer.
async fn rooms(
    points: Vec<String>,
    permits: &Arc<Semaphore>,
    unanswering: &Unanswering,
    ask: impl Fn(&str) -> Result<Room, String> + Copy + Send + 'static,
) -> Result<Vec<Result<Room, String>>, String> {
    let mut rooms = Vec::with_capacity(points.len());
    while rooms.len() < points.len() {
        let first = rooms.len();
        let (sender, mut answers) = mpsc::unbounded_channel();
        let answered = Arc::new(AtomicUsize::new(0));
        let acquired = tokio::time::timeout(WAIT_MAX, Arc::clone(permits).acquire_owned()).await;
        let permit = acquired.ok().and_then(Result::ok).ok_or("too many file systems and files do not answer")?;
        let job = {
            let (points, answered, unanswering) = (points[first..].to_vec(), Arc::clone(&answered), Arc::clone(unanswering));
            move || {
                let _permit = permit;
                for point in points {
                    let waits = unanswering.lock().unwrap_or_else(PoisonError::into_inner).contains(&point);
                    let room = if waits { Err("it has not answered yet since it was asked before".to_owned()) } else { ask(&point) };
                    let mut unanswering = unanswering.lock().unwrap_or_else(PoisonError::into_inner);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if !waits {
                        unanswering.remove(&point);
                    }
                    drop(unanswering);
                    if sender.send(room).is_err() {
                        return;
                    }
                }
            }
        };
        tokio::task::spawn_blocking(job);
        while let Ok(Some(room)) = tokio::time::timeout(WAIT_MAX, answers.recv()).await {
            rooms.push(room);
        }
        if rooms.len() < points.len() {
            let mut unanswering = unanswering.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: whoever answers takes its mark away after it was made, not before.
            if answered.load(Ordering::Relaxed) <= rooms.len() - first {
                unanswering.insert(points[rooms.len()].clone());
            }
            rooms.push(Err("it did not answer within a second".to_owned()));
        }
    }
    Ok(rooms)
}

#[cfg(target_os = "linux")]
fn room(mount_point: &str) -> Result<Room, String> {
    let stat = rustix::fs::statvfs(mount_point).map_err(|e| std::io::Error::from(e).to_string())?;
    let unit = if stat.f_frsize == 0 { stat.f_bsize } else { stat.f_frsize };
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    Ok(Room {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        available: bytes(stat.f_bavail),
        files: stat.f_files,
        files_free: stat.f_ffree,
    })
}

#[cfg(not(target_os = "linux"))]
fn room(_: &str) -> Result<Room, String> {
    Err("this host asks file systems on Linux only".to_owned())
}

/// Reads the table of mounts (`proc_pid_mounts(5)`): device, mount point, type and options, with blanks as octal escapes.
fn mounted(table: &str) -> Vec<Mounted> {
    let mut mounts: Vec<Mounted> = Vec::new();
    for line in table.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(mount_point), Some(fs_type), Some(options)) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let mount = Mounted {
            device: unescaped(device),
            mount_point: unescaped(mount_point),
            fs_type: unescaped(fs_type),
            read_only: options.split(',').any(|option| option == "ro"),
        };
        // A later mount hides the one below it.
        match mounts.iter().position(|known| known.mount_point == mount.mount_point) {
            Some(at) => mounts[at] = mount,
            None if mounts.len() < MOUNTS_MAX => mounts.push(mount),
            None => {}
        }
    }
    mounts
}

fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let table = "/dev/vda / ext4 rw,relatime 0 0\n/dev/sdb /mnt/my\\040disk\\134x xfs ro,relatime 0 0\nshort\n\
                     tmpfs /run tmpfs rw 0 0\ntmpfs2 /run tmpfs ro 0 0\n";
        let mounts = mounted(table);
        let shown: Vec<_> = mounts.iter().map(|m| (m.device.as_str(), m.mount_point.as_str(), m.read_only)).collect();
        assert_eq!(shown, [("/dev/vda", "/", false), ("/dev/sdb", "/mnt/my disk\\x", true), ("tmpfs2", "/run", true)]);
        assert_eq!(unescaped("a\\04"), "a\\04");
        assert_eq!(unescaped("\\999"), "\\999");
    }

    #[tokio::test]
    async fn the_machine_is_told() {
        let system = system().expect("Linux");
        assert!(system.sysname == "Linux" && system.cpu_count > 0 && system.boot_time > 1_000_000_000_000, "{}", system.boot_time);
        let list = filesystems(Arc::new(Semaphore::new(1)), Unanswering::default()).await.expect("there is a table");
        let root = list.iter().find(|(mounted, _)| mounted.mount_point == "/").expect("there is a root");
        assert!(root.1.as_ref().is_ok_and(|room| room.size > 0 && room.available <= room.size), "{root:?}");
    }

    #[tokio::test]
    async fn one_that_does_not_answer_holds_up_nobody_and_is_not_asked_twice() {
        fn ask(point: &str) -> Result<Room, String> {
            if point == "/dead" {
                std::thread::sleep(Duration::from_millis(2500));
            }
            Ok(Room { size: 1, free: 1, available: 1, files: 1, files_free: 1 })
        }
        let (permits, unanswering) = (Arc::new(Semaphore::new(2)), Unanswering::default());
        let points: Vec<String> = ["/a", "/dead", "/b"].map(str::to_owned).to_vec();
        let answer = rooms(points.clone(), &permits, &unanswering, ask).await.expect("it goes on");
        assert!(answer[0].is_ok() && answer[2].is_ok(), "{answer:?}");
        assert!(answer[1].as_ref().is_err_and(|e| e.contains("within a second")), "{answer:?}");
        let again = rooms(points.clone(), &permits, &unanswering, ask).await.expect("it goes on");
        assert!(again[1].as_ref().is_err_and(|e| e.contains("has not answered yet")) && again[2].is_ok(), "{again:?}");
        while !unanswering.lock().expect("a lock").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(permits.available_permits(), 2, "the thread that hung is done");
    }
}
