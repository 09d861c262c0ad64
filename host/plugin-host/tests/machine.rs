//! Files and facts of the machine through a component: granted by the operator, by a field of its own section, or not at all.

#![cfg(target_os = "linux")]

mod guests;

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use guests::{TempDir, config, host, text};
use plugin_host::PluginHost;
use serde_json::json;

async fn look_up(host: &PluginHost, what: &str) -> Vec<String> {
    text(host, json!({"do": "look-up", "arg": what})).await.lines().map(str::to_owned).collect()
}

fn write(dir: &TempDir, name: &str, content: &str) -> String {
    let path = dir.0.join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("a scratch folder");
    std::fs::write(&path, content).expect("a scratch file");
    path.display().to_string()
}

#[tokio::test]
async fn files_are_granted_by_pattern_relative_to_the_configuration() {
    let dir = TempDir::new();
    let (log, other) = (write(&dir, "logs/a.log", "0123456789"), write(&dir, "logs/a.txt", "no"));
    let host = host(&dir, &["good"], "good:\n  grants: {read: [\"logs/*.log\"], host-info: true}\n");
    let folder = dir.0.join("logs").display().to_string();
    let asked = format!(
        "read {log};read-at {log} 4 3;read {log} 5;stat {log};list {folder};read {other};read {folder}/none.log;system;filesystems"
    );
    let answers = look_up(&host, &asked).await;
    assert_eq!(answers[0], r#"Ok("0123456789")"#);
    assert_eq!(answers[1], r#"Ok(("456", 10))"#);
    assert!(answers[2].contains("TooLarge"), "{}", answers[2]);
    assert_eq!(answers[3], "Ok((Kind::File, 10))");
    assert_eq!(answers[4], r#"Ok(["a.log"])"#);
    assert!(answers[5].contains("Denied") && answers[5].contains(&format!("read: {other}")), "names the line to add: {}", answers[5]);
    assert!(answers[6].contains("NotFound"), "{}", answers[6]);
    assert!(answers[7].contains("Linux") && answers[7].contains("true"), "{}", answers[7]);
    assert_eq!(answers[8], "Ok(true)");
    let status = host.status();
    assert!(status[0].grants.iter().any(|g| g == &format!("read: {folder}/*.log")), "{:?}", status[0].grants);
    assert!(status[0].refused.iter().any(|r| r.what == format!("read: {other}")));
    host.reload(config("{}")).expect("it applies");
    let answers = look_up(&host, &format!("read {log};system")).await;
    assert!(answers.iter().all(|a| a.contains("Denied")), "{answers:?}");
}

#[tokio::test]
async fn a_path_in_a_plugins_own_section_is_granted_and_nothing_else() {
    let dir = TempDir::new();
    let log = write(&dir, "targets/a.json", "[]");
    let other = write(&dir, "targets/b.json", "[]");
    let host = host(&dir, &["good"], "");
    let answer = text(&host, json!({"do": "look-up", "path": "targets/a.json", "arg": format!("read PATH;read {other}")})).await;
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!(lines[0], r#"Ok("[]")"#, "the component sees the absolute path, {log}");
    assert!(lines[1].contains("Denied"), "{}", lines[1]);
    let bad = host_error(&host, json!({"path": "targets/a**"}).to_string());
    assert!(bad.contains("/path") && bad.contains("whole directories"), "{bad}");
}

fn host_error(host: &PluginHost, section: String) -> String {
    use model::seams::Plugins;
    host.metric_source("good", &section).err().expect("it does not fit").to_string()
}

#[tokio::test]
async fn g8_whatever_is_granted_some_things_are_never_read() {
    let dir = TempDir::new();
    let own = write(&dir, "data/wal", "secret");
    write(&dir, "kv/other.kv", "secret");
    symlink("/proc/1/environ", dir.0.join("environ")).expect("a scratch link");
    symlink(dir.0.join("data"), dir.0.join("there")).expect("a scratch link");
    let host = host(&dir, &["good"], "good:\n  grants: {read: [\"/**\"]}\n");
    let base = dir.0.display();
    let asked = format!(
        "read /proc/1/environ;read /proc/self/environ;read /proc/self/mem;list /proc/1/fd;read /proc/1/root/etc/passwd;\
         read /proc/1/cwd/etc/passwd;read {own};read {base}/kv/other.kv;read {base}/environ;read {base}/there/wal;list {base}/data"
    );
    for (answer, path) in look_up(&host, &asked).await.iter().zip(asked.split(';')) {
        assert!(answer.contains("Denied") && answer.contains("no grant opens"), "{path}: {answer}");
    }
    let answers = look_up(&host, "read /dev/zero;read /proc/uptime;read /proc/../etc/passwd;read etc/passwd").await;
    assert!(answers[0].contains("a device"), "{}", answers[0]);
    assert!(answers[1].starts_with("Ok"), "{}", answers[1]);
    assert!(answers[2].contains("Failed") && answers[3].contains("Failed"), "{answers:?}");
}

#[tokio::test]
async fn what_one_call_reads_is_bounded_and_a_pipe_holds_up_nobody() {
    let dir = TempDir::new();
    let file = write(&dir, "big", &"x".repeat(1 << 20));
    let pipe = dir.0.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("a pipe");
    std::fs::File::create(dir.0.join("huge")).and_then(|f| f.set_len(1 << 40)).expect("a file with a hole");
    let host = host(&dir, &["good"], "good:\n  grants: {read: [\"**\"]}\n  limits: {files: 3500KiB}\n");
    let begun = Instant::now();
    let base = dir.0.display();
    let answers = look_up(&host, &format!("read {base}/pipe;read {base}/huge;read-much {file};read-at {file} 0 10")).await;
    assert!(answers[0].contains("a pipe"), "{}", answers[0]);
    assert!(answers[1].contains("TooLarge"), "{}", answers[1]);
    assert!(answers[2].starts_with("3 ") && answers[2].contains("TooLarge"), "three of a megabyte: {}", answers[2]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    let refused: Vec<_> = host.status()[0].refused.iter().map(|r| r.what.clone()).collect();
    assert!(refused.iter().any(|what| what.contains("MiB of files in one call")), "{refused:?}");
    assert!(answers[3].starts_with("Ok"), "what is left is read: {}", answers[3]);
}
