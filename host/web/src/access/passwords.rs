//! Whether a request's password is right. Finding out takes a tenth of a second of work, which nobody may make us do at will.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use super::config::cost_of;
use super::limits::{Attempt, Limits};
use super::token::Secret;

/// Comparisons at once. Each takes a processor.
const COMPARISONS: usize = 2;
/// Requests that wait for a comparison. A page asks for twenty things at once.
const WAITING_MAX: usize = 256;
/// How long a pair of name and password that was right need not be compared again, from the same address.
const RIGHT_TIME: Duration = Duration::from_hours(1);
/// The same for one that was wrong: a script that has the wrong one repeats it.
const WRONG_TIME: Duration = Duration::from_mins(1);
/// Pairs that are remembered.
const KNOWN_MAX: usize = 10_000;
/// How long an address that tries too much waits for an answer. That is what keeps its pace, and our work, low.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Refusals that wait at once, more than there are connections; beyond that (streams of HTTP/2) they are answered without delay.
const REFUSALS_WAITING: usize = 1024;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no password, or it is wrong.
    Unauthorized,
    /// Too many were wrong; ask again after this time.
    Later(Duration),
    /// Too many requests wait.
    Busy,
}

/// A keyed hash of name, hash, password and address.
type Pair = [u8; 32];

struct Seen {
    right: HashMap<Pair, Instant>,
    wrong: HashMap<Pair, Instant>,
    limits: Limits,
}

/// What is known of passwords. One for the process.
pub(crate) struct Passwords {
    secret: Secret,
    seen: Mutex<Seen>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    refusals: Semaphore,
    refusal_time: Duration,
}

impl Passwords {
    pub(crate) fn new(secret: Secret) -> Self {
        let seen = Seen { right: HashMap::new(), wrong: HashMap::new(), limits: Limits::new(Instant::now()) };
        Self {
            secret,
            seen: Mutex::new(seen),
            turns: Arc::new(Semaphore::new(COMPARISONS)),
            waiting: AtomicUsize::new(0),
            refusals: Semaphore::new(REFUSALS_WAITING),
            refusal_time: REFUSAL_TIME,
        }
    }

    /// The user of a request, by its header `Authorization`.
    pub(crate) async fn user(
        self: &Arc<Self>,
        users: &BTreeMap<String, String>,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<String, Refusal> {
        let Some((name, password)) = credentials(headers) else { return Err(Refusal::Unauthorized) };
        let stored = users.get(&name);
        let hash = stored.cloned().unwrap_or_else(|| self.nobodys_hash(users, &name));
        let address_bytes = address.to_canonical().to_string();
        let pair = self.secret.hash(&[b"pair", name.as_bytes(), hash.as_bytes(), &password, address_bytes.as_bytes()]);
        let who = Attempt::new(&self.secret, address, &name);
        let known = self.seen().known(pair, who, Instant::now());
        let answer = match known {
            Some(answer) => answer,
            None => self.compare_in_turn(hash, password, stored.is_some(), pair, who).await,
        };
        if let Err(Refusal::Later(_)) = answer
            && let Ok(_slot) = self.refusals.try_acquire()
        {
            tokio::time::sleep(self.refusal_time).await;
        }
        answer.map(|()| name)
    }

    async fn compare_in_turn(
        self: &Arc<Self>,
        hash: String,
        password: Vec<u8>,
        exists: bool,
        pair: Pair,
        who: Attempt,
    ) -> Result<(), Refusal> {
        let waits = Waits::new(&self.waiting);
        if waits.before >= WAITING_MAX {
            return Err(Refusal::Busy);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Refusal::Busy)?;
        drop(waits);
        let this = Arc::clone(self);
        // The turn is given back when the work is done, and a client that hangs up meanwhile has still tried.
        let work = move || {
            let _turn = turn;
            this.compare(&hash, &password, exists, pair, who)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "comparing a password broke");
                Err(Refusal::Busy)
            }
        }
    }

    /// One comparison, unless another has just answered the same, or too many were wrong.
    fn compare(&self, hash: &str, password: &[u8], exists: bool, pair: Pair, who: Attempt) -> Result<(), Refusal> {
        if let Some(answer) = self.seen().known(pair, who, Instant::now()) {
            return answer;
        }
        let begun = Instant::now();
        let same = bcrypt::verify(password, hash).unwrap_or(false);
        let now = Instant::now();
        let mut seen = self.seen();
        if same && exists {
            remember(&mut seen.right, pair, RIGHT_TIME, now);
            return Ok(());
        }
        remember(&mut seen.wrong, pair, WRONG_TIME, now);
        seen.limits.wrong(who, now - begun, now);
        Err(Refusal::Unauthorized)
    }

    /// For a name that is nobody's: a hash that no password has, of one user's cost, so that the answer takes as long.
    fn nobodys_hash(&self, users: &BTreeMap<String, String>, name: &str) -> String {
        let at = usize::from(self.secret.hash(&[b"nobody", name.as_bytes()])[0]) % users.len().max(1);
        let cost = users.values().nth(at).and_then(|hash| cost_of(hash)).unwrap_or(10);
        format!("$2b${cost:02}${}{}", "N".repeat(21) + "u", "K".repeat(30) + "e")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The answer, if it is known without a comparison.
    fn known(&mut self, pair: Pair, who: Attempt, now: Instant) -> Option<Result<(), Refusal>> {
        let fresh = |map: &HashMap<Pair, Instant>, time| map.get(&pair).is_some_and(|at| now.saturating_duration_since(*at) < time);
        if let Some(wait) = self.limits.shut_out(who, now) {
            self.limits.refused(who, now);
            return Some(Err(Refusal::Later(wait)));
        }
        if fresh(&self.right, RIGHT_TIME) {
            return Some(Ok(()));
        }
        // Saying the same twice is no guess.
        if fresh(&self.wrong, WRONG_TIME) {
            return Some(Err(Refusal::Unauthorized));
        }
        let wait = self.limits.wait(who, now)?;
        self.limits.refused(who, now);
        Some(Err(Refusal::Later(wait)))
    }
}

