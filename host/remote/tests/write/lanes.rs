//! Senders whose connections run apart, and samples that come late, twice, or after a restart.

use crate::support::{NOW, Server, set, v1};

fn name(n: usize, instance: &str) -> String {
    format!("m{n}{{instance={instance},job=node}}")
}

/// A request of some series at one time.
fn part(series: &[usize], instance: &str, time: i64) -> Vec<u8> {
    let names: Vec<String> = series.iter().map(|n| name(*n, instance)).collect();
    let sample = [(time, time as f64)];
    v1(&names.iter().map(|name| (name.as_str(), &sample[..])).collect::<Vec<_>>())
}

#[test]
fn a_connection_that_is_behind_loses_nothing() {
    let server = Server::new();
    let (fast, slow): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (20..40).collect());
    let time = |round: i64| NOW - 3_000_000 + round * 15_000;
    for round in 0..60 {
        assert_eq!(server.v1(&part(&fast, "a:1", time(round))).samples, 20);
        // Seven rounds behind.
        if round >= 7 {
            let answer = server.v1(&part(&slow, "a:1", time(round - 7)));
            assert_eq!((answer.status, answer.samples), (204, 20), "round {round}: {}", answer.text);
        }
    }
    let stored = server.stored();
    assert_eq!(stored.len(), 40);
    for n in 0..40 {
        let rounds = if n < 20 { 60 } else { 53 };
        let times: Vec<i64> = stored[&set(&name(n, "a:1")).to_string()].iter().map(|(time, _)| *time).collect();
        assert_eq!(times, (0..rounds).map(time).collect::<Vec<_>>(), "series {n}");
    }
    assert_eq!(server.db.stats().groups, 2, "one lane for each connection");
}

#[test]
fn a_connection_that_is_behind_loses_nothing_over_a_restart() {
    let mut server = Server::new();
    let time = |round: i64| NOW - 3_000_000 + round * 15_000;
    for round in 0..10 {
        assert_eq!(server.v1(&part(&[0, 1], "a:1", time(round))).samples, 2);
        if round >= 3 {
            assert_eq!(server.v1(&part(&[2, 3], "a:1", time(round - 3))).samples, 2);
        }
    }
    server = server.restarted();
    for round in 7..10 {
        // The slow ones first: nothing is known of the group yet but that it has newer rows.
        let answer = server.v1(&part(&[2, 3], "a:1", time(round)));
        assert_eq!((answer.status, answer.samples), (204, 2), "round {round}: {}", answer.text);
    }
    let stored = server.stored();
    for n in 0..4 {
        let times: Vec<i64> = stored[&set(&name(n, "a:1")).to_string()].iter().map(|(time, _)| *time).collect();
        assert_eq!(times, (0..10).map(time).collect::<Vec<_>>(), "series {n}");
    }
}

#[test]
fn what_is_older_than_its_own_series_is_out_of_order() {
    let server = Server::new();
    assert_eq!(server.v1(&part(&[0, 1], "a:1", NOW)).status, 204);
    let answer = server.v1(&part(&[0, 1, 2], "a:1", NOW - 1000));
    assert_eq!((answer.status, answer.samples), (400, 1), "{}", answer.text);
    assert!(answer.text.contains("out of order sample"), "{}", answer.text);
    assert_eq!(server.receiver.stats().senders[0].out_of_order, 2);
    assert_eq!(server.stored()[&set(&name(0, "a:1")).to_string()], [(NOW, NOW as f64)]);
}

#[test]
fn series_without_an_instance_part_by_time() {
    let server = Server::new();
    // Recorded series of ten rule groups, evaluated at times of their own.
    for round in 0..5_i64 {
        for group in 0..10_i64 {
            let names: Vec<String> = (0..4).map(|n| format!("rule:{group}:{n}")).collect();
            let sample = [(NOW - 100_000 + round * 15_000 + group * 137, 1.0)];
            let message = v1(&names.iter().map(|name| (name.as_str(), &sample[..])).collect::<Vec<_>>());
            let answer = server.v1(&message);
            assert_eq!((answer.status, answer.samples), (204, 4), "{}", answer.text);
        }
    }
    let stats = server.db.stats();
    assert_eq!((stats.groups, stats.series), (10, 40));
    assert!(server.stored().values().all(|samples| samples.len() == 5));
}

#[test]
fn a_request_may_hold_many_times() {
    let server = Server::new();
    let history: Vec<(i64, f64)> = (0..5000).map(|n| (NOW - 5_000_000 + n * 1000, n as f64)).collect();
    let (one, two) = (name(0, "a:1"), name(1, "a:1"));
    let answer = server.v1(&v1(&[(&one, &history), (&two, &history)]));
    assert_eq!((answer.status, answer.samples), (204, 10_000), "{}", answer.text);
    let stored = server.stored();
    assert!(stored.values().all(|samples| *samples == history));
    // Not the request again, but all it held.
    let answer = server.v1(&v1(&[(&two, &history), (&one, &history)]));
    assert_eq!(answer.status, 400);
    assert!(server.stored().values().all(|samples| *samples == history));
}

#[test]
fn idle_series_and_groups_are_forgotten() {
    let server = Server::new();
    for group in 0..10 {
        assert_eq!(server.v1(&part(&(0..200).collect::<Vec<_>>(), &format!("i{group}:1"), NOW)).status, 204);
    }
    let before = server.receiver.stats();
    assert_eq!((before.senders[0].series, before.senders[0].groups), (2000, 10));
    println!("{} bytes a series are counted", before.bytes / 2000);
    // One group goes on, with one in ten of its series.
    for step in 1..=5 {
        server.clock.set(NOW + step * 1_000_000);
        let kept: Vec<usize> = (0..20).collect();
        assert_eq!(server.v1(&part(&kept, "i0:1", NOW + step * 1_000_000)).status, 204);
        server.receiver.tend();
    }
    let after = &server.receiver.stats().senders[0];
    assert!(after.series <= 20 && after.groups <= 1, "{after:?}");
    assert_eq!(server.v1(&part(&(0..200).collect::<Vec<_>>(), "i0:1", NOW + 5_100_000)).samples, 200);
    assert_eq!(server.v1(&part(&(0..200).collect::<Vec<_>>(), "i5:1", NOW + 5_100_000)).samples, 200);
    assert_eq!(server.stored().len(), 2000);
}

#[test]
fn users_have_groups_of_their_own_and_series_in_common() {
    let server = Server::new();
    let message = |time| part(&[0], "a:1", time);
    assert_eq!(server.send_as("ann", crate::support::V1, &message(NOW)).status, 204);
    assert_eq!(server.send_as("bob", crate::support::V1, &message(NOW + 1)).status, 204);
    assert_eq!(server.send_as("ann", crate::support::V1, &message(NOW + 2)).status, 204);
    // The same again from another: it is there already.
    assert_eq!(server.send_as("bob", crate::support::V1, &message(NOW + 2)).status, 204);
    let times: Vec<i64> = server.stored()[&set(&name(0, "a:1")).to_string()].iter().map(|(time, _)| time - NOW).collect();
    assert_eq!(times, [0, 1, 2]);
    assert_eq!(server.db.stats().groups, 2);
}
