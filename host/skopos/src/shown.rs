//! A configuration as the API and the pages show it: as YAML, without secrets.

use model::config::{Node, NodeValue};
use serde_yaml::{Mapping, Value};

/// What stands in the place of a secret, as upstream writes it.
const MASK: &str = "<secret>";

/// Keys whose value is a secret wherever they stand, beside those that [`sounds_secret`]. Fields that a plugin's schema marks as
/// secret come on top.
const SECRET_KEYS: [&str; 25] = [
    "proxy_connect_header",
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "secrets",
    "secret",
    "key",
    "api_url",
    "api_key",
    "app_token",
    "slack_api_url",
    "slack_app_token",
    "auth_password",
    "auth_secret",
    "smtp_auth_password",
    "smtp_auth_secret",
    "routing_key",
    "service_key",
    "token",
    "bot_token",
    "webhook_url",
    "user_key",
    "api_secret",
    "opsgenie_api_key",
];

/// The tree as YAML text. `is_secret` is asked about each value by its path, such as `alertmanager.receivers[0].slack_configs[0].api_url`.
pub(crate) fn masked_yaml(root: &Node, is_secret: &dyn Fn(&str) -> bool) -> String {
    // A tree that was read from YAML can be written as YAML; if not, showing nothing is safe.
    serde_yaml::to_string(&value(root, false, is_secret)).unwrap_or_default()
}

fn value(node: &Node, masked: bool, is_secret: &dyn Fn(&str) -> bool) -> Value {
    let masked = masked || is_secret(&node.path);
    match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Scalar { .. } if masked => Value::String(MASK.to_owned()),
        NodeValue::Scalar { text, plain: false } => Value::String(without_password(text)),
        NodeValue::Scalar { text, plain: true } => plain(text),
        NodeValue::Sequence(entries) => Value::Sequence(entries.iter().map(|entry| value(entry, masked, is_secret)).collect()),
        NodeValue::Mapping(entries) => {
            let mut mapping = Mapping::new();
            for (key, _, entry) in entries {
                let masked = masked || (is_secret_key(key) && !is_label_map(&node.path));
                mapping.insert(Value::String(key.clone()), value(entry, masked, is_secret));
            }
            Value::Mapping(mapping)
        }
    }
}

fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.contains(&key) || sounds_secret(key)
}

/// Names of secrets, for sections that no plugin serves and nobody knows the schema of. One word too many is masked rather than
/// one too few; names of files and addresses are none.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_place = ["_file", "_files", "_path", "_url", "_name", "_type"].iter().any(|end| key.ends_with(end));
    !is_place
        && ["password", "passwd", "passphrase", "secret", "token", "credential", "_key", "apikey"].iter().any(|word| key.contains(word))
}

/// Labels are shown everywhere anyway, and one may be called `key`.
fn is_label_map(path: &str) -> bool {
    path.ends_with("labels") || path.ends_with("annotations")
}

/// Numbers and booleans as such, so that they come out without quotes; everything else as text.
fn plain(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Value::Number(number.into()),
            _ => Value::String(without_password(text)),
        },
    }
}

/// A URL loses its password: `http://user:<secret>@host/`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:{MASK}@{host}{tail}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_secrets_are_masked() {
        let text = "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: MARK}\n  proxy_url: http://p:MARK@proxy:1/\n  \
                    http_headers: {X: {secrets: [MARK, MARK]}}\nalertmanager:\n  receivers:\n  - slack_configs: [{api_url: 'https://x/MARK'}]\n    \
                    kakao_configs: [{pin: MARK}]\n";
        let root = yaml::parse(text).expect("good");
        let shown = masked_yaml(&root, &|path| path == "alertmanager.receivers[0].kakao_configs[0].pin");
        assert!(!shown.contains("MARK"), "{shown}");
        assert!(shown.contains("username: u") && shown.contains("job_name: a"), "{shown}");
        assert!(yaml::parse(&shown).is_ok(), "{shown}");
    }

    #[test]
    fn labels_are_shown() {
        let root = yaml::parse("static_configs: [{labels: {key: value, n: 5}}]").expect("good");
        let shown = masked_yaml(&root, &|_| false);
        assert!(shown.contains("key: value") && shown.contains("n: 5"), "{shown}");
    }
}
