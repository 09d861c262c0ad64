//! Good messages with bytes changed at random: nothing breaks, and no column comes twice in a row.

use model::Clock;
use test_support::Dice;

use crate::support::{NOW, Server, V2Writer, bytes, double, labels_v1, number, set, v1, v2, varint, zigzag};

/// Bytes flipped, copied, cut out and cut off.
fn mutate(dice: &mut Dice, message: &[u8]) -> Vec<u8> {
    let mut changed = message.to_vec();
    for _ in 0..=dice.below(4) {
        if changed.is_empty() {
            break;
        }
        let (at, len) = (dice.below(changed.len()), dice.below(40));
        let end = (at + len).min(changed.len());
        match dice.below(5) {
            0 => changed[at] ^= 1 << dice.below(8),
            1 => changed[at] = dice.below(256) as u8,
            2 => {
                let piece = changed[at..end].to_vec();
                let to = dice.below(changed.len());
                changed.splice(to..to, piece);
            }
            3 => drop(changed.drain(at..end)),
            _ => changed.truncate(changed.len() - dice.below(10.min(changed.len()))),
        }
    }
    changed
}

fn histogram() -> Vec<u8> {
    let mut message = Vec::new();
    number(&mut message, 1, 7);
    number(&mut message, 4, zigzag(3));
    number(&mut message, 6, 1);
    let (mut span, mut deltas) = (Vec::new(), Vec::new());
    number(&mut span, 1, zigzag(-2));
    number(&mut span, 2, 2);
    bytes(&mut message, 11, &span);
    varint(&mut deltas, zigzag(2));
    varint(&mut deltas, zigzag(2));
    bytes(&mut message, 12, &deltas);
    number(&mut message, 15, NOW as u64);
    message
}

fn seeds() -> [Vec<u8>; 2] {
    let stale = model::stale();
    let series: &[(&str, &[(i64, f64)])] = &[
        ("up{instance=a:1,job=node}", &[(NOW, 1.0), (NOW + 1, stale), (NOW + 2, 1.0)]),
        ("up{instance=b:1,job=node}", &[(NOW, 1.0), (NOW, 1.0), (NOW - 5, 2.0)]),
        ("rule", &[(NOW + 7, 0.0)]),
        ("up{instance=a:1,job=node}", &[(NOW, 1.0), (NOW + 2, 4.0)]),
    ];
    let mut first = v1(series);
    let (mut one, mut exemplar) = (Vec::new(), Vec::new());
    labels_v1(&mut exemplar, [("trace_id", "x")]);
    double(&mut exemplar, 2, 1.0);
    labels_v1(&mut one, set("h{job=x}").iter());
    bytes(&mut one, 4, &histogram());
    bytes(&mut one, 3, &exemplar);
    bytes(&mut first, 1, &one);
    let mut writer = V2Writer::default();
    let mut rest = Vec::new();
    bytes(&mut rest, 3, &histogram());
    bytes(&mut rest, 5, &[8, 1, 24, 1, 32, 1]);
    number(&mut rest, 6, NOW as u64);
    writer.series("h{job=x}", &[(NOW, 2.0)], &rest);
    let mut second = writer.message();
    second.extend(v2(series));
    [first, second]
}

#[test]
fn changed_messages_break_nothing() {
    let seed = test_support::seed("changed messages");
    let turns: u64 = std::env::var("SKOPOS_TURNS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000);
    let mut dice = Dice(seed);
    let (seeds, otlp) = (seeds(), crate::otlp::seed());
    for _ in 0..turns {
        remote::fuzzing::v1(&mutate(&mut dice, &seeds[0]));
        remote::fuzzing::v2(&mutate(&mut dice, &seeds[1]));
        remote::fuzzing::otlp(&mutate(&mut dice, &otlp));
    }
    // Against real storage, where what one request leaves behind meets the next.
    let server = Server::new();
    for turn in 0..turns / 3 {
        let answers = [server.v1(&mutate(&mut dice, &seeds[0])), server.v2(&mutate(&mut dice, &seeds[1]))];
        assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 400)), "turn {turn}: {answers:?}");
        let request = remote::Request { content_type: Some(crate::support::V1), ..Default::default() };
        let answer = server.receiver.write_otlp(&request, &mutate(&mut dice, &otlp));
        assert!(matches!(answer.status, 200 | 400), "turn {turn}: {answer:?}");
        if turn % 50 == 0 {
            server.clock.set(NOW + turn as i64 * 100_000);
            server.receiver.tend();
        }
    }
    // As text, because a stale marker is not equal to itself.
    let before = format!("{:?}", server.stored());
    assert_eq!(format!("{:?}", server.restarted().stored()), before);
}

#[test]
fn instances_that_come_and_go_or_are_refused_leave_nothing() {
    let server = Server::on(tsdb::disk::SimDisk::new(), |options| options.series_max = 50);
    let mut bytes = Vec::new();
    for round in 0..20 {
        for n in 0..100 {
            // Beyond 50 there is no room, and in the second half all are too old.
            let labels = format!("__name__=a,job=j,instance={}-{round}-{n}", "long".repeat(20));
            let time = if n < 50 { server.clock.now() } else { 1 };
            server.v1(&v1(&[(labels.as_str(), &[(time, 1.0)])]));
        }
        let groups: u64 = server.receiver.stats().senders.iter().map(|sender| sender.groups).sum();
        assert!(groups <= 50, "{groups} groups are open for 50 series");
        server.clock.set(server.clock.now() + 2 * 3_600_000);
        server.receiver.tend();
        bytes.push(server.receiver.stats().bytes);
    }
    assert!(bytes[19] < bytes[0] + 10_000, "{bytes:?}");
}

#[test]
fn what_is_too_old_takes_no_room_for_its_series() {
    let server = Server::on(tsdb::disk::SimDisk::new(), |options| options.series_max = 50);
    for n in 0..200 {
        let labels = format!("__name__=old,job=j,n={n}");
        let answer = server.v1(&v1(&[(labels.as_str(), &[(1, 1.0)])]));
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(format!("{answer:?}").contains("too old sample: time 1 of"), "{answer:?}");
    }
    let senders = server.receiver.stats().senders;
    assert_eq!(senders.iter().map(|sender| (sender.groups, sender.too_old)).collect::<Vec<_>>(), [(0, 200)]);
    for n in 0..50 {
        let labels = format!("__name__=new,job=j,n={n}");
        assert_eq!(server.v1(&v1(&[(labels.as_str(), &[(server.clock.now(), 1.0)])])).status, 204, "there is room for all 50");
    }
}
