//! Targets from files and from HTTP services, with what goes wrong there (faults D7, D10): the last good list is kept, an empty
//! one is honoured, only complete files count.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::{Answer, RawServer, Server, Setup, Skopos};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

/// Addresses of a job's targets, sorted.
fn targets(skopos: &Skopos, job: &str) -> Vec<String> {
    let answer = skopos.get(&format!("/api/v1/targets?state=active&scrapePool={job}")).json();
    let active = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let address = |target: &serde_json::Value| target["discoveredLabels"]["__address__"].as_str().unwrap_or_default().to_owned();
    let mut addresses: Vec<String> = active.iter().map(address).collect();
    addresses.sort();
    addresses
}

#[track_caller]
fn becomes(skopos: &Skopos, job: &str, expected: &[&str]) {
    let what = format!("{job} to have {expected:?}, the log ends in\n{}", skopos.log_tail());
    test_support::wait_for(&what, LIMIT, || (targets(skopos, job) == expected).then_some(()));
}

/// For as long as some refreshes take, nothing changes.
#[track_caller]
fn stays(skopos: &Skopos, job: &str, expected: &[&str], seconds: u64) {
    for _ in 0..seconds * 5 {
        assert_eq!(targets(skopos, job), expected, "{job}\n{}", skopos.log_tail());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn list(targets: &[&str]) -> String {
    serde_json::json!([{"targets": targets, "labels": {"zone": "x"}}]).to_string()
}

#[test]
fn d10_file_sd() {
    let setup = Setup::new(BINARY, "d10-file-sd");
    setup.folder().write("sd/a.json", list(&["127.0.0.1:1", "127.0.0.1:2"]));
    setup.folder().write("sd/b.yml", "- targets: ['127.0.0.1:3']\n");
    let config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - job_name: files\n    file_sd_configs: [{files: ['sd/*.json', sd/b.yml]}]\n    relabel_configs: [{source_labels: [__meta_filepath], target_label: file}]\n  - job_name: patterns\n    file_sd_configs: [{files: ['gone/*.yml']}]\n";
    let skopos = setup.config(config).start();
    let path = skopos.folder().path().join("sd/a.json");
    becomes(&skopos, "files", &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    becomes(&skopos, "patterns", &[]);
    let found = skopos.wait_query("up{job=\"files\", zone=\"x\"}", LIMIT, |r| r.len() == 2);
    assert_eq!(found[0]["metric"]["file"].as_str(), path.to_str(), "a relative path is the configuration's");

    // Written slowly, in place: what is there before the last byte is no list.
    let text = list(&["127.0.0.1:4", "127.0.0.1:5"]);
    for length in (0..text.len()).step_by(8) {
        std::fs::write(&path, &text[..length]).expect("it can be written");
        std::thread::sleep(Duration::from_millis(900));
        assert_eq!(targets(&skopos, "files").len(), 3, "{length} of {} bytes\n{}", text.len(), skopos.log_tail());
    }
    assert!(skopos.log().contains("a.json: EOF while parsing"), "{}", skopos.log_tail());
    std::fs::write(&path, &text).expect("it can be written");
    becomes(&skopos, "files", &["127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"]);

    // Renamed over, broken, mended, deleted, come again.
    skopos.folder().write("sd/a.json", list(&["127.0.0.1:6"]));
    becomes(&skopos, "files", &["127.0.0.1:3", "127.0.0.1:6"]);
    skopos.folder().write("sd/b.yml", "- targets: ['127.0.0.1:7']\n  lables: {}\n");
    stays(&skopos, "files", &["127.0.0.1:3", "127.0.0.1:6"], 7);
    assert!(skopos.log().contains("unknown field `lables`"), "{}", skopos.log_tail());
    skopos.folder().write("sd/b.yml", "- targets: ['127.0.0.1:7']\n");
    becomes(&skopos, "files", &["127.0.0.1:6", "127.0.0.1:7"]);
    std::fs::remove_file(&path).expect("it is there");
    becomes(&skopos, "files", &["127.0.0.1:7"]);
    skopos.folder().write("sd/c.json", list(&["127.0.0.1:8"]));
    becomes(&skopos, "files", &["127.0.0.1:7", "127.0.0.1:8"]);
    skopos.folder().write("gone/x.yml", "- targets: ['127.0.0.1:9']\n");
    becomes(&skopos, "patterns", &["127.0.0.1:9"]);

    // A million targets are refused for their number or their size, and cost no more than a call may hold.
    skopos.reset_peak();
    let before = skopos.resident_bytes();
    let many: Vec<String> = (0..1_000_000).map(|n| format!("10.{}.{}.{}:9100", n >> 16, (n >> 8) & 255, n & 255)).collect();
    skopos.folder().write("sd/c.json", serde_json::json!([{"targets": many}]).to_string());
    std::thread::sleep(Duration::from_secs(8));
    becomes(&skopos, "files", &["127.0.0.1:7", "127.0.0.1:8"]);
    let failed = skopos.log().lines().rfind(|line| line.contains("discovery failed") && line.contains("files")).map(str::to_owned);
    println!("d10-file-sd: a million targets: {:?}; memory {:+} MiB", failed, (skopos.peak_bytes().saturating_sub(before)) >> 20);
    assert!(skopos.peak_bytes().saturating_sub(before) < 512 << 20);
}

#[test]
fn d7_sd_wrong() {
    const KEPT: [&str; 1] = ["127.0.0.1:1"];
    let answer = Arc::new(Mutex::new(Answer::ok("application/json", list(&KEPT))));
    let asked = Arc::new(AtomicU32::new(0));
    let (now, count) = (Arc::clone(&answer), Arc::clone(&asked));
    let service = Server::start(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        if header("authorization").as_deref() != Some("Bearer t0ken") {
            return Answer::status(401, "who are you?");
        }
        assert_eq!(header("x-prometheus-refresh-interval-seconds").as_deref(), Some("1"));
        now.lock().expect("no handler panics").clone()
    });
    let endless = RawServer::start(|_, wire| {
        use std::io::Write;
        write!(wire, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n[", 100 << 20)?;
        let piece = vec![b' '; 1 << 20];
        (0..100).try_for_each(|_| wire.write_all(&piece))
    });
    let setup = Setup::new(BINARY, "d7-sd-wrong");
    setup.folder().write("token", "t0ken\n");
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: service\n    http_sd_configs: [{{url: '{}', refresh_interval: 1s, authorization: {{credentials_file: token}}}}]\n    relabel_configs: [{{source_labels: [__meta_url], target_label: from}}]\n  - job_name: large\n    http_sd_configs: [{{url: 'http://{}/', refresh_interval: 5s}}]\n",
        service.url("/targets"),
        endless.address()
    );
    let skopos = setup.config(&config).start();
    becomes(&skopos, "service", &KEPT);
    let found = skopos.wait_query("up{job=\"service\", zone=\"x\"}", LIMIT, |r| r.len() == 1);
    assert_eq!(found[0]["metric"]["from"].as_str(), Some(service.url("/targets").as_str()));
    let say = |next: Answer| {
        *answer.lock().expect("no handler panics") = next;
        let before = asked.load(Ordering::Relaxed);
        test_support::wait_for("two more questions", LIMIT, || (asked.load(Ordering::Relaxed) >= before + 2).then_some(()));
    };
    let json = |text: &str| Answer::ok("application/json", text);
    for (wrong, part) in [
        (Answer::status(500, "oh"), "status 500, not 200"),
        (Answer::ok("text/html", "<html>log in</html>"), "its content type is"),
        (json("<html>"), "not a list of targets"),
        (json("[{\"targets\": [\"a\""), "not a list of targets: EOF"),
        (json("[null]"), "entry 1 is nothing"),
        (json("[{\"targets\": [\"a\"], \"label\": {}}]"), "unknown field `label`"),
    ] {
        say(wrong);
        stays(&skopos, "service", &KEPT, 1);
        test_support::wait_for(&format!("{part} in the log"), LIMIT, || skopos.log().contains(part).then_some(()));
    }
    // An empty list is honoured, and a new one taken up.
    say(json("[]"));
    becomes(&skopos, "service", &[]);
    say(json(&list(&["127.0.0.1:2", "127.0.0.1:3"])));
    becomes(&skopos, "service", &["127.0.0.1:2", "127.0.0.1:3"]);
    // Another list with each answer, of many targets.
    skopos.reset_peak();
    let before = skopos.resident_bytes();
    for round in 0..3 {
        let many: Vec<String> = (0..2_000).map(|n| format!("127.{}.{}.{}:1", 10 + round, n >> 8, n & 255)).collect();
        say(json(&serde_json::json!([{"targets": many}]).to_string()));
        test_support::wait_for("2000 targets", LIMIT, || (targets(&skopos, "service").len() == 2_000).then_some(()));
    }
    let log = skopos.log();
    let large = log.lines().find(|line| line.contains("discovery failed") && line.contains("large")).unwrap_or_default().to_owned();
    println!("d7-sd-wrong: 100 MiB: {large}; memory {:+} MiB", skopos.peak_bytes().saturating_sub(before) >> 20);
    assert!(large.contains("larger than limits"), "{}", skopos.log_tail());
    assert_eq!(targets(&skopos, "large"), Vec::<String>::new());
}

/// A Docker Engine on a socket that answers whole, hangs, and closes in the middle (fault D9).
#[cfg(unix)]
#[test]
fn d9_docker_socket() {
    use std::io::{Read, Write};
    let setup = Setup::new(BINARY, "d9-docker");
    let mode = Arc::new(Mutex::new("whole"));
    let listener = std::os::unix::net::UnixListener::bind(setup.folder().path().join("docker.sock")).expect("a socket");
    let now = Arc::clone(&mode);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mode = *now.lock().expect("nobody panics here");
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                let containers: Vec<serde_json::Value> = (0..if mode == "many" { 2_000 } else { 2 })
                    .map(|n| serde_json::json!({"Id": format!("c{n}"), "Names": [format!("/c{n}")], "Ports": [],
                        "HostConfig": {"NetworkMode": "n"}, "NetworkSettings": {"Networks": {"n": {"NetworkID": "n", "IPAddress": format!("127.9.{}.{}", n >> 8, n & 255)}}}}))
                    .collect();
                let networks = request[..length].starts_with(b"GET /networks ");
                let body = if networks { "[]".to_owned() } else { serde_json::Value::from(containers).to_string() };
                let whole = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                match mode {
                    "hangs" => std::thread::sleep(Duration::from_secs(120)),
                    "closes" => drop(stream.write_all(&whole.as_bytes()[..whole.len() / 2])),
                    _ => drop(stream.write_all(whole.as_bytes())),
                }
            });
        }
    });
    let socket = setup.folder().path().join("docker.sock");
    let config = format!(
        "plugins: {{docker: {{limits: {{timeout: 2s}}}}}}\nglobal: {{scrape_interval: 10s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: docker\n    docker_sd_configs: [{{host: 'unix://{}', port: 1, refresh_interval: 1s}}]\n    relabel_configs: [{{source_labels: [__meta_docker_container_name], target_label: container}}]\n",
        socket.display()
    );
    let skopos = setup.config(&config).start();
    let two = ["127.9.0.0:1", "127.9.0.1:1"];
    becomes(&skopos, "docker", &two);
    for (next, part) in [("closes", "unix://"), ("hangs", "no full answer in time")] {
        *mode.lock().expect("nobody panics here") = next;
        test_support::wait_for(&format!("{part} in the log"), LIMIT, || {
            skopos.log().lines().any(|line| line.contains("discovery failed") && line.contains(part)).then_some(())
        });
        stays(&skopos, "docker", &two, 2);
        *mode.lock().expect("nobody panics here") = "whole";
        test_support::wait_for("it answers again", LIMIT, || skopos.log().contains("discovery answers again").then_some(()));
    }
    *mode.lock().expect("nobody panics here") = "many";
    test_support::wait_for("2000 containers", LIMIT, || (targets(&skopos, "docker").len() == 2_000).then_some(()));
    println!("d9-docker-socket: {}", skopos.log().lines().filter(|line| line.contains("discovery failed")).collect::<Vec<_>>().join(" | "));
}

