//! Takes requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::seams::Append;
use model::{Clock, METRIC_NAME};

use crate::answer::Answer;
use crate::body::decode;
use crate::commit::{Context, Outcome, commit};
use crate::content::{self, Encoding, Message};
use crate::hash::{Hasher, Wide};
use crate::message::{Labels, MessageError, Parsed};
use crate::metadata::{Family, Metadata};
use crate::otlp::Otlp;
use crate::sender::{Recent, State};
use crate::stats::{SenderStats, Stats};
use crate::v2::Symbols;
use crate::{v1, v2};

/// The sender of requests without a user. Neither the address nor a header tells senders apart: groups are to be the same after a
/// sender was started again elsewhere. Series of several senders without users are told apart by job and instance.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// Buffers that are kept for the next requests, and bytes of a body for which one keeps its room.
const SCRATCH_KEPT_MAX: usize = 4;
const SCRATCH_BYTES_MAX: usize = 4 << 20;

/// How requests are taken. Change what [`Options::default`] gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How far ahead of now a sample may be, in milliseconds: what storage takes.
    pub future_max_ms: i64,
}

impl Default for Options {
    /// Ten minutes ahead, as storage's default.
    fn default() -> Self {
        Self { future_max_ms: 600_000 }
    }
}

/// A request's headers, as far as they count, and who sent it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// The user who was let in by a password or certificate: groups are named after it.
    pub user: Option<&'a str>,
    /// Where it came from, for texts alone.
    pub address: &'a str,
}

/// The receiver. Requests may come from several threads; those of one sender are written one after the other.
pub struct Receiver {
    append: Arc<dyn Append>,
    pub(crate) clock: Arc<dyn Clock>,
    options: Options,
    pub(crate) hasher: Hasher,
    senders: Mutex<BTreeMap<Box<str>, Arc<Sender>>>,
    metadata: Mutex<Metadata>,
    pub(crate) scratch: Mutex<Vec<Scratch>>,
    deferred: AtomicU64,
    pub(crate) otlp: Mutex<Otlp>,
}

pub(crate) struct Sender {
    name: Box<str>,
    state: Mutex<State>,
    recent: Mutex<Recent>,
    counts: Mutex<SenderStats>,
}

/// Buffers of a request.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) body: Vec<u8>,
    snappy: snap::raw::Decoder,
    pub(crate) parsed: Parsed,
    symbols: Symbols,
}

impl Receiver {
    /// A receiver that writes to this storage.
    #[must_use]
    pub fn new(append: Arc<dyn Append>, clock: Arc<dyn Clock>, options: Options) -> Self {
        Self {
            append,
            clock,
            options,
            hasher: Hasher::random(),
            senders: Mutex::default(),
            metadata: Mutex::default(),
            scratch: Mutex::default(),
            deferred: AtomicU64::new(0),
            otlp: Mutex::default(),
        }
    }

    /// Takes a request and says what to answer. Blocks for storage.
    #[must_use]
    pub fn write(&self, request: &Request<'_>, body: &[u8]) -> Answer {
        let sender = self.sender(request.user.unwrap_or(ANONYMOUS));
        let kinds = content::message(request.content_type).and_then(|message| Ok((message, content::encoding(request.content_encoding)?)));
        let answer = match kinds {
            Ok((message, encoding)) => {
                let digest = self.digest(body, message);
                let now = self.clock.now();
                if let Some(answer) = lock(&sender.recent).find(digest, now) {
                    lock(&sender.counts).requests_repeated += 1;
                    return answer;
                }
                let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
                let answer = self.write_with(&mut scratch, &sender, request, (body, message, encoding));
                self.give_back(scratch);
                if answer.status == 204 {
                    lock(&sender.recent).push(digest, now, answer.clone());
                }
                answer
            }
            Err(answer) => answer,
        };
        let mut counts = lock(&sender.counts);
        match answer.status {
            204 => counts.requests += 1,
            500.. => counts.requests_failed += 1,
            _ => counts.requests_refused += 1,
        }
        answer
    }

    fn write_with(
        &self,
        scratch: &mut Scratch,
        sender: &Sender,
        request: &Request<'_>,
        (body, message, encoding): (&[u8], Message, Encoding),
    ) -> Answer {
        let Scratch { body: buffer, snappy, parsed, symbols } = scratch;
        let body = match decode(body, encoding, snappy, buffer) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        parsed.clear();
        let mut families = Vec::new();
        let bad = |error: MessageError| Answer::refused(400, error.to_string());
        let outcome = match message {
            Message::V1 => {
                let mut state = sender.state();
                state.cache.begin();
                if let Err(error) = v1::read(body, &mut state.cache, &self.hasher, parsed, &mut families) {
                    state.cache.forget_unresolved();
                    return bad(error);
                }
                self.commit(&mut state, parsed, &v1::Source(body), sender, request)
            }
            Message::V2 => {
                if let Err(error) = symbols.read(body, &self.hasher) {
                    return bad(error);
                }
                let source = v2::Source { body, symbols };
                let mut state = sender.state();
                state.cache.begin();
                if let Err(error) = v2::read(&source, &mut state.cache, &self.hasher, parsed) {
                    state.cache.forget_unresolved();
                    return bad(error);
                }
                let outcome = self.commit(&mut state, parsed, &source, sender, request);
                drop(state);
                families.extend(parsed.metadata.iter().filter_map(|metadata| {
                    let labels = source.labels(metadata.at).ok()?;
                    let (help, unit) = (source.symbol(metadata.help), source.symbol(metadata.unit));
                    Some(Family::new(labels.get(METRIC_NAME)?, metadata.kind, help, unit))
                }));
                outcome
            }
        };
        self.keep_metadata(families);
        sender.count(&outcome);
        answer(outcome)
    }

