//! Bad targets and bad components, by the letters of the list of faults: each is down and says why, takes no more memory
//! than its limit, and twenty healthy targets beside it are scraped each second as if nothing were there.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use test_support::{Answer, Beside, RawServer, Server, guest, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";

/// A job with one target and more lines.
fn job(name: &str, target: &str, more: &str) -> String {
    format!("  - {{job_name: {name}, static_configs: [{{targets: ['{target}']}}], {more}}}\n")
}

/// The jobs of this server, one for each path.
fn jobs(server: &str, paths: &[&str]) -> String {
    paths.iter().map(|path| job(path, server, &format!("metrics_path: /{path}"))).collect()
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory takes it");
    encoder.finish().expect("it ends")
}

fn gzip_answer(body: Vec<u8>) -> Answer {
    Answer::metrics(body).with("content-encoding", "gzip")
}

#[test]
fn a1_endless_body() {
    let lines: Vec<u8> = (0..4_000).flat_map(|n| format!("endless{{n=\"{n:05}\"}} 1\n").into_bytes()).collect();
    let server = RawServer::start(move |path, wire| {
        wire.write_all(CHUNKED)?;
        // 10 MB/s, or as fast as it goes.
        let pause = if path == "/fast" { Duration::ZERO } else { Duration::from_micros(lines.len() as u64 / 10) };
        loop {
            write!(wire, "{:x}\r\n", lines.len())?;
            wire.write_all(&lines)?;
            wire.write_all(b"\r\n")?;
            std::thread::sleep(pause);
        }
    });
    let mut beside = Beside::start(BINARY, "a1-endless-body");
    let fast = job("fast", &server.address(), "metrics_path: /fast, scrape_interval: 5s, scrape_timeout: 5s");
    let limited = job("limited", &server.address(), "body_size_limit: 2MB");
    beside.add(&format!("{}{fast}{limited}", jobs(&server.address(), &["slow"])));
    beside.fails("slow", "no full answer within the scrape timeout of 1s");
    beside.fails("limited", "the body is larger than body_size_limit, which is 2097152 bytes");
    beside.fails("fast", "the body is larger than body_size_limit, which is 67108864 bytes");
    // The body of `fast`, and a second's worth of `slow`.
    beside.others_are_unaffected((64 + 10 + 2) * MIB);
}

#[test]
fn a2_gzip_bomb_1000x() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros).expect("memory takes it");
    }
    let bomb = encoder.finish().expect("it ends");
    println!("a2-gzip-bomb-1000x: {} bytes become 1 GiB", bomb.len());
    assert!(bomb.len() < 2 << 20);
    let server = Server::start(move |_| gzip_answer(bomb.clone()));
    let mut beside = Beside::start(BINARY, "a2-gzip-bomb-1000x");
    beside.add(&job("bomb", &server.address(), "scrape_interval: 3s, scrape_timeout: 3s"));
    beside.fails("bomb", "the body is larger than body_size_limit, which is 67108864 bytes");
    beside.others_are_unaffected(64 * MIB);
}

#[test]
fn a3_gzip_many_members_truncated_bad_crc() {
    let server = Server::start(|asked| {
        let good = gzipped(b"fine 1\n");
        gzip_answer(match asked.path.as_str() {
            "/many" => [good, gzipped(b""), gzipped(b"more 2\n")].concat(),
            "/truncated" => good[..good.len() - 10].to_vec(),
            "/no-trailer" => good[..good.len() - 8].to_vec(),
            "/bad-crc" => {
                let mut bad = good;
                let at = bad.len() - 6;
                bad[at] ^= 0xFF;
                bad
            }
            "/bad-length" => {
                let mut bad = good;
                let at = bad.len() - 1;
                bad[at] ^= 0xFF;
                bad
            }
            "/empty" => Vec::new(),
            "/plain" => b"fine 1\nmore 2\n".to_vec(),
            _ => [good, b"something else".to_vec()].concat(),
        })
    });
    let mut beside = Beside::start(BINARY, "a3-gzip");
    let damaged = [
        ("truncated", "it is cut off"),
        ("no-trailer", "it is cut off"),
        ("bad-crc", "its checksum does not match"),
        ("bad-length", "its checksum does not match"),
        ("empty", "it is empty"),
        ("plain", "it does not begin as gzip does"),
        ("rest", "it does not begin as gzip does, or something else follows it"),
    ];
    beside.add(&(jobs(&server.address(), &damaged.map(|(name, _)| name)) + &jobs(&server.address(), &["many"])));
    for (name, cause) in damaged {
        beside.fails(name, &format!("the gzip body is damaged: {cause}"));
    }
    beside.succeeds("many", 1);
    assert_eq!(beside.skopos().query("{__name__=~\"fine|more\", job=\"many\"}").len(), 2, "all members count");
    beside.others_are_unaffected(0);
}

