//! The HTTP API beside Debian's Prometheus: both scrape the same target and are asked the same. Status, error type, structure and texts
//! are compared; what differs because that Prometheus is older is listed by name, and nothing else may differ.

#![expect(clippy::print_stdout, reason = "what was compared, and what differs in known ways, belongs into the output")]

mod calls;
mod compare;
mod grafana;
mod pair;
mod remote_read;

use std::collections::BTreeMap;

use calls::Call;
use compare::{Level, difference, known};
use pair::Pair;

/// Asks both, and fails with all that differs and is not known.
pub(crate) fn compare_all(pair: &Pair, calls: &[Call]) {
    let (mut wrong, mut named, mut alike) = (Vec::new(), BTreeMap::<&str, usize>::new(), 0);
    for call in calls {
        let (ours, theirs) = (call.ask(&pair.skopos.url("")), call.ask(&pair.prometheus.url("")));
        assert!(ours.status != 0 && theirs.status != 0, "no answer to {call}: Skopos {}, Prometheus {}", ours.body, theirs.body);
        let Some(what) = difference(call, &ours, &theirs) else {
            alike += 1;
            continue;
        };
        match known(call, &ours, &theirs) {
            Some(name) => *named.entry(name).or_default() += 1,
            None => wrong.push(format!(
                "{call}\n    {what}\n    Skopos     {} {:.300}\n    Prometheus {} {:.300}",
                ours.status, ours.body, theirs.status, theirs.body
            )),
        }
    }
    println!("{} calls: {alike} answered alike, {} differ in known ways:", calls.len(), named.values().sum::<usize>());
    for (name, count) in &named {
        println!("  {count:4}  {name}");
    }
    assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

#[test]
fn hundreds_of_calls_are_answered_as_prometheus_answers_them() {
    let Some(pair) = Pair::start("api-beside") else { return };
    let calls = calls::all(pair.base);
    assert!(calls.len() >= 300, "only {} calls", calls.len());
    assert!(calls.iter().any(|call| call.level == Level::Values) && calls.iter().any(|call| call.level == Level::Shape));
    compare_all(&pair, &calls);
}
