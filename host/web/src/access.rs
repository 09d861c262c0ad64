//! Who may come in, how, and who may change something: what `--web.config.file` says, and what holds without it.
//!
//! One [`Access`] for the process. Requests are asked for their user in `guard.rs`.

mod token;

use std::fmt;

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

/// Who may come in and what they may do. Shared by all listeners.
pub struct Access {
    /// Whether all listeners are addresses of this machine alone.
    loopback: bool,
    secret: Secret,
}

impl Access {
    /// `loopback`: whether only this machine can reach the listeners. Fails if the system has no random numbers.
    pub fn new(loopback: bool) -> Result<Self, String> {
        Ok(Self { loopback, secret: Secret::new()? })
    }

    /// Whether only this machine can reach the listeners.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether there are users, so that every request needs a password.
    #[must_use]
    pub fn has_users(&self) -> bool {
        false
    }

    /// Whether nothing may be changed: others can reach the server, and nobody has a password.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.loopback && !self.has_users()
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
