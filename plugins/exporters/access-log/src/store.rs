//! The counts, in the host's key-value store, exact under crashes and under calls that run at once.
//!
//! One value, `state`, holds both counts. One key for each client address, `client/<address>`, says that it is counted. No
//! value grows. Two keys cannot be written together, so a new address is first *announced* in the state (with the step it
//! belongs to), then its key is written with that step as value, then the state takes it in:
//!
//! 1. state `{step 7, logs 10, clients 3}` becomes `{step 8, logs 11, clients 3, announced a}`;
//! 2. `client/a` becomes `8`, unless it is there;
//! 3. if `client/a` is `8`, it is new by this very step, and `clients` is 4; the announcement goes.
//!
//! A call that finds an announcement, left by one that was killed or is slow, first finishes it in the same way; steps 2 and 3
//! give the same result however often and by whomever they are done. Each change of the state compares and sets.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skopos_sdk::kv;

const STATE: &str = "state";
/// A call that loses this many races in a row gives up: each loss means that another call went on.
const TRIES: usize = 10_000;
/// Of an address in a key. Longer ones go by their hash.
const ADDRESS_BYTES_MAX: usize = 96;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests logged.
    pub logs: u64,
    /// Distinct client addresses.
    pub clients: u64,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// False if the store had no room for a new address; the request itself is counted.
    pub client_kept: bool,
}

/// Why the store could not answer.
#[derive(Debug)]
pub enum StoreError {
    /// The host refused, or failed.
    Kv(kv::Error),
    /// The value `state` is not ours.
    Damaged(String),
    /// Too many calls at once.
    Busy,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kv(kv::Error::Denied(grant)) => write!(f, "not granted; to allow it, grant {grant}"),
            Self::Kv(kv::Error::Quota) => f.write_str("the plugin's store is full"),
            Self::Kv(kv::Error::Failed(reason)) => f.write_str(reason),
            Self::Damaged(reason) => write!(f, "the stored value {STATE:?} cannot be read: {reason}"),
            Self::Busy => f.write_str("too many calls at once"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<kv::Error> for StoreError {
    fn from(error: kv::Error) -> Self {
        Self::Kv(error)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    step: u64,
    logs: u64,
    clients: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced: Option<String>,
}

/// The state with the bytes it was read from, which is what a change compares with.
struct Read {
    state: State,
    bytes: Option<Vec<u8>>,
}

/// The counts now.
///
/// # Errors
/// When the store does not answer.
pub fn read() -> Result<Counts, StoreError> {
    let Read { state, .. } = load()?;
    Ok(Counts { logs: state.logs, clients: state.clients })
}

/// Counts one request of a client.
///
/// # Errors
/// When the store does not answer. Then the request may or may not be counted, like any that was cut off.
pub fn record(client: &str) -> Result<Recorded, StoreError> {
    let key = key(client);
    for _ in 0..TRIES {
        let read = load()?;
        if read.state.announced.is_some() {
            finish(&read)?;
            continue;
        }
        let mut next = State { logs: read.state.logs + 1, step: read.state.step + 1, ..read.state.clone() };
        // After the state: a key that is there now was taken in before, or is just being so by a state we would fail to change.
        let known = kv::get(&key)?.is_some();
        if !known {
            next.announced = Some(key.clone());
        }
        if !change(&read, &next)? {
            continue;
        }
        if known {
            return Ok(Recorded { client_kept: true });
        }
        // Another call may be first to finish it; then there is nothing left to do.
        let read = load()?;
        if read.state == next {
            finish(&read)?;
        }
        return Ok(Recorded { client_kept: kv::get(&key)?.is_some() });
    }
    Err(StoreError::Busy)
}

/// Steps 2 and 3 for the announced address. Losing the race of the last change is fine: someone else has done it.
fn finish(read: &Read) -> Result<(), StoreError> {
    let Some(key) = &read.state.announced else { return Ok(()) };
    let step = read.state.step.to_string();
    let new = match kv::compare_and_set(key, None, step.as_bytes()) {
        Ok(_) => kv::get(key)?.is_some_and(|value| value == step.as_bytes()),
        // No room for the address. The announcement must go all the same, or nothing could be counted any more.
        Err(kv::Error::Quota) => false,
        Err(error) => return Err(error.into()),
    };
    let state = State { announced: None, clients: read.state.clients + u64::from(new), ..read.state };
    change(read, &state).map(|_| ())
}

fn load() -> Result<Read, StoreError> {
    let bytes = kv::get(STATE)?;
    let state = match &bytes {
        None => State::default(),
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(error.to_string()))?,
    };
    Ok(Read { state, bytes })
}

fn change(read: &Read, state: &State) -> Result<bool, StoreError> {
    let bytes = serde_json::to_vec(state).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(kv::compare_and_set(STATE, read.bytes.as_deref(), &bytes)?)
}

/// `client/` and the address: what is no letter, digit or one of `.:-_[]` as `%XX`; a long one by its hash.
fn key(client: &str) -> String {
    use fmt::Write as _;
    let mut key = "client/".to_owned();
    if client.len() > ADDRESS_BYTES_MAX {
        key.push_str("sha256=");
        for byte in Sha256::digest(client.as_bytes()) {
            // Writing to a String does not fail.
            let _ = write!(key, "{byte:02x}");
        }
        return key;
    }
    for byte in client.bytes() {
        if byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte) {
            key.push(char::from(byte));
        } else {
            let _ = write!(key, "%{byte:02X}");
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_distinct() {
        for (client, expected) in [
            ("192.0.2.1:40000", "client/192.0.2.1:40000"),
            ("[2001:db8::1]:80", "client/[2001:db8::1]:80"),
            ("", "client/"),
            ("a/b %", "client/a%2Fb%20%25"),
            ("sha256=", "client/sha256%3D"),
            ("주소", "client/%EC%A3%BC%EC%86%8C"),
        ] {
            assert_eq!(key(client), expected);
        }
        let long = key(&"x".repeat(1_000_000));
        assert!(long.starts_with("client/sha256=") && long.len() < 80, "{long}");
        assert_ne!(long, key(&"x".repeat(1_000_001)));
        assert!(key(&"주".repeat(32)).len() < 300);
    }
}
