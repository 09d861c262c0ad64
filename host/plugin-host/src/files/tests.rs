//! Paths that mean harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::testing::TempDir;

struct Scene {
    dir: TempDir,
    grants: Grants,
    own: Vec<PathBuf>,
}

impl Scene {
    fn new(name: &str, patterns: &[&str]) -> Self {
        let dir = TempDir::new(name);
        let read = patterns.iter().map(|p| if p.starts_with('/') { (*p).to_owned() } else { format!("{}/{p}", dir.path().display()) });
        Self { grants: Grants { read: read.collect(), ..Grants::default() }, own: vec![dir.path().join("own")], dir }
    }

    fn rules(&self) -> Rules<'_> {
        Rules { grants: &self.grants, own_dirs: &self.own }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a scratch folder");
        fs::write(path, content).expect("a scratch file");
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a scratch folder");
        symlink(target, path).expect("a scratch link");
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, FileError> {
        read(&self.rules(), name, 1 << 20)
    }
}

#[test]
fn what_is_granted_is_read_and_nothing_else() {
    let scene = Scene::new("plain", &["logs/*.log", "deep/**"]);
    scene.write("logs/a.log", b"0123456789");
    scene.write("logs/a.txt", b"no");
    scene.write("deep/er/b", b"b");
    assert_eq!(scene.read(&scene.path("logs/a.log")), Ok(b"0123456789".to_vec()));
    assert_eq!(scene.read(&scene.path("deep/er/b")), Ok(b"b".to_vec()));
    assert_eq!(scene.read(&scene.path("logs/a.txt")), Err(FileError::Denied(scene.path("logs/a.txt"))));
    assert_eq!(scene.read(&scene.path("logs/missing.log")), Err(FileError::NotFound));
    assert_eq!(read(&scene.rules(), &scene.path("logs/a.log"), 9), Err(FileError::TooLarge));
    let part = read_at(&scene.rules(), &scene.path("logs/a.log"), 4, 3).expect("it is granted");
    assert_eq!((part.data.as_slice(), part.facts.size), (&b"456"[..], 10));
    assert_eq!(read_at(&scene.rules(), &scene.path("logs/a.log"), 10, 3).expect("it is granted").data, b"");
    assert_eq!(read_at(&scene.rules(), &scene.path("logs/a.log"), u64::MAX, 3).expect("it is granted").data, b"");
    let names = |path: &str| list(&scene.rules(), path).map(|l| l.into_iter().map(|(n, _)| n).collect::<Vec<_>>());
    assert_eq!(names(&scene.path("logs")), Ok(vec!["a.log".to_owned()]));
    assert_eq!(names(&scene.path("")), Ok(vec!["deep".to_owned(), "logs".to_owned()]), "on the way to what is granted");
    assert_eq!(names("/etc"), Err(FileError::Denied("/etc".to_owned())));
    assert!(matches!(stat(&scene.rules(), &scene.path("logs")), Err(FileError::Denied(_))), "the folder itself is not granted");
    assert_eq!(stat(&scene.rules(), &scene.path("deep")).map(|f| f.kind), Ok(Kind::Directory));
    assert_eq!(stat(&scene.rules(), &scene.path("logs/a.log")).map(|f| (f.kind, f.size, f.inode)), Ok((Kind::File, 10, part.facts.inode)));
}

#[test]
fn paths_are_absolute_and_plain() {
    let scene = Scene::new("dots", &["granted/**"]);
    scene.write("granted/a", b"a");
    scene.write("secret", b"s");
    for path in ["granted/a", "", "/a\0b", &scene.path("granted/../secret"), &scene.path("granted/./a"), &"/a".repeat(4000)] {
        assert!(matches!(scene.read(path), Err(FileError::Failed(_))), "{path}");
    }
    assert!(matches!(scene.read(&scene.path("granted")), Err(FileError::Failed(text)) if text.contains("is a directory")));
    assert!(matches!(list(&scene.rules(), &scene.path("granted/a")), Err(FileError::Failed(text)) if text.contains("is a file")));
    assert_eq!(scene.read(&scene.path("granted//a")), Ok(b"a".to_vec()));
    assert_eq!(scene.read(&scene.path("granted/a/b")), Err(FileError::NotFound));
}

