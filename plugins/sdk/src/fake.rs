//! A host in memory, for native tests.
//!
//! Each test makes a [`Host`], tells it what to answer and enters it; until the guard is dropped, what the plugin imports on
//! this thread answers from there. The same host can be entered on several threads, to test calls that race.
//!
//! ```
//! use skopos_sdk::{fake, kv};
//! let host = fake::Host::default();
//! let _entered = host.enter();
//! kv::set("a", b"1").unwrap();
//! assert_eq!(host.kv("a"), Some(b"1".to_vec()));
//! ```

mod disk;
mod machine;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::imports::dns::{Answer, Error as DnsError, Rdata, RecordType};
use crate::imports::http::{Error as HttpError, Request, Response, Timings};
use crate::imports::kv::Error as KvError;
use crate::imports::log::Level;
use crate::types::Label;

type Respond = Box<dyn FnMut(&Request) -> Result<Response, HttpError> + Send>;
type Series = (String, Vec<Label>);

thread_local! {
    static ENTERED: RefCell<Vec<Host>> = const { RefCell::new(Vec::new()) };
}

/// The host. Clones are the same host.
#[derive(Clone, Default)]
pub struct Host {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    dns: BTreeMap<(String, String), Result<Vec<Answer>, DnsError>>,
    respond: Option<Respond>,
    requests: Vec<Request>,
    kv: BTreeMap<String, Vec<u8>>,
    kv_denied: bool,
    kv_writes_left: Option<u64>,
    kv_keys_max: Option<usize>,
    values: BTreeMap<Series, f64>,
    observations: BTreeMap<Series, Vec<f64>>,
    declared: BTreeMap<String, String>,
    lines: Vec<(Level, String)>,
    disk: disk::Disk,
    machine: machine::Machine,
}

/// Leaves the host when dropped.
#[must_use = "the host is left when this is dropped"]
pub struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

impl Host {
    /// Answers this thread's imports until the guard is dropped.
    pub fn enter(&self) -> Entered {
        ENTERED.with_borrow_mut(|hosts| hosts.push(self.clone()));
        Entered(())
    }

    /// What a name resolves to. A name that is not told is not found.
    pub fn set_dns(&self, name: &str, record_type: RecordType, answer: Result<Vec<Rdata>, DnsError>) {
        let answer = answer.map(|records| records.into_iter().map(|data| Answer { data, ttl_seconds: 60 }).collect());
        self.state().dns.insert((name.to_owned(), format!("{record_type:?}")), answer);
    }

    /// What HTTP requests are answered with. Before it is set they are denied.
    pub fn on_http(&self, respond: impl FnMut(&Request) -> Result<Response, HttpError> + Send + 'static) {
        self.state().respond = Some(Box::new(respond));
    }

    /// The requests so far.
    #[must_use]
    pub fn http_requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// The stored value of a key.
    #[must_use]
    pub fn kv(&self, key: &str) -> Option<Vec<u8>> {
        self.state().kv.get(key).cloned()
    }

    /// All keys.
    #[must_use]
    pub fn kv_keys(&self) -> Vec<String> {
        self.state().kv.keys().cloned().collect()
    }

    /// Takes the grant for the store away, or gives it back.
    pub fn deny_kv(&self, denied: bool) {
        self.state().kv_denied = denied;
    }

    /// New keys past this many are refused with `quota`.
    pub fn limit_kv_keys(&self, max: usize) {
        self.state().kv_keys_max = Some(max);
    }

    /// The call is killed (panics) in place of the write after `writes` more; `None` lets it live.
    pub fn kill_after_kv_writes(&self, writes: Option<u64>) {
        self.state().kv_writes_left = writes;
    }

    /// A restart of the host: what is in memory is gone, the store stays.
    pub fn restart(&self) {
        let mut state = self.state();
        state.values.clear();
        state.observations.clear();
        state.declared.clear();
        state.kv_writes_left = None;
    }

    /// The value of a counter or gauge.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.state().values.get(&series(name, &owned(labels))).copied()
    }

    /// What a histogram observed.
    #[must_use]
    pub fn observations(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        self.state().observations.get(&series(name, &owned(labels))).cloned().unwrap_or_default()
    }

    /// The help text a metric was declared with.
    #[must_use]
    pub fn declared(&self, name: &str) -> Option<String> {
        self.state().declared.get(name).cloned()
    }

    /// The log so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.state().lines.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that kills a call in the middle has not broken the state: every change is one statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_kv(&self, key: &str, write: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> bool) -> Result<bool, KvError> {
        let mut state = self.state();
        if state.kv_denied {
            return Err(KvError::Denied("kv".to_owned()));
        }
        if state.kv_writes_left == Some(0) {
            drop(state);
            panic!("killed by the test");
        }
        if let Some(left) = &mut state.kv_writes_left {
            *left -= 1;
        }
        if !state.kv.contains_key(key) && state.kv_keys_max.is_some_and(|max| state.kv.len() >= max) {
            return Err(KvError::Quota);
        }
        Ok(write(&mut state.kv))
    }
}

