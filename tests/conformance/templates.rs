//! The query templates of the compliance suite, without a server: each query must be read and run, or fail where it must. There are
//! no recorded answers; `tests/e2e/compliance.rs` compares with a Prometheus that runs beside.

use model::config::NodeValue;
use promql::{Limits, Memory};

use crate::slots::expand;
use crate::{data, tell};

/// Data of the names that the templates ask for.
fn memory() -> Memory {
    let memory = Memory::new();
    for instance in ["demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"] {
        let tags = format!("instance=\"{instance}\",job=\"demo\"");
        for kind in ["free", "used", "buffers", "cached"] {
            memory.load_text(&format!("demo_memory_usage_bytes{{{tags},type=\"{kind}\"}}"), "100+3x700", 5000).expect("good");
        }
        for mode in ["idle", "user", "system"] {
            memory.load_text(&format!("demo_cpu_usage_seconds_total{{{tags},mode=\"{mode}\"}}"), "0+1.5x300 0+1x400", 5000).expect("good");
        }
        for le in ["0.1", "1", "+Inf"] {
            let series = format!("demo_api_request_duration_seconds_bucket{{{tags},le=\"{le}\",method=\"GET\",path=\"/\",status=\"200\"}}");
            memory.load_text(&series, "0+2x700", 5000).expect("good");
        }
        memory.load_text(&format!("demo_num_cpus{{{tags}}}"), "4x700", 5000).expect("good");
        memory.load_text(&format!("demo_disk_usage_bytes{{{tags}}}"), "7+11x700", 5000).expect("good");
        memory.load_text(&format!("demo_disk_total_bytes{{{tags}}}"), "9999x700", 5000).expect("good");
        memory.load_text(&format!("demo_intermittent_metric{{{tags}}}"), "1x100 stale _x50 2x100 stale", 5000).expect("good");
        memory.load_text(&format!("demo_batch_last_success_timestamp_seconds{{{tags}}}"), "1000+5x700", 5000).expect("good");
    }
    memory
}

#[test]
fn templates() {
    let Some(path) = data::path("promql/compliance/promql-test-queries.yml") else {
        return;
    };
    let document = yaml::parse(&std::fs::read_to_string(path).expect("the file can be read")).expect("the file is YAML");
    let Some(NodeValue::Sequence(cases)) = document.get("test_cases").map(|n| &n.value) else { panic!("no test_cases") };
    let memory = memory();
    let limits = Limits { features: promql::Features::ALL, ..Limits::default() };
    let (mut queries, mut empty, mut failed) = (0, 0, Vec::new());
    for case in cases {
        let template = case.get("query").expect("a query").as_str().expect("a text");
        // The suite is older than UTF-8 names; since Prometheus 3 any label may be a target.
        let now_allowed = template.contains("\"~invalid\"");
        let should_fail = !now_allowed && case.get("should_fail").is_some_and(|n| n.as_bool().expect("a boolean"));
        for query in expand(template) {
            queries += 1;
            let result = promql::parse(&query)
                .map_err(|e| e.to_string())
                .and_then(|expr| promql::range(&expr, 600_000, 3_000_000, 10_000, &memory, &limits).map_err(|e| e.to_string()));
            if let Ok(result) = &result {
                empty += usize::from(matches!(&result.value, promql::Value::Matrix(series) if series.is_empty()));
            }
            if result.is_err() != should_fail {
                failed.push(format!("{query}: {:?}", result.err()));
            }
        }
    }
    let more = format!("{} templates, {empty} answers empty", cases.len());
    tell("compliance templates run", queries - failed.len(), &failed, &more);
    assert!(!cases.is_empty());
}
