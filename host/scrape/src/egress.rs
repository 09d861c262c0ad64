//! Where scrapes may go: to what is a target, and from there by redirects to any HTTP server that is not link-local.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use http_client::{AddressClass, Egress, Url, classify};

/// The policy of one job. A target may be link-local, because somebody named it; a redirect may lead to such an address only
/// if it is a target too (faults A15).
#[derive(Default)]
pub(crate) struct PoolEgress {
    /// Hosts of the job's targets, as URLs write them.
    hosts: RwLock<HashSet<String>>,
}

impl PoolEgress {
    /// The hosts of the job's targets from now on.
    pub(crate) fn set_hosts<'a>(&self, urls: impl Iterator<Item = &'a str>) {
        let hosts = urls.filter_map(|url| Url::parse(url).ok()?.host_str().map(bare)).collect();
        // A set that is replaced as a whole is never half written.
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    fn is_target(&self, host: &str) -> bool {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).contains(&bare(host))
    }
}

/// An address without the brackets that IPv6 has in URLs.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

impl Egress for PoolEgress {
    fn check_url(&self, url: &Url, hop: usize) -> Result<(), String> {
        match url.scheme() {
            "http" | "https" => Ok(()),
            other if hop > 0 => Err(format!("the target redirects to {other:?}, and scrapes follow http and https alone")),
            other => Err(format!("{other:?} is not http or https")),
        }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        if classify(address) == AddressClass::LinkLocal && !self.is_target(host) {
            return Err(format!("{host} is at {address}, a link-local or metadata address, which is scraped only as a target of its own"));
        }
        Ok(())
    }

    /// A target was written, or found by what was written; where it redirects to was not.
    fn checks_names_behind_proxy(&self, hop: usize) -> bool {
        hop > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_must_be_a_target() {
        let egress = PoolEgress::default();
        egress.set_hosts(["http://169.254.1.1:80/metrics", "http://[fe80::1]/x", "http://Node:9100/"].into_iter());
        for (host, address, good) in [
            ("169.254.1.1", "169.254.1.1", true),
            ("fe80::1", "fe80::1", true),
            ("[fe80::1]", "fe80::1", true),
            ("node", "169.254.169.254", true),
            ("169.254.169.254", "169.254.169.254", false),
            ("elsewhere", "169.254.169.254", false),
            ("elsewhere", "::ffff:169.254.169.254", false),
            ("elsewhere", "127.0.0.1", true),
        ] {
            assert_eq!(egress.check_address(host, address.parse().expect("an address")).is_ok(), good, "{host} {address}");
        }
        for (url, good) in [("http://a/", true), ("https://a/", true), ("file:///etc/passwd", false), ("ftp://a/", false)] {
            assert_eq!(egress.check_url(&Url::parse(url).expect("a URL"), 1).is_ok(), good, "{url}");
        }
    }
}