/// A response with a body, for [`Host::on_http`].
#[must_use]
pub fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        headers: owned(headers),
        body: body.into(),
        truncated: false,
        final_url: String::new(),
        remote_address: "192.0.2.1:443".to_owned(),
        http_version: "1.1".to_owned(),
        timings: Timings { resolve_us: 0, connect_us: 0, tls_us: 0, first_byte_us: 0, transfer_us: 0 },
        tls_peer: None,
    }
}

fn current() -> Host {
    ENTERED.with_borrow(|hosts| hosts.last().cloned()).expect("a test that calls imports enters a fake::Host first")
}

fn owned(labels: &[(&str, &str)]) -> Vec<Label> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn series(name: &str, labels: &[Label]) -> Series {
    let mut labels = labels.to_vec();
    labels.sort();
    (name.to_owned(), labels)
}

pub(crate) mod http {
    use super::{HttpError, Request, Response, current};

    pub(crate) fn fetch(request: &Request) -> Result<Response, HttpError> {
        let host = current();
        let mut state = host.state();
        state.requests.push(request.clone());
        match &mut state.respond {
            Some(respond) => respond(request),
            None => Err(HttpError::Denied(format!("http: {}", request.url))),
        }
    }
}

pub(crate) use disk::files;
pub(crate) use machine::host_info;

pub(crate) mod dns {
    use super::{Answer, DnsError, RecordType, current};

    pub(crate) fn resolve(name: &str, record_type: RecordType) -> Result<Vec<Answer>, DnsError> {
        let key = (name.to_owned(), format!("{record_type:?}"));
        current().state().dns.get(&key).cloned().unwrap_or(Err(DnsError::NotFound))
    }
}

pub(crate) mod kv {
    use super::{KvError, current};

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, KvError> {
        let host = current();
        let state = host.state();
        if state.kv_denied { Err(KvError::Denied("kv".to_owned())) } else { Ok(state.kv.get(key).cloned()) }
    }

    pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), KvError> {
        current().write_kv(key, |kv| kv.insert(key.to_owned(), value.to_vec()).is_some()).map(|_| ())
    }

    pub(crate) fn delete(key: &str) -> Result<(), KvError> {
        current().write_kv(key, |kv| kv.remove(key).is_some()).map(|_| ())
    }

    pub(crate) fn compare_and_set(key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, KvError> {
        current().write_kv(key, |kv| {
            let fits = kv.get(key).map(Vec::as_slice) == expected;
            if fits {
                kv.insert(key.to_owned(), value.to_vec());
            }
            fits
        })
    }

    pub(crate) fn list(prefix: &str) -> Result<Vec<String>, KvError> {
        let host = current();
        let state = host.state();
        if state.kv_denied {
            return Err(KvError::Denied("kv".to_owned()));
        }
        Ok(state.kv.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

pub(crate) mod metrics {
    use super::{Label, current, series};
    use crate::imports::metrics::Kind;

    pub(crate) fn declare(name: &str, _kind: Kind, help: &str, _unit: &str) {
        current().state().declared.insert(name.to_owned(), help.to_owned());
    }

    pub(crate) fn declare_histogram(name: &str, help: &str, _unit: &str, _buckets: &[f64]) {
        current().state().declared.insert(name.to_owned(), help.to_owned());
    }

    pub(crate) fn counter_add(name: &str, labels: &[Label], by: f64) {
        assert!(by >= 0.0, "a counter never falls: {name} by {by}");
        gauge_add(name, labels, by);
    }

    pub(crate) fn gauge_set(name: &str, labels: &[Label], value: f64) {
        current().state().values.insert(series(name, labels), value);
    }

    pub(crate) fn gauge_add(name: &str, labels: &[Label], by: f64) {
        *current().state().values.entry(series(name, labels)).or_default() += by;
    }

    pub(crate) fn histogram_observe(name: &str, labels: &[Label], value: f64) {
        current().state().observations.entry(series(name, labels)).or_default().push(value);
    }

    pub(crate) fn histogram_add(name: &str, labels: &[Label], counts: &[u64], sum: f64, _max: f64) {
        // Single values are not known; the mean stands for each.
        let count: u64 = counts.iter().sum();
        let mut observed = Vec::new();
        for _ in 0..count {
            observed.push(sum / count as f64);
        }
        current().state().observations.entry(series(name, labels)).or_default().extend(observed);
    }

    pub(crate) fn remove(name: &str, labels: &[Label]) {
        let gone = |key: &(String, Vec<Label>)| key.0 == name && labels.iter().all(|label| key.1.contains(label));
        let host = current();
        let mut state = host.state();
        state.values.retain(|key, _| !gone(key));
        state.observations.retain(|key, _| !gone(key));
    }
}

pub(crate) mod log {
    use super::{Level, current};

    pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
        current().state().lines.push((level, format!("{message}{fields}")));
    }
}
