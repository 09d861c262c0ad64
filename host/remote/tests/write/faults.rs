//! Bad requests: the cases of the list of faults, by their numbers.

use std::time::Instant;

use crate::support::{NOW, Server, V1, V2, V2Writer, bytes, double, labels_v1, number, set, v1, v2, varint};

const A: &str = "up{instance=a:1,job=node}";

#[test]
fn b1_snappy_liar_is_refused_before_anything_is_allocated() {
    let server = Server::new();
    // 40 bytes that declare 4 GiB less one.
    let mut liar = vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    liar.resize(40, 0xFE);
    for content_type in [V1, V2] {
        let answer = server.send_raw("", content_type, "snappy", &liar);
        assert_eq!((answer.status, answer.samples), (400, 0));
        assert!(answer.text.contains("4294967295 bytes, more than the limit"), "{}", answer.text);
    }
    // Within the limit, and still more than 40 bytes can hold.
    let mut liar = Vec::new();
    varint(&mut liar, 31 << 20);
    liar.resize(40, 0xFE);
    let answer = server.send_raw("", V1, "snappy", &liar);
    assert!(answer.status == 400 && answer.text.contains("cannot hold"), "{answer:?}");
    for body in [&b""[..], b"\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x05\x00"] {
        assert_eq!(server.send_raw("", V1, "snappy", body).status, 400, "{body:?}");
    }
    assert!(server.stored().is_empty());
}

#[test]
fn b2_zstd_window_is_bounded() {
    let server = Server::new();
    // Magic, a header with a window of 2 GiB, an empty last block.
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let answer = server.send_raw("", V1, "zstd", &frame);
    assert_eq!(answer.status, 400, "{answer:?}");
    // 40 MiB of zeros in a few bytes.
    let bomb = zstd(&vec![0; 40 << 20]);
    let answer = server.send_raw("", V1, "zstd", &bomb);
    assert!(answer.status == 400 && answer.text.contains("limit"), "{answer:?}");
    let answer = server.send_raw("", V1, "zstd", &zstd(&v1(&[(A, &[(NOW, 1.0)])])));
    assert_eq!((answer.status, answer.samples), (204, 1), "{answer:?}");
}

fn zstd(message: &[u8]) -> Vec<u8> {
    zstd::encode_all(message, 1).expect("it is in memory")
}

#[test]
fn b3_proto_nest_huge_count_and_unknown_are_bounded() {
    let server = Server::new();
    // Groups within groups.
    let answer = server.v1(&[0x0B; 100_000]);
    assert!(answer.status == 400 && answer.text.contains("group"), "{answer:?}");
    // Messages within messages, where none belong: an unknown field each, which costs nothing.
    let mut nested = Vec::new();
    for _ in 0..2_000 {
        let inner = std::mem::take(&mut nested);
        bytes(&mut nested, 60, &inner);
    }
    assert_eq!(server.v1(&nested).status, 204);
    // A histogram that declares a list of 2^31 buckets, with none there.
    for field in [9, 10, 12, 13, 16] {
        let mut histogram = Vec::new();
        varint(&mut histogram, u64::from(field as u32) << 3 | 2);
        varint(&mut histogram, 1 << 31);
        let mut series = Vec::new();
        labels_v1(&mut series, set(A).iter());
        bytes(&mut series, 4, &histogram);
        let mut message = Vec::new();
        bytes(&mut message, 1, &series);
        let answer = server.v1(&message);
        assert!(answer.status == 400 && answer.text.contains("past the end"), "{answer:?}");
    }
    // A span of 2^32-1 buckets, with none there; 30 MiB of buckets of one byte each; 15 million empty samples.
    let mut span = Vec::new();
    number(&mut span, 2, u64::from(u32::MAX));
    let mut histogram = Vec::new();
    bytes(&mut histogram, 11, &span);
    number(&mut histogram, 15, NOW as u64);
    let (mut many, mut empty) = (Vec::new(), Vec::new());
    bytes(&mut many, 12, &vec![0; 30 << 20]);
    labels_v1(&mut empty, set(A).iter());
    (0..15_000_000).for_each(|_| empty.extend([0x12, 0]));
    for (what, histogram) in [("span", &histogram), ("buckets", &many)] {
        let mut series = Vec::new();
        labels_v1(&mut series, set(A).iter());
        bytes(&mut series, 4, histogram);
        let mut message = Vec::new();
        bytes(&mut message, 1, &series);
        assert_eq!(server.v1(&message).status, 400, "{what}");
    }
    let mut message = Vec::new();
    bytes(&mut message, 1, &empty);
    let (begun, answer) = (Instant::now(), server.v1(&message));
    println!("15 million empty samples: {} in {:?}", answer.text, begun.elapsed());
    assert!(answer.status == 400 && answer.text.contains("send smaller ones"), "{answer:?}");
    assert!(server.stored().is_empty());
}

