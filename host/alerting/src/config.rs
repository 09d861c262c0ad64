//! What an `alertmanager.yml` says.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::config::{ConfigError, Node, NodeValue, Section, nearest};
use model::seams::{PluginKind, Plugins};
use model::{MatchOp, Matcher};
use serde_json::{Map, Value};

use crate::inhibit::InhibitRule;
use crate::matchers::parse_matchers;
use crate::route::{GroupBy, Route, Routes, matchers_key};
use crate::services::{GLOBAL_EXCLUSIVE, SERVICES, service};

/// Deepest nesting of routes.
const ROUTE_DEPTH_MAX: usize = 50;
/// Where Slack's own API takes messages; also what people wrote as webhook address before tokens had a key.
const SLACK_APP_URL: &str = "https://slack.com/api/chat.postMessage";

/// Reads the files that a pattern of `templates` matches: names and texts. The error is for people.
pub type TemplateFiles<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<(String, String)>, String>;

/// A configuration that holds together: every receiver that a route names is there, and so on.
#[derive(Clone, Debug)]
pub struct AlertingConfig {
    pub(crate) resolve_timeout_ms: i64,
    pub(crate) routes: Routes,
    pub(crate) receivers: BTreeMap<String, Vec<Entry>>,
    pub(crate) inhibit_rules: Vec<InhibitRule>,
    /// Names and texts of template files.
    pub(crate) templates: Vec<(String, String)>,
}

/// An entry of `<plugin>_configs`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The plugin that serves it.
    pub(crate) plugin: String,
    /// For the log and errors: `receivers[0].slack_configs[1]`.
    pub(crate) node: Node,
    /// The section as JSON, with the defaults of `global`.
    pub(crate) section: String,
    pub(crate) send_resolved: bool,
}

impl AlertingConfig {
    /// Reads the whole file's tree. `files` gives the template files of a pattern.
    pub fn from_node(node: &Node, files: TemplateFiles<'_>) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let empty = Node::empty_mapping();
        let global = Global::read(section.optional("global").unwrap_or(&empty))?;
        let mut templates = Vec::new();
        for pattern in section.optional("templates").map_or(Ok(&[][..]), Node::as_sequence)? {
            templates.extend(files(pattern.as_str()?).map_err(|error| pattern.error(error))?);
        }
        let receivers = receivers(section.optional("receivers"), &global)?;
        let mut rules = Vec::new();
        for rule in section.optional("inhibit_rules").map_or(Ok(&[][..]), Node::as_sequence)? {
            rules.push(inhibit_rule(rule)?);
        }
        for key in ["time_intervals", "mute_time_intervals"] {
            refuse(&mut section, key, "times at which routes are quiet are not served yet")?;
        }
        for key in ["event_recorder", "tracing"] {
            // How upstream watches itself. No message depends on it, so the file is good as it is.
            if let Some(node) = section.optional(key) {
                tracing::warn!(line = node.position.line, "{key} has no effect here");
            }
        }
        let root = section.optional("route").ok_or_else(|| node.error("no routes provided: write route with a receiver"))?;
        section.finish()?;
        let mut reader = RouteReader { routes: Vec::new(), receivers: &receivers };
        reader.read(root, None, 0)?;
        Ok(Self {
            resolve_timeout_ms: global.resolve_timeout_ms,
            routes: Routes(reader.routes),
            receivers,
            inhibit_rules: rules,
            templates,
        })
    }

    /// Leaves out the entries of receivers that no plugin serves, and answers their plugins, each with what is to be told and
    /// where it stands: what would have gone there goes nowhere.
    pub fn drop_missing(&mut self, channels: &dyn Plugins) -> Vec<(String, ConfigError)> {
        let mut dropped = Vec::new();
        for (receiver, entries) in &mut self.receivers {
            entries.retain(|entry| {
                let plugin = &entry.plugin;
                let served = channels.serves(plugin, PluginKind::Channel);
                if !served {
                    let advice = format!("no plugin serves \"{plugin}_configs\": put {plugin}.wasm into plugins/");
                    let text = format!("{advice}; until then NOBODY IS TOLD through this place of the receiver {receiver:?}");
                    dropped.push((plugin.clone(), entry.node.error(text)));
                }
                served
            });
        }
        dropped
    }

