//! The series that tell how a scrape went.

/// Stored with every scrape, in this order.
pub(crate) const REPORT_NAMES: [&str; 5] =
    ["up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"];

/// Stored too with `extra_scrape_metrics`.
pub(crate) const REPORT_NAMES_EXTRA: [&str; 3] = ["scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"];

/// Stored too for targets that are reached by TLS: when their certificate ends. Upstream has no such series.
pub(crate) const REPORT_NAME_CERTIFICATE: &str = "scrape_certificate_not_after_timestamp_seconds";

/// All of them, with their places in a report. `extra` and `certificate` say whether those are wanted.
pub(crate) fn report_names(extra: bool, certificate: bool) -> impl Iterator<Item = (usize, &'static str)> {
    let all = REPORT_NAMES.into_iter().chain(REPORT_NAMES_EXTRA).chain([REPORT_NAME_CERTIFICATE]).enumerate();
    let wanted = move |at: &usize| match *at {
        at if at < REPORT_NAMES.len() => true,
        at if at < REPORT_NAMES.len() + REPORT_NAMES_EXTRA.len() => extra,
        _ => certificate,
    };
    all.filter(move |(at, _)| wanted(at))
}

/// Their values.
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) duration_seconds: f64,
    pub(crate) lines: u64,
    pub(crate) kept: u64,
    pub(crate) added: u64,
    pub(crate) timeout_seconds: f64,
    pub(crate) sample_limit: u64,
    pub(crate) body_bytes: u64,
    pub(crate) certificate_not_after: f64,
}

impl Report {
    /// By the place in [`REPORT_NAMES`] and, after it, [`REPORT_NAMES_EXTRA`] and [`REPORT_NAME_CERTIFICATE`].
    pub(crate) fn value(&self, at: usize) -> f64 {
        match at {
            0 => f64::from(u8::from(self.up)),
            1 => self.duration_seconds,
            2 => self.lines as f64,
            3 => self.kept as f64,
            4 => self.added as f64,
            5 => self.timeout_seconds,
            6 => self.sample_limit as f64,
            7 => self.body_bytes as f64,
            _ => self.certificate_not_after,
        }
    }
}
