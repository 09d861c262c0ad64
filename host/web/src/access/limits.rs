//! How many passwords may be tried: by address, by account, and in all.
//!
//! Tables of a fixed size, found by a keyed hash: nobody can fill them, and nobody outside knows who shares a place. An account
//! that does not exist has a place like any other, so that a refusal does not tell which do.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::token::Secret;

/// Wrong passwords of one address: so many at once, and one more in each six seconds.
const ADDRESS_TRIES: Rate = Rate { capacity: 10.0, per_second: 1.0 / 6.0 };
/// Answers to one address without the right password, whether it was looked at or not. Beyond these the right one is not
/// looked at either, or else it could be guessed from the address where it is in use.
const ADDRESS_REFUSALS: Rate = Rate { capacity: 200.0, per_second: 1.0 };
/// Wrong passwords for one account, from wherever.
const ACCOUNT_TRIES: Rate = Rate { capacity: 20.0, per_second: 1.0 / 3.0 };
/// Seconds of comparing wrong passwords, for addresses that have failed before.
const WORK: Rate = Rate { capacity: 3.0, per_second: 0.1 };
/// The same for addresses that have not, so that whoever is right gets in while others guess.
const FRESH_WORK: Rate = Rate { capacity: 3.0, per_second: 0.05 };

const ADDRESSES: usize = 4096;
const ACCOUNTS: usize = 1024;

/// A bucket that is full at first and fills again with time.
#[derive(Clone, Copy)]
struct Rate {
    capacity: f64,
    per_second: f64,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// What was taken and has not come back yet.
    taken: f64,
    at: Instant,
}

impl Bucket {
    fn taken(&self, rate: Rate, now: Instant) -> f64 {
        (self.taken - now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second).max(0.0)
    }

    /// Takes some. What is taken beyond the capacity has to come back as well, up to as much again.
    fn take(&mut self, rate: Rate, amount: f64, now: Instant) {
        *self = Self { taken: (self.taken(rate, now) + amount).min(rate.capacity * 2.0), at: now };
    }

    /// How long until one more may be tried; none if it may be now.
    fn wait(&self, rate: Rate, least: f64, now: Instant) -> Option<Duration> {
        let over = self.taken(rate, now) + least - rate.capacity;
        (over > 0.0).then(|| Duration::from_secs_f64(over / rate.per_second))
    }
}

#[derive(Clone, Copy)]
struct AddressBuckets {
    tries: Bucket,
    refusals: Bucket,
}

/// Whose password is tried, as places in the tables.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    address: usize,
    account: usize,
}

impl Attempt {
    /// An IPv6 client has a whole network of addresses, so those count together.
    pub(crate) fn new(secret: &Secret, address: IpAddr, account: &str) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        };
        let place = |kind: &[u8], what: &[u8], places: usize| {
            let hash = secret.hash(&[kind, what]);
            usize::from(u16::from_le_bytes([hash[0], hash[1]])) % places
        };
        Self { address: place(b"address", &network, ADDRESSES), account: place(b"account", account.as_bytes(), ACCOUNTS) }
    }
}

/// All that was tried lately.
pub(crate) struct Limits {
    addresses: Vec<AddressBuckets>,
    accounts: Vec<Bucket>,
    work: Bucket,
    fresh_work: Bucket,
}

impl Limits {
    pub(crate) fn new(now: Instant) -> Self {
        let empty = Bucket { taken: 0.0, at: now };
        Self {
            addresses: vec![AddressBuckets { tries: empty, refusals: empty }; ADDRESSES],
            accounts: vec![empty; ACCOUNTS],
            work: empty,
            fresh_work: empty,
        }
    }

    /// How long this address must wait before even a password known to be right is looked at.
    pub(crate) fn shut_out(&self, who: Attempt, now: Instant) -> Option<Duration> {
        self.addresses[who.address].refusals.wait(ADDRESS_REFUSALS, 1.0, now)
    }

    /// How long to wait before a password may be compared; none if it may be now.
    pub(crate) fn wait(&self, who: Attempt, now: Instant) -> Option<Duration> {
        let address = &self.addresses[who.address];
        let fresh = address.tries.taken(ADDRESS_TRIES, now) <= 0.0;
        let others = if fresh {
            self.fresh_work.wait(FRESH_WORK, 0.0, now)
        } else {
            let account = self.accounts[who.account].wait(ACCOUNT_TRIES, 1.0, now);
            account.max(self.work.wait(WORK, 0.0, now))
        };
        others.max(address.tries.wait(ADDRESS_TRIES, 1.0, now))
    }

