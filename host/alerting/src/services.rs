//! What `global` says for receivers of each service: its keys, and what a receiver must have after they have flowed in.

/// One service with a section of its own.
pub(crate) struct Service {
    /// The plugin, as in `<name>_configs`.
    pub(crate) name: &'static str,
    /// Whether it tells of resolved alerts unless a receiver says otherwise.
    pub(crate) send_resolved: bool,
    /// Whether the global `http_config` is its default.
    pub(crate) http: bool,
    /// Key of `global`, and the key of the section it is the default of.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
    /// Alternatives: where a receiver has one, no default of any of them flows in, and two of one list are an error.
    pub(crate) exclusive: &'static [&'static [&'static str]],
    /// One key of each list must be there, or the message says what is missing.
    pub(crate) required: &'static [(&'static [&'static str], &'static str)],
}

/// A service without defaults: resolved alerts are told, HTTP settings flow in.
const PLAIN: Service = Service { name: "", send_resolved: true, http: true, defaults: &[], exclusive: &[], required: &[] };

/// Upstream's services. Others have no globals, and tell of resolved alerts.
pub(crate) const SERVICES: &[Service] = &[
    Service {
        name: "slack",
        send_resolved: false,
        defaults: &[
            ("slack_app_token", "app_token"),
            ("slack_app_token_file", "app_token_file"),
            ("slack_api_url", "api_url"),
            ("slack_api_url_file", "api_url_file"),
            ("slack_app_url", "app_url"),
        ],
        exclusive: &[&["api_url", "api_url_file", "app_token", "app_token_file"]],
        required: &[(
            &["api_url", "api_url_file", "app_token", "app_token_file"],
            "no Slack API URL nor App token set either inline or in a file",
        )],
        ..PLAIN
    },
    Service {
        name: "email",
        send_resolved: false,
        http: false,
        defaults: &[
            ("smtp_from", "from"),
            ("smtp_smarthost", "smarthost"),
            ("smtp_hello", "hello"),
            ("smtp_auth_username", "auth_username"),
            ("smtp_auth_password", "auth_password"),
            ("smtp_auth_password_file", "auth_password_file"),
            ("smtp_auth_identity", "auth_identity"),
            ("smtp_auth_secret", "auth_secret"),
            ("smtp_auth_secret_file", "auth_secret_file"),
            ("smtp_require_tls", "require_tls"),
            ("smtp_tls_config", "tls_config"),
            ("smtp_force_implicit_tls", "force_implicit_tls"),
        ],
        exclusive: &[&["auth_password", "auth_password_file"], &["auth_secret", "auth_secret_file"]],
        required: &[
            (&["to"], "missing to address in email config"),
            (&["smarthost"], "no global SMTP smarthost set"),
            (&["from"], "no global SMTP from set"),
        ],
    },
    Service { name: "webhook", required: &[(&["url", "url_file"], "one of url or url_file must be configured")], ..PLAIN },
    Service {
        name: "pagerduty",
        defaults: &[("pagerduty_url", "url")],
        required: &[(
            &["routing_key", "routing_key_file", "service_key", "service_key_file"],
            "missing service or routing key in PagerDuty config",
        )],
        ..PLAIN
    },
    Service {
        name: "opsgenie",
        defaults: &[("opsgenie_api_url", "api_url"), ("opsgenie_api_key", "api_key"), ("opsgenie_api_key_file", "api_key_file")],
        exclusive: &[&["api_key", "api_key_file"]],
        required: &[(&["api_key", "api_key_file"], "no global OpsGenie API Key set either inline or in a file")],
        ..PLAIN
    },
    Service {
        name: "victorops",
        defaults: &[("victorops_api_url", "api_url"), ("victorops_api_key", "api_key"), ("victorops_api_key_file", "api_key_file")],
        exclusive: &[&["api_key", "api_key_file"]],
        required: &[
            (&["api_key", "api_key_file"], "no global VictorOps API Key set"),
            (&["routing_key"], "missing Routing key in VictorOps config"),
        ],
        ..PLAIN
    },
    Service {
        name: "wechat",
        send_resolved: false,
        defaults: &[
            ("wechat_api_url", "api_url"),
            ("wechat_api_secret", "api_secret"),
            ("wechat_api_secret_file", "api_secret_file"),
            ("wechat_api_corp_id", "corp_id"),
        ],
        exclusive: &[&["api_secret", "api_secret_file"]],
        required: &[
            (&["api_secret", "api_secret_file"], "no global Wechat Api Secret set either inline or in a file"),
            (&["corp_id"], "no global Wechat CorpID set"),
        ],
        ..PLAIN
    },
    Service {
        name: "telegram",
        defaults: &[("telegram_api_url", "api_url"), ("telegram_bot_token", "bot_token"), ("telegram_bot_token_file", "bot_token_file")],
        exclusive: &[&["bot_token", "bot_token_file"]],
        required: &[(&["bot_token", "bot_token_file"], "missing bot_token or bot_token_file on telegram_config")],
        ..PLAIN
    },
    Service {
        name: "rocketchat",
        send_resolved: false,
        defaults: &[
            ("rocketchat_api_url", "api_url"),
            ("rocketchat_token", "token"),
            ("rocketchat_token_file", "token_file"),
            ("rocketchat_token_id", "token_id"),
            ("rocketchat_token_id_file", "token_id_file"),
        ],
        exclusive: &[&["token", "token_file"], &["token_id", "token_id_file"]],
        required: &[
            (&["token", "token_file"], "no global Rocketchat Token set either inline or in a file"),
            (&["token_id", "token_id_file"], "no global Rocketchat TokenID set either inline or in a file"),
        ],
        ..PLAIN
    },
    Service {
        name: "mattermost",
        defaults: &[("mattermost_webhook_url", "webhook_url"), ("mattermost_webhook_url_file", "webhook_url_file")],
        exclusive: &[&["webhook_url", "webhook_url_file"]],
        required: &[(&["webhook_url", "webhook_url_file"], "missing webhook_url or webhook_url_file on mattermost_config")],
        ..PLAIN
    },
    Service {
        name: "pushover",
        exclusive: &[&["token", "token_file"], &["user_key", "user_key_file"]],
        required: &[
            (&["token", "token_file"], "one of token or token_file must be configured"),
            (&["user_key", "user_key_file"], "one of user_key or user_key_file must be configured"),
        ],
        ..PLAIN
    },
    Service { name: "sns", http: false, ..PLAIN },
    Service { name: "jira", defaults: &[("jira_api_url", "api_url")], ..PLAIN },
    Service { name: "webex", defaults: &[("webex_api_url", "api_url")], ..PLAIN },
    Service { name: "discord", ..PLAIN },
    Service { name: "msteams", ..PLAIN },
    Service { name: "msteamsv2", ..PLAIN },
    Service { name: "incidentio", ..PLAIN },
];

/// Keys of `global` of which at most one of each pair of sides may be there. The names are upstream's message.
pub(crate) const GLOBAL_EXCLUSIVE: &[(&[&str], &[&str])] = &[
    (&["slack_api_url"], &["slack_api_url_file"]),
    (&["slack_app_token"], &["slack_app_token_file"]),
    (&["opsgenie_api_key"], &["opsgenie_api_key_file"]),
    (&["victorops_api_key"], &["victorops_api_key_file"]),
    (&["wechat_api_secret"], &["wechat_api_secret_file"]),
    (&["telegram_bot_token"], &["telegram_bot_token_file"]),
    (&["rocketchat_token"], &["rocketchat_token_file"]),
    (&["rocketchat_token_id"], &["rocketchat_token_id_file"]),
    (&["mattermost_webhook_url"], &["mattermost_webhook_url_file"]),
    (&["smtp_auth_password"], &["smtp_auth_password_file"]),
    (&["smtp_auth_secret"], &["smtp_auth_secret_file"]),
    (&["slack_app_token", "slack_app_token_file"], &["slack_api_url", "slack_api_url_file"]),
];

/// The service of a plugin's name.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}