#[test]
fn a4_slow_loris() {
    const TARGETS: usize = 300;
    let most = Arc::new(AtomicUsize::new(0));
    let dripping = |head, rest| RawServer::dripping(head, rest, Duration::from_secs(1), Arc::clone(&most));
    let in_head = dripping(b"", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nslow 1\n");
    let in_body = dripping(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", b"slow 1\n");
    let mut beside = Beside::start(BINARY, "a4-slow-loris");
    let files = beside.skopos().open_files();
    let address = |n: usize| if n.is_multiple_of(2) { in_head.address() } else { in_body.address() };
    let targets: String = (0..TARGETS).map(|n| format!("      - {{targets: ['{}'], labels: {{instance: l{n}}}}}\n", address(n))).collect();
    beside.add(&format!("  - job_name: loris\n    static_configs:\n{targets}"));
    beside.fails("loris", "no full answer within the scrape timeout of 1s");
    beside.scraped("loris", TARGETS, 3);
    let (threads, more_files) = (beside.more_threads(), beside.skopos().open_files().saturating_sub(files));
    println!(
        "a4-slow-loris: {threads} threads and {more_files} files more for {TARGETS} targets, at most {} connections to each server",
        most.load(Ordering::Relaxed)
    );
    assert!(threads < 50, "no thread for each target: {threads} more");
    assert!(more_files <= TARGETS + 50, "{more_files} files more");
    beside.others_are_unaffected(0);
}

#[test]
fn a5_huge_line() {
    let server = RawServer::start(|_, wire| {
        let piece = vec![b'x'; 1 << 20];
        write!(wire, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\nok 1\n", 5 + 100 * MIB)?;
        (0..100).try_for_each(|_| wire.write_all(&piece))
    });
    let mut beside = Beside::start(BINARY, "a5-huge-line");
    let every = "scrape_interval: 5s, scrape_timeout: 5s";
    let huge = job("huge", &server.address(), every);
    beside.add(&format!("{huge}{}", job("allowed", &server.address(), &format!("{every}, body_size_limit: 200MB"))));
    beside.fails("huge", "the body is larger than body_size_limit, which is 67108864 bytes");
    beside.fails("allowed", "the line that begins at byte 5 is longer than 1048576 bytes");
    beside.others_are_unaffected((64 + 100) * MIB);
}

#[test]
fn a7_label_flood() {
    let server = Server::start(|asked| {
        Answer::metrics(match asked.path.as_str() {
            "/labels" => format!("ok 1\nflood{{{}}} 1\n", (0..10_000).map(|n| format!("l{n}=\"v\",")).collect::<String>()),
            "/many" => format!("ok 1\nflood{{{}}} 1\n", (0..200).map(|n| format!("l{n}=\"v\",")).collect::<String>()),
            "/value" => format!("ok 1\nflood{{x=\"{}\"}} 1\n", "v".repeat(10 << 20)),
            "/empty" => "ok 1\nflood{=\"v\"} 1\n".to_owned(),
            _ => "ok 1\nflood{x=\"1\",x=\"2\"} 1\n".to_owned(),
        })
    });
    let mut beside = Beside::start(BINARY, "a7-label-flood");
    let limited = job("many", &server.address(), "metrics_path: /many, label_limit: 100");
    beside.add(&(jobs(&server.address(), &["labels", "value", "empty", "twice"]) + &limited));
    beside.fails("labels", "line 2, column 9137: more than 1024 labels");
    beside.fails("many", "label_limit");
    beside.fails("value", "longer than 1048576 bytes");
    beside.fails("empty", "line 2, column ");
    beside.fails("twice", "x");
    beside.others_are_unaffected(16 * MIB);
}

/// Label values that are kept byte for byte: four-byte characters, Hangul as syllables and as jamo, a byte order mark within.
const VALID: [&str; 5] = ["🦉", "감시", "\u{1100}\u{1161}\u{11b7}\u{1109}\u{1175}", "a\u{feff}b", "e\u{301}"];

#[test]
fn a8_utf8_bad() {
    let server = Server::start(|asked| {
        Answer::metrics(match asked.path.as_str() {
            "/invalid" => b"ok 1\nbad{x=\"\xff\"} 1\n".to_vec(),
            "/cut" => b"bad{x=\"\xed\x95\"} 1\n".to_vec(),
            "/surrogate" => b"bad{x=\"\xed\xa0\x80\"} 1\n".to_vec(),
            "/overlong" => b"bad{x=\"\xc0\x80\"} 1\n".to_vec(),
            "/mark" => "\u{feff}ok 1\n".into(),
            _ => VALID.iter().enumerate().map(|(n, v)| format!("text{{n=\"{n}\",x=\"{v}\",y=\"\\ud800\"}} 1\n")).collect::<String>().into(),
        })
    });
    let mut beside = Beside::start(BINARY, "a8-utf8-bad");
    beside.add(&jobs(&server.address(), &["invalid", "cut", "surrogate", "overlong", "mark", "valid"]));
    beside.fails("invalid", "line 2, column 8: a label value that is not valid UTF-8");
    for name in ["cut", "surrogate", "overlong"] {
        beside.fails(name, "line 1, column 8: a label value that is not valid UTF-8");
    }
    beside.fails("mark", "line 1");
    beside.succeeds("valid", 1);
    let mut kept = beside.skopos().query("text");
    kept.sort_by_key(|series| series["metric"]["n"].to_string());
    let values: Vec<&str> = kept.iter().filter_map(|series| series["metric"]["x"].as_str()).collect();
    assert_eq!(values, VALID, "no byte is changed");
    assert!(kept.iter().all(|series| series["metric"]["y"] == "\\ud800"), "an escape that the format does not know stays");
    beside.others_are_unaffected(0);
}

#[test]
fn a14_content_type() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/none" => Answer { status: 200, headers: Vec::new(), body: b"plain 1\n".to_vec() },
        "/json" => Answer::ok("application/json", "{\"plain\": 1}"),
        "/metrics" => Answer::ok("text/html", "plain 1\n"),
        _ => Answer::ok("text/html; charset=utf-8", "<!DOCTYPE html><title>Please log in</title>"),
    });
    let mut beside = Beside::start(BINARY, "a14-content-type");
    let fallback = job("fallback", &server.address(), "fallback_scrape_protocol: PrometheusText0.0.4");
    beside.add(&(jobs(&server.address(), &["none", "json", "login"]) + &fallback));
    beside.fails("login", "fallback_scrape_protocol: PrometheusText0.0.4");
    beside.fails("login", "a login or a proxy answers instead of the target");
    beside.fails("json", "fallback_scrape_protocol: PrometheusText0.0.4");
    beside.succeeds("none", 1);
    beside.succeeds("fallback", 1);
    beside.scraped("none", 1, 4);
    let warnings = beside.skopos().log().lines().filter(|line| line.contains("no Content-Type") && line.contains("/none")).count();
    assert_eq!(warnings, 1, "one warning for the target\n{}", beside.skopos().log_tail());
    beside.others_are_unaffected(0);
}

