//! The admin API and what the API says of storage, with the whole binary.

use std::time::Duration;

use test_support::{Answer, Server, Setup, post, request, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

fn setup(name: &str) -> (Setup, Server) {
    let target = Server::start(|_| Answer::metrics("kept 1\nsecret{user=\"a\"} 2\nsecret{user=\"b\"} 3\n"));
    let setup = Setup::new(BINARY, name).config(&format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: t\n    static_configs: [{{targets: ['{}']}}]\n",
        target.address()
    ));
    (setup, target)
}

#[test]
fn without_the_flag_the_admin_api_is_off() {
    let (setup, _target) = setup("admin-off");
    let skopos = setup.start();
    for path in ["delete_series?match[]=up", "clean_tombstones", "snapshot"] {
        let answer = post(&skopos.url(&format!("/api/v1/admin/tsdb/{path}")), "", "");
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert_eq!((&answer.json()["errorType"], &answer.json()["error"]), (&"unavailable".into(), &"admin APIs disabled".into()));
    }
}

#[test]
fn samples_are_deleted_for_good_and_a_snapshot_is_a_data_directory() {
    let (setup, _target) = setup("admin-on");
    let data = setup.folder().path().join("data");
    let mut skopos = setup.argument("--web.enable-admin-api").start();
    skopos.wait_query("count_over_time(secret[1m]) >= 3", LIMIT, |r| r.len() == 2);
    let api = |skopos: &test_support::Skopos, path: &str| post(&skopos.url(&format!("/api/v1/admin/tsdb/{path}")), "", "");

    assert_eq!(request("GET", &skopos.url("/api/v1/admin/tsdb/delete_series?match[]=secret"), &[], "").status, 405);
    for (wrong, text) in [
        ("delete_series", "no match[] parameter provided"),
        ("delete_series?match[]=%7B", "match[]"),
        ("snapshot?skip_head=maybe", "skip_head"),
    ] {
        let answer = api(&skopos, wrong);
        assert!(answer.status == 400 && answer.body.contains(text), "{wrong}: {} {}", answer.status, answer.body);
    }

    let taken = api(&skopos, "snapshot");
    assert_eq!(taken.status, 200, "{}", taken.body);
    let name = taken.json()["data"]["name"].as_str().expect("a name").to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let deleted = api(
        &skopos,
        &format!("delete_series?match[]=secret{{user=\"a\"}}&end={now}").replace('{', "%7B").replace('}', "%7D").replace('"', "%22"),
    );
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    let old = format!("count_over_time(secret{{user=\"a\"}}[10m] @ {now})");
    assert!(skopos.query(&old).is_empty(), "deleted");
    assert_eq!(skopos.query(&format!("count_over_time(secret{{user=\"b\"}}[10m] @ {now})")).len(), 1, "not asked for");
    skopos.kill_and_restart();
    assert!(skopos.query(&old).is_empty(), "after a kill");
    assert_eq!(api(&skopos, "clean_tombstones").status, 204);
    assert!(skopos.query(&old).is_empty(), "cleaned");

    let blocks = skopos.get("/api/v1/status/tsdb/blocks").json();
    assert!(blocks["data"]["blocks"].as_array().is_some_and(|blocks| !blocks.is_empty()), "{blocks}");
    let status = wait_for("series in the head", LIMIT, || {
        let status = skopos.get("/api/v1/status/tsdb?limit=2").json();
        (status["data"]["headStats"]["numSeries"].as_u64() > Some(3)).then_some(status)
    });
    assert_eq!(status["data"]["seriesCountByLabelValuePair"].as_array().map(Vec::len), Some(2), "{status}");
    let metrics = skopos.get("/metrics").body;
    assert!(metrics.contains("prometheus_tsdb_blocks_loaded 1"), "{metrics}");

    let from_snapshot = Setup::new(BINARY, "admin-snapshot").config("global: {}\n");
    let copy = from_snapshot.folder().path().join("data");
    std::fs::create_dir_all(&copy).expect("a folder");
    std::fs::rename(data.join("snapshots").join(&name).join("blocks"), copy.join("blocks")).expect("moved");
    let second = from_snapshot.start();
    assert_eq!(second.query(&old).len(), 1, "the snapshot is from before the deletion");
}
