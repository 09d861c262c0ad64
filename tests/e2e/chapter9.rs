//! Chapter 9 of the course that Skopos comes from: its own `prometheus.yml`, unchanged but for what the course substitutes,
//! a `resolver:` block and one more job. Three access-log instances are found through a real name server, scaled to five
//! and to two; the node exporter is Debian's.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use test_support::{Answer, Dnsmasq, NodeExporter, Server, Setup, Skopos, conformance, post, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// One refresh of `dns_sd_configs` (30 s), one scrape, and some room for a busy machine.
const ONE_REFRESH: Duration = Duration::from_secs(60);

const LOG_ADDRESSES: [&str; 5] = ["127.0.9.11", "127.0.9.12", "127.0.9.13", "127.0.9.14", "127.0.9.15"];

const GALLERY: &str = "# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 9
# TYPE go_memstats_stack_inuse_bytes gauge
go_memstats_stack_inuse_bytes 491520
# TYPE image_gallery_in_flight_requests gauge
image_gallery_in_flight_requests 1
# TYPE image_gallery_requests_total counter
image_gallery_requests_total{code=\"200\",method=\"get\"} 18
image_gallery_requests_total{code=\"500\",method=\"get\"} 2
";

/// Micrometer ends lists of labels with a comma.
const IMAGE_OF_THE_DAY: &str = "# TYPE iotd_api_image_load_total counter
iotd_api_image_load_total{status=\"success\",} 1.0
iotd_api_image_load_total{status=\"cached\",} 17.0
# TYPE method_timed_seconds summary
method_timed_seconds_count{class=\"iotd.ImageController\",exception=\"none\",method=\"get\",} 18.0
method_timed_seconds_sum{class=\"iotd.ImageController\",exception=\"none\",method=\"get\",} 1.51
# TYPE jvm_memory_used_bytes gauge
jvm_memory_used_bytes{area=\"heap\",id=\"PS Eden Space\",} 2.5E7
jvm_memory_used_bytes{area=\"nonheap\",id=\"Metaspace\",} 4.1E7
# TYPE tomcat_threads_current_threads gauge
tomcat_threads_current_threads{name=\"http-nio-80\",} 10.0
";

const TODO_LIST: &str = "# TYPE todo_tasks_created_total counter
todo_tasks_created_total 4
# TYPE http_requests_received_total counter
http_requests_received_total{code=\"200\",method=\"GET\"} 12
# TYPE http_requests_in_progress gauge
http_requests_in_progress{method=\"GET\"} 0
";

#[test]
fn chapter_9_runs_unchanged() {
    let Some(diamol) = conformance("diamol") else { return };
    let Some(samples) = conformance("exposition/samples") else { return };
    let Some(node) = NodeExporter::start() else { return };
    let engine = fs::read_to_string(samples.join("docker_engine-v18.09.3-ce.txt")).expect("a recorded scrape");
    let recorded = [
        ("127.0.9.21:80", GALLERY.to_owned()),
        ("127.0.9.22:80", IMAGE_OF_THE_DAY.to_owned()),
        ("127.0.9.23:9323", engine),
        ("127.0.9.24:80", TODO_LIST.to_owned()),
    ];
    let servers: std::io::Result<Vec<Server>> =
        recorded.into_iter().map(|(address, text)| Server::start_at(address, move |_| Answer::metrics(text.clone()))).collect();
    let servers = match servers {
        Ok(servers) => servers,
        Err(error) => {
            assert!(std::env::var_os("SKOPOS_CI").is_none(), "port 80 of 127.0.9.x: {error}");
            println!("skipped: port 80 of 127.0.9.x cannot be had: {error}");
            return;
        }
    };
    let names = |instances: usize| -> Vec<(&'static str, &'static [&'static str])> {
        vec![
            ("accesslog", &LOG_ADDRESSES[..instances]),
            ("image-gallery", &["127.0.9.21"]),
            ("iotd", &["127.0.9.22"]),
            ("todo-list", &["127.0.9.24"]),
        ]
    };
    let Some(dns) = Dnsmasq::start(&names(3)) else { return };
    let logs: Vec<Skopos> = LOG_ADDRESSES.iter().map(|address| access_log(address)).collect();

    let course = fs::read_to_string(diamol.join("exercises/prometheus/prometheus.yml")).expect("the course's file");
    let course = course.replace("DOCKER_HOST", "127.0.9.23");
    // The lab's job is one more entry; both boards are tried.
    let config = format!(
        "{}\n  - job_name: node\n    static_configs:\n      - targets: [\"{}\"]\n  - job_name: todo-list\n    static_configs:\n      - targets: [todo-list]\n\nresolver:\n  servers: [\"{}\"]\n",
        course.trim_end(),
        node.address(),
        dns.address(),
    );
    let skopos = Skopos::start(BINARY, "chapter9", &config);

    // Three instances, each with what was posted to it.
    for (at, count) in [3, 2, 1].into_iter().enumerate() {
        for n in 0..count {
            let answer = post(
                &format!("http://{}/access-log", LOG_ADDRESSES[at]),
                "application/json",
                &format!("{{\"clientIp\": \"10.1.1.{n}:4711\"}}"),
            );
            assert_eq!((answer.status, answer.body.contains("Created")), (201, true), "{answer:?}");
        }
    }
    let three = skopos.wait_query("access_log_total", ONE_REFRESH, |r| r.len() == 3 && total(r) == 6.0);
    let mut instances: Vec<String> = three.iter().map(|r| r["metric"]["instance"].as_str().unwrap_or_default().to_owned()).collect();
    instances.sort();
    assert_eq!(instances, LOG_ADDRESSES[..3].iter().map(|a| format!("{a}:80")).collect::<Vec<_>>());
    assert_eq!(skopos.query_value("sum(access_log_total) without(instance)"), Some(6.0));
    assert_eq!(skopos.query_value(&format!("access_log_total{{instance=\"{}:80\"}}", LOG_ADDRESSES[0])), Some(3.0));

    // Every target answers, the node exporter too; a host without a port is written as it is.
    skopos.wait_query("up", ONE_REFRESH, |r| r.len() == 8 && r.iter().all(|s| s["value"][1] == "1"));
    assert_eq!(skopos.query("up{job=\"image-gallery\",instance=\"image-gallery\"}").len(), 1);
    assert!(skopos.query("{job=\"node\"}").len() > 300, "the node exporter has hundreds of series");

    // Both boards.
    let mut shown = 0;
    let expressions: Vec<String> =
        ["exercises", "lab"].iter().flat_map(|part| board_expressions(&diamol.join(part).join("grafana/dashboard.json"))).collect();
    for expr in &expressions {
        let answer = skopos.get(&format!("/api/v1/query?query={}", percent(expr)));
        assert_eq!(answer.json()["status"], "success", "{expr}: {}", answer.body);
        shown += usize::from(!skopos.query(expr).is_empty());
    }
    println!("chapter 9: {} expressions evaluate, {shown} of them have data", expressions.len());
    // nodejs_* come from the course's own service, which the plugin does not pretend to be.
    assert!(shown + 2 >= expressions.len(), "only {shown} of {} have data", expressions.len());

    // To five and to two. Without stale markers those that went would be seen for five minutes.
    dns.set(&names(5));
    skopos.wait_query("count(access_log_total)", ONE_REFRESH, |r| r.first().is_some_and(|s| s["value"][1] == "5"));
    dns.set(&names(2));
    skopos.wait_query("count(access_log_total)", ONE_REFRESH, |r| r.first().is_some_and(|s| s["value"][1] == "2"));
    assert_eq!(skopos.query("up{job=\"access-log\"}").len(), 2);

    // A name server that does not answer leaves the last list in force.
    let mut dns = dns;
    dns.stop();
    wait_for("a failed refresh in the log", ONE_REFRESH, || {
        skopos.log().contains("discovery failed; the targets found last are kept").then_some(())
    });
    assert_eq!(skopos.query("up{job=\"access-log\"} == 1").len(), 2);
    drop((logs, servers));
}

/// The service of chapter 9, played by a Skopos of its own.
fn access_log(address: &str) -> Skopos {
    Setup::new(BINARY, "accesslog")
        .config(&format!("scrape_configs: []\nplugins:\n  access-log:\n    serve: {{listen: \"{address}:80\"}}\n"))
        .start()
}

fn total(results: &[Value]) -> f64 {
    results.iter().filter_map(|r| r["value"][1].as_str()?.parse::<f64>().ok()).sum()
}

fn board_expressions(file: &std::path::Path) -> Vec<String> {
    let board: Value = serde_json::from_slice(&fs::read(file).expect("a board")).expect("JSON");
    let targets = board["panels"].as_array().into_iter().flatten().flat_map(|p| p["targets"].as_array().into_iter().flatten());
    targets.filter_map(|t| t["expr"].as_str().map(str::to_owned)).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
