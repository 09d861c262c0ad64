//! Writes failed scrapes down: `scrape_failure_log_file`, one line of JSON each, with upstream's keys.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use model::TimestampMs;
use serde_json::json;

/// Whether a failure to write was told. Once in a process is enough: the scrape's own failure is in the log and on the page.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Adds a line. Blocks. The file is opened each time, so that it can be moved away at any time.
pub(crate) fn write(path: &Path, now: TimestampMs, job: &str, url: &str, error: &str) {
    let line = json!({ "time": utc(now), "level": "ERROR", "msg": error, "job_name": job, "target": url });
    let written =
        OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(path = %path.display(), %error, "failed scrapes cannot be written to scrape_failure_log_file");
    }
}

/// `2026-08-01T12:00:00.123Z`
fn utc(time: TimestampMs) -> String {
    let (seconds, ms) = (time.div_euclid(1000), time.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days: years that begin in March, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * march_month + 2) / 5 + 1, if march_month < 10 { march_month + 3 } else { march_month - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_785_585_600_123, "2026-08-01T12:00:00.123Z"),
            (951_868_799_000, "2000-02-29T23:59:59.000Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }
}
