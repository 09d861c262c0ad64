//! What storage tells of itself. Where upstream has the figure, it has upstream's name too, so that upstream's dashboards and alerts show it.

use model::{FamilySamples, LabelSet, SummaryValue};

use super::Families;

pub(super) fn storage(out: &mut Families, s: &tsdb::Stats) {
    out.gauge("skopos_tsdb_series", "Series in storage.", s.series as f64);
    out.gauge("skopos_tsdb_groups", "Groups of series that share times.", s.groups as f64);
    out.counter("skopos_tsdb_samples_appended_total", "Samples acknowledged.", s.samples_appended as f64);
    out.labelled_counter(
        "skopos_tsdb_samples_rejected_total",
        "Samples that storage did not take, by reason.",
        "reason",
        &[
            ("out_of_order", s.samples_out_of_order),
            ("duplicate", s.samples_duplicate),
            ("too_old", s.samples_too_old),
            ("too_new", s.samples_too_new),
        ],
    );
    out.counter("skopos_tsdb_series_refused_total", "New series refused by a limit.", s.series_refused as f64);
    out.gauge("skopos_tsdb_log_bytes", "Size of the log on disk, in bytes.", s.log_bytes as f64);
    out.gauge("skopos_tsdb_log_segments", "Files of the log.", s.log_segments as f64);
    out.counter("skopos_tsdb_log_written_bytes_total", "Bytes written to the log.", s.log_bytes_written as f64);
    out.counter(
        "skopos_tsdb_log_write_failures_total",
        "Records that could not be written; their samples were not acknowledged.",
        s.log_write_failures as f64,
    );
    out.counter("skopos_tsdb_log_syncs_total", "Times the log was brought to disk.", s.log_syncs as f64);
    out.counter("skopos_tsdb_log_sync_failures_total", "Times that failed.", s.log_sync_failures as f64);
    out.gauge("skopos_tsdb_head_bytes", "Memory of samples in the head, in bytes, as counted.", s.head_bytes as f64);
    out.gauge("skopos_tsdb_index_bytes", "Memory of the index, in bytes, as counted.", s.index_bytes as f64);
    blocks(out, s);
    out.gauge("skopos_tsdb_recovery_damaged_ranges", "Damaged stretches of the log found at the last start.", s.recovery_damage as f64);
    out.gauge("skopos_tsdb_recovery_seconds", "How long reading the log took at the last start.", s.recovery_duration_ms as f64 / 1000.0);
    out.gauge("skopos_tsdb_recovery_samples", "Samples read from the log at the last start.", s.recovery_samples as f64);
}

