use std::net::IpAddr;

use url::Url;

/// Decides where a request may go. Asked at every hop: a redirect is a request anew.
pub trait Egress: Send + Sync {
    /// Whether the URL may be asked for; `hop` is 0 for the request itself and counts redirects. The error is for people.
    fn check_url(&self, url: &Url, hop: usize) -> Result<(), String>;

    /// Whether a connection to this address may be made for this host. Asked after resolving, and for addresses that
    /// stand in the URL.
    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String>;

    /// Whether a name that a proxy will resolve is resolved here too, so that its addresses can be checked. That costs a
    /// look-up for each request, and tells nothing where only the proxy can resolve it.
    fn checks_names_behind_proxy(&self, _hop: usize) -> bool {
        true
    }
}

/// Lets everything through. For addresses that the operator wrote and that are followed nowhere else.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyAddress;

impl Egress for AnyAddress {
    fn checks_names_behind_proxy(&self, _: usize) -> bool {
        false
    }

    fn check_url(&self, _: &Url, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn check_address(&self, _: &str, _: IpAddr) -> Result<(), String> {
        Ok(())
    }
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// This host: 127.0.0.0/8, `::1`, and the unspecified addresses, which lead here too.
    Loopback,
    /// The link alone, cloud metadata services among it: 169.254.0.0/16, `fe80::/10`, and the metadata addresses that some
    /// clouds put elsewhere.
    LinkLocal,
    /// Somebody's own network: RFC 1918, unique local, carrier-grade NAT, benchmarking and documentation ranges.
    Private,
    /// Multicast, broadcast and reserved ranges, which are no host.
    Special,
    /// The internet.
    Public,
}

/// The class of an address. IPv6 addresses that wrap an IPv4 one (mapped, compatible, NAT64, 6to4) count as that one.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            match (a, b, c) {
                (127 | 0, ..) => AddressClass::Loopback,
                (169, 254, _) => AddressClass::LinkLocal,
                // Alibaba Cloud's metadata service, inside the range of carrier-grade NAT.
                (100, 100, 100) if v4.octets()[3] == 200 => AddressClass::LinkLocal,
                (10, ..) | (192, 168, _) | (172, 16..=31, _) | (100, 64..=127, _) | (198, 18..=19, _) => AddressClass::Private,
                (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => AddressClass::Private,
                (224..=255, ..) => AddressClass::Special,
                _ => AddressClass::Public,
            }
        }
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                classify(IpAddr::from([a, b, c, d]))
            };
            match s {
                [0, 0, 0, 0, 0, 0, 0, 0 | 1] => AddressClass::Loopback,
                // IPv4-compatible, IPv4-mapped, IPv4-translated, NAT64.
                [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
                | [0, 0, 0, 0, 0xffff, 0, high, low]
                | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
                | [0x2002, high, low, ..] => embedded(high, low),
                // Local-use NAT64, Teredo, ORCHID and documentation.
                [0x64, 0xff9b, 1, ..] | [0x2001, 0 | 0xdb8, ..] | [0x3fff, ..] => AddressClass::Private,
                // AWS' metadata service over IPv6.
                [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressClass::LinkLocal,
                [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
                [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressClass::Private,
                [0xff00..=0xffff, ..] => AddressClass::Special,
                [0x2000..=0x3fff, ..] => AddressClass::Public,
                _ => AddressClass::Special,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(class: AddressClass, addresses: &[&str]) {
        for text in addresses {
            assert_eq!(classify(text.parse().expect("an address")), class, "{text}");
        }
    }

    #[test]
    fn addresses_have_classes() {
        check(
            AddressClass::Loopback,
            &[
                "127.0.0.1",
                "127.9.9.9",
                "0.0.0.0",
                "0.1.2.3",
                "::1",
                "::",
                "::ffff:127.0.0.1",
                "::127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
            ],
        );
        check(AddressClass::LinkLocal, &["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"]);
        check(
            AddressClass::Private,
            &[
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "fc00::1",
                "fd12::1",
                "::ffff:10.0.0.1",
                "198.18.0.1",
                "2001:db8::1",
            ],
        );
        check(AddressClass::Special, &["224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"]);
        check(AddressClass::Public, &["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]);
    }
}