#[test]
fn b4_rw2_symbols_are_checked() {
    let server = Server::new();
    let good = || {
        let mut writer = V2Writer::default();
        writer.series(A, &[(NOW, 1.0)], &[]);
        writer
    };
    let mut unit = Vec::new();
    number(&mut unit, 4, 1000);
    let mut unit_of_series = Vec::new();
    bytes(&mut unit_of_series, 5, &unit);
    let with = |refs: &[u8], symbols: &[&[u8]]| {
        let mut message = good().message();
        symbols.iter().for_each(|symbol| bytes(&mut message, 4, symbol));
        let mut series = Vec::new();
        bytes(&mut series, 1, refs);
        let mut sample = Vec::new();
        number(&mut sample, 2, NOW as u64);
        bytes(&mut series, 2, &sample);
        bytes(&mut message, 5, &series);
        message
    };
    let mut no_empty_first = Vec::new();
    bytes(&mut no_empty_first, 4, b"x");
    no_empty_first.extend(good().message());
    let mut series_alone = Vec::new();
    bytes(&mut series_alone, 5, &[0x0A, 2, 0, 1]);
    for (what, message, text) in [
        ("out of range", with(&[1, 100], &[]), "symbol 100 is not in the table"),
        ("odd", with(&[1, 2, 3], &[]), "invalid labelRefs length 3"),
        ("not UTF-8", with(&[1, 2], &[b"\xff"]), "is not UTF-8"),
        ("not empty first", no_empty_first, "symbols must start with empty string"),
        ("no table", series_alone, "symbols must start with empty string"),
        (
            "unit",
            {
                let mut writer = good();
                writer.series("b{job=x}", &[(NOW, 1.0)], &unit_of_series);
                writer.message()
            },
            "symbol 1000 is not in the table",
        ),
    ] {
        let answer = server.v2(&message);
        assert_eq!((answer.status, answer.samples, answer.histograms, answer.exemplars), (400, 0, 0, 0), "{what}: {answer:?}");
        assert!(answer.text.contains(text), "{what}: {}", answer.text);
    }
    assert!(server.stored().is_empty());
    let stats = server.receiver.stats();
    assert_eq!((stats.senders[0].series, stats.senders[0].requests_refused), (0, 6), "nothing is kept of what was refused");
}

#[test]
fn b5_rw_duplicate_is_idempotent_and_does_not_grow() {
    let server = Server::new();
    let names: Vec<String> = (0..100).map(|n| format!("m{n}{{instance=a:{},job=node}}", n % 3)).collect();
    let samples = [(NOW, 1.5)];
    let mut series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &samples[..])).collect();
    let first = server.v1(&v1(&series));
    assert_eq!((first.status, first.samples), (204, 100));
    let (bytes, stored) = (server.log_bytes(), server.stored());
    for turn in 0..1000 {
        // Neither as the same bytes, which are known, nor in the other version, nor by another sender.
        if turn > 0 {
            series.rotate_left(1);
        }
        let (user, content_type) = (["", "ann"][turn % 2], [V1, V2][turn / 2 % 2]);
        let message = if content_type == V1 { v1(&series) } else { v2(&series) };
        let answer = server.send_as(user, content_type, &message);
        assert_eq!((answer.status, answer.samples), (204, 100), "{turn}: {}", answer.text);
    }
    assert_eq!(server.stored(), stored);
    // The other sender has a group of its own for each target, once.
    println!("the log grew from {bytes} to {} bytes", server.log_bytes());
    assert!(server.log_bytes() < bytes * 3, "{bytes} became {}", server.log_bytes());
    let stats = server.receiver.stats();
    assert_eq!(stats.senders.iter().map(|s| s.duplicate + s.out_of_order).sum::<u64>(), 0);
    assert!(stats.bytes < 200_000, "{stats:?}");
}

#[test]
fn b5_rw_duplicate_of_several_times_is_known_as_the_same_request() {
    let server = Server::new();
    let history: Vec<(i64, f64)> = (0..50).map(|n| (NOW - 50_000 + n * 1000, n as f64)).collect();
    let message = v1(&[(A, &history)]);
    let first = server.v1(&message);
    assert_eq!((first.status, first.samples), (204, 50));
    let bytes = server.log_bytes();
    for _ in 0..1000 {
        assert_eq!(server.v1(&message), first);
    }
    assert_eq!(server.log_bytes(), bytes);
    assert_eq!(server.receiver.stats().senders[0].requests_repeated, 1000);
}

