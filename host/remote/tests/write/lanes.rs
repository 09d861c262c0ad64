//! Senders whose connections run apart, and samples that come late, twice, or after a restart.

use test_support::Dice;

use crate::support::{NOW, Server, Stored, bytes, double, labels_v1, number, set, v1, v2};

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

/// What hid behind "lost at load": after a restart nothing is known of a group's rows, and of a request with several times only the
/// first was tried in another lane.
#[test]
fn a_connection_that_is_behind_by_several_times_in_one_request_loses_nothing_over_a_restart() {
    let mut server = Server::new();
    let time = |round: i64| NOW - 300_000 + round * 1000;
    for round in 0..20 {
        assert_eq!(server.v1(&part(&[0, 1], "a:1", time(round))).samples, 2);
    }
    assert_eq!(server.v1(&part(&[2, 3], "a:1", time(0))).samples, 2);
    server = server.restarted();
    let behind: Vec<(i64, f64)> = (1..15).map(|round| (time(round), time(round) as f64)).collect();
    let names = [name(2, "a:1"), name(3, "a:1")];
    let answer = server.v1(&v1(&names.each_ref().map(|name| (name.as_str(), &behind[..]))));
    assert_eq!((answer.status, answer.samples), (204, 28), "{}", answer.text);
    for n in 2..4 {
        let times: Vec<i64> = server.stored()[&set(&name(n, "a:1")).to_string()].iter().map(|(time, _)| *time).collect();
        assert_eq!(times, (0..15).map(time).collect::<Vec<_>>(), "series {n}");
    }
}

/// Connections of one sender, more than there are lanes, each with series of its own and as far behind as chance has it. The process is
/// killed now and then, and each connection sends again what was not answered, as a queue of Prometheus does.
#[test]
fn many_connections_each_behind_by_chance_lose_nothing_across_kills() {
    let seed = test_support::seed("connections behind by chance") | 1;
    let mut dice = Dice(seed);
    const CONNECTIONS: usize = 60;
    const SERIES: usize = 2;
    let rounds: i64 = std::env::var("SKOPOS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    for (case, instance) in ["a:1", ""].into_iter().enumerate() {
        let label = |connection: usize, n: usize| {
            let name = name(connection * SERIES + n, instance);
            if instance.is_empty() { name.replace("instance=,", "") } else { name }
        };
        let time = |round: i64| NOW - 600_000 + round * 1000;
        let mut server = Server::new();
        let mut sent = [0_i64; CONNECTIONS];
        let mut unanswered: Vec<Option<(i64, i64)>> = vec![None; CONNECTIONS];
        let (mut requests, mut kills, mut groups_max) = (0, 0, 0);
        // Each has its own pace, so that they end up far apart.
        let pace: Vec<usize> = (0..CONNECTIONS).map(|_| 1 + dice.below(12)).collect();
        while sent.iter().any(|sent| *sent < rounds) {
            let connection = dice.below(CONNECTIONS);
            let (from, to) = match unanswered[connection].take() {
                Some(again) => again,
                None => (sent[connection], (sent[connection] + 1 + dice.below(pace[connection]) as i64).min(rounds)),
            };
            let names: Vec<String> = (0..SERIES).map(|n| label(connection, n)).collect();
            let samples: Vec<(i64, f64)> = (from..to).map(|round| (time(round), (round * 7 + connection as i64) as f64)).collect();
            let series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &samples[..])).collect();
            let answer = if requests % 2 == 0 { server.v1(&v1(&series)) } else { server.v2(&v2(&series)) };
            let count = (SERIES as i64 * (to - from)) as u64;
            assert_eq!((answer.status, answer.samples), (204, count), "request {requests}, case {case}, seed {seed}: {}", answer.text);
            requests += 1;
            sent[connection] = sent[connection].max(to);
            groups_max = groups_max.max(server.receiver.stats().senders[0].groups);
            if dice.below(100) == 0 {
                kills += 1;
                // Its answer was lost too.
                unanswered[connection] = Some((from, to));
                server = server.restarted();
            }
        }
        let stats = server.db.stats();
        println!(
            "{requests} requests, {kills} kills, at most {groups_max} groups of the receiver, {} in storage; head of {} bytes for {} samples",
            stats.groups,
            stats.head_bytes,
            rounds as usize * CONNECTIONS * SERIES
        );
        assert!(groups_max >= 32, "there are more connections than lanes");
        let mut expected = Stored::new();
        for connection in 0..CONNECTIONS {
            for n in 0..SERIES {
                let samples = (0..rounds).map(|round| (time(round), (round * 7 + connection as i64) as f64)).collect();
                expected.insert(set(&label(connection, n)).to_string(), samples);
            }
        }
        let stored = server.stored();
        assert_eq!(stored.len(), expected.len());
        for (series, samples) in &expected {
            assert_eq!(&stored[series], samples, "{series}, seed {seed}");
        }
        server = server.restarted();
        assert_eq!(server.stored(), expected, "after a further kill, seed {seed}");
        assert_eq!(server.receiver.stats().senders.iter().map(|sender| sender.out_of_order).sum::<u64>(), 0);
    }
}

