//! What the admin API and the pages about storage ask of it.

use std::sync::Arc;

use serde_json::{Value, json};
use tsdb::Db;

use super::LateStorage;

const STARTING: &str = "storage is not ready: its log is being read";

/// What changes storage by request.
pub(crate) fn admin(storage: &Arc<LateStorage>) -> web::Admin {
    let db = |storage: &Arc<LateStorage>| {
        let storage = Arc::clone(storage);
        move || storage.get().cloned().ok_or_else(|| STARTING.to_owned())
    };
    let (of_delete, of_clean, of_snapshot) = (db(storage), db(storage), db(storage));
    web::Admin {
        delete: Arc::new(move |sets, range| {
            let report = of_delete()?.delete(sets, range).map_err(|e| e.to_string())?;
            tracing::info!("the admin API deleted samples; columns: {}, blocks: {}", report.columns, report.blocks);
            Ok(())
        }),
        clean: Arc::new(move || {
            let blocks = of_clean()?.clean_tombstones().map_err(|e| e.to_string())?;
            tracing::info!("{blocks} blocks are written anew without what was deleted");
            Ok(())
        }),
        snapshot: Arc::new(move |skip_head| of_snapshot()?.snapshot(skip_head).map_err(|e| e.to_string())),
    }
}

/// `data` of `/api/v1/status/tsdb`, in upstream's shape.
pub(crate) fn status_json(db: Option<&Db>, limit: usize) -> Value {
    let Some(db) = db else { return json!({}) };
    let (all, stats) = (db.cardinality(limit), db.stats());
    let list = |entries: Vec<(String, u64)>| -> Vec<Value> {
        entries.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    let (min, max) = stats.head_time.unwrap_or((0, 0));
    json!({
        "headStats": {
            "numSeries": all.series, "numLabelPairs": all.label_pairs, "chunkCount": stats.head_pages, "minTime": min, "maxTime": max,
        },
        "seriesCountByMetricName": list(all.series_by_metric),
        "labelValueCountByLabelName": list(all.values_by_name),
        "memoryInBytesByLabelName": list(all.bytes_by_name),
        "seriesCountByLabelValuePair": list(all.series_by_pair),
    })
}

/// `data` of `/api/v1/status/tsdb/blocks`, in upstream's shape; a block's number stands for the ULID.
pub(crate) fn blocks_json(db: Option<&Db>) -> Value {
    let id = |number: u64| format!("{number:010}");
    let blocks = db.map(Db::blocks).unwrap_or_default();
    let blocks: Vec<Value> = blocks
        .iter()
        .map(|block| {
            json!({
                "ulid": id(block.sequence), "minTime": block.time_min, "maxTime": block.time_max, "version": 1,
                "stats": {"numSamples": block.samples, "numSeries": block.series, "numChunks": block.groups, "numBytes": block.bytes},
                "compaction": {"level": block.level, "sources": block.sources.iter().map(|number| id(*number)).collect::<Vec<_>>()},
            })
        })
        .collect();
    json!({"blocks": blocks})
}