#[test]
fn links_lead_only_to_what_is_granted_too() {
    let scene = Scene::new("links", &["granted/**", "other/ok"]);
    scene.write("granted/dir/a", b"a");
    scene.write("other/ok", b"ok");
    scene.write("other/no", b"no");
    scene.link("/etc/passwd", "granted/etc");
    scene.link("../other/ok", "granted/ok");
    scene.link("../other/no", "granted/no");
    scene.link("../other", "granted/folder");
    scene.link("dir/../dir/./a", "granted/inside");
    scene.link("loop", "granted/loop");
    scene.link("../other/missing", "granted/dangling");
    scene.link("/proc/self/environ", "granted/environ");
    scene.link("/proc/self/root/etc/passwd", "granted/root");
    let read = |name: &str| scene.read(&scene.path(name));
    assert_eq!(read("granted/etc"), Err(FileError::Denied("/etc/passwd".to_owned())));
    assert_eq!(read("granted/ok"), Ok(b"ok".to_vec()));
    assert_eq!(read("granted/no"), Err(FileError::Denied(scene.path("other/no"))));
    assert_eq!(read("granted/folder/no"), Err(FileError::Denied(scene.path("other/no"))));
    assert_eq!(read("granted/folder/ok"), Ok(b"ok".to_vec()));
    assert_eq!(read("granted/inside"), Ok(b"a".to_vec()));
    assert_eq!(read("granted/dangling"), Err(FileError::Denied(scene.path("other/missing"))), "whether it is there is not told");
    assert!(matches!(read("granted/loop"), Err(FileError::Failed(text)) if text.contains("too many links")));
    assert!(matches!(read("granted/environ"), Err(FileError::Denied(_))));
    assert!(matches!(read("granted/root"), Err(FileError::Denied(_))));
    assert_eq!(read_link(&scene.rules(), &scene.path("granted/etc")), Ok("/etc/passwd".to_owned()), "the link alone");
    assert!(matches!(read_link(&scene.rules(), &scene.path("granted/folder/no")), Err(FileError::Denied(_))));
    let kinds = list(&scene.rules(), &scene.path("granted")).expect("it is granted");
    assert!(kinds.contains(&("etc".to_owned(), Kind::Link)) && kinds.contains(&("dir".to_owned(), Kind::Directory)));
}

#[test]
fn other_processes_are_closed_whatever_is_granted() {
    let scene = Scene::new("proc", &["/**"]);
    let me = std::process::id();
    for name in ["mem", "environ", "fd", "fd/0", "fdinfo/0", "map_files", "root/etc/passwd", "cwd", "task/1/environ", "cwd/../x"] {
        for process in ["1", "self", "thread-self", &me.to_string()] {
            let path = format!("/proc/{process}/{name}");
            for error in [
                scene.read(&path).err(),
                list(&scene.rules(), &path).err(),
                stat(&scene.rules(), &path).err(),
                read_link(&scene.rules(), &path).err(),
            ] {
                let closed = matches!(&error, Some(FileError::Never(..)));
                let absent = matches!(&error, Some(FileError::NotFound)) && path.contains("task/1");
                let dots = matches!(&error, Some(FileError::Failed(_))) && path.contains("..");
                assert!(closed || absent || dots, "{path}: {error:?}");
            }
        }
    }
    assert!(matches!(scene.read("/proc/kcore"), Err(FileError::Never(..))));
    scene.link("/proc/1/environ", "link");
    scene.link("/proc", "all");
    scene.link("/proc/1", "one");
    for name in ["link", "all/1/environ", "all/self/environ", "one/environ", "one/root/etc/passwd"] {
        assert!(matches!(scene.read(&scene.path(name)), Err(FileError::Never(..))), "{name}");
    }
    let names: Vec<_> = list(&scene.rules(), "/proc/self").expect("it is granted").into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"status".to_owned()) && !names.contains(&"environ".to_owned()), "{names:?}");
    assert!(scene.read("/proc/self/status").is_ok());
    // A magic link is followed by its text, and so to what that text names.
    assert!(matches!(scene.read("/proc/self/ns/mnt"), Err(FileError::NotFound)));
}

#[test]
fn the_hosts_own_data_is_closed_whatever_is_granted() {
    let scene = Scene::new("own", &["/**"]);
    scene.write("own/kv/a.kv", b"secret");
    scene.link("own", "there");
    scene.link("own/kv", "deeper");
    for name in ["own", "own/kv/a.kv", "there/kv/a.kv", "deeper/a.kv"] {
        for error in [
            scene.read(&scene.path(name)).err(),
            list(&scene.rules(), &scene.path(name)).err(),
            stat(&scene.rules(), &scene.path(name)).err(),
        ] {
            assert!(matches!(error, Some(FileError::Never(_, "the host's own data"))), "{name}: {error:?}");
        }
    }
}