#[test]
fn a15_redirects() {
    let elsewhere = Server::start(|_| Answer::metrics("moved 1\n"));
    let to = elsewhere.url("/metrics");
    let server = Server::start(move |asked| {
        let location = match asked.path.as_str() {
            "/metadata" => "http://169.254.169.254/latest/meta-data/",
            "/mapped" => "http://[::ffff:169.254.169.254]/",
            "/decimal" => "http://2852039166/latest/meta-data/",
            "/file" => "file:///etc/passwd",
            "/moved" => &to,
            "/nowhere" => "http://",
            path => path,
        };
        Answer::status(302, "").with("location", location)
    });
    let mut beside = Beside::start(BINARY, "a15-redirects");
    let secret = "basic_auth: {username: u, password: s3cret}, http_headers: {X-Tenant: {values: [s3cret]}}";
    let moved = job("moved", &server.address(), &format!("metrics_path: /moved, {secret}"));
    beside.add(&(jobs(&server.address(), &["loop", "metadata", "mapped", "decimal", "file", "nowhere"]) + &moved));
    beside.fails("loop", "the target redirects more than 10 times");
    for name in ["metadata", "mapped", "decimal"] {
        beside.fails(name, "a link-local or metadata address");
    }
    beside.fails("file", "file:///etc/passwd");
    beside.fails("nowhere", "leads nowhere");
    beside.succeeds("moved", 1);
    let first = server.asked().into_iter().find(|asked| asked.path == "/moved").expect("it was asked");
    assert!(first.headers.iter().any(|(name, _)| name == "authorization"), "{first:?}");
    for asked in elsewhere.asked() {
        assert!(!asked.headers.iter().any(|(name, _)| name == "authorization" || name == "x-tenant"), "{asked:?}");
    }
    beside.others_are_unaffected(0);
}