#[test]
fn b6_rw_partial_stores_the_good_ones() {
    let server = Server::new();
    let names: Vec<String> = (0..999).map(|n| format!("m{n}{{instance=a:1,job=node}}")).collect();
    let good = [(NOW, 1.0)];
    for (what, labels, text) in [
        ("no name", vec![("job", "node")], "invalid metric name or labels"),
        ("duplicate", vec![("__name__", "x"), ("a", "1"), ("a", "2")], "duplicated label a"),
        ("empty name", vec![("__name__", "x"), ("", "1")], "invalid metric name or labels"),
    ] {
        let mut series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &good[..])).collect();
        let rest = series.split_off(500);
        let mut message = v1(&series);
        let mut bad = Vec::new();
        labels_v1(&mut bad, labels);
        let mut sample = Vec::new();
        double(&mut sample, 1, 1.0);
        number(&mut sample, 2, NOW as u64);
        bytes(&mut bad, 2, &sample);
        bytes(&mut message, 1, &bad);
        message.extend(v1(&rest));
        let answer = server.v1(&message);
        assert_eq!((answer.status, answer.samples), (400, 999), "{what}: {}", answer.text);
        assert!(answer.text.contains(text), "{what}: {}", answer.text);
        assert_eq!(server.stored().len(), 999, "{what}");
    }
    // One value that differs from what is stored.
    let mut series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &good[..])).collect();
    series[7].1 = &[(NOW, 2.0)];
    for answer in [server.v1(&v1(&series)), server.v2(&v2(&series))] {
        assert_eq!((answer.status, answer.samples), (400, 998), "{}", answer.text);
        assert!(answer.text.contains("duplicate sample for timestamp"), "{}", answer.text);
    }
    assert!(server.stored().values().all(|samples| *samples == good));
    assert_eq!(server.receiver.stats().senders[0].invalid, 3);
}

#[test]
fn b7_rw_type_that_is_not_the_bodys_stores_nothing() {
    let server = Server::new();
    let series: &[(&str, &[(i64, f64)])] = &[(A, &[(NOW, 1.0)])];
    for (content_type, message) in [(V1, v2(series)), (V2, v1(series))] {
        let answer = server.send(content_type, &message);
        assert_eq!((answer.status, answer.samples), (400, 0));
        assert!(answer.text.contains("which the content-type does not say"), "{}", answer.text);
    }
    for content_type in ["application/json", "application/x-protobuf;proto=other.Request", "text/plain; version=0.0.4"] {
        let answer = server.send(content_type, &v1(series));
        assert_eq!((answer.status, answer.samples), (415, 0), "{answer:?}");
    }
    let answer = server.send_raw("", V1, "gzip", b"");
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (415, "gzip encoding (compression) is not accepted by this server; only snappy and zstd are acceptable")
    );
    assert!(server.stored().is_empty());
}

#[test]
fn b10_future_sender_is_refused_and_named() {
    let server = Server::new();
    let hour = 3_600_000;
    for turn in 0..3 {
        let answer = server.v1(&v1(&[(A, &[(NOW + hour + turn, 1.0)]), ("ok{job=x}", &[(NOW + turn, 1.0)])]));
        assert_eq!((answer.status, answer.samples), (400, 1));
        assert!(answer.text.contains("out of bounds") && answer.text.contains("3600 s ahead"), "{}", answer.text);
    }
    let stats = server.receiver.stats();
    let ahead = stats.senders[0].ahead.as_ref().expect("it is named");
    assert_eq!((ahead.address.as_str(), ahead.job.as_str(), ahead.instance.as_str()), ("192.0.2.7", "node", "a:1"));
    assert_eq!((ahead.ahead_ms, stats.senders[0].too_new), (hour + 2, 3));
    // Its clock is set: all is well at once.
    assert_eq!(server.v1(&v1(&[(A, &[(NOW, 1.0)])])).status, 204);
    assert_eq!(server.stored()[&set(A).to_string()], [(NOW, 1.0)]);
}

#[test]
fn a_cut_message_stores_nothing() {
    let server = Server::new();
    let series: &[(&str, &[(i64, f64)])] = &[(A, &[(NOW, 1.0)]), ("b{job=x}", &[(NOW, 2.0)])];
    for (content_type, message) in [(V1, v1(series)), (V2, v2(series))] {
        for end in 1..message.len() {
            let answer = server.send(content_type, &message[..end]);
            // Cut between two series it is a shorter message; a 2.0 one without series is a good one.
            assert!(answer.status == 400 && answer.samples == 0 || answer.status == 204 && answer.samples <= 1, "cut at {end}: {answer:?}");
        }
    }
}