#[test]
fn links_within_sys_and_of_proc_itself_keep_their_name() {
    let scene = Scene::new("sys", &["/sys/class/net/**", "/proc/net/*", "/proc/mounts", "/proc/self/stat*"]);
    let loopback = scene.read("/sys/class/net/lo/mtu").expect("every machine has one");
    assert!(String::from_utf8_lossy(&loopback).trim().parse::<u32>().is_ok());
    assert!(read_link(&scene.rules(), "/sys/class/net/lo").is_ok_and(|text| text.contains("devices")));
    assert!(matches!(scene.read("/sys/devices/virtual/net/lo/mtu"), Err(FileError::Denied(_))));
    assert!(scene.read("/proc/net/dev").is_ok_and(|text| !text.is_empty()));
    assert!(scene.read("/proc/mounts").is_ok());
    assert!(scene.read("/proc/self/stat").is_ok());
    assert!(matches!(scene.read("/proc/self/net/dev"), Err(FileError::Denied(_))), "granted by another name");
    assert!(matches!(scene.read(&format!("/proc/{}/stat", std::process::id())), Err(FileError::Denied(_))));
    assert!(list(&scene.rules(), "/sys/class/net").is_ok_and(|l| l.contains(&("lo".to_owned(), Kind::Link))));
    // A name that is granted must not become another one by way of `..` behind such a link.
    let scene = Scene::new("sys-dots", &["a/**", "/sys/class/net/**", "/proc/net/**", "/proc/uptime", "/sys/class/uptime"]);
    scene.link("/proc/net/../../uptime", "a/b");
    scene.link("/sys/class/net/lo/../../uptime", "a/c");
    assert!(matches!(scene.read(&scene.path("a/b")), Err(FileError::Denied(_) | FileError::NotFound)));
    assert!(matches!(scene.read(&scene.path("a/c")), Err(FileError::Denied(_) | FileError::NotFound)));
}

#[test]
fn pipes_devices_and_sockets_are_not_read_and_hold_up_nobody() {
    let scene = Scene::new("pipes", &["**", "/dev/**"]);
    scene.write("folder/x", b"x");
    let fifo = scene.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(scene.path("socket")).expect("a socket");
    let begun = Instant::now();
    for path in [fifo.as_str(), &scene.path("socket"), "/dev/zero", "/dev/random", "/dev/tty"] {
        let error = scene.read(path).expect_err(path);
        assert!(matches!(&error, FileError::Failed(text) if text.contains("is a device, a pipe or a socket")), "{path}: {error:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody writes into the pipe, and nobody waits for that");
    assert_eq!(stat(&scene.rules(), &fifo).map(|f| f.kind), Ok(Kind::Other));
}

#[test]
fn a_huge_file_is_refused_unread() {
    let scene = Scene::new("huge", &["**"]);
    fs::File::create(scene.path("huge")).and_then(|f| f.set_len(1 << 40)).expect("a file with a hole");
    let begun = Instant::now();
    assert_eq!(scene.read(&scene.path("huge")), Err(FileError::TooLarge));
    assert_eq!(read_at(&scene.rules(), &scene.path("huge"), 1 << 39, 10).expect("a part of it").data, vec![0; 10]);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_swapped_while_it_is_opened_is_never_read() {
    let scene = Scene::new("swap", &["granted/**"]);
    scene.write("granted/dir/file", b"public");
    scene.write("outside/dir/file", b"secret");
    scene.link("../outside/dir", "granted/evil");
    scene.link("../../outside/dir/file", "granted/dir/evil");
    let (stop, mut reads, mut good) = (AtomicBool::new(false), 0_u64, 0_u64);
    let inner = rustix::fs::open(scene.path("granted/dir"), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("a folder");
    let outer = rustix::fs::open(scene.path("granted"), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("a folder");
    std::thread::scope(|scope| {
        // A folder and a link, and a file and a link, change places as fast as they can: by open directories, so that it is
        // always these.
        for (folder, a, b) in [(&outer, "dir", "evil"), (&inner, "file", "evil")] {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(folder, a, folder, b, rustix::fs::RenameFlags::EXCHANGE).expect("both are there");
                }
            });
        }
        let _stops = Stops(&stop);
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            reads += 1;
            match scene.read(&scene.path("granted/dir/file")) {
                Ok(content) => {
                    assert_eq!(content, b"public");
                    good += 1;
                }
                Err(FileError::Denied(path)) => assert!(path.contains("outside"), "{path}"),
                Err(FileError::Failed(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    println!("swapped while read: {reads} reads, {good} of the granted file, none of the other");
    assert!(good > 0 && good < reads, "both states were met");
}

/// Ends the threads also when an assertion fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
