//! D5: a marker in every secret field of every dialect, and nothing that anybody can read shows it.

use std::time::Duration;

use test_support::{Answer, Server, Setup, get, post_text, wait_for};

use super::{BINARY, LIMIT};

/// Stands nowhere else.
const MARK: &str = "s3cr3tMARKER";

const PATHS: [&str; 24] = [
    "/",
    "/metrics",
    "/explore",
    "/targets",
    "/alerts",
    "/plugins",
    "/status",
    "/config",
    "/api/v1/status/config",
    "/api/v1/status/flags",
    "/api/v1/status/runtimeinfo",
    "/api/v1/status/buildinfo",
    "/api/v1/targets",
    "/api/v1/targets?state=any",
    "/api/v1/scrape_pools",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/deliveries",
    "/api/v1/receivers",
    "/api/v1/plugins",
    "/api/v1/session",
    "/api/v1/dashboards",
    "/api/v1/alertmanagers",
    "/federate?match[]={__name__=~\".%2B\"}",
];

fn config(target: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
- {{job_name: basic, basic_auth: {{username: ann, password: {MARK}}}, static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: bearer, authorization: {{credentials: {MARK}}}, static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: old, bearer_token: {MARK}, static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: proxy, proxy_url: 'http://ann:{MARK}@127.0.0.1:9/', static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: proxyheader, proxy_url: 'http://127.0.0.1:9/', proxy_connect_header: {{X-P: [{MARK}]}}, static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: headers, http_headers: {{X-Key: {{secrets: [{MARK}]}}}}, static_configs: [{{targets: ['{target}']}}]}}
- {{job_name: oauth, oauth2: {{client_id: a, client_secret: {MARK}, token_url: 'http://127.0.0.1:9/token'}}, static_configs: [{{targets: ['{target}']}}]}}
- job_name: found
  http_sd_configs: [{{url: 'http://{target}/sd', basic_auth: {{username: a, password: {MARK}}}}}]
  consul_sd_configs: [{{server: x, token: {MARK}, basic_auth: {{password: {MARK}}}}}]
  ec2_sd_configs: [{{access_key: a, secret_key: {MARK}}}]
  ovhcloud_sd_configs: [{{application_secret: {MARK}, consumer_key: {MARK}}}]
  marathon_sd_configs: [{{servers: [a], auth_token: {MARK}}}]
  oci_sd_configs: [{{key_passphrase: {MARK}}}]
  azure_sd_configs: [{{client_secret: {MARK}}}]
remote_write: [{{url: 'http://ann:{MARK}@127.0.0.1:9/', basic_auth: {{username: a, password: {MARK}}}}}, {{url: 'http://127.0.0.1:9/', sigv4: {{access_key: a, secret_key: {MARK}}}}}]
remote_read: [{{url: 'http://127.0.0.1:9/', authorization: {{credentials: {MARK}}}}}]
alerting: {{alertmanagers: [{{basic_auth: {{username: a, password: {MARK}}}, static_configs: [{{targets: ['127.0.0.1:9']}}]}}]}}
alertmanager:
  global: {{smtp_auth_password: {MARK}, smtp_from: a@b, smtp_smarthost: 'x:25', opsgenie_api_key: {MARK}, telegram_bot_token: {MARK}, slack_api_url: 'http://{target}/slack/{MARK}'}}
  route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
  receivers:
  - name: team
    slack_configs: [{{channel: '#a'}}, {{api_url: 'http://127.0.0.1:9/{MARK}'}}]
    webhook_configs: [{{url: 'http://{target}/hook', http_config: {{basic_auth: {{username: a, password: {MARK}}}}}}}]
    email_configs: [{{to: c@d, auth_password: {MARK}}}]
    pagerduty_configs: [{{routing_key: {MARK}}}]
    opsgenie_configs: [{{api_key: {MARK}}}]
    telegram_configs: [{{chat_id: 5, bot_token: {MARK}}}]
    pushover_configs: [{{user_key: {MARK}, token: {MARK}}}]
"
    )
}

#[test]
fn d5_secret_leak() {
    let rules = "groups: [{name: a, rules: [{alert: Always, expr: 'vector(1)', labels: {severity: page}}]}]";
    // Says back what it was told, as careless servers do.
    let target = Server::start(|asked| Answer::status(500, &format!("{:?}", asked.headers)));
    let setup = Setup::new(BINARY, "secrets");
    setup.folder().write("rules.yml", rules);
    let skopos = setup
        .config(&config(&target.address()))
        .argument("--config.allow-missing-plugins")
        .argument("--web.enable-lifecycle")
        .argument("--log.level=debug")
        .start();
    // Everything has failed once: scrapes, discovery, messages.
    skopos.wait_query("up == 0", LIMIT, |r| r.len() >= 7);
    wait_for("a message", LIMIT, || target.asked().iter().any(|a| a.path.contains("/slack/")).then_some(()));
    let tried = test_support::post(&skopos.url("/api/v1/receivers/team/test"), "application/json", "");
    assert!(!tried.body.contains(MARK), "a test message: {}", tried.body);
    std::thread::sleep(Duration::from_secs(2));
    let mut read = 0;
    for path in PATHS {
        let answer = get(&skopos.url(path));
        read += usize::from(answer.status == 200);
        if let Some(at) = answer.body.find(MARK) {
            panic!("{path} shows a secret: …{}…", &answer.body[at.saturating_sub(300)..(at + 50).min(answer.body.len())]);
        }
    }
    let shown = skopos.get("/api/v1/status/config").body;
    assert!(shown.contains("<secret>") && shown.contains("username: ann"), "{shown}");

    // What is wrong about a secret is told without it.
    let good = config(&target.address());
    for (right, wrong) in [
        (format!("basic_auth: {{username: ann, password: {MARK}}}"), format!("basic_auth: {{username: ann, password: [{MARK}]}}")),
        (
            format!("basic_auth: {{username: ann, password: {MARK}}}"),
            format!("basic_auth: {{username: ann, password: {MARK}, password_file: x}}"),
        ),
        (format!("authorization: {{credentials: {MARK}}}, static"), format!("authorization: {{type: Basic, credentials: {MARK}}}, static")),
        (format!("'http://ann:{MARK}@127.0.0.1:9/', static"), format!("'ht tp://ann:{MARK}@127.0.0.1:9/', static")),
        (format!("'http://ann:{MARK}@127.0.0.1:9/', static"), format!("'ftp://ann:{MARK}@127.0.0.1:9/', static")),
        (format!("api_url: 'http://127.0.0.1:9/{MARK}'"), format!("api_url: 'no url {MARK}'")),
        (format!("'http://ann:{MARK}@127.0.0.1:9/', basic"), format!("'http://ann: {MARK}@127.0.0.1:9/', basic")),
        (format!("bot_token: {MARK}}}]"), format!("bot_token: {MARK}, bot_token_file: x}}]")),
    ] {
        assert!(good.contains(&right), "{right}");
        skopos.folder().write("skopos.yml", good.replace(&right, &wrong));
        let answer = post_text(&skopos.url("/-/reload"));
        println!("d5: {} {}", answer.status, answer.body.trim());
        assert!(!answer.body.contains(MARK), "{wrong}: {}", answer.body);
    }
    let log = skopos.log();
    println!("d5: {read} of {} addresses read, {} lines of log at debug", PATHS.len(), log.lines().count());
    if let Some(line) = log.lines().find(|line| line.contains(MARK)) {
        panic!("the log shows a secret: {line}");
    }
    assert!(read >= 12, "{read}");
}
