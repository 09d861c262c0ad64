//! OTLP/HTTP: what OpenTelemetry's senders write (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). Metrics become series and
//! go remote write's way: the same groups, caches and limits.
//!
//! **Two metrics, one series.** `a.b` and `a_b` are the same name here. Of metrics of one request that become the same series, the
//! first by its own name is stored, in the order of bytes; one that has written a series before keeps it for five minutes after its
//! last sample. The other is not stored: it is counted, told to the sender, and once per name to the log.

mod answer;
mod attributes;
mod body;
mod claims;
mod distributions;
mod names;
mod options;
mod points;
mod read;
mod rejected;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use answer::{OtlpAnswer, OtlpStats};
pub(crate) use claims::Claims;
pub use options::{OtlpOptions, Translation};

use self::read::Reader;
use self::rejected::Rejected;
use crate::commit::Outcome;
use crate::message::TEXTS_MAX;
use crate::receiver::{ANONYMOUS, Receiver, Request, Scratch, lock};
use crate::v1;

/// Names of which a collision is told to the log.
const WARNED_MAX: usize = 100;
const PROTOBUF: &str = "application/x-protobuf";

/// What the receiver holds for OTLP.
#[derive(Default)]
pub(crate) struct Otlp {
    pub(crate) options: Arc<OtlpOptions>,
    pub(crate) stats: OtlpStats,
    warned: BTreeSet<String>,
}

impl Receiver {
    /// How OTLP becomes series, from the next request on.
    pub fn set_otlp(&self, options: OtlpOptions) {
        lock(&self.otlp).options = Arc::new(options);
    }

    /// Takes an `ExportMetricsServiceRequest` and says what to answer. Blocks for storage.
    #[must_use]
    pub fn write_otlp(&self, request: &Request<'_>, body: &[u8]) -> OtlpAnswer {
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let (mut inflated, mut rejected) = (0, Rejected::default());
        let answer = self.otlp_with(&mut scratch, request, body, (&mut inflated, &mut rejected));
        self.give_back(scratch);
        let mut otlp = lock(&self.otlp);
        for [loser, winner, name] in &rejected.collided {
            if otlp.warned.len() < WARNED_MAX && otlp.warned.insert(name.clone()) {
                tracing::warn!(
                    "OTLP: the metrics {loser:?} and {winner:?} have the same labels as {name:?} after translation: {loser:?} is not stored. \
                     Rename one, or set otlp.translation_strategy to NoTranslation"
                );
            }
        }
        let stats = &mut otlp.stats;
        stats.inflated_bytes += inflated;
        stats.points += rejected.points;
        stats.collisions += rejected.collisions;
        for (reason, count) in rejected.by_reason {
            *stats.rejected.entry(reason).or_default() += count;
        }
        match answer.status {
            200 if answer.rejected == 0 => stats.requests += 1,
            500.. => stats.requests_failed += 1,
            _ => stats.requests_refused += 1,
        }
        answer
    }

    fn otlp_with(
        &self,
        scratch: &mut Scratch,
        request: &Request<'_>,
        body: &[u8],
        (inflated, rejected): (&mut u64, &mut Rejected),
    ) -> OtlpAnswer {
        let kind = request.content_type.unwrap_or_default();
        if !kind.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(PROTOBUF)) {
            let text = format!("unsupported content type: {kind:?}: only {PROTOBUF} is taken; let the sender encode as protobuf");
            return OtlpAnswer::refused(415, text);
        }
        let Scratch { body: buffer, parsed, .. } = scratch;
        let message = match body::decode(body, request.content_encoding, buffer, inflated) {
            Ok(message) => message,
            Err(answer) => return answer,
        };
        parsed.clear();
        let options = Arc::clone(&lock(&self.otlp).options);
        let sender = self.sender(request.user.unwrap_or(ANONYMOUS));
        let mut state = sender.state();
        let now = self.clock.now();
        state.cache.begin();
        let crate::sender::State { cache, claims, .. } = &mut *state;
        let mut reader = Reader {
            options: &options,
            hasher: &self.hasher,
            cache,
            claims,
            parsed,
            now,
            labels: Vec::new(),
            labels_made: 0,
            families: Vec::new(),
            rejected: Rejected::default(),
        };
        let read = reader.read(message);
        let Reader { labels, families, rejected: found, .. } = reader;
        if let Err(error) = read {
            state.cache.forget_unresolved();
            return OtlpAnswer::refused(400, error.to_string());
        }
        *rejected = found;
        let outcome = self.commit(&mut state, parsed, &v1::Source(&labels), &sender, request);
        drop(state);
        self.keep_metadata(families);
        sender.count(&outcome);
        answered(outcome, rejected)
    }

    /// Figures of OTLP as they are now.
    #[must_use]
    pub fn otlp_stats(&self) -> OtlpStats {
        lock(&self.otlp).stats.clone()
    }
}

fn answered(outcome: Outcome, rejected: &mut Rejected) -> OtlpAnswer {
    // The status that lets senders come again; what was stored is known to be the same then.
    if let Some(reason) = outcome.failed {
        return OtlpAnswer::refused(503, reason);
    }
    let mut texts: Vec<String> = rejected.texts().collect();
    for (reason, count) in [
        ("out_of_order", outcome.out_of_order),
        ("duplicate", outcome.duplicate),
        ("too_old", outcome.too_old),
        ("too_new", outcome.too_new),
        ("invalid", outcome.invalid),
        ("refused", outcome.refused),
    ] {
        // Samples, of which a point may have more than one.
        let count = count.min(rejected.points.saturating_sub(rejected.count()));
        if count > 0 {
            *rejected.by_reason.entry(reason).or_default() += count;
        }
    }
    texts.extend(outcome.texts);
    texts.truncate(2 * TEXTS_MAX);
    OtlpAnswer { status: 200, rejected: rejected.count(), text: texts.join("\n"), retry_after_s: None }
}
