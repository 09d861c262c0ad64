//! `rules`, `alerts`, `alertmanagers`, and our `deliveries`.

use axum::extract::{RawQuery, State as Shared};
use axum::response::Response;
use model::{AlertStatus, Matcher};
use rules::snapshot::{ActiveAlert, AlertingRuleSnapshot, GroupSnapshot, RuleSnapshot};
use serde_json::{Value, json};

use crate::encode::{exponent, rfc3339, success};
use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;

/// What of the rules is asked for.
struct Filter {
    alerting: bool,
    recording: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    matchers: Vec<Vec<Matcher>>,
    alerts: bool,
}

impl Filter {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let kind = params.first("type").to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(ApiError::parameter("type", format!("not supported value {kind:?}")));
        }
        let exclude = params.first("exclude_alerts");
        if !matches!(exclude, "" | "true" | "false" | "1" | "0" | "t" | "f" | "T" | "F" | "TRUE" | "FALSE" | "True" | "False") {
            return Err(ApiError::bad_data(format!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {exclude:?}: invalid syntax"
            )));
        }
        let list = |name| params.all(name).map(str::to_owned).collect();
        Ok(Self {
            alerting: kind != "record",
            recording: kind != "alert",
            names: list("rule_name[]"),
            groups: list("rule_group[]"),
            files: list("file[]"),
            matchers: params.matchers()?,
            alerts: !params.flag("exclude_alerts"),
        })
    }

    fn has_group(&self, group: &GroupSnapshot) -> bool {
        let in_list = |list: &[String], text: &String| list.is_empty() || list.contains(text);
        in_list(&self.groups, &group.name) && in_list(&self.files, &group.file)
    }

    fn has_rule(&self, rule: &RuleSnapshot) -> bool {
        let kind = if rule.alerting.is_some() { self.alerting } else { self.recording };
        let name = self.names.is_empty() || self.names.contains(&rule.name);
        let labels = self.matchers.is_empty() || self.matchers.iter().any(|set| set.iter().all(|m| m.matches_labels(&rule.labels)));
        kind && name && labels
    }

    /// Whether groups without a rule left are shown.
    fn is_open(&self) -> bool {
        self.names.is_empty() && self.matchers.is_empty() && self.alerting && self.recording
    }
}

/// `/api/v1/rules`
pub(crate) async fn rules(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let filter = Filter::read(&params)?;
    let limit = match params.first("group_limit") {
        "" => None,
        text => Some(
            text.parse::<usize>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| ApiError::parameter("group_limit", "group_limit needs to be greater than 0"))?,
        ),
    };
    let token = params.first("group_next_token");
    if limit.is_none() && !token.is_empty() {
        return Err(ApiError::parameter("group_limit", "group_limit needs to be present in order to paginate over the groups"));
    }
    let mut groups = (app.state.rules)();
    groups.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
    if !token.is_empty() {
        let start = groups.iter().position(|g| token_of(g) == token).ok_or_else(|| {
            ApiError::parameter("group_next_token", format!("invalid group_next_token {token:?}: the groups have changed, begin anew"))
        })?;
        groups.drain(..start);
    }
    let shown = groups.iter().filter(|group| filter.has_group(group)).filter_map(|group| {
        let rules: Vec<Value> =
            group.rules.iter().filter(|rule| filter.has_rule(rule)).map(|rule| rule_json(rule, filter.alerts)).collect();
        (!rules.is_empty() || filter.is_open()).then(|| (token_of(group), group_json(group, &rules)))
    });
    let mut shown: Vec<(String, Value)> = shown.collect();
    let mut data = json!({});
    if let Some(limit) = limit.filter(|limit| *limit < shown.len()) {
        data["groupNextToken"] = shown[limit].0.clone().into();
        shown.truncate(limit);
    }
    data["groups"] = shown.into_iter().map(|(_, group)| group).collect();
    success(&data)
}

/// Names a group for the next page, by file and name.
fn token_of(group: &GroupSnapshot) -> String {
    let labels = model::LabelSet::from_pairs([("file", group.file.as_str()), ("group", group.name.as_str())]);
    format!("{:016x}", labels.fingerprint())
}

fn seconds(ms: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "durations of a configuration are far below 2^53 ms")]
    let seconds = ms as f64 / 1000.0;
    if ms.is_multiple_of(1000) { (ms / 1000).into() } else { seconds.into() }
}

fn group_json(group: &GroupSnapshot, rules: &[Value]) -> Value {
    json!({
        "name": group.name, "file": group.file, "rules": rules, "interval": seconds(group.interval_ms), "limit": group.limit,
        "evaluationTime": group.evaluation_seconds, "lastEvaluation": rfc3339(group.last_evaluation),
    })
}

fn rule_json(rule: &RuleSnapshot, with_alerts: bool) -> Value {
    let mut out = json!({
        "name": rule.name, "query": rule.query, "labels": rule.labels, "health": rule.health.as_str(),
        "evaluationTime": rule.evaluation_seconds, "lastEvaluation": rfc3339(rule.last_evaluation),
        "type": if rule.alerting.is_some() { "alerting" } else { "recording" },
    });
    if !rule.last_error.is_empty() {
        out["lastError"] = rule.last_error.clone().into();
    }
    if let Some(alerting) = &rule.alerting {
        out["state"] = state(alerting).into();
        out["duration"] = seconds(alerting.for_ms);
        out["keepFiringFor"] = seconds(alerting.keep_firing_for_ms);
        out["annotations"] = json!(alerting.annotations);
        out["alerts"] = if with_alerts { alerting.alerts.iter().map(alert_json).collect() } else { json!([]) };
    }
    out
}

fn state(rule: &AlertingRuleSnapshot) -> &'static str {
    if rule.alerts.iter().any(|alert| alert.firing) {
        "firing"
    } else if rule.alerts.is_empty() {
        "inactive"
    } else {
        "pending"
    }
}

fn alert_json(alert: &ActiveAlert) -> Value {
    let mut out = json!({
        "labels": alert.labels, "annotations": alert.annotations, "state": if alert.firing { "firing" } else { "pending" },
        "activeAt": rfc3339(Some(alert.active_at)), "value": exponent(alert.value),
    });
    if alert.keep_firing_since.is_some() {
        out["keepFiringSince"] = rfc3339(alert.keep_firing_since).into();
    }
    out
}

/// `/api/v1/alerts`
pub(crate) async fn alerts(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let groups = (app.state.rules)();
    let alerting = groups.iter().flat_map(|group| &group.rules).filter_map(|rule| rule.alerting.as_ref());
    let alerts: Vec<Value> = alerting.flat_map(|rule| rule.alerts.iter().map(alert_json)).collect();
    success(&json!({"alerts": alerts}))
}

/// `/api/v1/alertmanagers`: alerts are routed here; outside Alertmanagers come later.
pub(crate) async fn alertmanagers() -> Result<Response, ApiError> {
    success(&json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}))
}

/// `/api/v1/deliveries`
pub(crate) async fn deliveries(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let groups = (app.state.deliveries)();
    let one = |group: &alerting::snapshot::AlertGroupSnapshot| {
        let firing = group.alerts.iter().filter(|(_, status, _)| *status == AlertStatus::Firing).count();
        let last = group.last_notification.as_ref();
        json!({
            "receiver": group.receiver, "group_key": group.group_key, "labels": group.labels, "alerts": group.alerts.len(), "firing": firing,
            "last": last.map(|d| json!({"at": d.at, "attempts": d.attempts, "error": d.error, "pending": d.pending})),
            "next_flush": group.next_flush,
        })
    };
    success(&groups.iter().map(one).collect::<Vec<Value>>())
}