    /// The plugins that serve its receivers, each with where it is first asked for.
    #[must_use]
    pub fn plugins(&self) -> Vec<(String, ConfigError)> {
        let mut seen = HashSet::new();
        let entries = self.receivers.values().flatten().filter(|entry| seen.insert(entry.plugin.clone()));
        entries.map(|entry| (entry.plugin.clone(), entry.node.error(format!("no channel is called {:?}", entry.plugin)))).collect()
    }
}

/// Refuses a key that upstream has and this version does not serve. An empty list says nothing and is taken.
fn refuse(section: &mut Section<'_>, key: &str, why: &str) -> Result<(), ConfigError> {
    match section.optional(key) {
        Some(node) if !matches!(&node.value, NodeValue::Sequence(entries) if entries.is_empty()) => {
            Err(node.error(format!("{key}: {why}")))
        }
        _ => Ok(()),
    }
}

/// What `global` gives to receivers.
struct Global {
    resolve_timeout_ms: i64,
    values: HashMap<String, Value>,
}

fn ms(node: &Node) -> Result<i64, ConfigError> {
    Ok(i64::try_from(node.as_duration_ms()?).unwrap_or(i64::MAX))
}

impl Global {
    fn read(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let resolve_timeout_ms = section.optional("resolve_timeout").map_or(Ok(300_000), ms)?;
        let mut values = HashMap::new();
        let keys = SERVICES.iter().flat_map(|service| service.defaults).map(|(global, _)| *global).chain(["http_config"]);
        for key in keys {
            if let Some(value) = section.optional(key) {
                // An empty text is as good as none, so that a template of a file can leave keys empty.
                if !matches!(&value.value, NodeValue::Scalar { text, .. } if text.is_empty()) {
                    values.insert(key.to_owned(), value.to_json());
                }
            }
        }
        // Accepted, and without effect until a service needs it.
        section.optional("wechat_api_corp_id");
        section.finish()?;
        for (one, other) in GLOBAL_EXCLUSIVE {
            let has = |keys: &[&str]| keys.iter().any(|key| values.contains_key(*key));
            let slack_workaround = one.contains(&"slack_app_token")
                && one.len() > 1
                && values.get("slack_api_url") == Some(values.get("slack_app_url").unwrap_or(&Value::from(SLACK_APP_URL)));
            if has(one) && has(other) && !slack_workaround {
                return Err(node.error(format!("at most one of {} & {} must be configured", one.join("/"), other.join("/"))));
            }
        }
        Ok(Self { resolve_timeout_ms, values })
    }
}

fn receivers(node: Option<&Node>, global: &Global) -> Result<BTreeMap<String, Vec<Entry>>, ConfigError> {
    let mut receivers = BTreeMap::new();
    for receiver in node.map_or(Ok(&[][..]), Node::as_sequence)? {
        let mut section = Section::new(receiver)?;
        let name_node = section.required("name").map_err(|_| receiver.error("missing name in receiver"))?;
        let name = name_node.as_str()?;
        if name.is_empty() {
            return Err(name_node.error("missing name in receiver"));
        }
        if let Some(labels) = section.optional("labels") {
            return Err(labels.error("labels of receivers are not served yet"));
        }
        let mut entries = Vec::new();
        for (plugin, _, list) in section.with_suffix("_configs") {
            for entry in list.as_sequence()? {
                entries.push(read_entry(plugin, entry, global)?);
            }
        }
        section.finish()?;
        if receivers.insert(name.to_owned(), entries).is_some() {
            return Err(name_node.error(format!("notification config name {name:?} is not unique")));
        }
    }
    Ok(receivers)
}

fn read_entry(plugin: &str, node: &Node, global: &Global) -> Result<Entry, ConfigError> {
    let service = service(plugin);
    let mut values = match node.to_json() {
        Value::Object(values) => values,
        Value::Null => Map::new(),
        _ => return Err(node.error(format!("expected the keys of a {plugin} configuration"))),
    };
    let written = node.get("send_resolved").filter(|node| !node.is_null()).map(Node::as_bool).transpose()?;
    if let Some(send_resolved) = written {
        values.insert("send_resolved".to_owned(), Value::Bool(send_resolved));
    }
    if let Some(service) = service {
        check_addresses(node)?;
        check_exclusive(node, &values, service.exclusive)?;
        add_defaults(&mut values, service, global);
        for (keys, message) in service.required {
            if !keys.iter().any(|key| values.contains_key(*key)) {
                return Err(node.error(*message));
            }
        }
        if let (true, Some(http)) = (service.http && !values.contains_key("http_config"), global.values.get("http_config")) {
            values.insert("http_config".to_owned(), http.clone());
        }
    }
    let send_resolved = written.unwrap_or_else(|| service.is_none_or(|service| service.send_resolved));
    Ok(Entry { plugin: plugin.to_owned(), node: node.clone(), section: Value::Object(values).to_string(), send_resolved })
}

