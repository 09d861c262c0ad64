//! D8: name servers that fail, lie and answer too much.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Skopos, wait_for};

use super::{BINARY, LIMIT};

/// What a question is answered with.
#[derive(Clone, Debug)]
enum Says {
    /// These addresses (the last two bytes of 127.1.x.y), with this time to live.
    Addresses(Vec<u16>, u32),
    /// A response code.
    Code(u8),
    Nothing,
    /// Another name, without addresses.
    Alias(&'static str),
    /// First an answer of somebody who guessed the id wrongly.
    Spoofed(Vec<u16>),
}

type Book = Arc<Mutex<Vec<(&'static str, Says)>>>;

/// A name server in threads. Ends with its value.
struct NameServer {
    address: SocketAddr,
    book: Book,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    fn start() -> Self {
        // The same port for both; another try if the other half is taken.
        let (udp, tcp) = (0..50)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("loopback has free ports");
        let address = udp.local_addr().expect("bound");
        let (book, stop): (Book, _) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        udp.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        tcp.set_nonblocking(true).expect("a socket");
        let (pages, stopped) = (Arc::clone(&book), Arc::clone(&stop));
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = udp.recv_from(&mut buffer) else { continue };
                for answer in answers(&pages, &buffer[..length], false) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let (pages, stopped) = (Arc::clone(&book), Arc::clone(&stop));
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = tcp.accept() else {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                    if stream.read_exact(&mut question).is_err() {
                        break;
                    }
                    for answer in answers(&pages, &question, true) {
                        let length = u16::try_from(answer.len()).expect("built to fit").to_be_bytes();
                        let _ = stream.write_all(&[&length, answer.as_slice()].concat());
                    }
                }
            }
        });
        Self { address, book, stop }
    }

    fn say(&self, name: &'static str, says: Says) {
        let mut book = self.book.lock().expect("no panic while held");
        book.retain(|(known, _)| *known != name);
        book.push((name, says));
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The name of a question and where it ends. Format: RFC 1035, 4.1.
fn question_name(message: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join(".").to_lowercase(), at + 4));
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).into_owned());
        at += length;
    }
}

fn answers(book: &Book, question: &[u8], tcp: bool) -> Vec<Vec<u8>> {
    let Some((name, end)) = question_name(question) else { return Vec::new() };
    let kind = question.get(end - 4..end - 2).map_or(0, |k| u16::from_be_bytes([k[0], k[1]]));
    let says = book.lock().expect("no panic while held").iter().find(|(known, _)| *known == name).map(|(_, says)| says.clone());
    let id = u16::from_be_bytes([question[0], question[1]]);
    // Only A has answers.
    let addresses = |list: &[u16], ttl: u32| -> Vec<Vec<u8>> {
        let list = if kind == 1 { list } else { &[] };
        let record = |n: &u16| [&[0xc0, 12, 0, 1, 0, 1][..], &ttl.to_be_bytes(), &[0, 4, 127, 1], &n.to_be_bytes()].concat();
        list.iter().map(record).collect()
    };
    let message = |id: u16, code: u8, records: &[Vec<u8>]| {
        let truncated = !tcp && records.len() > 30;
        let records = if truncated { &[][..] } else { records };
        let flags = [0x81 | if truncated { 2 } else { 0 }, 0x80 | code];
        let count = u16::try_from(records.len()).expect("a test's list").to_be_bytes();
        [&id.to_be_bytes()[..], &flags, &[0, 1], &count, &[0, 0, 0, 0], &question[12..end], &records.concat()].concat()
    };
    match says {
        None => vec![message(id, 3, &[])],
        Some(Says::Nothing) => Vec::new(),
        Some(Says::Code(code)) => vec![message(id, code, &[])],
        Some(Says::Addresses(list, ttl)) => vec![message(id, 0, &addresses(&list, ttl))],
        Some(Says::Spoofed(list)) => {
            let forged = message(id.wrapping_add(1), 0, &addresses(&[(6 << 8) | 66], 60));
            vec![forged, message(id, 0, &addresses(&list, 60))]
        }
        Some(Says::Alias(to)) => {
            let target: Vec<u8> = to.split('.').flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).chain([0]).collect();
            let length = u16::try_from(target.len()).expect("short").to_be_bytes();
            vec![message(id, 0, &[[&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60][..], &length, &target].concat()])]
        }
    }
}