/// The life cycle. Where upstream has the figure, it has upstream's name, so that upstream's dashboards and alerts show it.
fn blocks(out: &mut Families, s: &tsdb::Stats) {
    out.gauge("prometheus_tsdb_head_series", "Series in the head.", s.series as f64);
    out.counter(
        "prometheus_tsdb_head_series_created_total",
        "Series that came to the head, those of the last start included.",
        s.series_created as f64,
    );
    out.counter("prometheus_tsdb_head_series_removed_total", "Series that left the head.", s.series_removed as f64);
    out.gauge(
        "prometheus_tsdb_head_chunks",
        "Compressed pages of rows in the head: of all series of a group together.",
        s.head_pages as f64,
    );
    out.counter("prometheus_tsdb_head_truncations_total", "Times that rows left the head for a block.", s.flushes as f64);
    out.counter("prometheus_tsdb_head_truncations_failed_total", "Attempts that failed.", s.flush_failures as f64);
    out.gauge("prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars that are kept in memory.", s.exemplars as f64);
    out.gauge("prometheus_tsdb_exemplar_max_exemplars", "Most that are.", s.exemplars_max as f64);
    out.labelled_counter("prometheus_tsdb_head_samples_appended_total", "Samples acknowledged.", "type", &[("float", s.samples_appended)]);
    if let Some((min, max)) = s.head_time {
        out.gauge("prometheus_tsdb_head_min_time", "Time of the oldest sample in the head, in Unix milliseconds.", min as f64);
        out.gauge("prometheus_tsdb_head_min_time_seconds", "The same in Unix seconds.", min as f64 / 1000.0);
        out.gauge("prometheus_tsdb_head_max_time_seconds", "The time of the newest in Unix seconds.", max as f64 / 1000.0);
        out.gauge("prometheus_tsdb_head_max_time", "Time of the newest sample in the head, in Unix milliseconds.", max as f64);
    }
    if let Some(min) = s.time_min {
        out.gauge("prometheus_tsdb_lowest_timestamp", "Time of the oldest sample that is kept, in Unix milliseconds.", min as f64);
    }
    if let Some(min) = s.time_min {
        out.gauge("prometheus_tsdb_lowest_timestamp_seconds", "The same in Unix seconds.", min as f64 / 1000.0);
    }
    out.gauge("prometheus_tsdb_blocks_loaded", "Blocks.", s.blocks as f64);
    out.gauge("prometheus_tsdb_storage_blocks_bytes", "Bytes of all blocks.", s.block_bytes as f64);
    out.gauge("prometheus_tsdb_wal_storage_size_bytes", "Bytes of the log.", s.log_bytes as f64);
    log(out, s);
    out.gauge("skopos_tsdb_blocks_unusable", "Blocks that do not open, because they are damaged.", s.blocks_unusable as f64);
    out.counter("skopos_tsdb_flushes_total", "Blocks written from the head.", s.flushes as f64);
    out.counter("skopos_tsdb_flush_failures_total", "Attempts that failed; head and log keep the samples.", s.flush_failures as f64);
    out.counter("skopos_tsdb_flush_samples_total", "Samples in blocks written from the head.", s.flush_samples as f64);
    out.counter("skopos_tsdb_flush_seconds_total", "Time that writing them took, in seconds.", s.flush_nanos as f64 / 1e9);
    out.counter(
        "prometheus_tsdb_compactions_triggered_total",
        "Times that a block was to be written, from the head or from blocks.",
        (s.flushes + s.flush_failures + s.compactions + s.compaction_failures) as f64,
    );
    out.counter("prometheus_tsdb_compactions_total", "Times that blocks became one.", s.compactions as f64);
    out.counter("prometheus_tsdb_compactions_failed_total", "Attempts that failed; the blocks stayed.", s.compaction_failures as f64);
    out.counter("skopos_tsdb_compaction_samples_total", "Samples in blocks written from blocks.", s.compaction_samples as f64);
    out.counter("skopos_tsdb_compaction_seconds_total", "Time that writing them took, in seconds.", s.compaction_nanos as f64 / 1e9);
    out.counter("prometheus_tsdb_time_retentions_total", "Blocks removed because they were too old.", s.time_retentions as f64);
    out.counter("prometheus_tsdb_size_retentions_total", "Blocks removed because all together were too large.", s.size_retentions as f64);
    out.gauge("prometheus_tsdb_retention_limit_bytes", "Most bytes that are kept, 0 for no limit.", s.retention_limit_bytes as f64);
    out.gauge("prometheus_tsdb_retention_limit_seconds", "How long samples are kept, 0 for ever.", s.retention_ms as f64 / 1000.0);
    out.gauge(
        "skopos_tsdb_retention_behind_seconds",
        "By how much the retention stays behind a clock that jumped ahead, so that nothing is dropped at once; 0 if the clock is believed.",
        s.retention_behind_ms as f64 / 1000.0,
    );
    out.gauge("skopos_tsdb_memory_budget_bytes", "Most memory for head and index, 0 for no limit.", s.memory_budget as f64);
}

/// The log, by upstream's names.
fn log(out: &mut Families, s: &tsdb::Stats) {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let quantiles = s.log_sync_quantiles.map(|found| [0.5, 0.9, 0.99].into_iter().zip(found.map(seconds)).collect());
    let value = SummaryValue { count: s.log_syncs, sum: seconds(s.log_sync_nanos), quantiles: quantiles.unwrap_or_default() };
    out.push(
        "prometheus_tsdb_wal_fsync_duration_seconds",
        "How long bringing the log to disk took, in seconds; the quantiles are of the last 128 times.",
        FamilySamples::Summary(vec![(LabelSet::empty(), value, None)]),
    );
    out.counter("prometheus_tsdb_wal_writes_failed_total", "Records that could not be written.", s.log_write_failures as f64);
    out.counter(
        "prometheus_tsdb_wal_corruptions_total",
        "Damaged stretches of log and blocks found at the last start.",
        s.recovery_damage as f64,
    );
    out.gauge("prometheus_tsdb_wal_segment_current", "Number of the log's segment that is written.", s.log_segment_current as f64);
    out.gauge(
        "prometheus_tsdb_data_replay_duration_seconds",
        "How long reading the log took at the last start.",
        s.recovery_duration_ms as f64 / 1000.0,
    );
}
