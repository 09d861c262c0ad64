//! OTLP into a running Skopos: a gauge that is asked for afterwards, and a bomb.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use test_support::{Setup, get};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const FLAG: &str = "--web.enable-otlp-receiver";
const CONFIG: &str = "otlp: {promote_resource_attributes: [host.name]}\n";

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.extend([field << 3 | 2]);
    let mut len = value.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(value);
}

fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    let (mut pair, mut any) = (Vec::new(), Vec::new());
    bytes(&mut any, 1, value.as_bytes());
    bytes(&mut pair, 1, name.as_bytes());
    bytes(&mut pair, 2, &any);
    bytes(out, 1, &pair);
}

fn gauge(name: &str, value: f64) -> Vec<u8> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let (mut point, mut data, mut metric) = (vec![0x19], Vec::new(), Vec::new());
    point.extend_from_slice(&nanos.to_le_bytes());
    point.push(0x21);
    point.extend_from_slice(&value.to_le_bytes());
    bytes(&mut data, 1, &point);
    bytes(&mut metric, 1, name.as_bytes());
    bytes(&mut metric, 5, &data);
    metric
}

fn request(metrics: &[Vec<u8>]) -> Vec<u8> {
    let (mut resource, mut scope, mut all, mut out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, value) in [("service.name", "shop"), ("service.instance.id", "i-1"), ("host.name", "h1")] {
        attribute(&mut resource, name, value);
    }
    metrics.iter().for_each(|metric| bytes(&mut scope, 2, metric));
    bytes(&mut all, 1, &resource);
    bytes(&mut all, 2, &scope);
    bytes(&mut out, 1, &all);
    out
}

/// Status, and what follows the head.
fn post(address: &str, encoding: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let head = format!(
        "POST /api/v1/otlp/v1/metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\
         Content-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let _ = stream.shutdown(Shutdown::Both);
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let status = String::from_utf8_lossy(&answer[..at]).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer[at + 4..].to_vec())
}

#[test]
fn metrics_are_taken_where_the_flag_says_so() {
    let skopos = Setup::new(BINARY, "otlp-off").config("scrape_configs: []\n").start();
    let (status, text) = post(skopos.address(), "identity", &[]);
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(status == 404 && text.contains("otlp write receiver needs to be enabled with --web.enable-otlp-receiver"), "{status} {text}");

    let skopos = Setup::new(BINARY, "otlp-on").config(CONFIG).argument(FLAG).start();
    assert_eq!(post(skopos.address(), "identity", &request(&[gauge("cpu.load", 0.5)])), (200, Vec::new()));
    let answer = get(&skopos.url("/api/v1/query?query=cpu_load")).json();
    let result = &answer["data"]["result"][0];
    assert_eq!(result["metric"]["host_name"], "h1", "{answer}");
    assert_eq!((&result["metric"]["job"], &result["metric"]["instance"]), (&"shop".into(), &"i-1".into()), "{answer}");
    assert_eq!(result["value"][1], "0.5", "{answer}");
    // Remote write stays closed.
    assert_eq!(test_support::post(&skopos.url("/api/v1/write"), "application/x-protobuf", "").status, 404);
}

#[test]
fn b8_otlp_gzip_bomb_and_collision_in_the_whole_binary() {
    let skopos = Setup::new(BINARY, "otlp-b8").config(CONFIG).argument(FLAG).start();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| encoder.write_all(&zeros).expect("memory"));
    let bomb = encoder.finish().expect("memory");
    skopos.reset_peak();
    let before = skopos.resident_bytes();
    for _ in 0..3 {
        assert_eq!(post(skopos.address(), "gzip", &bomb).0, 413);
    }
    // The most that it ever had.
    let peak = skopos.peak_bytes();
    println!("a bomb of {} KiB that inflates to 1 GiB: {} MiB before, {} MiB at most", bomb.len() >> 10, before >> 20, peak >> 20);
    assert!(peak < before + (100 << 20), "{} MiB", peak >> 20);

    let (status, body) = post(skopos.address(), "identity", &request(&[gauge("a_b", 2.0), gauge("a.b", 1.0)]));
    // partial_success { rejected_data_points: 1, error_message }
    assert_eq!((status, body[0], &body[2..4]), (200, 0x0A, &[0x08, 1][..]), "{body:?}");
    assert_eq!(get(&skopos.url("/api/v1/query?query=a_b")).json()["data"]["result"][0]["value"][1], "1");
    let metrics = get(&skopos.url("/metrics")).body;
    assert!(metrics.contains("skopos_otlp_collisions_total 1"), "{metrics}");
}