#[test]
fn a17_http_smuggling() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
    let server = RawServer::start(|path, wire| match path {
        "/lengths" => write!(wire, "{OK}content-length: 5\r\ncontent-length: 6\r\n\r\nok 1\n\n"),
        "/chunks" => write!(wire, "{OK}transfer-encoding: chunked\r\n\r\nzz\r\nok 1\n\r\n0\r\n\r\n"),
        "/short" => write!(wire, "{OK}content-length: 500\r\n\r\nok 1\n"),
        "/long-header" => write!(wire, "{OK}x: {}\r\n\r\nok 1\n", "x".repeat(1 << 20)),
        "/headers" => write!(wire, "{OK}{}\r\nok 1\n", "x: 1\r\n".repeat(100_000)),
        "/endless-header" => write!(wire, "{OK}x: ").and_then(|()| (0..100).try_for_each(|_| wire.write_all(&[b'x'; 1 << 20]))),
        _ => wire.write_all(b"this is not HTTP\r\n\r\n"),
    });
    let mut beside = Beside::start(BINARY, "a17-http");
    let broken = ["lengths", "chunks", "short", "long-header", "headers", "endless-header", "not-http"];
    beside.add(&jobs(&server.address(), &broken));
    for name in broken {
        beside.fails(name, "");
    }
    beside.others_are_unaffected(0);
}

/// Puts the component of the same name into the plugins directory and waits until it is taken up.
fn drop_guest(beside: &Beside, name: &str) {
    beside.skopos().folder().write(&format!("plugins/{name}.wasm"), guest(name));
    wait_for(&format!("{name}.wasm to be loaded"), LIMIT, || plugin_error(beside, name).filter(String::is_empty));
}

/// Why a plugin is not loaded, empty if it is.
fn plugin_error(beside: &Beside, name: &str) -> Option<String> {
    let answer = beside.skopos().get("/api/v1/plugins").json();
    let plugin = answer["data"]["plugins"].as_array()?.iter().find(|plugin| plugin["name"] == name)?.clone();
    plugin["error"].as_str().map(str::to_owned)
}