    pub(crate) fn keep_metadata(&self, families: Vec<Family>) {
        if !families.is_empty() {
            let mut metadata = lock(&self.metadata);
            for family in families {
                metadata.put(family);
            }
        }
    }

    pub(crate) fn commit(
        &self,
        state: &mut State,
        parsed: &Parsed,
        labels: &dyn Labels,
        sender: &Sender,
        request: &Request<'_>,
    ) -> Outcome {
        let now = self.clock.now();
        let time_max = now.saturating_add(self.options.future_max_ms);
        let context = Context {
            append: &*self.append,
            labels,
            sender: &sender.name,
            address: request.address,
            now,
            time_min: self.append.time_min(),
            time_max,
        };
        commit(state, parsed, &context)
    }

    fn digest(&self, body: &[u8], message: Message) -> Wide {
        let (low, high) = self.hasher.wide(body);
        (low ^ u64::from(message == Message::V2), high)
    }

    pub(crate) fn sender(&self, name: &str) -> Arc<Sender> {
        let mut senders = lock(&self.senders);
        if let Some(sender) = senders.get(name) {
            return Arc::clone(sender);
        }
        let counts = SenderStats { name: name.to_owned(), ..SenderStats::default() };
        let sender = Sender { name: name.into(), state: Mutex::default(), recent: Mutex::default(), counts: Mutex::new(counts) };
        let sender = Arc::new(sender);
        senders.insert(name.into(), Arc::clone(&sender));
        sender
    }

    pub(crate) fn give_back(&self, mut scratch: Scratch) {
        scratch.parsed.clear();
        scratch.symbols.clear();
        if scratch.body.capacity() > SCRATCH_BYTES_MAX {
            scratch.body = Vec::new();
        }
        let mut kept = lock(&self.scratch);
        if kept.len() < SCRATCH_KEPT_MAX {
            kept.push(scratch);
        }
    }

    /// Counts a request that was asked to come again, because too much is going on.
    pub fn deferred(&self) {
        self.deferred.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets series that have not come for long. For once in a minute or so.
    pub fn tend(&self) {
        let (now, senders) = (self.clock.now(), lock(&self.senders).values().cloned().collect::<Vec<_>>());
        for sender in senders {
            sender.state().tend(now);
        }
    }

    /// What senders said of their metrics, sorted by name.
    #[must_use]
    pub fn metadata(&self) -> Vec<Arc<Family>> {
        lock(&self.metadata).all()
    }

    /// Figures as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut bytes = lock(&self.metadata).bytes();
        let all: Vec<Arc<Sender>> = lock(&self.senders).values().cloned().collect();
        let senders = all.iter().map(|sender| {
            let (series, groups) = {
                let state = sender.state();
                bytes += state.heap_bytes();
                (state.cache.len() as u64, state.lanes.open().count() as u64)
            };
            SenderStats { series, groups, ..lock(&sender.counts).clone() }
        });
        Stats { senders: senders.collect(), requests_deferred: self.deferred.load(Ordering::Relaxed), bytes: bytes as u64 }
    }
}

impl Sender {
    /// What requests change. What a panic left half done is begun anew, and groups are opened again.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            *state = State::default();
            self.state.clear_poison();
            state
        })
    }

    pub(crate) fn count(&self, outcome: &Outcome) {
        let mut counts = lock(&self.counts);
        counts.samples += outcome.samples;
        counts.histograms += outcome.histograms;
        counts.exemplars += outcome.exemplars;
        counts.out_of_order += outcome.out_of_order;
        counts.duplicate += outcome.duplicate;
        counts.too_old += outcome.too_old;
        counts.too_new += outcome.too_new;
        counts.invalid += outcome.invalid;
        counts.refused += outcome.refused;
        if let Some(ahead) = &outcome.ahead {
            if counts.ahead.as_ref().is_none_or(|before| ahead.at - before.at > AHEAD_SILENCE_MS) {
                tracing::warn!(
                    sender = %self.name, address = %ahead.address, job = %ahead.job, instance = %ahead.instance,
                    "samples of remote write are refused: they are {} s ahead of this server's clock. Set the sender's clock, or this one's",
                    ahead.ahead_ms / 1000
                );
            }
            counts.ahead = Some(ahead.clone());
        }
    }
}

/// A sender whose clock is wrong is told of again after so long.
const AHEAD_SILENCE_MS: i64 = 600_000;

fn answer(outcome: Outcome) -> Answer {
    let Outcome { samples, histograms, exemplars, texts, failed, .. } = outcome;
    let lost = outcome.out_of_order + outcome.duplicate + outcome.too_old + outcome.too_new + outcome.invalid + outcome.refused;
    let (status, text) = match failed {
        Some(reason) => (500, reason),
        None if lost > 0 => {
            let more = lost.saturating_sub(texts.len() as u64);
            let more = if more > 0 { format!("\n{lost} samples or series of the request were refused in all") } else { String::new() };
            (400, texts.join("\n") + &more)
        }
        None => (204, String::new()),
    };
    Answer { status, text, samples, histograms, exemplars, retry_after_s: None }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is changed in steps that each leave it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
