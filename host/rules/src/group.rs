//! One group: its rules, what they keep between evaluations, and the evaluation itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use model::seams::{ColumnId, GroupAppend, Row};
use model::{Alert, Histogram, LabelSet, METRIC_NAME, TimestampMs};

use crate::alert_state::{AlertState, Phase, Policy, Seen, needs_sending, step};
use crate::deps::{Context, Rule};
use crate::expand::{Expander, Found, evaluate_rule};
use crate::file::{AlertConfig, GroupConfig, RuleConfig};
use crate::snapshot::{ActiveAlert, AlertingRuleSnapshot, GroupSnapshot, RuleHealth, RuleSnapshot};

/// Alerts are handed over again after this, while they last.
pub(crate) const RESEND_DELAY_MS: i64 = 60_000;

/// What is kept of a rule between evaluations.
#[derive(Default)]
pub(crate) struct RuleState {
    /// By labels, `alertname` included.
    pub(crate) alerts: BTreeMap<LabelSet, AlertState>,
    /// Whether the clocks of alerts have been restored, so that they may be written.
    pub(crate) restored: bool,
    /// The series of the last evaluation that succeeded.
    series: HashSet<LabelSet>,
    health: Option<Result<(), String>>,
    seconds: f64,
    at: Option<TimestampMs>,
}

/// A group with its state.
pub(crate) struct Group {
    pub(crate) config: GroupConfig,
    /// One for each rule.
    pub(crate) states: Vec<RuleState>,
    writer: Option<Box<dyn GroupAppend>>,
    columns: HashMap<LabelSet, ColumnId>,
    /// Series of rules that are gone, to be ended.
    orphans: HashSet<LabelSet>,
    seconds: f64,
    at: Option<TimestampMs>,
}

/// What one evaluation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evaluated {
    pub(crate) rules: u64,
    pub(crate) failures: u64,
    pub(crate) samples: u64,
    pub(crate) alerts_sent: u64,
}

impl Group {
    /// `restored` says that there is nothing to restore: the group came with a new configuration.
    pub(crate) fn new(config: GroupConfig, restored: bool) -> Self {
        let states = config.rules.iter().map(|_| RuleState { restored, ..RuleState::default() }).collect();
        Self { config, states, writer: None, columns: HashMap::new(), orphans: HashSet::new(), seconds: 0.0, at: None }
    }

    /// Takes a changed definition. Rules of the same name and labels keep their state, in order, as upstream.
    pub(crate) fn redefine(&mut self, config: GroupConfig) {
        let mut old: Vec<(RuleConfig, Option<RuleState>)> =
            std::mem::take(&mut self.config.rules).into_iter().zip(std::mem::take(&mut self.states).into_iter().map(Some)).collect();
        for rule in &config.rules {
            let same =
                old.iter_mut().find(|(before, state)| state.is_some() && (&before.name, &before.labels) == (&rule.name, &rule.labels));
            let state = same.and_then(|(_, state)| state.take());
            self.states.push(state.unwrap_or_else(|| RuleState { restored: true, ..RuleState::default() }));
        }
        let gone = old.into_iter().filter_map(|(_, state)| state);
        self.orphans.extend(gone.flat_map(|state| state.series));
        self.config = config;
    }

    pub(crate) fn interval_ms(&self, context: &Context) -> i64 {
        self.config.interval_ms.unwrap_or_else(|| context.evaluation_interval_ms()).max(1)
    }

    /// Evaluates all rules in order at one time. Blocks.
    pub(crate) fn evaluate(&mut self, context: &Context, now: TimestampMs) -> Evaluated {
        let started = Instant::now();
        let mut done = Evaluated::default();
        let sample_time = now - self.config.query_offset_ms.unwrap_or(0);
        for at in 0..self.config.rules.len() {
            let began = Instant::now();
            let result = self.evaluate_rule(at, context, now, sample_time, &mut done);
            let rule = &self.config.rules[at];
            if let Err(error) = &result {
                tracing::warn!(group = self.config.name, rule = rule.name, "evaluating rule failed: {error}");
            }
            done.rules += 1;
            done.failures += u64::from(result.is_err());
            let state = &mut self.states[at];
            state.health = Some(result);
            state.seconds = began.elapsed().as_secs_f64();
            state.at = Some(now);
        }
        let orphans: Vec<Written> = self.orphans.drain().map(Written::end).collect();
        if let Err(error) = self.write(context, sample_time, &orphans) {
            tracing::warn!(group = self.config.name, "series of rules that are gone were not ended: {error}");
        }
        self.seconds = started.elapsed().as_secs_f64();
        self.at = Some(now);
        done
    }

