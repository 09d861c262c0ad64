//! Evaluation over a store in memory, round by round.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::seams::AlertSink;
use model::{Alert, AlertStatus, Clock, LabelSet, METRIC_NAME, ManualClock, TimestampMs};
use promql::Memory;

use super::files::load;
use crate::deps::Context;
use crate::expand::{Found, evaluate};
use crate::group::Group;
use crate::restore::restore;
use crate::{Rules, RulesDeps};

const MINUTE: i64 = 60_000;

#[derive(Default)]
struct Heard(Mutex<Vec<Alert>>);

impl AlertSink for Heard {
    fn submit(&self, alerts: Vec<Alert>) {
        self.0.lock().expect("no panic").extend(alerts);
    }
}

struct World {
    store: Arc<Memory>,
    heard: Arc<Heard>,
    clock: Arc<ManualClock>,
    context: Context,
    group: Group,
}

impl World {
    fn new(text: &str) -> Self {
        let (store, heard, clock) = (Arc::new(Memory::new()), Arc::new(Heard::default()), Arc::new(ManualClock::at(0)));
        let deps = deps(&store, &heard, Arc::clone(&clock) as Arc<dyn Clock>);
        let config = load(text).expect("the rules are good").groups.remove(0);
        Self { store, heard, clock, context: Context::new(deps), group: Group::new(config, true) }
    }

    fn set(&self, series: &str, time: TimestampMs, value: f64) {
        self.store.add(&series_labels(series), time, value);
    }

    fn set_histogram(&self, series: &str, time: TimestampMs, written: &str) {
        let written = promql::script::histogram(written).expect("a histogram").histogram;
        self.store.load_histograms(&series_labels(series), [(time, Arc::new(model::Histogram::from(written.as_ref())))]);
    }

    fn evaluate(&mut self, time: TimestampMs) {
        self.clock.set(time);
        self.group.evaluate(&self.context, time);
    }

    /// What a query finds, as `{labels} value`, sorted.
    fn query(&self, text: &str, time: TimestampMs) -> Vec<String> {
        let expr = promql::parse(text).expect("it is a query");
        let mut found: Vec<String> = evaluate(&expr, time, &self.context)
            .expect("it has an answer")
            .into_iter()
            .map(|found| match found.histogram {
                None => format!("{} {}", found.labels, found.value),
                Some(histogram) => format!("{} {histogram}", found.labels),
            })
            .collect();
        found.sort();
        found
    }

    fn errors(&self) -> Vec<String> {
        self.group.snapshot(&self.context).rules.into_iter().map(|rule| rule.last_error).collect()
    }

    fn take_heard(&self) -> Vec<Alert> {
        std::mem::take(&mut self.heard.0.lock().expect("no panic"))
    }
}

fn deps(store: &Arc<Memory>, heard: &Arc<Heard>, clock: Arc<dyn Clock>) -> RulesDeps {
    RulesDeps {
        select: Arc::clone(store) as Arc<dyn model::seams::Select>,
        append: Arc::clone(store) as Arc<dyn model::seams::Append>,
        sink: Arc::clone(heard) as Arc<dyn AlertSink>,
        clock,
        external_url: "http://skopos.example".to_owned(),
        external_labels: LabelSet::from_pairs([("region", "kr")]),
        queries: promql::Limits::default(),
        listed: None,
    }
}

/// `name a=1 b=2`
fn series_labels(text: &str) -> LabelSet {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let labels: LabelSet = rest.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
    labels.with(METRIC_NAME, name)
}

/// What the templates of a file's alerts say when something is wrong with them.
pub(super) fn template_errors(file: &crate::RuleFile) -> Vec<String> {
    let context = Context::new(deps(&Arc::new(Memory::new()), &Arc::default(), Arc::new(ManualClock::at(0))));
    let found = Found::float(series_labels("up instance=host.example:9100 job=node"), 12.5);
    let found = &found;
    let rules = file.groups.iter().flat_map(|group| &group.rules).filter_map(|rule| Some((rule, rule.alert.as_ref()?)));
    let texts = rules.flat_map(|(rule, alert)| {
        let expander = crate::expand::Expander::new(&context, &rule.name, 0);
        let expand = move |(_, text): &(String, String)| expander.expand(text, found);
        rule.labels.iter().chain(&alert.annotations).map(expand).collect::<Vec<_>>()
    });
    // The store is empty, so what a template asks for is not there; upstream says the same then.
    texts.filter(|text| text.contains("<error expanding template") && !text.contains("first() called on vector with no elements")).collect()
}