/// A hostile component that one target is scraped by: down with this reason, beside healthy ones.
fn hostile(name: &str, part: &str, held: u64) -> Beside {
    let mut beside = Beside::start(BINARY, name);
    drop_guest(&beside, name);
    beside.add(&format!("  - {{job_name: bad, exporter: {name}, scrape_interval: 2s, scrape_timeout: 2s}}\n"));
    beside.fails("bad", &format!("plugin {name} failed in exporter.collect"));
    beside.fails("bad", part);
    beside.scraped("bad", 1, 2);
    beside.others_are_unaffected(held);
    beside
}

/// What a component's memory may be.
const COMPONENT: u64 = 64 * MIB;

#[test]
fn g1_spin() {
    hostile("spin", "ran for more than its limit of 1s", COMPONENT);
}

#[test]
fn g2_grow() {
    hostile("grow", "more memory than its limit of 64 MiB", COMPONENT);
}

#[test]
fn g3_recurse() {
    hostile("recurse", "trap", COMPONENT);
}

#[test]
fn g4_big_values() {
    hostile("big_values", "more data than its limit", COMPONENT);
}

#[test]
fn g5_fuel_cheat() {
    hostile("fuel_cheat", "ran for more than its limit of 1s", COMPONENT);
}

#[test]
fn g9_flood() {
    hostile("flood", "limit", COMPONENT);
}

#[test]
fn g10_trap_every_call() {
    let beside = hostile("trap_every_call", "I always panic", COMPONENT);
    beside.fails("bad", "failed repeatedly and is left alone");
    let plugins = beside.skopos().get("/api/v1/plugins").json();
    let plugins = plugins["data"]["plugins"].as_array().expect("a list");
    let plugin = plugins.iter().find(|plugin| plugin["name"] == "trap_every_call").expect("it is listed");
    let failures = plugin["failures"].as_u64().expect("a number");
    assert!(failures >= 2 && plugin["last_error"].as_str().is_some_and(|e| e.contains("I always panic")), "{plugin}");
}

#[test]
fn g11_files_that_are_no_plugins() {
    let mut beside = Beside::start(BINARY, "g11-no-plugins");
    let good = guest("good");
    // A component's magic, version and layer, and nothing in it.
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    let mut damaged = good.clone();
    damaged[good.len() / 3..good.len() / 3 + 64].fill(0xff);
    let files = [
        ("script", b"#!/bin/sh\n".to_vec(), "not WebAssembly"),
        ("module", b"\0asm\x01\0\0\0".to_vec(), "core module"),
        ("nothing", Vec::new(), "not WebAssembly"),
        ("hollow", empty_component, "exports"),
        ("truncated", good[..good.len() / 2].to_vec(), "damaged"),
        ("damaged", damaged, ""),
    ];
    beside.add("");
    for (name, bytes, part) in &files {
        let begun = Instant::now();
        beside.skopos().folder().write(&format!("plugins/{name}.wasm"), bytes);
        let error = wait_for(&format!("{name}.wasm to be refused"), LIMIT, || plugin_error(&beside, name).filter(|e| !e.is_empty()));
        println!("g11: after {:?}: {error}", begun.elapsed());
        assert!(error.contains(part) && error.contains(&format!("{name}.wasm")), "{name}: {error}");
        let (status, text) = beside.try_add(&format!("  - {{job_name: bad, exporter: {name}}}\n"));
        assert!(status == 500 && text.contains(name) && text.contains("skopos.yml:"), "{status} {text}");
    }
    // A file with a hole, past the limit on files: refused unread.
    let huge = beside.skopos().folder().path().join("huge");
    std::fs::File::create(&huge).and_then(|file| file.set_len(100 * MIB + 1)).expect("a file with a hole");
    std::fs::rename(huge, beside.skopos().folder().path().join("plugins/huge.wasm")).expect("a file can be renamed");
    let error = wait_for("huge.wasm to be refused", LIMIT, || plugin_error(&beside, "huge").filter(|e| !e.is_empty()));
    assert!(error.contains("more than the limit of 104857600"), "{error}");
    assert!(beside.targets("bad").is_empty(), "nothing of a refused configuration is there");
    beside.others_are_unaffected(0);
}