fn remember(pairs: &mut HashMap<Pair, Instant>, pair: Pair, time: Duration, now: Instant) {
    if pairs.len() >= KNOWN_MAX {
        pairs.retain(|_, at| now.saturating_duration_since(*at) < time);
        if pairs.len() >= KNOWN_MAX {
            pairs.clear();
        }
    }
    pairs.insert(pair, now);
}

/// Counts who waits.
struct Waits<'a> {
    waiting: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        Self { before: waiting.fetch_add(1, Ordering::Relaxed), waiting }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Name and password of `Authorization: Basic …` (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
    Some((name, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(pair)).parse().expect("a header");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    fn ann() -> BTreeMap<String, String> {
        BTreeMap::from([("ann".to_owned(), bcrypt::hash("secret", 5).expect("a hash"))])
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[tokio::test]
    async fn right_wrong_and_none() {
        let passwords = Arc::new(Passwords::new(Secret::new().expect("random")));
        let users = ann();
        assert_eq!(passwords.user(&users, &basic("ann:secret"), HERE).await, Ok("ann".to_owned()));
        for wrong in ["ann:other", "ann:", "bob:secret", ":secret", "ann", "ann:secret:", "ann:secret\0"] {
            assert_eq!(passwords.user(&users, &basic(wrong), HERE).await, Err(Refusal::Unauthorized), "{wrong}");
        }
        assert_eq!(passwords.user(&users, &HeaderMap::new(), HERE).await, Err(Refusal::Unauthorized));
        for odd in ["Basic", "Basic !!!", "Bearer abc", "Basic YW5uOnNlY3JldA", "B"] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, odd.parse().expect("a header"))]);
            assert_eq!(passwords.user(&users, &headers, HERE).await, Err(Refusal::Unauthorized), "{odd}");
        }
        // A user who is gone or has another password is not let in by what was remembered.
        assert_eq!(passwords.user(&BTreeMap::new(), &basic("ann:secret"), THERE).await, Err(Refusal::Unauthorized));
        assert_eq!(passwords.user(&ann(), &basic("ann:other"), THERE).await, Err(Refusal::Unauthorized));
    }

    #[tokio::test]
    async fn a_hash_of_nobody_fits_no_password_and_reads_as_one() {
        let passwords = Passwords::new(Secret::new().expect("random"));
        let hash = passwords.nobodys_hash(&ann(), "bob");
        assert_eq!(cost_of(&hash), Some(5));
        assert!(matches!(bcrypt::verify("secret", &hash), Ok(false)));
    }

    #[tokio::test]
    async fn guessing_ends_soon_and_not_for_others() {
        let mut passwords = Passwords::new(Secret::new().expect("random"));
        passwords.refusal_time = Duration::ZERO;
        let passwords = Arc::new(passwords);
        let users = ann();
        let mut counts = (0, 0);
        for guess in 0..300 {
            match passwords.user(&users, &basic(&format!("ann:{guess}")), HERE).await {
                Err(Refusal::Unauthorized) => counts.0 += 1,
                Err(Refusal::Later(_)) => counts.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        println!("passwords: {} compared, {} refused", counts.0, counts.1);
        assert!(counts.0 <= 12 && counts.1 >= 288, "{counts:?}");
        // By now the address is shut out, with the right one as well; another address is not.
        assert!(matches!(passwords.user(&users, &basic("ann:secret"), HERE).await, Err(Refusal::Later(_))));
        assert_eq!(passwords.user(&users, &basic("ann:secret"), THERE).await, Ok("ann".to_owned()));
    }
}