/// Addresses are told without their text, which may be a secret. Templates become an address later.
fn check_addresses(node: &Node) -> Result<(), ConfigError> {
    for (key, _, value) in node.as_mapping()? {
        let (true, NodeValue::Scalar { text, .. }) = (matches!(key.as_str(), "api_url" | "webhook_url" | "url" | "app_url"), &value.value)
        else {
            continue;
        };
        let begins = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        if !begins && !text.is_empty() && !text.contains("{{") && text != "<secret>" {
            return Err(value.error(format!("{key} is not an address: it begins with http:// or https:// and a host")));
        }
    }
    Ok(())
}

fn check_exclusive(node: &Node, values: &Map<String, Value>, exclusive: &[&[&str]]) -> Result<(), ConfigError> {
    for keys in exclusive {
        let there: Vec<&str> = keys.iter().copied().filter(|key| values.contains_key(*key)).collect();
        if there.len() > 1 {
            return Err(node.error(format!("at most one of {} must be configured", there.join(" & "))));
        }
    }
    Ok(())
}

/// Fills in what the section leaves out. Of keys that exclude each other the first that `global` has flows in, and none if the
/// section has one.
fn add_defaults(values: &mut Map<String, Value>, service: &crate::services::Service, global: &Global) {
    for (from, to) in service.defaults {
        let Some(value) = global.values.get(*from) else { continue };
        let alternatives = service.exclusive.iter().find(|keys| keys.contains(to));
        let taken = alternatives.map_or_else(|| values.contains_key(*to), |keys| keys.iter().any(|key| values.contains_key(*key)));
        if !taken {
            values.insert((*to).to_owned(), value.clone());
        }
    }
}

/// Matchers of a section, each with whether its key was `match_re`, whose text form shows anchors.
fn matchers(section: &mut Section<'_>, prefix: &str) -> Result<Vec<(Matcher, bool)>, ConfigError> {
    let mut found = Vec::new();
    for (key, op) in [("match", MatchOp::Equal), ("match_re", MatchOp::Matches)] {
        let Some(map) = section.optional(&format!("{prefix}{key}")) else { continue };
        for (name, position, value) in map.as_mapping()? {
            if !model::is_classic_label_name(name) {
                return Err(ConfigError { path: value.path.clone(), position: *position, message: format!("invalid label name {name:?}") });
            }
            if value.is_null() {
                return Err(value.error(format!("label {name:?} has no value")));
            }
            let matcher = Matcher::new(name.clone(), op, value.as_str()?).map_err(|error| value.error(error.to_string()))?;
            found.push((matcher, op == MatchOp::Matches));
        }
    }
    if let Some(list) = section.optional(&format!("{prefix}matchers")) {
        for node in list.as_sequence()? {
            let parsed = parse_matchers(node.as_str()?).map_err(|error| node.error(error))?;
            found.extend(parsed.into_iter().map(|matcher| (matcher, false)));
        }
    }
    Ok(found)
}

fn inhibit_rule(node: &Node) -> Result<InhibitRule, ConfigError> {
    let mut section = Section::new(node)?;
    // For people alone.
    section.optional("name").map(Node::as_str).transpose()?;
    let source = matchers(&mut section, "source_")?;
    let target = matchers(&mut section, "target_")?;
    if let Some(sources) = section.optional("sources") {
        return Err(sources.error("several sources in one rule are not served yet: write a rule for each"));
    }
    let equal = section.optional("equal").map_or(Ok(Vec::new()), Node::as_strings)?;
    if let Some(name) = equal.iter().find(|name| name.is_empty()) {
        return Err(node.error(format!("invalid label name {name:?} in equal")));
    }
    section.finish()?;
    let plain = |matchers: Vec<(Matcher, bool)>| matchers.into_iter().map(|(matcher, _)| matcher).collect();
    Ok(InhibitRule { source: plain(source), target: plain(target), equal })
}

