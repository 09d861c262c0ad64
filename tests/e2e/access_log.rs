//! Access logs followed by the real binary: lines are written while logs are rotated and Skopos is killed, and in the end the
//! counters are exactly what was written.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use test_support::{Setup, Skopos, TempFolder, find_program, free_port, get, post, wait_for, workspace_root};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(90);

fn start(name: &str, files: &str) -> Skopos {
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n  - job_name: weblog\n    exporter: access-log\n    \
         exporter_config:\n      files:\n{files}dashboards: ['{}']\n",
        workspace_root().join("config/dashboards").display()
    );
    Setup::new(BINARY, name).config(&config).start()
}

fn number(skopos: &Skopos, expr: &str) -> u64 {
    skopos.query_value(expr).unwrap_or(0.0) as u64
}

/// How a writer's log is rotated.
#[derive(Clone, Copy, PartialEq)]
enum Rotation {
    Rename,
    CopyTruncate,
}

/// Rotated files that are kept.
const KEPT: u32 = 9;

/// Shifts `log.1` to `log.2` and so on; gives the path of what is now to become `log.1`.
fn shift(log: &Path) -> PathBuf {
    let numbered = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    let _ = fs::remove_file(numbered(KEPT));
    for n in (1..KEPT).rev() {
        let _ = fs::rename(numbered(n), numbered(n + 1));
    }
    numbered(1)
}

fn rotate(log: &Path, how: Rotation) {
    let to = shift(log);
    match how {
        Rotation::Rename => {
            fs::rename(log, to).expect("the log can be renamed");
            File::create(log).expect("a new log");
        }
        Rotation::CopyTruncate => {
            fs::copy(log, to).expect("the log can be copied");
            OpenOptions::new().write(true).truncate(true).open(log).expect("the log can be truncated");
        }
    }
}

/// A server's log: one thread writes, others rotate it, and nothing is written while it is copied.
struct Log {
    path: PathBuf,
    file: Mutex<File>,
    written: AtomicU64,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        let file = Self::open(&path);
        Self { path, file: Mutex::new(file), written: AtomicU64::new(0) }
    }

    fn open(path: &Path) -> File {
        OpenOptions::new().create(true).append(true).open(path).expect("the log can be written")
    }

    fn write(&self, lines: u64) {
        let mut file = self.file.lock().expect("no panic while held");
        for _ in 0..lines {
            let n = self.written.fetch_add(1, Ordering::Relaxed);
            let (method, status) = if n.is_multiple_of(3) { ("POST", 201) } else { ("GET", 200) };
            // Two writes a line now and then: what is half written is not counted.
            let line =
                format!("192.0.2.{} - - [21/Nov/2026:13:00:00 +0000] \"{method} /users/{n} HTTP/1.1\" {status} 10 \"-\" \"t\"\n", n % 250);
            let middle = if n.is_multiple_of(7) { line.len() / 2 } else { line.len() };
            file.write_all(&line.as_bytes()[..middle])
                .and_then(|()| file.write_all(&line.as_bytes()[middle..]))
                .expect("the log can be written");
        }
    }

    fn rotate(&self, how: Rotation) {
        let mut file = self.file.lock().expect("no panic while held");
        rotate(&self.path, how);
        *file = Self::open(&self.path);
    }
}

