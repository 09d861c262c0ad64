//! Metrics about ourselves: every crate's plain `Stats` become families here, so that one place lists every metric Skopos
//! emits. Names are `skopos_<room>_<noun>_<unit>[_total]`; `process_*` are those of every client library.

mod storage;

use model::{FamilySamples, LabelSet, MetricFamily, SummaryValue};

use crate::process::ProcessFacts;

/// Everything that the page of metrics is made of.
pub(crate) struct Sources {
    pub(crate) process: ProcessFacts,
    pub(crate) process_start_seconds: f64,
    pub(crate) version: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) reload: ReloadFacts,
    pub(crate) tsdb: tsdb::Stats,
    pub(crate) queries: web::QueryStats,
    pub(crate) scrape: scrape::Stats,
    pub(crate) rules: rules::Stats,
    pub(crate) alerting: alerting::Stats,
    /// None where nothing is received.
    pub(crate) remote: Option<remote::Stats>,
    pub(crate) otlp: Option<remote::OtlpStats>,
    pub(crate) plugins: plugin_host::Stats,
    pub(crate) plugin_metrics: Vec<MetricFamily>,
}

/// How the configuration was last taken up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReloadFacts {
    pub(crate) successful: bool,
    /// Unix seconds of the last one that succeeded.
    pub(crate) success_seconds: f64,
    pub(crate) attempts: u64,
    pub(crate) failures: u64,
    /// When the last one failed, if it did; Unix milliseconds.
    pub(crate) failed_at: Option<i64>,
}

/// All families, in the order people look for them.
pub(crate) fn families(sources: &Sources) -> Vec<MetricFamily> {
    let mut out = Families(Vec::new());
    process(&mut out, sources);
    config(&mut out, sources);
    storage::storage(&mut out, &sources.tsdb);
    queries(&mut out, &sources.queries);
    scraping(&mut out, &sources.scrape);
    alerts(&mut out, &sources.rules, &sources.alerting);
    if let Some(remote) = &sources.remote {
        received(&mut out, remote);
    }
    if let Some(otlp) = &sources.otlp {
        received_otlp(&mut out, otlp);
    }
    plugins(&mut out, &sources.plugins);
    out.0.extend(sources.plugin_metrics.iter().cloned());
    out.0
}

fn process(out: &mut Families, sources: &Sources) {
    let p = &sources.process;
    out.counter("process_cpu_seconds_total", "CPU time spent by this process, in seconds.", p.cpu_seconds);
    out.gauge("process_resident_memory_bytes", "Resident memory of this process, in bytes.", p.resident_bytes as f64);
    out.gauge("process_virtual_memory_bytes", "Virtual memory of this process, in bytes.", p.virtual_bytes as f64);
    out.gauge("process_open_fds", "Files and sockets that are open.", p.open_files as f64);
    out.gauge("process_max_fds", "Files and sockets that may be open.", p.open_files_max as f64);
    out.gauge("process_threads", "Threads of this process.", p.threads as f64);
    out.gauge("process_start_time_seconds", "When this process started, in Unix seconds.", sources.process_start_seconds);
    let labels = LabelSet::from_pairs([("version", sources.version), ("revision", sources.revision)]);
    out.0.push(MetricFamily {
        name: "skopos_build_info".to_owned(),
        help: "The version that runs; always 1.".to_owned(),
        unit: String::new(),
        samples: FamilySamples::Gauge(vec![(labels, 1.0, None)]),
    });
}

/// Under upstream's names: dashboards of Prometheus' own health ask for them.
fn queries(out: &mut Families, q: &web::QueryStats) {
    out.gauge("prometheus_engine_queries", "Queries of the API that wait for their turn or run.", q.queries as f64);
    out.gauge("prometheus_engine_queries_concurrent_max", "Queries of the API that may run at once.", q.concurrent_max as f64);
    out.gauge("prometheus_engine_query_log_enabled", "Whether queries are written to query_log_file.", f64::from(u8::from(q.log_enabled)));
    out.counter("prometheus_engine_query_log_failures_total", "Queries that could not be written there.", q.log_failures as f64);
    out.counter("prometheus_engine_query_samples_total", "Samples that queries of the API looked at.", q.samples as f64);
    let slices = q.durations.iter().map(|(slice, summary)| {
        let value = SummaryValue { count: summary.count, sum: summary.sum, quantiles: summary.quantiles.to_vec() };
        (LabelSet::from_pairs([("slice", *slice)]), value, None)
    });
    let name = "prometheus_engine_query_duration_seconds";
    out.push(name, "How long the parts of the API's queries took, in seconds.", FamilySamples::Summary(slices.collect()));
}

