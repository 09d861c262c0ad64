//! What a request costs, without an HTTP server: `LOADGEN_BIN` pushes a data set as `bench.py dataset` does, a few lines here take its
//! requests off the socket, and the CPU time of that thread is told beside the generator's: reading the socket and
//! [`remote::Receiver::write`], log included.
//!
//! `LOADGEN_BIN=… cargo bench -p remote --bench write [-- targets series steps]`

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::Clock;
use remote::{Options, Receiver, Request};
use tsdb::Db;
use tsdb::disk::RealDisk;

struct Wall;

impl Clock for Wall {
    fn now(&self) -> i64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
    }
}

/// CPU seconds of a process or thread, by its `schedstat`.
fn cpu(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() {
    let Some(loadgen) = std::env::var_os("LOADGEN_BIN") else {
        println!("skipped: LOADGEN_BIN is not set");
        return;
    };
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [targets, series, steps] = numbers[..] else { return run(&loadgen, 50, 1000, 100) };
    run(&loadgen, targets, series, steps);
}

fn run(loadgen: &std::ffi::OsStr, targets: u64, series: u64, steps: u64) {
    let folder = std::env::temp_dir().join(format!("remote-bench-{}", std::process::id()));
    let clock = Arc::new(Wall);
    let options = tsdb::Options::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let (db, _) = Db::open(Path::new(&folder), options, Arc::new(RealDisk), clock.now()).expect("it opens");
    let receiver = Receiver::new(Arc::new(db.clone()), clock.clone(), Options::default());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut child = Command::new(loadgen)
        .args(["push", "--to", &format!("127.0.0.1:{port}/write"), "--interval-ms", "15000", "--max-s", "600"])
        .args(["--targets", &targets.to_string(), "--series", &series.to_string(), "--steps", &steps.to_string()])
        .args(["--start-ms", &(clock.now() - 15_000 * (steps as i64 + 4)).to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("the generator starts");
    let (connection, _) = listener.accept().expect("it connects");
    let mut writer = connection.try_clone().expect("a socket");
    let mut reader = BufReader::with_capacity(1 << 20, connection);
    let (mut line, mut body, mut samples, mut bytes) = (String::new(), Vec::new(), 0, 0);
    let (mut first_spent, mut first) = (0.0, 0);
    let generator = format!("/proc/{}/schedstat", child.id());
    let mut generator_cpu = 0.0;
    let mine = "/proc/thread-self/schedstat";
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                length = usize::MAX;
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        if length == usize::MAX {
            break;
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).expect("a body");
        let answer = receiver.write(&Request { content_encoding: Some("snappy"), ..Request::default() }, &body);
        assert_eq!(answer.status, 204, "{}", answer.text);
        bytes += length;
        samples += answer.samples;
        if samples == targets * series {
            (first_spent, first) = (cpu(mine), samples);
        }
        generator_cpu = cpu(&generator).max(generator_cpu);
        writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
    }
    let spent = cpu(mine) - first_spent;
    std::thread::sleep(Duration::from_millis(50));
    let _ = child.wait();
    let stats = receiver.stats();
    println!("{samples} samples, {:.1} bytes a sample on the wire", bytes as f64 / samples as f64);
    println!("first samples of {first} series: {:.0} ns each", first_spent / first as f64 * 1e9);
    let warm = spent / (samples - first) as f64 * 1e9;
    println!("after that: {warm:.0} ns a sample");
    let generator = generator_cpu / samples as f64 * 1e9;
    println!("generator: {generator:.0} ns a sample; write is {:.2} × that", warm / generator);
    println!("{} bytes a series in the receiver; storage: {:?}", stats.bytes / stats.senders[0].series, db.stats());
    drop((receiver, db));
    let _ = std::fs::remove_dir_all(folder);
}
