//! The whole, with a channel that is made to fail.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::seams::{
    AlertSink, BoxFuture, Channel, MetricSource, PanelRender, PluginError, PluginKind, Plugins, TargetSource, TemplateField,
};
use model::{Alert, AlertStatus, Clock, LabelSet, Notification, Reason, Receipt, SendError, TimestampMs};

use super::world::{config, labels};
use crate::ledger::Ledger;
use crate::{Alerting, AlertingDeps};

struct Wall;

impl Clock for Wall {
    fn now(&self) -> TimestampMs {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("in range")
    }
}

/// Takes messages, after the answers it was given have been given out.
#[derive(Default)]
struct Fake {
    answers: Mutex<VecDeque<SendError>>,
    heard: Mutex<Vec<(Notification, Vec<String>)>>,
    fields: Vec<(&'static str, &'static str)>,
    /// Rings after each message.
    told: tokio::sync::Notify,
}

struct FakeChannel(Arc<Fake>);

impl Channel for FakeChannel {
    fn templates(&self) -> Vec<TemplateField> {
        self.0
            .fields
            .iter()
            .map(|(pointer, text)| TemplateField { pointer: (*pointer).to_owned(), text: (*text).to_owned(), html: false })
            .collect()
    }

    fn send<'a>(&'a self, notification: &'a Notification, expanded: &'a [String]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            if let Some(error) = self.0.answers.lock().expect("no panic").pop_front() {
                return Err(error);
            }
            self.0.heard.lock().expect("no panic").push((notification.clone(), expanded.to_vec()));
            self.0.told.notify_one();
            Ok(Receipt { id: "ts-1".to_owned() })
        })
    }
}

impl Plugins for Fake {
    fn serves(&self, name: &str, _: PluginKind) -> bool {
        name == "fake"
    }
    fn target_source(&self, name: &str, _: &str) -> Result<Arc<dyn TargetSource>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
    fn metric_source(&self, name: &str, _: &str) -> Result<Arc<dyn MetricSource>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
    fn channel(&self, name: &str, _: &str) -> Result<Arc<dyn Channel>, PluginError> {
        Err(PluginError::Missing(format!("{name}.wasm is not there")))
    }
    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
}

/// Hands out the one fake under the name `fake`.
struct Shared(Arc<Fake>);

impl Plugins for Shared {
    fn serves(&self, name: &str, kind: PluginKind) -> bool {
        self.0.serves(name, kind)
    }
    fn target_source(&self, name: &str, section: &str) -> Result<Arc<dyn TargetSource>, PluginError> {
        self.0.target_source(name, section)
    }
    fn metric_source(&self, name: &str, section: &str) -> Result<Arc<dyn MetricSource>, PluginError> {
        self.0.metric_source(name, section)
    }
    fn channel(&self, name: &str, section: &str) -> Result<Arc<dyn Channel>, PluginError> {
        if name == "fake" { Ok(Arc::new(FakeChannel(Arc::clone(&self.0)))) } else { self.0.channel(name, section) }
    }
    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError> {
        self.0.panel(name)
    }
}

const CONFIG: &str = "route: {receiver: team, group_by: [alertname], group_wait: 10ms, group_interval: 100ms}\nreceivers: [{name: team, fake_configs: [{}]}]";

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("skopos-alerting-{}-{name}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn alerting(fake: &Arc<Fake>, dir: &Dir) -> Arc<Alerting> {
    let deps = AlertingDeps {
        channels: Arc::new(Shared(Arc::clone(fake))),
        clock: Arc::new(Wall),
        external_url: "http://skopos.example".to_owned(),
        ledger_dir: dir.0.clone(),
    };
    Arc::new(Alerting::new(config(CONFIG).expect("it is good"), deps).expect("it begins"))
}

fn alert(text: &str, ends_in_ms: i64) -> Alert {
    let now = Wall.now();
    Alert {
        labels: labels(text),
        annotations: LabelSet::from_pairs([("summary", "it broke")]),
        starts_at: now - 1000,
        ends_at: Some(now + ends_in_ms),
        generator_url: "http://skopos.example/graph?g0.expr=up".to_owned(),
        value: Some(1.0),
    }
}