fn config(out: &mut Families, sources: &Sources) {
    let r = &sources.reload;
    out.gauge(
        "skopos_config_last_reload_successful",
        "Whether the configuration was last read without an error.",
        f64::from(u8::from(r.successful)),
    );
    out.gauge(
        "skopos_config_last_reload_success_timestamp_seconds",
        "When the configuration was last taken up, in Unix seconds.",
        r.success_seconds,
    );
    out.counter("skopos_config_reloads_total", "Attempts to take up a configuration.", r.attempts as f64);
    out.counter("skopos_config_reload_failures_total", "Attempts that were refused.", r.failures as f64);
}

fn scraping(out: &mut Families, s: &scrape::Stats) {
    out.counter("skopos_scrape_scrapes_total", "Scrapes.", s.scrapes as f64);
    out.counter("skopos_scrape_failures_total", "Scrapes that failed.", s.scrapes_failed as f64);
    out.counter("skopos_scrape_ticks_missed_total", "Ticks that passed while the scrape before was still running.", s.ticks_missed as f64);
    out.counter("skopos_scrape_late_total", "Scrapes that began late.", s.scrapes_late as f64);
    out.counter("skopos_scrape_late_seconds_total", "By how much in all, in seconds.", s.late_seconds);
    out.gauge("skopos_scrape_late_max_seconds", "By how much at most, in seconds.", s.late_seconds_max);
    out.push(
        "skopos_scrape_lateness_seconds",
        "How long after their ticks scrapes began, in seconds.",
        FamilySamples::Histogram(vec![(LabelSet::empty(), s.lateness.clone(), None)]),
    );
    let lengths = s
        .interval_lengths
        .iter()
        .map(|(interval_ms, lengths)| (LabelSet::from_pairs([("interval", model::format_duration(*interval_ms))]), lengths.clone(), None));
    out.push(
        "prometheus_target_interval_length_seconds",
        "How far apart scrapes of a target began, in seconds, by the configured interval. Quantiles are of the newest thousand.",
        FamilySamples::Summary(lengths.collect()),
    );
    out.counter("skopos_scrape_samples_read_total", "Samples in scraped bodies.", s.samples_read as f64);
    out.labelled_counter(
        "skopos_scrape_samples_dropped_total",
        "Samples that were read and not stored, by reason.",
        "reason",
        &[
            ("out_of_order", s.samples_out_of_order),
            ("duplicate", s.samples_duplicate),
            ("too_old", s.samples_too_old),
            ("too_new", s.samples_too_new),
            ("refused", s.samples_refused),
            ("lost", s.samples_lost),
        ],
    );
    out.counter("skopos_scrape_body_bytes_total", "Bytes of scraped bodies, decoded.", s.body_bytes as f64);
    out.counter(
        "skopos_scrape_discovery_failures_total",
        "Refreshes of discovery that failed; the last list stayed in force.",
        s.discovery_failed as f64,
    );
    let pools: Vec<(&str, u64)> = s.pools.iter().map(|p| (p.name.as_str(), p.active)).collect();
    out.labelled_gauge("skopos_scrape_pool_targets", "Targets of a job.", "scrape_job", &pools);
    let refused: Vec<(&str, u64)> = s.pools.iter().map(|p| (p.name.as_str(), p.series_refused)).collect();
    out.labelled_counter(
        "skopos_target_series_refused_total",
        "New series of a job's targets that a limit of storage refused; counted again when they are asked for again.",
        "scrape_job",
        &refused,
    );
    let now = s.pools.iter().flat_map(|pool| {
        pool.refused_now.iter().map(|now| {
            let (limit, label) = (now.limit.as_str(), now.label.as_str());
            (
                LabelSet::from_pairs([("scrape_job", pool.name.as_str()), ("limit", limit), ("exploding_label", label)]),
                now.series as f64,
                None,
            )
        })
    });
    out.push(
        "skopos_target_series_refused",
        "Series of a job's targets that are not stored now, by the limit and the label whose values are many among them.",
        FamilySamples::Gauge(now.collect()),
    );
    let up: Vec<(&str, u64)> = s.pools.iter().map(|p| (p.name.as_str(), p.up)).collect();
    out.labelled_gauge("skopos_scrape_pool_targets_up", "Targets of a job whose last scrape succeeded.", "scrape_job", &up);
}