/// Late rows take more memory than others, until they are in a block. Past the budget a sender has to wait: it is told so by an error after
/// which it comes again, and nothing is lost.
#[test]
fn late_samples_wait_for_room_and_stay_within_the_budget() {
    const BUDGET: u64 = 4 << 20;
    let server = Server::on(tsdb::disk::SimDisk::new(), |options| options.memory_budget = BUDGET);
    for lane in 0..40 {
        assert_eq!(server.v1(&part(&[lane], "a:1", NOW - lane as i64)).status, 204);
    }
    let names: Vec<String> = (100..200).map(|n| name(n, "a:1")).collect();
    let (mut waits, mut bytes_max, mut now) = (0, 0, NOW);
    const REQUESTS: i64 = 150;
    for request in 0..REQUESTS {
        let samples: Vec<(i64, f64)> = (0..20).map(|n| (NOW - 100_000 + request * 20 + n, n as f64)).collect();
        let message = v1(&names.iter().map(|name| (name.as_str(), &samples[..])).collect::<Vec<_>>());
        loop {
            server.db.tend(now);
            let answer = server.v1(&message);
            bytes_max = bytes_max.max(server.db.stats().head_bytes);
            if answer.status == 204 {
                assert_eq!(answer.samples, 2000);
                break;
            }
            assert!(answer.status == 500 && answer.text.contains("no room for late samples"), "{answer:?}");
            (waits, now) = (waits + 1, now + 10_000);
            server.clock.set(now);
            assert!(waits < 1000, "room comes back");
        }
    }
    println!("at most {bytes_max} bytes of {BUDGET}, {waits} requests had to come again");
    assert!(waits > 0 && bytes_max < BUDGET * 5 / 4, "{waits} {bytes_max}");
    let stored = server.stored();
    for name in &names {
        let times: Vec<i64> = stored[&set(name).to_string()].iter().map(|(time, _)| *time).collect();
        assert_eq!(times, (0..REQUESTS * 20).map(|n| NOW - 100_000 + n).collect::<Vec<_>>(), "{name}");
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

/// Labels may come in any order, and each order is known by itself: what ends a series under one is known under the others.
#[test]
fn a_series_that_ends_under_one_order_of_its_labels_goes_on_under_another() {
    for instance in ["", "i:1"] {
        let server = Server::new();
        let send = |reversed: bool, time: i64, value: f64| {
            let mut labels = vec![("__name__", "a"), ("instance", instance), ("job", "x")];
            labels.retain(|(_, value)| !value.is_empty());
            if reversed {
                labels.reverse();
            }
            let (mut series, mut sample, mut message) = (Vec::new(), Vec::new(), Vec::new());
            labels_v1(&mut series, labels);
            double(&mut sample, 1, value);
            number(&mut sample, 2, time as u64);
            bytes(&mut series, 2, &sample);
            bytes(&mut message, 1, &series);
            let answer = server.v1(&message);
            assert_eq!((answer.status, answer.samples), (204, 1), "{reversed} {time}: {}", answer.text);
        };
        send(false, NOW, 1.0);
        send(true, NOW, 1.0);
        for round in 0..3 {
            send(round % 2 == 1, NOW + 10 * round + 1, model::stale());
            send(round % 2 == 0, NOW + 10 * round + 2, 2.0);
            send(round % 2 == 1, NOW + 10 * round + 3, 3.0);
            // Another series may have been given its column.
            let other = format!("other{{instance={instance},job=x,n={round}}}");
            assert_eq!(server.v1(&v1(&[(&other, &[(NOW + 10 * round + 3, 9.0)])])).status, 204);
        }
        let stored = server.stored();
        assert_eq!(stored.len(), 4);
        let label = if instance.is_empty() { "a{job=x}".to_owned() } else { format!("a{{instance={instance},job=x}}") };
        let values: Vec<f64> = stored[&set(&label).to_string()].iter().map(|(_, value)| *value).filter(|value| !value.is_nan()).collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 2.0, 3.0, 2.0, 3.0], "{instance}");
    }
}