#[test]
fn what_is_wrong_in_a_section_is_refused_with_its_place() {
    for (section, parts) in [
        ("file_sd_configs: [{files: ['a*/b.yml']}]", ["3:", "does not fit the pattern"]),
        ("file_sd_configs: [{files: [targets.txt]}]", ["3:", "does not fit the pattern"]),
        ("file_sd_configs: [{}]", ["3:", "files is missing"]),
        ("http_sd_configs: [{url: 'ftp://x/'}]", ["3:", "does not fit the pattern"]),
        ("http_sd_configs: [{url: 'http://x/', basic_auht: {}}]", ["3:", "basic_auth"]),
        (
            "http_sd_configs: [{url: 'http://x/', basic_auth: {username: a}, oauth2: {client_id: a, token_url: 'http://x'}}]",
            ["3:", "at most one of"],
        ),
        ("http_sd_configs: [{url: 'http://x/', tls_config: {cert_file: a}}]", ["3:", "exactly one of key"]),
    ] {
        let folder = test_support::TempFolder::new("sd-sections");
        let path = folder.write("skopos.yml", format!("scrape_configs:\n- job_name: a\n  {section}\n"));
        let output = std::process::Command::new(BINARY).args(["check", "config"]).arg(&path).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && parts.iter().all(|part| said.contains(part)), "{section}: {said}");
    }
}
