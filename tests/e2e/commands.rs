//! What the commands say and how they end, as a script or a person at a terminal sees it.

use std::path::Path;
use std::process::Command;

use test_support::{Answer, Server, TempFolder};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    error: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(BINARY).args(arguments).current_dir(folder).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("commands print UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), error: text(output.stderr) }
}

#[test]
fn notify_test_sends_one_message_to_each_place_and_names_what_is_wrong() {
    let slack = Server::start(|_| Answer::ok("text/plain", "ok"));
    let closed = Server::start(|_| Answer::status(404, "no_service"));
    let folder = TempFolder::new("notify");
    folder.write(
        "am.yml",
        &format!(
            "route: {{receiver: quiet}}\nreceivers:\n- name: quiet\n- name: team\n  slack_configs:\n  - api_url: {}\n  - api_url: {}\n- name: one\n  slack_configs: [{{api_url: '{}'}}]\n",
            slack.url("/services/MARK"),
            closed.url("/services/MARK"),
            slack.url("/services/MARK"),
        ),
    );
    let notify = |receiver: &str| run(folder.path(), &["notify", "test", receiver, "--alertmanager.config.file=am.yml"]);

    let ran = notify("one");
    assert_eq!((ran.code, ran.out.as_str()), (0, "one: slack[0]: sent\n"), "{ran:?}");
    let body = slack.asked()[0].body.clone();
    assert!(body.contains("SkoposTest") && body.contains("one"), "{body}");

    let ran = notify("team");
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "team: slack[0]: sent", "{ran:?}");
    assert!(lines[1].starts_with("team: slack[1]: FAILED: ") && lines[1].contains("404"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("MARK"), "an address of a webhook is a secret: {ran:?}");
    assert_eq!(slack.asked().len(), 2, "one message each time");

    let ran = notify("teem");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.error, "no receiver is called \"teem\"; did you mean \"team\"? (receivers: one, quiet, team)\n");
    assert_eq!(notify("quiet").code, 1);
    assert_eq!(run(folder.path(), &["notify", "test", "x", "--config.file=absent.yml"]).code, 1);
    assert_eq!(run(folder.path(), &["notify", "test"]).code, 2);
}