    /// A password was compared, which took so long, and was wrong.
    pub(crate) fn wrong(&mut self, who: Attempt, took: Duration, now: Instant) {
        let address = &mut self.addresses[who.address];
        let fresh = address.tries.taken(ADDRESS_TRIES, now) <= 0.0;
        address.tries.take(ADDRESS_TRIES, 1.0, now);
        self.accounts[who.account].take(ACCOUNT_TRIES, 1.0, now);
        if fresh {
            self.fresh_work.take(FRESH_WORK, took.as_secs_f64(), now);
        } else {
            self.work.take(WORK, took.as_secs_f64(), now);
        }
        self.refused(who, now);
    }

    /// An answer without the right password went out.
    pub(crate) fn refused(&mut self, who: Attempt, now: Instant) {
        self.addresses[who.address].refusals.take(ADDRESS_REFUSALS, 1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(50);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_slowed_and_another_is_not() {
        let (secret, start) = (Secret::new().expect("random"), Instant::now());
        let mut limits = Limits::new(start);
        let bad = Attempt::new(&secret, address("10.0.0.1"), "ann");
        for tried in 0..10 {
            assert!(limits.wait(bad, start).is_none(), "{tried}");
            limits.wrong(bad, MS, start);
        }
        let wait = limits.wait(bad, start).expect("it has to wait");
        assert!((Duration::from_secs(5)..Duration::from_secs(7)).contains(&wait), "{wait:?}");
        assert!(limits.wait(bad, start + wait).is_none());
        let good = Attempt::new(&secret, address("10.0.0.2"), "ann");
        assert!(good.address == bad.address || limits.wait(good, start).is_none());
        // One network of IPv6 is one address.
        let places = |text| Attempt::new(&secret, address(text), "ann").address;
        assert_eq!(places("2001:db8::1"), places("2001:db8::ffff:1"));
        assert_eq!(places("::ffff:10.0.0.1"), bad.address);
    }

    #[test]
    fn an_account_is_slowed_from_everywhere_but_a_fresh_address() {
        let (secret, start) = (Secret::new().expect("random"), Instant::now());
        let mut limits = Limits::new(start);
        for at in 0..30 {
            limits.wrong(Attempt::new(&secret, address(&format!("10.0.1.{at}")), "ann"), MS, start);
        }
        let known = Attempt::new(&secret, address("10.0.1.1"), "ann");
        assert!(limits.wait(known, start).is_some());
        let fresh = (1..).map(|at| Attempt::new(&secret, address(&format!("10.9.0.{at}")), "ann"));
        let fresh = fresh.into_iter().find(|a| limits.addresses[a.address].tries.taken <= 0.0).expect("one place is free");
        assert!(limits.wait(fresh, start).is_none());
        // Until too much work was done for such addresses as well.
        for at in 0..100 {
            limits.wrong(Attempt::new(&secret, address(&format!("10.2.{at}.1")), "x"), MS, start);
        }
        assert!(limits.wait(fresh, start).is_some());
        assert!(limits.wait(fresh, start + Duration::from_secs(120)).is_none());
    }

    #[test]
    fn work_in_all_stays_below_a_fifth() {
        let (secret, start) = (Secret::new().expect("random"), Instant::now());
        let (mut limits, mut compared, seconds) = (Limits::new(start), 0_u32, 3600);
        // Fifty guesses a second from ever new addresses, each worth 250 ms of work.
        for at in 0..seconds * 50 {
            let now = start + Duration::from_millis(20) * at;
            let who = Attempt::new(&secret, IpAddr::from([10, (at >> 16) as u8, (at >> 8) as u8, at as u8]), &format!("u{}", at % 7));
            if limits.wait(who, now).is_none() {
                limits.wrong(who, Duration::from_millis(250), now);
                compared += 1;
            }
        }
        let share = f64::from(compared) * 0.25 / f64::from(seconds);
        println!("limits: {compared} compared of {}, {:.1} % of one processor", seconds * 50, share * 100.0);
        assert!(share < 0.2 && compared > 100, "{share}");
    }

    #[test]
    fn refusals_shut_an_address_out_for_a_while() {
        let (secret, start) = (Secret::new().expect("random"), Instant::now());
        let mut limits = Limits::new(start);
        let who = Attempt::new(&secret, address("10.0.0.1"), "ann");
        for _ in 0..1000 {
            limits.refused(who, start);
        }
        let wait = limits.shut_out(who, start).expect("shut out");
        assert!(wait <= Duration::from_secs(201), "{wait:?}");
        assert!(limits.shut_out(who, start + wait).is_none());
    }
}
