//! What good requests store.

use model::{FamilyKind, stale};

use crate::support::{NOW, Server, V2Writer, bytes, double, labels_v1, number, set, v1, v2};

const A: &str = "up{instance=a:1,job=node}";
const B: &str = "up{instance=b:1,job=node}";
const C: &str = "load{instance=a:1,job=node}";

#[test]
fn both_versions_store_the_same() {
    let series: &[(&str, &[(i64, f64)])] =
        &[(A, &[(NOW, 1.0), (NOW + 15_000, 0.0)]), (B, &[(NOW + 1, -1.5)]), (C, &[(NOW, f64::INFINITY)])];
    for (version, (content_type, message)) in [("1.0", (crate::support::V1, v1(series))), ("2.0", (crate::support::V2, v2(series)))] {
        let server = Server::new();
        let answer = server.send(content_type, &message);
        assert_eq!((answer.status, answer.samples, answer.text.as_str()), (204, 4, ""), "{version}");
        let stored = server.stored();
        assert_eq!(stored.len(), 3);
        for (labels, samples) in series {
            assert_eq!(stored[&set(labels).to_string()], *samples, "{version} {labels}");
        }
        let stats = server.receiver.stats();
        let sender = &stats.senders[0];
        assert_eq!((sender.name.as_str(), sender.requests, sender.samples, sender.series, sender.groups), ("anonymous", 1, 4, 3, 2));
        assert_eq!(server.db.stats().groups, 2, "one group for each job and instance");
    }
}

#[test]
fn rounds_of_a_steady_sender_are_found_by_their_order() {
    let server = Server::new();
    let names: Vec<String> = (0..500).map(|n| format!("m{n}{{instance=i{}:1,job=j}}", n % 7)).collect();
    for round in 0..40_i64 {
        // A series leaves and another comes now and then.
        let of = |n: usize| (NOW - 1_000_000 + round * 15_000, (n as i64 * round) as f64);
        let rows: Vec<[(i64, f64); 1]> = (0..names.len()).map(|n| [of(n)]).collect();
        let series: Vec<(&str, &[(i64, f64)])> = names
            .iter()
            .zip(&rows)
            .enumerate()
            .filter(|(n, _)| (*n as i64 + round) % 11 != 0)
            .map(|(_, (name, row))| (name.as_str(), &row[..]))
            .collect();
        let answer = if round % 2 == 0 { server.v1(&v1(&series)) } else { server.v2(&v2(&series)) };
        assert_eq!((answer.status, answer.samples), (204, series.len() as u64), "round {round}: {}", answer.text);
    }
    let stored = server.stored();
    for (n, name) in names.iter().enumerate() {
        let wanted: Vec<(i64, f64)> = (0..40_i64)
            .filter(|round| (n as i64 + round) % 11 != 0)
            .map(|round| (NOW - 1_000_000 + round * 15_000, (n as i64 * round) as f64))
            .collect();
        assert_eq!(stored[&set(name).to_string()], wanted, "{name}");
    }
    assert_eq!(server.db.stats().groups, 7);
}

#[test]
fn a_series_that_ended_comes_again() {
    let server = Server::new();
    let round = |time: i64, value: f64| server.v1(&v1(&[(A, &[(time, value)]), (C, &[(time, 2.0)])]));
    assert_eq!(round(NOW, 1.0).status, 204);
    assert_eq!(round(NOW + 1000, stale()).status, 204);
    assert_eq!(server.receiver.stats().senders[0].series, 1, "an ended series is not kept");
    assert_eq!(round(NOW + 2000, 3.0).status, 204);
    // Within one request: it ends, comes again, ends again.
    let answer = server.v1(&v1(&[(A, &[(NOW + 3000, stale()), (NOW + 4000, 4.0), (NOW + 5000, stale()), (NOW + 6000, 6.0)])]));
    assert_eq!((answer.status, answer.samples), (204, 4), "{}", answer.text);
    let times: Vec<i64> = server.stored()[&set(A).to_string()].iter().map(|(time, _)| time - NOW).collect();
    assert_eq!(times, [0, 1000, 2000, 3000, 4000, 5000, 6000]);
}

#[test]
fn zeros_may_be_left_out_and_fields_be_added() {
    let server = Server::new();
    let mut series = Vec::new();
    labels_v1(&mut series, set(A).iter());
    let mut sample = Vec::new();
    number(&mut sample, 99, 7);
    number(&mut sample, 2, NOW as u64);
    bytes(&mut sample, 98, b"unknown");
    bytes(&mut series, 2, &sample);
    bytes(&mut series, 77, b"unknown");
    let mut message = Vec::new();
    number(&mut message, 50, 1);
    bytes(&mut message, 1, &series);
    bytes(&mut message, 51, b"unknown");
    let answer = server.v1(&message);
    assert_eq!((answer.status, answer.samples), (204, 1), "{}", answer.text);
    assert_eq!(server.stored()[&set(A).to_string()], [(NOW, 0.0)]);
}

#[test]
fn labels_in_any_order_are_the_same_series() {
    let server = Server::new();
    let mut message = Vec::new();
    for (time, order) in [
        (NOW, [("__name__", "up"), ("job", "node"), ("instance", "a:1")]),
        (NOW + 1, [("job", "node"), ("instance", "a:1"), ("__name__", "up")]),
    ] {
        let mut series = Vec::new();
        labels_v1(&mut series, order);
        let mut sample = Vec::new();
        double(&mut sample, 1, 1.0);
        number(&mut sample, 2, time as u64);
        bytes(&mut series, 2, &sample);
        bytes(&mut message, 1, &series);
    }
    assert_eq!(server.v1(&message).samples, 2);
    assert_eq!(server.stored()[&set(A).to_string()].len(), 2);
}

#[test]
fn metadata_of_both_versions() {
    let server = Server::new();
    let mut message = Vec::new();
    let mut metadata = Vec::new();
    number(&mut metadata, 1, 1);
    bytes(&mut metadata, 2, b"requests_total");
    bytes(&mut metadata, 4, b"Requests.");
    bytes(&mut metadata, 5, b"");
    bytes(&mut message, 3, &metadata);
    assert_eq!(server.v1(&message).status, 204);
    let mut writer = V2Writer::default();
    let (help, unit) = (writer.symbol("Load."), writer.symbol("seconds"));
    let mut of_series = Vec::new();
    number(&mut of_series, 1, 2);
    number(&mut of_series, 3, help);
    number(&mut of_series, 4, unit);
    let mut rest = Vec::new();
    bytes(&mut rest, 5, &of_series);
    writer.series(C, &[(NOW, 1.0)], &rest);
    assert_eq!(server.v2(&writer.message()).status, 204);
    let families = server.receiver.metadata();
    let shown: Vec<(&str, FamilyKind, &str, &str)> = families.iter().map(|f| (&*f.name, f.kind, &*f.help, &*f.unit)).collect();
    assert_eq!(shown, [("load", FamilyKind::Gauge, "Load.", "seconds"), ("requests_total", FamilyKind::Counter, "Requests.", "")]);
}