/// Writes, rotates, kills; in the end everything was counted once.
#[expect(clippy::print_stdout, reason = "counts belong into the output")]
fn rotations_and_kills(how: Rotation) {
    let folder = TempFolder::new("weblog");
    let log = Arc::new(Log::new(folder.path().join("access.log")));
    let files = format!("        - {{path: \"{}\", paths: [\"/users/:id\"], labels: {{site: shop}}}}\n", log.path.display());
    let mut skopos = start("access-log", &files);
    skopos.wait_query("access_log_file_readable == 1", LIMIT, |found| !found.is_empty());

    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                log.write(37);
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let mut rotations = 0;
    let (mut highest, mut kills) = (0, 0);
    for round in 0..12_u64 {
        std::thread::sleep(Duration::from_millis(150 + 170 * (round % 4)));
        log.rotate(how);
        rotations += 1;
        let now = number(&skopos, "access_log_lines_total");
        assert!(now >= highest || now == 0, "a counter fell from {highest} to {now}");
        highest = highest.max(now);
        match round % 4 {
            1 => {
                skopos.kill_and_restart();
                kills += 1;
            }
            3 => {
                // Rotated twice while nobody looks.
                skopos.kill();
                log.rotate(how);
                log.write(10);
                log.rotate(how);
                rotations += 2;
                skopos.kill_and_restart();
                kills += 1;
            }
            _ => {}
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
    log.write(1);
    let written = log.written.load(Ordering::Relaxed);
    skopos.wait_query(&format!("access_log_lines_total >= {written}"), LIMIT, |found| !found.is_empty());
    // Later scrapes find nothing more.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(number(&skopos, "access_log_lines_total"), written);
    let posts = written.div_ceil(3);
    assert_eq!(number(&skopos, "access_log_requests_total{method=\"POST\",status=\"2xx\",path=\"/users/:id\",site=\"shop\"}"), posts);
    assert_eq!(number(&skopos, "access_log_requests_total{method=\"GET\"}"), written - posts);
    assert_eq!(number(&skopos, "access_log_response_bytes_total"), written * 10);
    for name in ["access_log_unmatched_lines_total", "access_log_gaps_total", "access_log_lag_bytes"] {
        assert_eq!(skopos.query_value(name), Some(0.0), "{name}");
    }
    println!("{written} lines, {rotations} rotations, {kills} kills: counted exactly");
}

#[test]
fn renamed_logs_and_kills() {
    rotations_and_kills(Rotation::Rename);
}

#[test]
fn truncated_logs_and_kills() {
    rotations_and_kills(Rotation::CopyTruncate);
}

#[test]
fn a_backlog_is_caught_up_and_what_is_not_there_is_said() {
    let folder = TempFolder::new("weblog");
    let path = folder.path().join("access.log");
    let line = "192.0.2.1 - - [21/Nov/2026:13:00:00 +0000] \"GET /users/1 HTTP/1.1\" 200 10\n";
    let lines = 400_000_u64;
    fs::write(&path, line.repeat(usize::try_from(lines).unwrap_or(0))).expect("a log");
    let files =
        format!("        - {{path: \"{}\"}}\n        - {{path: \"{}\"}}\n", path.display(), folder.path().join("gone.log").display());
    let begun = std::time::Instant::now();
    let skopos = start("backlog", &files);
    skopos.wait_query("access_log_lag_bytes{file=~\".*access.log\"} == 0", LIMIT, |found| !found.is_empty());
    println!("{} MiB of backlog read within {:?}", (lines as usize * line.len()) >> 20, begun.elapsed());
    assert_eq!(number(&skopos, "access_log_lines_total{file=~\".*access.log\"}"), lines);
    assert_eq!(skopos.query_value("access_log_file_readable{file=~\".*gone.log\"}"), Some(0.0));
    assert!(skopos.log().contains("there is no such file"), "{}", skopos.log_tail());
}

/// How many panels of the board for access logs show something.
fn drawn(skopos: &Skopos) -> usize {
    let board = skopos.get("/api/v1/dashboards/access-logs").json();
    let panels = board["data"]["panels"].as_array().expect("the board has panels").clone();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let body = format!(
        "{{\"from\":{},\"to\":{now},\"width\":600,\"height\":300,\"theme\":\"light\",\"timezone\":\"UTC\",\"variables\":{{}}}}",
        now - 900_000
    );
    let shows = |panel: &&Value| {
        let path = format!("/api/v1/dashboards/access-logs/panels/{}/view", panel["id"]);
        let view = post(&skopos.url(&path), "application/json", &body);
        assert_eq!(view.status, 200, "{}: {}", panel["title"], view.body);
        let kind = view.json()["data"]["view"]["kind"].as_str().unwrap_or_default().to_owned();
        kind != "empty"
    };
    panels.iter().filter(shows).count()
}

/// A real nginx on a free port.
struct Nginx {
    child: Child,
    port: u16,
    folder: TempFolder,
}

impl Nginx {
    fn start() -> Option<Self> {
        let program = find_program("nginx")?;
        let folder = TempFolder::new("nginx");
        let port = free_port();
        let at = folder.path().display();
        let config = format!(
            "daemon off; pid {at}/nginx.pid; error_log {at}/error.log; worker_processes 1; events {{ worker_connections 64; }}\n\
             http {{ log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" '\n\
             '\"$http_user_agent\" $request_time'; access_log {at}/access.log timed; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
             fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 'hello'; }} location /missing {{ return 404; }} }} }}\n"
        );
        let file = folder.write("nginx.conf", config);
        let child = Command::new(program)
            .args(["-p", &at.to_string(), "-e", "stderr", "-c"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, port, folder };
        // A bare connection is no request, and logs nothing.
        wait_for("nginx", LIMIT, || TcpStream::connect(("127.0.0.1", nginx.port)).ok());
        Some(nginx)
    }

    /// Renames the log, and has it opened anew.
    fn rotate(&self) {
        let log = self.folder.path().join("access.log");
        fs::rename(&log, shift(&log)).expect("the log can be renamed");
        let status = Command::new("kill").arg("-USR1").arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|s| s.success()), "nginx takes a signal");
        wait_for("the new log", LIMIT, || log.exists().then_some(()));
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The workers end with the master that is asked to.
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_nginx_with_its_own_rotation() {
    let Some(nginx) = Nginx::start() else { return };
    let format =
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time"#;
    let files = format!(
        "        - path: \"{}\"\n          format: '{format}'\n          paths: [\"/users/:id\"]\n",
        nginx.folder.path().join("access.log").display()
    );
    let mut skopos = start("nginx", &files);
    // What is rotated before the first look is not followed.
    skopos.wait_query("access_log_file_readable == 1", LIMIT, |found| !found.is_empty());
    let (mut found, mut missing) = (0_u64, 0_u64);
    for round in 0..4 {
        for n in 0..100 {
            let path = if n % 5 == 0 { "/missing?a=\"b\"" } else { "/users/7?x=1" };
            let status = get(&format!("http://127.0.0.1:{}{}", nginx.port, path.replace('"', "%22"))).status;
            assert_eq!(status, if n % 5 == 0 { 404 } else { 200 });
            if n % 5 == 0 {
                missing += 1
            } else {
                found += 1
            }
            if n == 50 {
                nginx.rotate();
            }
        }
        if round == 1 {
            skopos.kill_and_restart();
        }
    }
    wait_for("all lines", LIMIT, || {
        let lines = number(&skopos, "access_log_lines_total");
        (lines >= found + missing).then_some(()).or_else(|| {
            println!("{lines} lines of {}", found + missing);
            std::thread::sleep(Duration::from_secs(1));
            None
        })
    });
    assert_eq!(number(&skopos, "access_log_requests_total{status=\"2xx\",path=\"/users/:id\",method=\"GET\"}"), found);
    assert_eq!(number(&skopos, "access_log_requests_total{status=\"4xx\",path=\"(other)\",method=\"GET\"}"), missing);
    assert_eq!(number(&skopos, "sum(access_log_request_duration_seconds_count)"), found + missing);
    assert_eq!(number(&skopos, "access_log_unmatched_lines_total + access_log_gaps_total"), 0);
    // A rate needs two samples.
    // The ninth is of durations: none between two scrapes of a server that has nothing to do.
    let drawn = wait_for("the board", LIMIT, || Some(drawn(&skopos)).filter(|drawn| *drawn >= 8));
    println!("{drawn} of 9 panels of the board show something");
    println!("nginx: {} requests, 4 rotations by USR1, 1 kill: counted exactly", found + missing);
}