/// A series that a message ends under one order of its labels, and under another goes on with something newer, has not ended. What is
/// older than the newest sample of its series is refused as out of order, or stored where there is a lane for it.
#[test]
fn an_older_stale_marker_under_another_order_ends_nothing_that_is_newer() {
    // (whether its labels are in reverse, milliseconds from the round's beginning, value)
    let (sample, marker) = ((false, 10, 1.0), (true, 5, model::stale()));
    for (instance, known, message) in ["", "i:1"].into_iter().flat_map(|instance| {
        let known = [&[][..], &[false], &[true], &[false, true], &[true, false]];
        let messages =
            [vec![sample, marker], vec![marker, sample], vec![(true, 2, 7.0), sample, marker], vec![sample, marker, (true, 7, 8.0)]];
        known.into_iter().flat_map(move |known| messages.clone().map(|message| (instance, known, message)))
    }) {
        let server = Server::new();
        let (mut sent, mut must) = (Vec::new(), Vec::new());
        let mut send = |samples: &[(bool, i64, f64)], begin: i64, newest_only: bool| {
            let mut message = Vec::new();
            for (reversed, time, value) in samples {
                let mut labels = vec![("__name__", "a"), ("instance", instance), ("job", "x")];
                labels.retain(|(_, value)| !value.is_empty());
                if *reversed {
                    labels.reverse();
                }
                let (mut series, mut sample) = (Vec::new(), Vec::new());
                labels_v1(&mut series, labels);
                double(&mut sample, 1, *value);
                number(&mut sample, 2, (begin + time) as u64);
                bytes(&mut series, 2, &sample);
                bytes(&mut message, 1, &series);
            }
            let answer = server.v1(&message);
            let what = format!("{instance:?}, known {known:?}, {samples:?} from {begin}: {}", answer.text);
            let all = answer.samples == samples.len() as u64;
            assert_eq!(answer.status, if all { 204 } else { 400 }, "{what}");
            assert!(all || newest_only && answer.text.contains("out of order sample"), "{what}");
            let at = |(_, time, value): &(bool, i64, f64)| (begin + time, value.to_bits());
            sent.extend(samples.iter().map(at));
            let newest = samples.iter().map(|(_, time, _)| *time).max();
            must.extend(samples.iter().filter(|(_, time, _)| !newest_only || Some(*time) == newest).map(at));
        };
        known.iter().enumerate().for_each(|(at, reversed)| send(&[(*reversed, at as i64, 0.5)], NOW - 100, false));
        for round in 0..3 {
            let begin = NOW + 100 * round;
            send(&message, begin, true);
            // Both orders go on, and so does a series that may have been given the column.
            send(&[(false, 20, 2.0)], begin, false);
            send(&[(true, 21, 3.0)], begin, false);
            assert_eq!(server.v1(&v1(&[(&format!("other{{instance={instance},job=x,n={round}}}"), &[(begin + 22, 9.0)])])).status, 204);
            send(&[(true, 23, 4.0), (false, 24, 5.0)], begin, false);
        }
        let label = if instance.is_empty() { "a{job=x}".to_owned() } else { format!("a{{instance={instance},job=x}}") };
        let stored: Vec<(i64, u64)> =
            server.stored()[&set(&label).to_string()].iter().map(|(time, value)| (*time, value.to_bits())).collect();
        let what = format!("{instance:?}, known {known:?}, {message:?}: {stored:?}");
        assert!(must.iter().all(|sample| stored.contains(sample)), "{what}");
        assert!(stored.iter().all(|sample| sent.contains(sample)), "{what}");
    }
}