struct RouteReader<'a> {
    routes: Vec<Route>,
    receivers: &'a BTreeMap<String, Vec<Entry>>,
}

impl RouteReader<'_> {
    /// Reads a route and those below it. Answers its index.
    fn read(&mut self, node: &Node, parent: Option<usize>, depth: usize) -> Result<usize, ConfigError> {
        if depth > ROUTE_DEPTH_MAX {
            return Err(node.error(format!("routes are nested deeper than {ROUTE_DEPTH_MAX}")));
        }
        let mut section = Section::new(node)?;
        let matchers = matchers(&mut section, "")?;
        let inherited = parent.map(|at| self.routes[at].clone());
        let continues = section.optional("continue").map_or(Ok(false), Node::as_bool)?;
        if parent.is_none() && !matchers.is_empty() {
            return Err(node.error("root route must not have any matchers"));
        }
        if parent.is_none() && continues {
            return Err(node.error("cannot have continue in root route"));
        }
        for key in ["mute_time_intervals", "active_time_intervals"] {
            refuse(&mut section, key, "times at which routes are quiet are not served yet")?;
        }
        let receiver = self.receiver(node, section.optional("receiver"), inherited.as_ref())?;
        let group_by = match section.optional("group_by") {
            Some(list) => group_by(list)?,
            None => inherited.as_ref().map_or(GroupBy::Labels(Vec::new()), |route| route.group_by.clone()),
        };
        let mut time = |key: &str, default: i64, of: fn(&Route) -> i64| match section.optional(key) {
            Some(node) if key != "group_wait" && ms(node)? == 0 => Err(node.error(format!("{key} cannot be zero"))),
            Some(node) => ms(node),
            None => Ok(inherited.as_ref().map_or(default, of)),
        };
        let group_wait_ms = time("group_wait", 30_000, |route| route.group_wait_ms)?;
        let group_interval_ms = time("group_interval", 300_000, |route| route.group_interval_ms)?;
        let repeat_interval_ms = time("repeat_interval", 4 * 3_600_000, |route| route.repeat_interval_ms)?;
        let mut labels = inherited.as_ref().map(|route| route.labels.clone()).unwrap_or_default();
        if let Some(map) = section.optional("labels") {
            labels.extend(map.as_string_map()?);
        }
        let children = section.optional("routes").map_or(Ok(&[][..]), Node::as_sequence)?;
        section.finish()?;
        let own_key = matchers_key(&matchers);
        let key = inherited.map_or_else(|| own_key.clone(), |route| format!("{}/{own_key}", route.key));
        let at = self.routes.len();
        self.routes.push(Route {
            key,
            receiver,
            matchers: matchers.into_iter().map(|(matcher, _)| matcher).collect(),
            group_by,
            group_wait_ms,
            group_interval_ms,
            repeat_interval_ms,
            continues,
            labels,
            children: Vec::new(),
        });
        for child in children {
            let child = self.read(child, Some(at), depth + 1)?;
            self.routes[at].children.push(child);
        }
        Ok(at)
    }

    fn receiver(&self, route: &Node, node: Option<&Node>, inherited: Option<&Route>) -> Result<String, ConfigError> {
        let Some(node) = node.filter(|node| node.as_str() != Ok("")) else {
            return inherited
                .map(|parent| parent.receiver.clone())
                .ok_or_else(|| route.error("root route must specify a default receiver"));
        };
        let name = node.as_str()?;
        if !self.receivers.contains_key(name) {
            let hint = nearest(name, self.receivers.keys().map(String::as_str))
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            return Err(node.error(format!("undefined receiver {name:?} used in route{hint}")));
        }
        Ok(name.to_owned())
    }
}

fn group_by(node: &Node) -> Result<GroupBy, ConfigError> {
    let mut names: Vec<String> = Vec::new();
    for entry in node.as_sequence()? {
        let name = entry.as_str()?;
        if name.is_empty() {
            return Err(entry.error("invalid label name \"\" in group_by"));
        }
        if names.iter().any(|known| known == name) {
            return Err(entry.error(format!("duplicated label {name:?} in group_by")));
        }
        names.push(name.to_owned());
    }
    if names.iter().any(|name| name == "...") {
        return if names.len() == 1 {
            Ok(GroupBy::All)
        } else {
            Err(node.error("cannot have wildcard group_by (`...`) and other labels at the same time"))
        };
    }
    names.sort();
    Ok(GroupBy::Labels(names))
}