/// Waits until so many messages have arrived, for ten seconds at most.
async fn heard(fake: &Fake, count: usize) -> Vec<(Notification, Vec<String>)> {
    for _ in 0..2000 {
        let heard = fake.heard.lock().expect("no panic").clone();
        if heard.len() >= count {
            return heard;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("only {} messages arrived", fake.heard.lock().expect("no panic").len());
}

fn retry(ms: Option<u64>) -> SendError {
    SendError { message: "429 Too Many Requests".to_owned(), retryable: true, retry_after_ms: ms }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_after_refusals_and_its_end_follows() {
    let dir = Dir::new("refusals");
    let fake = Arc::new(Fake {
        answers: Mutex::new([retry(Some(150)), retry(Some(150))].into()),
        fields: vec![
            ("/title", r#"{{ template "slack.default.title" . }}"#),
            ("/text", r#"{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}"#),
            ("/title_link", r#"{{ template "slack.default.titlelink" . }}"#),
            ("/color", "{{ index .Alerts 99 }}"),
            ("/fallback", "{{ index .Alerts 99 }}"),
        ],
        ..Fake::default()
    });
    let alerting = alerting(&fake, &dir);
    let running = tokio::spawn({
        let alerting = Arc::clone(&alerting);
        async move { alerting.run().await }
    });
    alerting.submit(vec![alert("alertname=Down job=web", 60_000)]);
    let first = heard(&fake, 1).await.remove(0);
    assert_eq!(first.0.title, "[FIRING:1] Down (web)");
    assert_eq!(first.1[..3], ["[FIRING:1] Down (web)", "it broke", "http://skopos.example/alerts?receiver=team"]);
    assert_eq!(first.1[3], "", "a colour is no place for an error");
    assert!(first.1[4].starts_with("<error expanding template: "), "{}", first.1[4]);
    assert!(first.0.text.contains(" - job = web") && first.0.text.contains("Source: http://skopos.example/graph"), "{}", first.0.text);
    alerting.submit(vec![alert("alertname=Down job=web", 0)]);
    let second = heard(&fake, 2).await.remove(1);
    assert_eq!((second.0.status, second.0.sequence, second.0.previous_receipt.as_deref()), (AlertStatus::Resolved, 2, Some("ts-1")));
    assert_eq!(second.1[0], "[RESOLVED] Down (web)");
    alerting.stop().await;
    running.await.expect("it ends");
    let stats = alerting.stats();
    assert_eq!(stats.channels["fake"].sent, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_survives_a_restart() {
    let dir = Dir::new("restart");
    let fake = Arc::new(Fake::default());
    for round in 0..2 {
        let alerting = alerting(&fake, &dir);
        let running = tokio::spawn({
            let alerting = Arc::clone(&alerting);
            async move { alerting.run().await }
        });
        alerting.submit(vec![alert("alertname=Down", 60_000)]);
        heard(&fake, 1).await;
        if round == 1 {
            // Something else is told, so the group's turns have come; Down itself is not told again.
            alerting.submit(vec![alert("alertname=Other", 60_000)]);
            let all = heard(&fake, 2).await;
            assert_eq!(all[1].0.group_labels.get("alertname"), Some("Other"));
        }
        alerting.stop().await;
        running.await.expect("it ends");
    }
    assert_eq!(fake.heard.lock().expect("no panic").len(), 2);
}

/// The answer to a message and the stop are there when the loop next looks, and by chance it takes either first.
#[tokio::test]
async fn a_message_that_arrives_as_the_process_ends_is_remembered() {
    for round in 0..30 {
        let (dir, fake) = (Dir::new(&format!("end-{round}")), Arc::new(Fake::default()));
        let alerting = alerting(&fake, &dir);
        let running = tokio::spawn({
            let alerting = Arc::clone(&alerting);
            async move { alerting.run().await }
        });
        alerting.submit(vec![alert("alertname=Down", 60_000)]);
        // There is one thread, and tasks go on in the order they are woken: this one after the delivery, before the loop.
        let stops = tokio::spawn({
            let (fake, alerting) = (Arc::clone(&fake), Arc::clone(&alerting));
            async move {
                fake.told.notified().await;
                alerting.stop().await;
            }
        });
        stops.await.expect("it stops");
        running.await.expect("it ends");
        let (_, found) = Ledger::open(&dir.0, Wall.now()).expect("it opens");
        assert_eq!((found.sent.len(), fake.heard.lock().expect("no panic").len()), (1, 1), "round {round}");
    }
}

#[tokio::test]
async fn a_test_message_goes_to_every_place_once_and_past_the_ledger() {
    let dir = Dir::new("test-message");
    let fake = Arc::new(Fake {
        answers: Mutex::new([retry(None)].into()),
        fields: vec![("/title", r#"{{ template "slack.default.title" . }}"#)],
        ..Fake::default()
    });
    let text = "route: {receiver: quiet}\nreceivers: [{name: quiet}, {name: team, fake_configs: [{}, {}]}]";
    let deps = AlertingDeps {
        channels: Arc::new(Shared(Arc::clone(&fake))),
        clock: Arc::new(Wall),
        external_url: "http://skopos.example".to_owned(),
        ledger_dir: dir.0.clone(),
    };
    let alerting = Alerting::new(config(text).expect("it is good"), deps).expect("it begins");
    let receivers: Vec<(String, usize)> = alerting.receivers().into_iter().map(|r| (r.name, r.integrations.len())).collect();
    assert_eq!(receivers, [("quiet".to_owned(), 0), ("team".to_owned(), 2)]);

    let results = alerting.send_test("team").await.expect("the receiver is there");
    let mut outcomes: Vec<(bool, &str)> = results.iter().map(|r| (r.ok, r.error.as_str())).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(false, "429 Too Many Requests"), (true, "")], "one attempt each: a retryable error is told at once");
    assert_eq!(results.iter().map(|r| r.integration.as_str()).collect::<Vec<_>>(), ["fake[0]", "fake[1]"]);
    let heard = fake.heard.lock().expect("no panic").clone();
    let (message, fields) = &heard[0];
    assert_eq!((heard.len(), message.reason, message.status), (1, Reason::Test, AlertStatus::Firing));
    assert_eq!(fields[0], "[FIRING:1] SkoposTest (team none)");
    assert!(message.text.contains("Test message from Skopos to the receiver team"), "{}", message.text);

    assert_eq!(alerting.send_test("quiet").await.expect("there").len(), 0);
    let error = alerting.send_test("tem").await.expect_err("not there").to_string();
    assert_eq!(error, r#"no receiver is called "tem"; did you mean "team"? (receivers: quiet, team)"#);
    assert!(alerting.groups().is_empty() && alerting.stats().channels.is_empty());
}

#[test]
fn a_channel_that_is_not_there_refuses_the_configuration_with_its_place() {
    let text = "route: {receiver: team}\nreceivers:\n- name: team\n  sms_configs:\n  - to: x\n";
    let error = Alerting::check(config(text).expect("it is good"), &Fake::default()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("5:5: receivers[0].sms_configs[0]: no plugin serves \"sms_configs\": put sms.wasm into plugins/"));
}

#[test]
fn a_channel_that_is_not_there_can_be_left_out() {
    let text = "route: {receiver: team}\nreceivers:\n- name: team\n  sms_configs:\n  - to: x\n  fake_configs: [{}]\n";
    let mut config = config(text).expect("it is good");
    let dropped = config.drop_missing(&Fake::default());
    assert_eq!(dropped.len(), 1);
    assert!(dropped[0].1.to_string().starts_with("5:5: receivers[0].sms_configs[0]: no plugin serves \"sms_configs\""), "{dropped:?}");
    assert_eq!(config.receiver_snapshots()[0].integrations, ["fake"]);
    assert!(Alerting::check(config, &Shared(Arc::default())).is_ok());
}
