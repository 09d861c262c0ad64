//! Gets the text of a target: over HTTP, or from an exporter plugin.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use exposition::{Format, FormatError, encode};
use http_client::{Client, HttpError, Prepared, Request};
use model::seams::{Exposition, MetricSource};

use crate::config::JobConfig;
use crate::egress::PoolEgress;
use crate::target::Target;

const USER_AGENT: &str = "Skopos";

const REDIRECTS_MAX: usize = 10;

/// How much longer than its timeout a fetch may take before it is dropped from outside.
const GRACE: Duration = Duration::from_secs(1);

/// Where the texts of a job come from.
#[derive(Clone)]
pub(crate) enum Source {
    Http { client: Arc<Client>, egress: Arc<PoolEgress> },
    Plugin(Arc<dyn MetricSource>),
}

impl Source {
    /// Takes out of a text what the target was asked with. Plugins have their own errors without it already.
    pub(crate) fn redact(&self, text: String) -> String {
        match self {
            Self::Http { client, .. } => client.redact(text),
            Self::Plugin(_) => text,
        }
    }
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) format: Format,
    /// Whether the answer did not say so, and the text format was assumed.
    pub(crate) assumed: bool,
    /// When the target's certificate ends, in Unix seconds.
    pub(crate) certificate_not_after: Option<i64>,
}

/// What a target is asked, made at its first scrape.
pub(crate) type Asked = OnceLock<Result<Prepared, HttpError>>;

/// Fills `body`, which is empty. The error is for people.
pub(crate) async fn fetch(source: &Source, asked: &Asked, job: &JobConfig, target: &Target, body: &mut Vec<u8>) -> Result<Fetched, String> {
    match source {
        // It keeps to the timeout.
        Source::Http { client, .. } => fetch_http(client, asked, job, target, body).await,
        Source::Plugin(source) => {
            let fetched = fetch_plugin(source.as_ref(), job, target, body);
            // It keeps to the timeout itself; this is for the case that it does not.
            let limit = Duration::from_millis(target.timeout_ms) + GRACE;
            tokio::time::timeout(limit, fetched).await.unwrap_or_else(|_| Err(timed_out(target)))
        }
    }
}

fn timed_out(target: &Target) -> String {
    format!("no full answer within the scrape timeout of {}", model::format_duration(target.timeout_ms))
}

fn request(job: &JobConfig, target: &Target) -> Request {
    let header = |name: &str, value: String| (name.to_owned(), value);
    Request {
        headers: vec![
            header("accept", job.switches.accept()),
            header("user-agent", USER_AGENT.to_owned()),
            header("x-prometheus-scrape-timeout-seconds", (target.timeout_ms as f64 / 1000.0).to_string()),
        ],
        timeout: Duration::from_millis(target.timeout_ms),
        redirects_max: REDIRECTS_MAX,
        body_bytes_max: job.limits.body_bytes,
        truncate: false,
        accept_compressed: job.enable_compression,
        ..Request::get(target.url.clone())
    }
}

async fn fetch_http(client: &Client, asked: &Asked, job: &JobConfig, target: &Target, body: &mut Vec<u8>) -> Result<Fetched, String> {
    let say = |error: HttpError| match error {
        HttpError::Timeout => timed_out(target),
        HttpError::TooLarge { limit } => format!("the body is larger than body_size_limit, which is {limit} bytes"),
        other => other.to_string(),
    };
    let prepared = asked.get_or_init(|| client.prepare(request(job, target))).as_ref().map_err(|error| say(error.clone()))?;
    let response = client.send_prepared(prepared, body).await.map_err(say)?;
    if response.status != 200 {
        return Err(wrong_status(response.status, response.redirects));
    }
    let content_type = response.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let certificate_not_after = response.certificate_not_after;
    match (Format::from_content_type(content_type), job.fallback) {
        (Ok(format), _) => Ok(Fetched { format, assumed: false, certificate_not_after }),
        // What says that it is something else than text is not text.
        (Err(error @ FormatError::Unsupported(_)), _) => Err(wrong_content_type(&error, &response.final_url)),
        (Err(_), Some(format)) => Ok(Fetched { format, assumed: false, certificate_not_after }),
        (Err(FormatError::Missing), None) => Ok(Fetched { format: Format::Text, assumed: true, certificate_not_after }),
        (Err(error), None) => Err(wrong_content_type(&error, &response.final_url)),
    }
}

fn wrong_status(status: u16, redirects: usize) -> String {
    if (300..400).contains(&status) && redirects >= REDIRECTS_MAX {
        return format!("the target redirects more than {REDIRECTS_MAX} times");
    }
    let meaning = match status {
        301 | 302 | 303 | 307 | 308 => " (a redirect that is not followed)",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        429 => " Too Many Requests",
        500 => " Internal Server Error",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    };
    format!("server returned HTTP status {status}{meaning}")
}

fn wrong_content_type(error: &FormatError, url: &str) -> String {
    let cause = match error {
        FormatError::Foreign(text) if text.starts_with("text/html") => {
            "a page for people: check metrics_path, and whether a login or a proxy answers instead of the target"
        }
        FormatError::Unsupported(_) => {
            return format!("{error} (from {url}; the target did not heed the Accept header, which asks for text)");
        }
        _ => "check metrics_path",
    };
    format!("{error} (from {url}; {cause}). If the body is metrics all the same, set fallback_scrape_protocol: PrometheusText0.0.4")
}

async fn fetch_plugin(source: &dyn MetricSource, job: &JobConfig, target: &Target, body: &mut Vec<u8>) -> Result<Fetched, String> {
    let answer = source.collect(&target.address, target.written, target.timeout_ms).await.map_err(|error| error.to_string())?;
    *body = match answer {
        Exposition::Text(text) => text.into_bytes(),
        Exposition::Families(families) => encode(&families).into_bytes(),
    };
    if body.len() as u64 > job.limits.body_bytes {
        return Err(format!("the text is larger than body_size_limit, which is {} bytes", job.limits.body_bytes));
    }
    Ok(Fetched { format: Format::of_body(body), assumed: false, certificate_not_after: None })
}

/// Buffers for bodies, used again by whichever scrape comes next.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// Buffers that are kept, and the largest of them.
const BUFFERS_MAX: usize = 32;
const BUFFER_BYTES_MAX: usize = 4 << 20;

impl Buffers {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_MAX && buffer.capacity() <= BUFFER_BYTES_MAX {
            kept.push(buffer);
        }
    }
}