fn alerts(out: &mut Families, rules: &rules::Stats, alerting: &alerting::Stats) {
    out.counter("skopos_rules_evaluations_total", "Evaluations of rules.", rules.evaluations as f64);
    out.counter("skopos_rules_evaluation_failures_total", "Evaluations that failed.", rules.evaluation_failures as f64);
    out.counter(
        "skopos_rules_rounds_missed_total",
        "Rounds of a group that were skipped because the one before was still running.",
        rules.iterations_missed as f64,
    );
    out.counter("skopos_alerting_alerts_received_total", "Alerts handed over, repetitions included.", alerting.alerts_received as f64);
    out.counter("skopos_alerting_alerts_refused_total", "Alerts refused because there are too many.", alerting.alerts_refused as f64);
    out.gauge("skopos_alerting_alerts", "Alerts known now.", alerting.alerts as f64);
    out.counter(
        "skopos_alerting_ledger_errors_total",
        "Lines of the ledger of notifications that could not be written.",
        alerting.ledger_errors as f64,
    );
    let of = |field: fn(&alerting::ChannelStats) -> u64| -> Vec<(&str, u64)> {
        alerting.channels.iter().map(|(name, stats)| (name.as_str(), field(stats))).collect()
    };
    out.labelled_counter("skopos_alerting_notifications_total", "Messages that arrived, by channel.", "channel", &of(|s| s.sent));
    let failed = "Messages that were given up, or went on as part of the group's next one, by channel.";
    out.labelled_counter("skopos_alerting_notifications_failed_total", failed, "channel", &of(|s| s.failed));
    out.labelled_counter(
        "skopos_alerting_notification_retries_total",
        "Attempts that failed and were repeated, by channel.",
        "channel",
        &of(|s| s.retries),
    );
}

fn received_otlp(out: &mut Families, stats: &remote::OtlpStats) {
    let requests = [("stored", stats.requests), ("refused", stats.requests_refused), ("failed", stats.requests_failed)];
    out.labelled_counter("skopos_otlp_requests_total", "Requests of OTLP, by outcome.", "outcome", &requests);
    out.counter("skopos_otlp_points_total", "Data points that came by OTLP.", stats.points as f64);
    let rejected: Vec<(&str, u64)> = stats.rejected.iter().map(|(reason, count)| (*reason, *count)).collect();
    out.labelled_counter("skopos_otlp_points_rejected_total", "Data points of OTLP that were not stored, by reason.", "reason", &rejected);
    out.counter(
        "skopos_otlp_collisions_total",
        "Series of OTLP that were not stored: another metric has the same labels after translation, and keeps them.",
        stats.collisions as f64,
    );
}