#[test]
fn storage_that_fails_is_asked_again() {
    let server = Server::new();
    let message = |time| v1(&[(A, &[(time, 1.0)]), ("b{job=x}", &[(time, 2.0)])]);
    assert_eq!(server.v1(&message(NOW)).status, 204);
    server.disk.set_space(Some(0));
    let answer = server.v1(&message(NOW + 1));
    assert_eq!((answer.status, answer.samples), (500, 0), "{answer:?}");
    server.disk.set_space(None);
    let answer = server.v1(&message(NOW + 1));
    assert_eq!((answer.status, answer.samples), (204, 2), "{answer:?}");
    assert!(server.stored().values().all(|samples| samples.len() == 2));
    assert_eq!(server.receiver.stats().senders[0].requests_failed, 1);
}

/// With a sync for each row a request of many targets and times would wait for each in turn.
#[test]
fn a_request_waits_for_one_sync() {
    let server = Server::on(tsdb::disk::SimDisk::new(), |options| options.wal_sync_ms = 0);
    let names: Vec<String> = (0..100).map(|n| format!("m{n}{{instance=i{},job=x}}", n % 20)).collect();
    let request = |from: i64, times: i64| {
        let samples: Vec<(i64, f64)> = (from..from + times).map(|n| (NOW - 10_000 + n, n as f64)).collect();
        v1(&names.iter().map(|name| (name.as_str(), &samples[..])).collect::<Vec<_>>())
    };
    assert_eq!(server.v1(&request(0, 1)).samples, 100);
    let mut from = 1;
    for times in [1, 5, 25] {
        let before = server.db.stats().log_syncs;
        let answer = server.v1(&request(from, times));
        assert_eq!((answer.status, answer.samples), (204, 100 * times as u64), "{}", answer.text);
        let syncs = server.db.stats().log_syncs - before;
        println!("{} rows: {syncs} syncs", 20 * times);
        assert_eq!(syncs, 1, "{times} times of 20 targets");
        from += times;
    }
    // Late ones too.
    let behind = "behind{instance=i0,job=x}";
    assert_eq!(server.v1(&v1(&[(behind, &[(NOW - 10_000, 0.0)])])).status, 204);
    for lane in 0..40 {
        let name = format!("lane{lane}{{instance=i0,job=x}}");
        assert_eq!(server.v1(&v1(&[(&name, &[(NOW - 100 - lane, 0.0)])])).status, 204);
    }
    let before = server.db.stats().log_syncs;
    let late: Vec<(i64, f64)> = (1..50).map(|n| (NOW - 9_000 + n, n as f64)).collect();
    assert_eq!(server.v1(&v1(&[(behind, &late)])).samples, 49);
    assert_eq!(server.db.stats().log_syncs - before, 1, "of late rows");
    // What was answered survives a power cut.
    let (stored, disk) = (server.stored(), server.disk.power_cut(7));
    drop(server);
    assert_eq!(Server::on(disk, |_| {}).stored(), stored);
}

/// The request that failed comes again after other connections have gone on: its samples are late then, and not lost.
#[test]
fn what_failed_may_come_again_after_newer_samples() {
    let server = Server::new();
    let (first, second) = ("a{instance=i,job=x}", "b{instance=i,job=x}");
    assert_eq!(server.v1(&v1(&[(first, &[(NOW, 1.0)]), (second, &[(NOW, 1.0)])])).status, 204);
    server.disk.set_space(Some(0));
    let failed = v1(&[(first, &[(NOW + 1, 2.0), (NOW + 2, 3.0)])]);
    assert_eq!(server.v1(&failed).status, 500);
    server.disk.set_space(None);
    assert_eq!(server.v1(&v1(&[(second, &[(NOW + 3, 2.0)])])).status, 204);
    let answer = server.v1(&failed);
    assert_eq!((answer.status, answer.samples), (204, 2), "{answer:?}");
    assert_eq!(server.stored()[&set(first).to_string()], [(NOW, 1.0), (NOW + 1, 2.0), (NOW + 2, 3.0)]);
}

#[test]
fn series_past_a_limit_are_refused_and_the_others_taken() {
    let server = Server::on(tsdb::disk::SimDisk::new(), |options| options.series_max = 1);
    let series: &[(&str, &[(i64, f64)])] = &[(A, &[(NOW, 1.0)]), ("b{job=x}", &[(NOW, 2.0), (NOW + 1, 2.0)])];
    let answer = server.v1(&v1(series));
    assert_eq!((answer.status, answer.samples), (400, 1));
    assert!(answer.text.contains("new series refused"), "{}", answer.text);
    assert_eq!(server.receiver.stats().senders[0].refused, 2);
}
