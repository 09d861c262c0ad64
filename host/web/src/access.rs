//! Who may come in, how, and who may change something: what `--web.config.file` says, and what holds without it.
//!
//! One [`Access`] for the process, shared by its listeners. Connections ask it for their encryption (`serve.rs`), requests for
//! their user (`guard.rs`). A changed file is a new [`WebConfig`], taken up at once and as a whole.

mod client;
mod config;
mod limits;
mod names;
mod passwords;
mod tls;
mod token;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

pub use self::config::WebConfig;
pub(crate) use self::passwords::Refusal;

use self::passwords::Passwords;
use self::token::Secret;

/// The user of a request, put among its extensions once the password was found to be right.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

/// What is known of a request's connection, put among its extensions by [`crate::serve`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connection {
    /// Whether it is encrypted.
    pub(crate) tls: bool,
}

/// Who may come in and what they may do.
pub struct Access {
    /// Whether all listeners are addresses of this machine alone.
    loopback: bool,
    secret: Secret,
    passwords: Arc<Passwords>,
    current: ArcSwap<WebConfig>,
}

impl Access {
    /// Without users and encryption. `loopback`: whether only this machine can reach the listeners. Fails if the system has no
    /// random numbers.
    pub fn new(loopback: bool) -> Result<Self, String> {
        let secret = Secret::new()?;
        let passwords = Arc::new(Passwords::new(secret.clone()));
        Ok(Self { loopback, secret, passwords, current: ArcSwap::from_pointee(WebConfig::default()) })
    }

    /// Takes up a configuration: new connections and the next request of each open one go by it.
    pub fn apply(&self, config: WebConfig) {
        self.current.store(Arc::new(config));
    }

    /// Whether only this machine can reach the listeners.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether there are users, so that every request needs a password.
    #[must_use]
    pub fn has_users(&self) -> bool {
        !self.current.load().users.is_empty()
    }

    /// Whether new connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.current.load().tls.is_some()
    }

    /// Whether nothing may be changed: others can reach the server, and nobody has a password.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.loopback && !self.has_users()
    }

    /// What a new connection speaks: TLS, if it is to be encrypted, and whether HTTP/2 is left out.
    pub(crate) fn connection(&self) -> (Option<Arc<ServerConfig>>, bool) {
        let current = self.current.load();
        (current.tls.clone(), current.http1_only)
    }

    /// The headers that the operator adds to every answer.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.current.load().headers.clone()
    }

    /// Lets a request in: with its user, or with none where there are no users.
    pub(crate) async fn admit(&self, headers: &HeaderMap, address: IpAddr) -> Result<Option<User>, Refusal> {
        let current = self.current.load_full();
        if current.users.is_empty() {
            return Ok(None);
        }
        self.passwords.user(&current.users, headers, address).await.map(|name| Some(User(name)))
    }

    /// What this process shows to read its own metrics, as a bearer token: the scraper has no user's password. It opens nothing else,
    /// and ends with the process.
    #[must_use]
    pub fn own_pass(&self) -> String {
        self.secret.own_pass()
    }

    /// Whether a request shows it.
    pub(crate) fn has_own_pass(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        shown.is_some_and(|pass| self.secret.is_own_pass(pass))
    }

    /// What a page sends with a change, in the header `X-Skopos-Token`.
    pub(crate) fn token(&self, user: Option<&str>) -> String {
        self.secret.token(user)
    }

    /// Whether that is this user's token.
    pub(crate) fn is_token(&self, user: Option<&str>, given: &[u8]) -> bool {
        self.secret.is_token(user, given)
    }
}

impl fmt::Debug for Access {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("loopback", &self.loopback).field("users", &self.has_users()).finish_non_exhaustive()
    }
}