/// A further label with its value, if any, and the figure.
type SenderFigure<'a> = (&'a str, &'a str, fn(&remote::SenderStats) -> u64);
fn received(out: &mut Families, stats: &remote::Stats) {
    let by_sender = |fields: &[SenderFigure<'_>]| -> Vec<(LabelSet, f64, Option<i64>)> {
        let of = |sender: &remote::SenderStats| -> Vec<(LabelSet, f64, Option<i64>)> {
            let labels = |name: &str, value: &str| match name {
                "" => LabelSet::from_pairs([("sender", sender.name.as_str())]),
                name => LabelSet::from_pairs([("sender", sender.name.as_str()), (name, value)]),
            };
            fields.iter().map(|(name, value, field)| (labels(name, value), field(sender) as f64, None)).collect()
        };
        stats.senders.iter().flat_map(of).collect()
    };
    let requests = by_sender(&[
        ("outcome", "stored", |s| s.requests),
        ("outcome", "repeated", |s| s.requests_repeated),
        ("outcome", "refused", |s| s.requests_refused),
        ("outcome", "failed", |s| s.requests_failed),
    ]);
    out.push("skopos_remote_write_requests_total", "Requests of remote write, by sender and outcome.", FamilySamples::Counter(requests));
    let deferred = stats.requests_deferred as f64;
    out.counter(
        "skopos_remote_write_requests_deferred_total",
        "Requests that were asked to come again: too much was being written.",
        deferred,
    );
    let stored =
        by_sender(&[("kind", "float", |s| s.samples), ("kind", "histogram", |s| s.histograms), ("kind", "exemplar", |s| s.exemplars)]);
    out.push("skopos_remote_write_samples_total", "Samples taken, by sender and kind.", FamilySamples::Counter(stored));
    let rejected = by_sender(&[
        ("reason", "out_of_order", |s| s.out_of_order),
        ("reason", "duplicate", |s| s.duplicate),
        ("reason", "too_old", |s| s.too_old),
        ("reason", "too_new", |s| s.too_new),
        ("reason", "invalid", |s| s.invalid),
        ("reason", "refused", |s| s.refused),
    ]);
    out.push("skopos_remote_write_samples_rejected_total", "Samples not taken, by sender and reason.", FamilySamples::Counter(rejected));
    let series = by_sender(&[("", "", |s| s.series)]);
    out.push("skopos_remote_write_series", "Series of a sender that are known by their labels' bytes.", FamilySamples::Gauge(series));
    let ahead = stats.senders.iter().filter_map(|sender| {
        let ahead = sender.ahead.as_ref()?;
        let labels = [("sender", &sender.name), ("address", &ahead.address), ("job", &ahead.job), ("instance", &ahead.instance)];
        // `job` and `instance` are those of the scrape that reads this.
        let labels = labels
            .map(|(name, value)| (if matches!(name, "job" | "instance") { format!("sample_{name}") } else { name.to_owned() }, value));
        Some((LabelSet::from_pairs(labels), ahead.ahead_ms as f64 / 1000.0, None))
    });
    out.push(
        "skopos_remote_write_clock_ahead_seconds",
        "How far ahead of this server's clock the last sample was that was refused for it, by sender: its clock is wrong.",
        FamilySamples::Gauge(ahead.collect()),
    );
    out.gauge(
        "skopos_remote_write_bytes",
        "Memory of what is known of senders, their series and groups, in bytes, as counted.",
        stats.bytes as f64,
    );
}

fn plugins(out: &mut Families, stats: &plugin_host::Stats) {
    let of = |field: fn(&plugin_host::PluginStats) -> u64| -> Vec<(&str, u64)> {
        stats.plugins.iter().map(|plugin| (plugin.name.as_str(), field(plugin))).collect()
    };
    out.labelled_gauge(
        "skopos_plugin_has_error",
        "Whether a file or component of that name is not used.",
        "plugin",
        &of(|p| u64::from(p.has_error)),
    );
    out.labelled_counter("skopos_plugin_calls_total", "Calls.", "plugin", &of(|p| p.calls));
    out.labelled_counter("skopos_plugin_call_failures_total", "Calls that failed.", "plugin", &of(|p| p.failures));
    let seconds = stats.plugins.iter().map(|p| (LabelSet::from_pairs([("plugin", p.name.as_str())]), p.call_seconds, None)).collect();
    out.push("skopos_plugin_call_seconds_total", "Time of all calls, waiting included, in seconds.", FamilySamples::Counter(seconds));
    out.labelled_counter("skopos_plugin_refused_total", "What it wanted to do and may not.", "plugin", &of(|p| p.refused));
    out.labelled_counter(
        "skopos_plugin_log_lines_dropped_total",
        "Lines past the limit of a call.",
        "plugin",
        &of(|p| p.log_lines_dropped),
    );
    out.labelled_gauge("skopos_plugin_metric_series", "Series of its own metrics.", "plugin", &of(|p| p.series));
    out.labelled_counter(
        "skopos_plugin_metric_uses_dropped_total",
        "Uses of its own metrics that did not fit.",
        "plugin",
        &of(|p| p.metric_uses_dropped),
    );
}

/// Families in the making.
struct Families(Vec<MetricFamily>);

impl Families {
    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.push(name, help, FamilySamples::Counter(vec![(LabelSet::empty(), value, None)]));
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.push(name, help, FamilySamples::Gauge(vec![(LabelSet::empty(), value, None)]));
    }

    fn labelled_counter(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.push(name, help, FamilySamples::Counter(labelled(label, values)));
    }

    fn labelled_gauge(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.push(name, help, FamilySamples::Gauge(labelled(label, values)));
    }

    fn push(&mut self, name: &str, help: &str, samples: FamilySamples) {
        self.0.push(MetricFamily { name: name.to_owned(), help: help.to_owned(), unit: String::new(), samples });
    }
}

fn labelled(label: &str, values: &[(&str, u64)]) -> Vec<(LabelSet, f64, Option<i64>)> {
    values.iter().map(|(value, number)| (LabelSet::from_pairs([(label, *value)]), *number as f64, None)).collect()
}