#[test]
fn recording_rules_follow_each_other_and_series_end() {
    let mut world = World::new(
        "groups: [{name: g, labels: {team: a}, rules: [{record: 'x:sum', expr: 'sum by (j) (x)', labels: {own: b}}, {record: 'x:twice', expr: '2 * x:sum'}]}]",
    );
    world.set("x j=1", 0, 1.0);
    world.set("x j=1 k=1", 0, 2.0);
    world.set("x j=2", 0, 5.0);
    world.evaluate(1000);
    assert_eq!(world.query("x:twice", 1000), [r#"x:twice{j="1", own="b", team="a"} 6"#, r#"x:twice{j="2", own="b", team="a"} 10"#]);
    world.set("x j=2", 2000, model::stale());
    world.evaluate(3000);
    assert_eq!(world.query("x:twice", 3000), [r#"x:twice{j="1", own="b", team="a"} 6"#]);
    // And it comes back.
    world.set("x j=2", 4000, 7.0);
    world.evaluate(5000);
    assert_eq!(world.query("x:sum", 5000).len(), 2);
    assert_eq!(world.errors(), ["", ""]);
}

#[test]
fn histograms_are_recorded_and_shown() {
    let mut world = World::new(
        "groups: [{name: g, rules: [{record: 'h:sum', expr: 'sum(h)'}, {record: 'h:count', expr: 'histogram_count(h:sum)'}, {alert: Slow, expr: 'h:sum', annotations: {summary: 'at {{ $value }}'}}]}]",
    );
    world.set_histogram("h j=1", 0, "{{count:3 sum:4 buckets:[1 2]}}");
    world.set_histogram("h j=2", 0, "{{count:1 sum:1 buckets:[1]}}");
    world.evaluate(1000);
    assert_eq!(world.query("h:sum", 1000), ["h:sum {count:4, sum:5, (0.5,1]:2, (1,2]:2}"]);
    assert_eq!(world.query("h:count", 1000), ["h:count 4"]);
    let told = |world: &World| {
        world.group.snapshot(&world.context).rules[2]
            .alerting
            .iter()
            .flat_map(|a| &a.alerts)
            .map(|a| a.annotations.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&world), [r#"{summary="at {count:4, sum:5, (0.5,1]:2, (1,2]:2}"}"#]);
    world.store.add(&series_labels("h j=1"), 2000, model::stale());
    world.store.add(&series_labels("h j=2"), 2000, model::stale());
    world.evaluate(3000);
    assert_eq!(world.query("h:sum", 3000), [] as [String; 0]);
    assert_eq!(world.errors(), ["", "", ""]);
}

/// A list that stops what begins there, from the second on.
#[derive(Default)]
struct Strict(Mutex<Vec<String>>, Arc<AtomicBool>);

struct OnIt(Arc<Strict>, Arc<AtomicBool>);

impl crate::QueryList for Arc<Strict> {
    fn begins(&self, rule: crate::Rule<'_>) -> Box<dyn crate::ListedQuery> {
        let mut seen = self.0.lock().expect("no panic");
        let stopped = Arc::new(AtomicBool::new(!seen.is_empty()));
        seen.push(format!("{} {} {} {}", rule.file, rule.group, rule.query, rule.at));
        Box::new(OnIt(Arc::clone(self), stopped))
    }

    fn stop_all(&self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

impl crate::ListedQuery for OnIt {
    fn cancel(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.1)
    }

    fn meter(&self) -> Arc<promql::Meter> {
        Arc::default()
    }

    fn ended(&mut self, _: std::time::Duration, error: Option<&str>) {
        self.0.0.lock().expect("no panic").push(error.unwrap_or("good").to_owned());
    }
}

#[test]
fn queries_of_rules_are_listed_and_can_be_stopped() {
    let mut world = World::new("groups: [{name: g, rules: [{record: a, expr: sum(x)}, {record: b, expr: sum(y)}]}]");
    let list = Arc::new(Strict::default());
    world.context.listed = Some(Arc::new(Arc::clone(&list)));
    world.set("x", 0, 1.0);
    world.set("y", 0, 1.0);
    world.evaluate(1000);
    let seen = list.0.lock().expect("no panic").clone();
    assert!(seen[0].ends_with(" g sum(x) 1000") && seen[2].ends_with(" g sum(y) 1000"), "{seen:?}");
    assert_eq!((seen[1].as_str(), seen[3].as_str()), ("good", "query was canceled in expression evaluation"));
    assert_eq!(world.query("a", 1000), ["a 1"]);
    assert_eq!(world.errors(), ["", "query was canceled in expression evaluation"]);
}

#[test]
fn what_is_experimental_is_so_in_rules_too() {
    let text = "groups: [{name: g, rules: [{record: 'x:mad', expr: 'mad_over_time(x[1m])'}]}]";
    let mut world = World::new(text);
    world.set("x", 0, 1.0);
    world.evaluate(1000);
    assert!(world.errors()[0].contains("function \"mad_over_time\" is not enabled"), "{:?}", world.errors());
    let mut world = World::new(text);
    world.context.queries.features.functions = true;
    world.set("x", 0, 1.0);
    world.evaluate(1000);
    assert_eq!(world.query("x:mad", 1000), ["x:mad 0"]);
}

#[test]
fn an_alert_waits_fires_and_is_over() {
    let mut world = World::new(
        r#"groups: [{name: g, interval: 1m, rules: [{alert: Down, expr: 'up == 0', for: 2m, labels: {severity: "{{ if eq $labels.job \"web\" }}critical{{ else }}info{{ end }}"}, annotations: {summary: '{{ $labels.job }} of {{ $externalLabels.region }} is at {{ $value | humanize }}', broken: '{{ index $labels 5 }}'}}]}]"#,
    );
    for minute in 0..8 {
        world.set("up job=web", minute * MINUTE, if minute < 5 { 0.0 } else { 1.0 });
    }
    let mut phases = Vec::new();
    for minute in 0..8 {
        world.evaluate(minute * MINUTE);
        phases.push(world.query("ALERTS", minute * MINUTE).concat());
    }
    let line = |state: &str| format!(r#"ALERTS{{alertname="Down", alertstate="{state}", job="web", severity="critical"}} 1"#);
    assert_eq!(phases[..3], [line("pending"), line("pending"), line("firing")]);
    assert_eq!(phases[4..6], [line("firing"), String::new()]);
    assert_eq!(world.query("ALERTS_FOR_STATE", 4 * MINUTE), [r#"ALERTS_FOR_STATE{alertname="Down", job="web", severity="critical"} 0"#]);
    let heard = world.take_heard();
    // At 2 min, then each second minute: a minute is not longer than the resend delay. Its end at once, and again.
    assert_eq!(
        heard.iter().map(|alert| alert.status(5 * MINUTE)).collect::<Vec<_>>(),
        [AlertStatus::Firing, AlertStatus::Firing, AlertStatus::Resolved, AlertStatus::Resolved]
    );
    let first = &heard[0];
    assert_eq!(first.labels.to_string(), r#"{alertname="Down", job="web", region="kr", severity="critical"}"#);
    assert_eq!(first.annotations.get("summary"), Some("web of kr is at 0"));
    assert!(first.annotations.get("broken").is_some_and(|text| text.starts_with("<error expanding template: ")), "{first:?}");
    assert_eq!((first.starts_at, first.ends_at), (2 * MINUTE, Some(6 * MINUTE)));
    assert_eq!(first.generator_url, "http://skopos.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    assert_eq!(heard[2].ends_at, Some(5 * MINUTE));
}

#[test]
fn a_template_can_ask() {
    let mut world = World::new(
        r#"groups: [{name: g, rules: [{alert: A, expr: 'up == 0', annotations: {other: '{{ with query "sum(up)" }}{{ . | first | value }}{{ end }} {{ query "bad(" }}', endless: '{{ range 999999999 }}{{ query "up" }}{{ end }}'}}]}]"#,
    );
    world.set("up job=a", 0, 0.0);
    world.set("up job=b", 0, 1.0);
    world.evaluate(0);
    let heard = world.take_heard();
    let text = |name: &str| heard[0].annotations.get(name).unwrap_or_default().to_owned();
    assert!(text("other").contains("error calling query"), "{}", text("other"));
    assert!(text("endless").contains("steps"), "{}", text("endless"));
}

/// What `promtool test rules` says of the same templates.
#[test]
fn templates_say_what_upstream_says() {
    let world = World::new("groups: [{name: g}]");
    world.set("x job=j", 0, 3.5);
    let expander = crate::expand::Expander::new(&world.context, "A", 0);
    let labels = series_labels("x job=j");
    for (text, expected) in [
        (r#"{{ printf "%v %5.2f %q %x|%-6s|%06d" $value $value "a\"b" "hi" "go" 42 }}"#, r#"3.5  3.50 "a\"b" 6869|go    |000042"#),
        (r#"{{ $labels }} {{ $labels.nope }}|{{ index $labels "job" }} {{ len $labels }}"#, "map[__name__:x job:j] |j 2"),
        ("{{ 1e6 }} {{ 123456789.0 }} {{ 0x10 }} {{ 1_000 }} {{ 07 }} {{ 'a' }}", "1e+06 1.23456789e+08 16 1000 7 97"),
        (r#"{{ range $i, $e := query "x" }}{{ $i }}={{ .Value }}{{ $e.Labels.job }};{{ end }}"#, "0=3.5j;"),
        (r#"{{ "don't stop-me a_b 3d é" | title }} {{ "HeLLo" | toLower | toUpper }}"#, "Don'T Stop-Me A_b 3d É HELLO"),
        (r#"{{ if and (gt $value 1.0) (or false (eq $labels.job "j")) }}y{{ else }}n{{ end }}"#, "y"),
        (
            "{{ gt $value 1 }}",
            r#"<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "__alert_A" at <gt $value 1>: error calling gt: incompatible types for comparison>"#,
        ),
        (
            "{{ humanize 0.000012345 }} {{ humanize -1234567 }} {{ humanizeDuration 3661.5 }} {{ humanizePercentage 0.5 }} {{ humanize1024 -2048 }} {{ humanizeTimestamp 1700000000.5 }}",
            "12.35u -1.235M 1h 1m 1s 50% -2ki 2023-11-14 22:13:20.5 +0000 UTC",
        ),
        (r#"{{ reReplaceAll "(.)b" "${1}X$1" "abcb" }} {{ match "^a" "ba" }} {{ stripDomain "a.b.c:80" }}"#, "aXacXc false a:80"),
        (
            r#"{{ parseDuration "1h30m" }} {{ (toTime 1700000000).Weekday }} {{ (toTime 0).Add 5 }}"#,
            "5400 Tuesday 1970-01-01 00:00:00.000000005 +0000 UTC",
        ),
        (
            r#"{{ printf "%d %s" "x" 5 }} {{ printf "%!" }} {{ print 1 2 "x" 3.0 nil }}"#,
            "%!d(string=x) %!s(int=5) %!!(MISSING) 1 2x3 <nil>",
        ),
        (
            r#"{{ html "<a b='c'>&\"" }} {{ js "it's <x>" }} {{ urlquery "a b/c?" }}"#,
            r"&lt;a b=&#39;c&#39;&gt;&amp;&#34; it\'s \u003Cx\u003E a+b%2Fc%3F",
        ),
        (r#"{{ slice "abcdef" 2 4 }} {{ index "abc" 1 }} {{ not "" }} {{ ne 1 2 }} {{ le "a" "b" }}"#, "cd 98 true true true"),
        (r#"{{ $x := 5 }}{{ if true }}{{ $x = 6 }}{{ end }}{{ $x }} {{ with $y := "q" }}{{ $y }}{{ . }}{{ end }}"#, "6 qq"),
        (r#"{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" $value }} {{ block "u" 3 }}<{{ . }}>{{ end }}"#, "[3.5] <3>"),
        ("{{ range $k, $v := $labels }}{{ $k }}:{{ $v }},{{ end }}", "__name__:x,job:j,"),
        (r#"{{ (query "x" | first).Value | printf "%.1f" }} {{ query "x" | sortByLabel "job" | first | label "job" }}"#, "3.5 j"),
        (r#"{{ "abc" | safeHtml | len }} {{ args 1 "b" }}"#, "3 map[arg0:1 arg1:b]"),
        (
            r#"{{ printf "%T %T %T %T" 1 1.5 "s" $labels }} {{ printf "%v %+d %e %g %08.3f %t" true 5 1234.5 1e-7 3.25 false }}"#,
            "int float64 string map[string]string true +5 1.234500e+03 1e-07 0003.250 false",
        ),
        (
            "{{ lt 1 2 3 }}",
            r#"<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "__alert_A" at <lt>: wrong number of args for lt: want 2 got 3>"#,
        ),
        (
            r#"{{ "x" | value }}"#,
            r#"<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "__alert_A" at <value>: wrong type for value; expected *template.sample; got string>"#,
        ),
    ] {
        assert_eq!(expander.expand(text, &Found::float(labels.clone(), 3.5)), expected, "{text}");
    }
}

#[test]
fn too_much_is_an_error_and_ends_no_series() {
    let mut world = World::new("groups: [{name: g, limit: 2, rules: [{record: y, expr: x}, {alert: A, expr: x}]}]");
    for job in ["a", "b"] {
        world.set(&format!("x job={job}"), 0, 1.0);
    }
    world.evaluate(0);
    world.set("x job=c", 1000, 1.0);
    world.evaluate(2000);
    assert_eq!(world.errors(), ["exceeded limit of 2 with 3 series", "exceeded limit of 2 with 3 alerts"]);
    assert_eq!(world.query("y", 2000).len(), 2);
}

#[test]
fn series_that_become_the_same_are_an_error() {
    let mut world =
        World::new("groups: [{name: g, rules: [{record: y, expr: x, labels: {job: ''}}, {alert: A, expr: x, labels: {job: b}}]}]");
    for job in ["a", "b"] {
        world.set(&format!("x job={job}"), 0, 1.0);
    }
    world.evaluate(0);
    assert_eq!(
        world.errors(),
        [
            "vector contains metrics with the same labelset after applying rule labels",
            "vector contains metrics with the same labelset after applying alert labels"
        ]
    );
}

#[test]
fn a_changed_group_keeps_its_alerts() {
    let text =
        |for_minutes: u32| format!("groups: [{{name: g, rules: [{{alert: A, expr: 'x', for: {for_minutes}m}}, {{record: r, expr: x}}]}}]");
    let mut world = World::new(&text(5));
    world.set("x", 0, 1.0);
    world.evaluate(0);
    let changed = load("groups: [{name: g, rules: [{alert: A, expr: 'x > 0', for: 3m}]}]").expect("good").groups.remove(0);
    world.group.redefine(changed);
    world.set("x", 3 * MINUTE, 1.0);
    world.evaluate(3 * MINUTE);
    assert!(world.query("ALERTS", 3 * MINUTE)[0].contains("firing"));
    assert!(world.query("r", 3 * MINUTE).is_empty(), "the series of a rule that is gone ends");
}

#[test]
fn a_restart_restores_the_clocks() {
    let text = "groups: [{name: g, rules: [{alert: Long, expr: x, for: 30m}, {alert: Short, expr: x, for: 5m}]}]";
    let mut world = World::new(text);
    for minute in 0..=60 {
        world.set("x", minute * MINUTE, 1.0);
    }
    for minute in 0..=15 {
        world.evaluate(minute * MINUTE);
    }
    // Down from minute 15 to 20.
    let config = load(text).expect("good").groups.remove(0);
    world.group = Group::new(config, false);
    world.take_heard();
    for minute in [20, 21] {
        world.evaluate(minute * MINUTE);
    }
    assert!(world.query("ALERTS", 21 * MINUTE).is_empty(), "nothing is written before the clocks are restored");
    restore(&mut world.group, world.store.as_ref(), 21 * MINUTE);
    let mut fired = Vec::new();
    for minute in 22..=40 {
        world.evaluate(minute * MINUTE);
        fired.extend(world.take_heard().into_iter().map(|alert| (minute, alert.labels.get("alertname").unwrap_or_default().to_owned())));
    }
    let first = |name: &str| fired.iter().find(|(_, fired)| fired == name).map(|(minute, _)| *minute);
    // 15 of 30 minutes had passed; those 6 in which nobody looked do not count. A short one waits again from the start.
    assert_eq!((first("Long"), first("Short")), (Some(36), Some(25)));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_run_reload_and_stop() {
    struct Wall;
    impl Clock for Wall {
        fn now(&self) -> TimestampMs {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
            i64::try_from(since.as_millis()).expect("in range")
        }
    }
    let (store, heard) = (Arc::new(Memory::new()), Arc::new(Heard::default()));
    let rules = Rules::new(deps(&store, &heard, Arc::new(Wall)));
    let file = |text: &str| vec![load(text).expect("good")];
    rules.reload(file("groups: [{name: g, interval: 10ms, rules: [{alert: A, expr: 'vector(1)'}]}, {name: h, interval: 10ms, rules: [{record: r, expr: 'vector(2)'}]}]"), 1000).await;
    let evaluated = async || {
        for _ in 0..1000 {
            if rules.groups().iter().all(|group| group.last_evaluation.is_some()) && !heard.0.lock().expect("no panic").is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no evaluation within five seconds: {:?}", rules.groups());
    };
    evaluated().await;
    rules.reload(file("groups: [{name: g, interval: 10ms, rules: [{alert: A, expr: 'vector(1)'}]}]"), 1000).await;
    let names: Vec<String> = rules.groups().into_iter().map(|group| group.name).collect();
    assert_eq!((names, rules.stats().groups), (vec!["g".to_owned()], 1));
    rules.stop().await;
    assert!(rules.groups().is_empty());
    assert!(rules.stats().evaluations > 0);
}