    fn evaluate_rule(
        &mut self,
        at: usize,
        context: &Context,
        now: TimestampMs,
        sample_time: TimestampMs,
        done: &mut Evaluated,
    ) -> Result<(), String> {
        let rule = &self.config.rules[at];
        let GroupConfig { file, name, .. } = &self.config;
        let found = evaluate_rule(&rule.expr, Rule { file, group: name, query: &rule.query, at: sample_time }, context)?;
        let samples = match &rule.alert {
            None => recorded(rule, &found, self.config.limit)?,
            Some(alert) => {
                let samples = alerted(rule, alert, &mut self.states[at], found, context, now, sample_time, self.config.limit)?;
                let interval = self.interval_ms(context);
                let sent = due_alerts(&self.config.rules[at], &mut self.states[at], context, now, interval);
                done.alerts_sent += sent.len() as u64;
                if !sent.is_empty() {
                    context.sink.submit(sent);
                }
                samples
            }
        };
        let series: HashSet<LabelSet> = samples.iter().map(|sample| sample.labels.clone()).collect();
        let gone = self.states[at].series.difference(&series).filter(|labels| !self.orphans.contains(*labels));
        let rows: Vec<Written> = gone.cloned().map(Written::end).chain(samples).collect();
        self.orphans.retain(|labels| !series.contains(labels));
        done.samples += rows.len() as u64;
        self.states[at].series = series;
        self.write(context, sample_time, &rows)
    }

    /// Writes samples of one time into the group's columns. Series that storage refuses are named in the error; the others
    /// are written.
    fn write(&mut self, context: &Context, time: TimestampMs, samples: &[Written]) -> Result<(), String> {
        if samples.is_empty() {
            return Ok(());
        }
        if self.writer.is_none() {
            let key = format!("rules/{}/{}", self.config.file, self.config.name);
            self.writer = Some(context.append.open_group(&key).map_err(|error| error.to_string())?);
            self.columns.clear();
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let (mut ids, mut values, mut refused) = (Vec::with_capacity(samples.len()), Vec::with_capacity(samples.len()), None);
        let mut histograms = Vec::new();
        for Written { labels, value, histogram } in samples {
            let stale = histogram.is_none() && model::is_stale(*value);
            let known = if stale { self.columns.remove(labels) } else { self.columns.get(labels).copied() };
            let id = match known {
                Some(id) => id,
                None => match writer.column(labels) {
                    Ok(id) => id,
                    Err(error) => {
                        refused.get_or_insert(format!("{labels}: {error}"));
                        continue;
                    }
                },
            };
            // A stale marker releases the column.
            if !stale {
                self.columns.insert(labels.clone(), id);
            }
            match histogram {
                Some(histogram) => histograms.push((id, Arc::clone(histogram))),
                None => {
                    ids.push(id);
                    values.push(*value);
                }
            }
        }
        let written = ids.len() + histograms.len();
        match writer.append(Row::floats(time, &ids, &values).with_histograms(&histograms)) {
            Err(error) => {
                self.writer = None;
                return Err(error.to_string());
            }
            Ok(report) if report.accepted < written as u64 => {
                let lost = written as u64 - report.accepted;
                refused.get_or_insert(format!("storage did not take {lost} of {written} samples: {report:?}"));
            }
            Ok(_) => {}
        }
        refused.map_or(Ok(()), Err)
    }

    /// Ends all series: the group is gone.
    pub(crate) fn end(&mut self, context: &Context, now: TimestampMs) {
        let series = self.states.iter_mut().flat_map(|state| state.series.drain()).chain(self.orphans.drain());
        let rows: Vec<Written> = series.collect::<HashSet<_>>().into_iter().map(Written::end).collect();
        if let Err(error) = self.write(context, now - self.config.query_offset_ms.unwrap_or(0), &rows) {
            tracing::warn!(group = self.config.name, "series of a group that is gone were not ended: {error}");
        }
        self.writer = None;
    }

    /// What pages show.
    pub(crate) fn snapshot(&self, context: &Context) -> GroupSnapshot {
        GroupSnapshot {
            name: self.config.name.clone(),
            file: self.config.file.clone(),
            interval_ms: self.interval_ms(context).unsigned_abs(),
            limit: self.config.limit,
            rules: self.config.rules.iter().zip(&self.states).map(|(rule, state)| rule_snapshot(rule, state)).collect(),
            evaluation_seconds: self.seconds,
            last_evaluation: self.at,
        }
    }
}

/// A sample that a rule writes.
struct Written {
    labels: LabelSet,
    /// Without meaning where there is a histogram.
    value: f64,
    histogram: Option<Arc<Histogram>>,
}

impl Written {
    fn float(labels: LabelSet, value: f64) -> Self {
        Self { labels, value, histogram: None }
    }

