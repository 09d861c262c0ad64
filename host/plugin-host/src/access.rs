//! What the calls of one section may reach, and the clients they reach it with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use http_client::{Client, Egress, HttpConfig, HttpError, Resolver, Url};
use model::Clock;
use serde_json::Value;

use crate::grants::{Grants, line_for_url, plain_host};
use crate::machine_facts::Unanswering;
use crate::section::{Prepared, Secrets, http_config};
use crate::standing::Standing;

/// Clients of one section: one for each `client` it names, and one for none.
const CLIENTS_MAX: usize = 16;

tokio::task_local! {
    /// Of the request that runs: its origin, if its body carries a secret. That may not follow a redirect elsewhere.
    pub(crate) static SECRET_ORIGIN: Option<String>;
}

/// What the host lends to all calls.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) resolver: Arc<Resolver>,
    /// What relative paths in sections are relative to.
    pub(crate) base_dir: PathBuf,
    /// The host's own directories, which no plugin reads.
    pub(crate) own_dirs: Arc<[PathBuf]>,
    pub(crate) unanswering: Unanswering,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What the calls of one section may reach.
pub(crate) struct Access {
    pub(crate) grants: Grants,
    pub(crate) secrets: Secrets,
    pub(crate) means: Means,
    pub(crate) standing: Arc<Standing>,
    plain: Value,
    client_pointers: Vec<String>,
    /// By pointer. Connections are kept in them, so that an address that one policy let through is used under no other.
    clients: Mutex<HashMap<String, Arc<Client>>>,
}

impl Access {
    pub(crate) fn new(means: &Means, standing: &Arc<Standing>, grants: Grants, section: &Prepared) -> Self {
        Self {
            grants,
            secrets: section.secrets.clone(),
            means: means.clone(),
            standing: Arc::clone(standing),
            plain: section.plain.clone(),
            client_pointers: section.clients.clone(),
            clients: Mutex::default(),
        }
    }

    /// Nothing: for finding out what a component is.
    pub(crate) fn none(means: &Means, standing: &Arc<Standing>) -> Self {
        Self::new(means, standing, Grants::default(), &Prepared::default())
    }

    /// With more grants, for a target that the operator wrote.
    pub(crate) fn with(&self, more: &Grants) -> Self {
        let mut grants = self.grants.clone();
        grants.extend(more);
        Self {
            grants,
            secrets: self.secrets.clone(),
            means: self.means.clone(),
            standing: Arc::clone(&self.standing),
            plain: self.plain.clone(),
            client_pointers: self.client_pointers.clone(),
            clients: Mutex::default(),
        }
    }

    /// The client for a pointer into the section, or the host's defaults.
    pub(crate) fn client(&self, pointer: Option<&str>) -> Result<Arc<Client>, HttpError> {
        // The whole section is a pointer too, an empty one.
        let key = pointer.unwrap_or("no client");
        if let Some(client) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.fresh_client(pointer)?);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(key.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// A client without connections.
    pub(crate) fn fresh_client(&self, pointer: Option<&str>) -> Result<Client, HttpError> {
        let config = pointer.map_or_else(|| Ok(HttpConfig::default()), |pointer| self.http_config(pointer))?;
        let policy = Policy { grants: self.grants.clone(), standing: Arc::clone(&self.standing), asked: Mutex::default() };
        Client::new(&config, Arc::clone(&self.means.resolver), Arc::new(policy))
    }

    fn http_config(&self, pointer: &str) -> Result<HttpConfig, HttpError> {
        if !self.client_pointers.iter().any(|known| known == pointer) {
            return Err(HttpError::Invalid(format!(
                "client: {pointer} is not a field of the section that the plugin's schema marks http-client"
            )));
        }
        http_config(&self.plain, pointer, &self.means.base_dir).map_err(|e| HttpError::Invalid(self.secrets.redact(e.to_string())))
    }

    /// Notes that a capability was refused; gives the line that would grant it.
    pub(crate) fn refuse(&self, what: &str, line: &str) -> String {
        self.standing.refuse(what, line);
        line.to_owned()
    }
}

/// Hosts whose last URL is remembered, for the line that would grant it.
const HOSTS_MAX: usize = 64;

/// The address policy of a section's requests.
struct Policy {
    grants: Grants,
    standing: Arc<Standing>,
    /// By host, the URL that was asked for last: addresses are checked without it.
    asked: Mutex<HashMap<String, Url>>,
}

impl Policy {
    fn remember(&self, url: &Url) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= HOSTS_MAX {
            asked.clear();
        }
        asked.insert(plain_host(url.host_str().unwrap_or_default()).to_owned(), url.clone());
    }

    /// The line that would grant a connection to this address for this host, and whether it names the address because names
    /// are not followed there.
    fn line_for_address(&self, host: &str, address: IpAddr) -> (String, bool) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        let Some(mut url) = asked else { return (format!("http: http://{host}/"), false) };
        let by_name = Grants::of_target(url.as_str()).allows_address(host, address);
        if !by_name {
            // An address always fits into an http URL.
            let _ = url.set_ip_host(address);
        }
        (line_for_url(&url), !by_name)
    }
}

impl Egress for Policy {
    fn check_url(&self, url: &Url, hop: usize) -> Result<(), String> {
        let line = line_for_url(url);
        if !self.grants.allows_url(url) {
            let what = if hop == 0 { line.clone() } else { format!("redirect to {line}") };
            self.standing.refuse(&what, &line);
            return Err(line);
        }
        let origin = url.origin().ascii_serialization();
        let carries_secret = hop > 0 && SECRET_ORIGIN.try_with(|o| o.as_ref().is_some_and(|o| *o != origin)).unwrap_or(false);
        if carries_secret {
            return Err(format!("a redirect leads to {origin}, and the request carries a secret that stays with its origin"));
        }
        self.remember(url);
        self.standing.ledger.used(&line);
        Ok(())
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        if self.grants.allows_address(host, address) {
            return Ok(());
        }
        let host = plain_host(host);
        let is_address = host.parse() == Ok(address);
        let (line, instead) = self.line_for_address(host, address);
        let what = if is_address { line.clone() } else { format!("{host} at {address}") };
        self.standing.refuse(&what, &line);
        Err(match (is_address, instead) {
            (true, _) => line,
            (false, false) => format!("{line} ({host} leads to {address}, which is not a public address)"),
            (false, true) => format!(
                "{line} ({host} leads to {address}, where no name is followed to: the address itself must be written, in the URL too)"
            ),
        })
    }
}
