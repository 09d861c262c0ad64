//! The bench's own data set, scraped from its load generator.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Group, START, env_or, parse_line};

const STEPS: i64 = 480;
const INTERVAL_MS: i64 = 15_000;

/// Ends with the bench, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Targets one after the other to `each`. False: the generator is not on this machine.
pub(crate) fn bench_set(mut each: impl FnMut(Group)) -> bool {
    let targets: usize = env_or("SKOPOS_BENCH_TARGETS", "24").parse().unwrap_or(24);
    let steps: i64 = env_or("SKOPOS_BENCH_STEPS", "").parse().unwrap_or(STEPS);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_or(0, |address| address.port());
    let binary = env_or("SKOPOS_LOADGEN", "/work/t/loadgen/release/loadgen");
    let arguments = ["serve", "--series", "1000", "--interval-ms", "15000", "--max-s", "600"];
    let child = Command::new(binary)
        .args(arguments)
        .args(["--targets", &targets.to_string(), "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        return false;
    };
    let _running = Running(child);
    let Some(mut connection) = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(("127.0.0.1", port)).ok()
    }) else {
        return false;
    };
    let Ok(reading) = connection.try_clone() else {
        return false;
    };
    let mut reader = BufReader::new(reading);
    for target in 0..targets {
        let mut group = Group { key: format!("target {target}"), times: Vec::new(), columns: Vec::new() };
        for step in 0..steps {
            let Some(body) = get(&mut connection, &mut reader, &format!("/t/{target}/metrics")) else {
                return false;
            };
            group.times.push(START + step * INTERVAL_MS);
            add_row(&mut group, &body, ["node", "cadvisor", "app"][target % 3], &format!("host-{target}:9100"));
        }
        each(group);
    }
    true
}

fn get(connection: &mut TcpStream, reader: &mut impl BufRead, path: &str) -> Option<String> {
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).ok()?;
    let (mut line, mut len) = (String::new(), 0);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// The same lines in the same order each time: there is no churn.
fn add_row(group: &mut Group, body: &str, job: &str, instance: &str) {
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    if group.columns.is_empty() {
        group.columns.extend(lines.clone().filter_map(|line| Some((parse_line(line, job, instance)?.0, Vec::new()))));
    }
    for ((_, bits), line) in group.columns.iter_mut().zip(lines) {
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        bits.push(value.unwrap_or(f64::NAN).to_bits());
    }
}
