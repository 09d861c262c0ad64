//! Queries of everything there is, over HTTP, stopped at many moments: by a client that hangs up, or by request. Each is gone from the
//! list of those that run, and takes no more of the processor, soon after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncReadExt;
use web::Router;

use crate::stored::{NOW, Server, flush, over, stored, wanted};
use crate::support::through;

/// Ten times what is promised, in processor time: how long a busy machine takes for that says nothing of us.
const LIMIT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(300);

/// What takes long in ways of its own: to find, to sort, to join, to make labels, to free.
const QUERIES: &[(&str, bool)] = &[
    (r#"{__name__=~".+"}"#, false),
    (r#"{__name__=~".+"}"#, true),
    (r#"rate({__name__=~".+"}[5m])"#, true),
    (r#"{__name__=~".+"} * 2"#, false),
    (r#"-{__name__=~".+"}"#, false),
    (r#"sort({__name__=~".+"})"#, false),
    (r#"sort_by_label({__name__=~".+"}, "instance", "code")"#, false),
    (r#"topk(5, {__name__=~".+"})"#, false),
    (r#"quantile(0.9, {__name__=~".+"})"#, false),
    (r#"sum without (code) ({__name__=~".+"})"#, false),
    (r#"sum by (instance, code) ({__name__=~".+"} * 1)"#, false),
    (r#"count_values by (instance) ("v", {__name__=~".+"})"#, false),
    (r#"label_replace({__name__=~".+"}, "a", "$1-", "instance", "(.*)")"#, false),
    (r#"{__name__=~".+"} + on (instance, path, code) {__name__=~".+"}"#, false),
    (r#"{__name__=~".+"} or {job="api"}"#, false),
    (r#"{__name__=~".+"} unless on (instance) {code="none"}"#, false),
    (r#"max_over_time({__name__=~".+"}[5m:15s])"#, false),
    (r#"limit_ratio(0.5, {__name__=~".+"})"#, false),
    (r#"absent({__name__=~".+"})"#, false),
];

/// How a query is stopped.
#[derive(Clone, Copy, Debug)]
enum How {
    HangUp,
    Request,
}

fn path(text: &str, range: bool) -> String {
    let query: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let now = NOW / 1000;
    if range {
        format!("/api/v1/query_range?query={query}&start={}&end={now}&step=15", now - 60)
    } else {
        format!("/api/v1/query?query={query}&time={now}")
    }
}

/// Of all threads of this process, as far as the system has counted it: to some milliseconds.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// The status and JSON of an answer to one request, by a router that is made once: making one costs more than what is measured.
async fn ask(router: &Router, request: &str) -> (u16, Value) {
    let response = through(router.clone(), request, &[], "").await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a whole body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

async fn running(router: &Router) -> Vec<Value> {
    let (_, answer) = ask(router, "GET /api/v1/queries/running").await;
    answer["data"]["queries"].as_array().expect("a list").clone()
}

/// When something was over.
#[derive(Clone, Copy, Debug, Default)]
struct Over {
    /// The query was not listed any more.
    listed: Duration,
    /// The processor was mostly idle.
    busy: Duration,
    /// Processor time that was spent until then: what it would have taken with nothing beside it, but for the watcher's own part.
    spent: Duration,
}

/// Watches a query that was stopped just now.
async fn watch(router: &Router, begun: Instant) -> Over {
    let mut over = Over::default();
    let first = processor_time();
    let (mut gone, mut last, mut used) = (None, begun, first);
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (now, time) = (Instant::now(), processor_time());
        // The watcher itself takes some.
        if time.saturating_sub(used) > (now - last) / 2 {
            (over.busy, over.spent) = (now - begun, time.saturating_sub(first));
        }
        (last, used) = (now, time);
        if gone.is_none() && running(router).await.is_empty() {
            gone = Some(Instant::now());
            over.listed = begun.elapsed();
        }
        if gone.is_some_and(|gone| gone.elapsed() > Duration::from_millis(30)) {
            return over;
        }
        assert!(begun.elapsed() < LONG, "it never ends");
    }
}

/// Asks, and stops it after a while. None if it had ended before.
async fn stopped(server: &Server, router: &Router, path: &str, after: Duration, how: How) -> Option<Over> {
    let mut asked = server.open(path, "").await;
    let begun = Instant::now();
    let mut id = None;
    while id.is_none() || begun.elapsed() < after {
        id = running(router).await.first().map(|one| one["id"].clone()).or(id);
        assert!(begun.elapsed() < LONG, "it is never listed");
        if id.is_none() && begun.elapsed() > after + Duration::from_millis(500) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1).min(after)).await;
    }
    if running(router).await.is_empty() {
        return None;
    }
    let begun = Instant::now();
    match how {
        How::HangUp => drop(asked),
        How::Request => {
            let (status, _) = ask(router, &format!("POST /api/v1/queries/{}/cancel", id?)).await;
            if status == 404 {
                return None;
            }
            let over = watch(router, begun).await;
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(LONG, asked.read_to_end(&mut answer)).await.expect("the connection ends");
            return Some(over);
        }
    }
    Some(watch(router, begun).await)
}

/// The time from the question to the last byte of its answer.
async fn whole(server: &Server, path: &str) -> Duration {
    let begun = Instant::now();
    let mut asked = server.open(path, "").await;
    let (mut piece, mut first) = (vec![0; 256 << 10], Vec::new());
    loop {
        let read = tokio::time::timeout(LONG, asked.read(&mut piece)).await.expect("in time").expect("bytes");
        if first.len() < 200 {
            first.extend_from_slice(&piece[..read.min(200)]);
        }
        if read == 0 {
            let text = String::from_utf8_lossy(&first);
            assert!(text.starts_with("HTTP/1.0 200"), "{text}");
            return begun.elapsed();
        }
    }
}

/// C1: everything there is, by many queries, each stopped at moments all over the time that it takes, both ways.
/// `SKOPOS_CANCEL_SERIES=1000000` sets how many series there are, `SKOPOS_CANCEL_MOMENTS` how many moments, `SKOPOS_CANCEL_BLOCKS=1` lets
/// them be in a block instead of the head.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_match_all_ends_soon_after_the_client_hung_up_or_it_was_canceled() {
    let _alone = crate::ALONE.lock().await;
    let (series, moments) = (wanted("SKOPOS_CANCEL_SERIES", 20_000), wanted("SKOPOS_CANCEL_MOMENTS", 2));
    let store = move || {
        let db = stored(series);
        if wanted("SKOPOS_CANCEL_BLOCKS", 0) > 0 {
            flush(&db);
        }
        db
    };
    let db = Arc::new(tokio::task::spawn_blocking(store).await.expect("no panic"));
    let mut state = over(&db);
    state.limits.features = promql::Features::ALL;
    let router = web::router(state.clone());
    let server = Server::of(state).await;
    let only = std::env::var("SKOPOS_CANCEL_QUERY").unwrap_or_default();
    let (mut all, mut late, mut most) = (Vec::new(), Vec::new(), Duration::ZERO);
    for (text, range) in QUERIES.iter().filter(|(text, _)| text.contains(&only)) {
        let path = path(text, *range);
        let whole = whole(&server, &path).await;
        let (mut slowest, mut count) = (Over::default(), 0);
        for moment in 0..moments {
            let how = if moment % 2 == 0 { How::HangUp } else { How::Request };
            let after = whole * u32::try_from(moment + 1).expect("few") / u32::try_from(moments + 1).expect("few");
            let Some(over) = stopped(&server, &router, &path, after, how).await else { continue };
            count += 1;
            slowest =
                Over { listed: slowest.listed.max(over.listed), busy: slowest.busy.max(over.busy), spent: slowest.spent.max(over.spent) };
            all.push(over.listed.max(over.busy));
            most = most.max(over.spent);
            if over.spent > Duration::from_millis(50) {
                println!("    {how:?} after {after:?}: {over:?}");
            }
        }
        let Over { listed, busy, spent } = slowest;
        println!(
            "{whole:>9.1?} whole; of {count} the slowest gone after {listed:>7.1?}, idle after {busy:>7.1?} of which {spent:>7.1?} at work: {text}"
        );
        if slowest.spent > LIMIT {
            late.push(format!("{text}: {slowest:?}"));
        }
    }
    all.sort_unstable();
    let at = |part: usize| all.get((all.len() * part / 100).min(all.len().saturating_sub(1))).copied().unwrap_or_default();
    println!(
        "{series} series, {} stopped: half over after {:?}, 95 of 100 after {:?}, all after {:?}; {most:?} at work at most",
        all.len(),
        at(50),
        at(95),
        at(100)
    );
    assert!(late.is_empty(), "{late:#?}");
    assert!(!all.is_empty() || !only.is_empty(), "none was stopped");
}
