//! What the host offers to plugins. On wasm32 each function is the contract's import; natively [`crate::fake`] answers.

pub use crate::bindings::skopos::plugin::{net, types};

/// Calls the import on wasm32, and the fake of the host natively.
macro_rules! host {
    ($interface:ident :: $function:ident ( $($argument:expr),* )) => {{
        #[cfg(target_arch = "wasm32")]
        { crate::bindings::skopos::plugin::$interface::$function($($argument),*) }
        #[cfg(not(target_arch = "wasm32"))]
        { crate::fake::$interface::$function($($argument),*) }
    }};
}

/// HTTP requests, made by the host for the plugin.
pub mod http {
    pub use crate::bindings::skopos::plugin::http::{Error, Request, Response, Timings};

    /// Sends one request and waits for the whole response. Any status is `Ok`.
    ///
    /// # Errors
    /// When nothing came back; [`Error::Denied`] if the operator has not granted it.
    pub fn fetch(request: &Request) -> Result<Response, Error> {
        host!(http::fetch(request))
    }

    /// A `GET` request with the host's defaults, to be changed by struct update.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Request {
        Request {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
            max_redirects: None,
            max_body: None,
            unix_socket: None,
            client: None,
            ip_version: None,
            new_connection: false,
        }
    }
}

/// Name resolution through the host's resolver.
pub mod dns {
    pub use crate::bindings::skopos::plugin::dns::{Answer, Error, Mx, Rdata, RecordType, Srv};

    /// Looks a name up, with the system's search list; a final dot means that the name is full.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a name that does not exist. A name without such records is `Ok` and empty.
    pub fn resolve(name: &str, record_type: RecordType) -> Result<Vec<Answer>, Error> {
        host!(dns::resolve(name, record_type))
    }
}

/// Files of the machine, for reading. Grant: `read`.
pub mod files {
    pub use crate::bindings::skopos::plugin::files::{Chunk, Entry, Error, Kind, Metadata};

    /// A whole file of at most `max` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than that, [`Error::Denied`] if the operator has not granted it.
    pub fn read(path: &str, max: u32) -> Result<Vec<u8>, Error> {
        host!(files::read(path, max))
    }

    /// At most `max` bytes from `offset` on; empty past the end.
    ///
    /// # Errors
    /// [`Error::Denied`] if the operator has not granted it; [`Error::TooLarge`] once the call has read all it may.
    pub fn read_at(path: &str, offset: u64, max: u32) -> Result<Chunk, Error> {
        host!(files::read_at(path, offset, max))
    }

    /// Where a link leads, as it stands in the link.
    ///
    /// # Errors
    /// [`Error::Failed`] for what is no link.
    pub fn read_link(path: &str) -> Result<String, Error> {
        host!(files::read_link(path))
    }

    /// The entries of a directory by name, those with a grant only.
    ///
    /// # Errors
    /// [`Error::Failed`] for what is no directory.
    pub fn list(path: &str) -> Result<Vec<Entry>, Error> {
        host!(files::list(path))
    }

    /// What a path leads to.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Denied`].
    pub fn stat(path: &str) -> Result<Metadata, Error> {
        host!(files::stat(path))
    }
}

/// Facts of the machine that no file tells. Grant: `host-info`.
pub mod host_info {
    pub use crate::bindings::skopos::plugin::host_info::{Error, Filesystem, Space, SystemInfo};

    /// Every mounted file system that the host sees, once per mount point.
    ///
    /// # Errors
    /// [`Error::Denied`] if the operator has not granted it.
    pub fn filesystems() -> Result<Vec<Filesystem>, Error> {
        host!(host_info::filesystems())
    }

    /// What `uname` says, and a few numbers.
    ///
    /// # Errors
    /// [`Error::Denied`] if the operator has not granted it.
    pub fn system() -> Result<SystemInfo, Error> {
        host!(host_info::system())
    }
}

/// A small store that lasts over calls and restarts, one per plugin.
pub mod kv {
    pub use crate::bindings::skopos::plugin::kv::Error;

    /// The value of a key.
    ///
    /// # Errors
    /// Without the grant, or when the host cannot read it.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        host!(kv::get(key))
    }

    /// Writes a value, whole or not at all.
    ///
    /// # Errors
    /// Without the grant, past the limit, or when the host cannot write it.
    pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        host!(kv::set(key, value))
    }

    /// Without effect on a key that is not there.
    ///
    /// # Errors
    /// Without the grant, or when the host cannot write.
    pub fn delete(key: &str) -> Result<(), Error> {
        host!(kv::delete(key))
    }

    /// Replaces a value only if it is still `expected` (`None`: absent). False when it is not.
    ///
    /// # Errors
    /// Without the grant, past the limit, or when the host cannot write it.
    pub fn compare_and_set(key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, Error> {
        host!(kv::compare_and_set(key, expected, value))
    }

    /// The keys that start with `prefix`, in order.
    ///
    /// # Errors
    /// Without the grant, or when the host cannot read.
    pub fn list(prefix: &str) -> Result<Vec<String>, Error> {
        host!(kv::list(prefix))
    }
}

/// The plugin's own metrics, kept and published by the host.
pub mod metrics {
    pub use crate::bindings::skopos::plugin::metrics::Kind;
    use crate::types::Label;

    /// Declares a counter or a gauge. Do so at the start of each call.
    pub fn declare(name: &str, kind: Kind, help: &str, unit: &str) {
        host!(metrics::declare(name, kind, help, unit));
    }

    /// Declares a histogram by its upper bounds, without `+Inf`.
    pub fn declare_histogram(name: &str, help: &str, unit: &str, buckets: &[f64]) {
        host!(metrics::declare_histogram(name, help, unit, buckets));
    }

    /// Adds to a counter. Adding 0 makes the series exist.
    pub fn counter_add(name: &str, labels: &[(&str, &str)], by: f64) {
        host!(metrics::counter_add(name, &owned(labels), by));
    }

    /// Sets a gauge.
    pub fn gauge_set(name: &str, labels: &[(&str, &str)], value: f64) {
        host!(metrics::gauge_set(name, &owned(labels), value));
    }

    /// Adds to a gauge.
    pub fn gauge_add(name: &str, labels: &[(&str, &str)], by: f64) {
        host!(metrics::gauge_add(name, &owned(labels), by));
    }

    /// Observes a value in a histogram.
    pub fn histogram_observe(name: &str, labels: &[(&str, &str)], value: f64) {
        host!(metrics::histogram_observe(name, &owned(labels), value));
    }

    /// Observes many values at once: one count per declared bucket, each of that bucket alone, and one for those above.
    pub fn histogram_add(name: &str, labels: &[(&str, &str)], counts: &[u64], sum: f64, max: f64) {
        host!(metrics::histogram_add(name, &owned(labels), counts, sum, max));
    }

    /// Forgets every series of the metric that has these labels among its own.
    pub fn remove(name: &str, labels: &[(&str, &str)]) {
        host!(metrics::remove(name, &owned(labels)));
    }

    fn owned(labels: &[(&str, &str)]) -> Vec<Label> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// Lines in the host's log, under the plugin's name.
pub mod log {
    pub use crate::bindings::skopos::plugin::log::Level;

    /// Writes one line with fields.
    pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: Vec<(String, String)> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        host!(log::write(level, message, &fields));
    }

    /// Something that the operator should look at.
    pub fn warn(message: &str, fields: &[(&str, &str)]) {
        write(Level::Warn, message, fields);
    }

    /// Worth a line.
    pub fn info(message: &str, fields: &[(&str, &str)]) {
        write(Level::Info, message, fields);
    }
}