    /// The series is no more.
    fn end(labels: LabelSet) -> Self {
        Self::float(labels, model::stale())
    }
}

/// The series of a recording rule.
fn recorded(rule: &RuleConfig, found: &[Found], limit: u64) -> Result<Vec<Written>, String> {
    let mut seen = HashSet::with_capacity(found.len());
    let mut samples = Vec::with_capacity(found.len());
    for found in found {
        let mut builder = found.labels.to_builder();
        builder.set(METRIC_NAME, &rule.name);
        for (name, value) in &rule.labels {
            builder.set(name, value);
        }
        let labels = builder.build();
        if !seen.insert(labels.clone()) {
            return Err("vector contains metrics with the same labelset after applying rule labels".to_owned());
        }
        let histogram = found.histogram.as_ref().map(|h| Arc::new(Histogram::from(h.as_ref())));
        samples.push(Written { labels, value: found.value, histogram });
    }
    if limit > 0 && samples.len() as u64 > limit {
        return Err(format!("exceeded limit of {limit} with {} series", samples.len()));
    }
    Ok(samples)
}

/// Moves the alerts of a rule on, and answers their synthetic series.
#[expect(clippy::too_many_arguments, reason = "one evaluation of one rule")]
fn alerted(
    rule: &RuleConfig,
    alert: &AlertConfig,
    state: &mut RuleState,
    found: Vec<Found>,
    context: &Context,
    now: TimestampMs,
    sample_time: TimestampMs,
    limit: u64,
) -> Result<Vec<Written>, String> {
    // So that a rule which yields far too much costs no more than finding that out.
    if limit > 0 && found.len() as u64 > limit {
        state.alerts.clear();
        return Err(format!("exceeded limit of {limit} with {} alerts", found.len()));
    }
    let expander = Expander::new(context, &rule.name, sample_time);
    let mut seen: HashMap<LabelSet, Seen> = HashMap::with_capacity(found.len());
    for found in found {
        let mut builder = found.labels.to_builder();
        builder.remove(METRIC_NAME);
        for (name, text) in &rule.labels {
            builder.set(name, &expander.expand(text, &found));
        }
        builder.set("alertname", &rule.name);
        let annotations = alert.annotations.iter().map(|(name, text)| (name.as_str(), expander.expand(text, &found))).collect();
        if seen.insert(builder.build(), Seen { value: found.value, annotations }).is_some() {
            return Err("vector contains metrics with the same labelset after applying alert labels".to_owned());
        }
    }
    let policy = Policy { for_ms: alert.for_ms, keep_firing_for_ms: alert.keep_firing_for_ms };
    let mut before = std::mem::take(&mut state.alerts);
    let all: HashSet<LabelSet> = before.keys().chain(seen.keys()).cloned().collect();
    for labels in all {
        let next = step(before.remove(&labels), seen.remove(&labels), policy, now);
        if let Some(next) = next {
            state.alerts.insert(labels, next);
        }
    }
    let active = state.alerts.iter().filter(|(_, alert)| alert.phase != Phase::Resolved);
    let count = active.clone().count() as u64;
    if limit > 0 && count > limit {
        state.alerts.clear();
        return Err(format!("exceeded limit of {limit} with {count} alerts"));
    }
    if !state.restored {
        return Ok(Vec::new());
    }
    Ok(active.flat_map(|(labels, alert)| synthetic(labels, alert)).collect())
}

/// `ALERTS` and `ALERTS_FOR_STATE`.
fn synthetic(labels: &LabelSet, alert: &AlertState) -> [Written; 2] {
    let phase = if alert.phase == Phase::Firing { "firing" } else { "pending" };
    let mut alerts = labels.to_builder();
    alerts.set(METRIC_NAME, "ALERTS").set("alertstate", phase);
    let since = alert.active_at.div_euclid(1000) as f64;
    [Written::float(alerts.build(), 1.0), Written::float(labels.with(METRIC_NAME, "ALERTS_FOR_STATE"), since)]
}

/// The alerts that are to be handed over now, marked as such.
fn due_alerts(rule: &RuleConfig, state: &mut RuleState, context: &Context, now: TimestampMs, interval_ms: i64) -> Vec<Alert> {
    let generator_url = format!("{}/graph?g0.expr={}&g0.tab=1", context.external_url, escape(&rule.query));
    let mut due = Vec::new();
    for (labels, alert) in &mut state.alerts {
        if !needs_sending(alert, RESEND_DELAY_MS, now) {
            continue;
        }
        alert.last_sent_at = Some(now);
        let mut with_external = labels.to_builder();
        for (name, value) in &context.external_labels {
            if labels.get(name).is_none() {
                with_external.set(name, value);
            }
        }
        due.push(Alert {
            labels: with_external.build(),
            annotations: alert.annotations.clone(),
            starts_at: alert.fired_at,
            // Long enough for three hand-overs to fail.
            ends_at: Some(alert.resolved_at.unwrap_or(now + 4 * interval_ms.max(RESEND_DELAY_MS))),
            generator_url: generator_url.clone(),
            value: Some(alert.value),
        });
    }
    due
}

/// As `url.QueryEscape`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn rule_snapshot(rule: &RuleConfig, state: &RuleState) -> RuleSnapshot {
    let (health, last_error) = match &state.health {
        None => (RuleHealth::Unknown, String::new()),
        Some(Ok(())) => (RuleHealth::Ok, String::new()),
        Some(Err(error)) => (RuleHealth::Err, error.clone()),
    };
    let alerting = rule.alert.as_ref().map(|alert| AlertingRuleSnapshot {
        for_ms: alert.for_ms.unsigned_abs(),
        keep_firing_for_ms: alert.keep_firing_for_ms.unsigned_abs(),
        annotations: alert.annotations.iter().map(|(name, text)| (name, text)).collect(),
        alerts: state.alerts.iter().filter(|(_, alert)| alert.phase != Phase::Resolved).map(active_alert).collect(),
    });
    RuleSnapshot {
        name: rule.name.clone(),
        query: rule.query.clone(),
        labels: rule.label_set(),
        health,
        last_error,
        evaluation_seconds: state.seconds,
        last_evaluation: state.at,
        alerting,
    }
}

fn active_alert((labels, alert): (&LabelSet, &AlertState)) -> ActiveAlert {
    ActiveAlert {
        labels: labels.clone(),
        annotations: alert.annotations.clone(),
        firing: alert.phase == Phase::Firing,
        active_at: alert.active_at,
        keep_firing_since: alert.keep_firing_since,
        value: alert.value,
    }
}

/// A group that tasks share.
pub(crate) type SharedGroup = Arc<std::sync::Mutex<Group>>;