#[test]
fn d8_dns() {
    let server = NameServer::start();
    let names = ["nx", "fail", "quiet", "many", "loop", "zero", "forged"];
    for name in ["nx.d8", "fail.d8", "quiet.d8", "zero.d8"] {
        server.say(name, Says::Addresses(vec![3, 1, 2], u32::from(name != "zero.d8")));
    }
    // 4000 addresses make an answer of 64 KiB, which only TCP carries.
    server.say("many.d8", Says::Addresses((0..4000).rev().collect(), 60));
    server.say("loop.d8", Says::Alias("loop2.d8"));
    server.say("loop2.d8", Says::Alias("loop.d8"));
    server.say("forged.d8", Says::Spoofed(vec![9]));
    let jobs: String = names
        .iter()
        .map(|name| format!("- {{job_name: {name}, dns_sd_configs: [{{names: [{name}.d8], type: A, port: 9, refresh_interval: 1s}}]}}\n"))
        .collect();
    let config = format!("global: {{scrape_interval: 1h}}\nresolver: {{servers: ['{}']}}\nscrape_configs:\n{jobs}", server.address);
    let skopos = Skopos::start(BINARY, "dns", &config);
    let targets = |job: &str| -> Vec<String> {
        let answer = skopos.get(&format!("/api/v1/targets?state=active&scrapePool={job}")).json();
        let active = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        active.iter().filter(|t| t["labels"]["job"] == job).filter_map(|t| t["labels"]["instance"].as_str().map(str::to_owned)).collect()
    };
    let three = ["127.1.0.1:9", "127.1.0.2:9", "127.1.0.3:9"];
    for job in ["nx", "fail", "quiet", "zero"] {
        let found = wait_for("three targets", LIMIT, || Some(targets(job)).filter(|t| t.len() == 3));
        assert_eq!(found, three, "{job}: sorted");
    }
    let begun = Instant::now();
    let many = wait_for("4000 targets", LIMIT, || Some(targets("many")).filter(|t| t.len() == 4000));
    println!("d8: 4000 addresses over TCP, {:?} after the others, memory {} MiB", begun.elapsed(), skopos.resident_bytes() >> 20);
    assert_eq!(many.iter().collect::<std::collections::BTreeSet<_>>().len(), 4000);
    let found = wait_for("the true answer", LIMIT, || Some(targets("forged")).filter(|t| !t.is_empty()));
    assert_eq!(found, ["127.1.0.9:9"], "an answer with another id is nobody's");
    assert!(targets("loop").is_empty());

    // Now they fail: what was found last stays, except where the name is known not to be there.
    server.say("fail.d8", Says::Code(2));
    server.say("quiet.d8", Says::Nothing);
    server.say("nx.d8", Says::Code(3));
    wait_for("NXDOMAIN to be an empty list", LIMIT, || targets("nx").is_empty().then_some(()));
    thread::sleep(Duration::from_secs(6));
    for job in ["fail", "quiet", "zero"] {
        assert_eq!(targets(job), three, "{job}: the last good list is kept");
    }
    assert_eq!(targets("many").len(), 4000);
    // And come back with something else.
    server.say("fail.d8", Says::Addresses(vec![7], 0));
    wait_for("the new address", LIMIT, || (targets("fail") == ["127.1.0.7:9"]).then_some(()));
    let log = skopos.log();
    assert!(log.contains("discovery failed; the targets found last are kept") && !log.contains("panicked"), "{}", skopos.log_tail());
    let failures = log.matches("discovery failed").count();
    println!("d8: {failures} lines of log about failures");
    assert!(failures < 20, "a failure that lasts is told once");
}
