use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

/// How long one server may take to answer one question.
const SERVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Most records of one answer that are handed on; a larger answer is cut and logged.
const RECORDS_MAX: usize = 50_000;

/// The kinds of records that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Other name of a name.
    Cname,
    /// Mail exchange.
    Mx,
    /// Name server.
    Ns,
    /// Name of an address.
    Ptr,
    /// Host and port of a service.
    Srv,
    /// Text.
    Txt,
}

/// A record of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub value: RecordValue,
    /// How long it may be kept.
    pub ttl_seconds: u32,
}

/// What a record says. Names end with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordValue {
    /// Of `A` and `AAAA`.
    Address(IpAddr),
    /// Of `CNAME`, `NS` and `PTR`.
    Name(String),
    /// Of `MX`.
    Mx {
        /// Lower is better.
        preference: u16,
        /// The host.
        exchange: String,
    },
    /// Of `SRV`.
    Srv {
        /// Lower is better.
        priority: u16,
        /// Among equals.
        weight: u16,
        /// Where it listens.
        port: u16,
        /// The host.
        target: String,
    },
    /// Of `TXT`, its strings joined.
    Txt(String),
}

/// Why a name has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name does not exist (NXDOMAIN), not under any domain of the search list.
    NotFound,
    /// No server answered in time.
    Timeout,
    /// A server answered with a failure, or the name is malformed.
    Failed(String),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such name"),
            Self::Timeout => f.write_str("no name server answered in time"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ResolveError {}

/// Resolves names as the system does, or by servers of the operator's. Keeps no cache: discovery must see a change within
/// one refresh, and connections are kept.
pub struct Resolver {
    inner: TokioResolver,
}

impl Resolver {
    /// Servers, search list and hosts file of the system. The error says why they cannot be read.
    pub fn system() -> Result<Self, ResolveError> {
        let builder =
            TokioResolver::builder_tokio().map_err(|e| ResolveError::Failed(format!("the system's resolver configuration: {e}")))?;
        Self::build(builder)
    }

    /// These servers, `address` or `address:port` each, and no search list.
    pub fn with_servers<S: AsRef<str>>(servers: &[S]) -> Result<Self, ResolveError> {
        let mut config = ResolverConfig::default();
        for server in servers {
            config.add_name_server(name_server(server.as_ref())?);
        }
        Self::build(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn build(mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, ResolveError> {
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = SERVER_TIMEOUT;
        options.attempts = 2;
        let inner = builder.build().map_err(|e| ResolveError::Failed(e.to_string()))?;
        Ok(Self { inner })
    }

    /// The addresses of a host, as a connection needs them: literals as they are, `localhost` without asking anyone, the
    /// hosts file, then `A` and `AAAA`.
    pub async fn lookup_ips(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let bare = host.trim_end_matches('.').to_ascii_lowercase();
        if bare == "localhost" || bare.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let answer = self.inner.lookup_ip(host).await.map_err(|e| no_answer(&e));
        let addresses: Vec<IpAddr> = match answer {
            Ok(answer) => answer.iter().collect(),
            Err(None) => Vec::new(),
            Err(Some(error)) => return Err(error),
        };
        if addresses.is_empty() { Err(ResolveError::Failed("the name has no address".to_owned())) } else { Ok(addresses) }
    }

    /// The records of a name. A name that exists without such records is an empty list. The search list is tried as the
    /// system does; a final dot means that the name is full. The hosts file is not looked at.
    pub async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<Record>, ResolveError> {
        let answer = match self.inner.lookup(name, record_type(kind)).await {
            Ok(answer) => answer,
            Err(error) => return no_answer(&error).map_or_else(|| Ok(Vec::new()), Err),
        };
        let records = answer.answers().iter().filter_map(|r| Some(Record { value: record_value(&r.data, kind)?, ttl_seconds: r.ttl }));
        let records: Vec<Record> = records.take(RECORDS_MAX + 1).collect();
        if records.len() > RECORDS_MAX {
            tracing::warn!(name, "{name} has more than {RECORDS_MAX} records; the rest is left out");
        }
        Ok(records.into_iter().take(RECORDS_MAX).collect())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

fn name_server(text: &str) -> Result<NameServerConfig, ResolveError> {
    let bad = || ResolveError::Failed(format!("{text:?} is not the address of a name server: write 192.0.2.1 or 192.0.2.1:53"));
    let (ip, port) = match text.parse::<SocketAddr>() {
        Ok(address) => (address.ip(), address.port()),
        Err(_) => (text.parse::<IpAddr>().map_err(|_| bad())?, 53),
    };
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = port;
    }
    // An NXDOMAIN of the operator's own server is an answer.
    Ok(NameServerConfig::new(ip, true, connections))
}

/// None: the name exists and has no such record.
fn no_answer(error: &NetError) -> Option<ResolveError> {
    match error {
        NetError::Timeout => Some(ResolveError::Timeout),
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => match *response_code {
            ResponseCode::NoError => None,
            ResponseCode::NXDomain => Some(ResolveError::NotFound),
            code => Some(ResolveError::Failed(format!("the name server answered {code}"))),
        },
        other => Some(ResolveError::Failed(other.to_string())),
    }
}

fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Cname => RecordType::CNAME,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
        RecordKind::Ptr => RecordType::PTR,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::Txt => RecordType::TXT,
    }
}

/// None for a record of another kind, such as a CNAME on the way to an address.
fn record_value(data: &RData, kind: RecordKind) -> Option<RecordValue> {
    Some(match (data, kind) {
        (RData::A(a), RecordKind::A) => RecordValue::Address(IpAddr::V4(a.0)),
        (RData::AAAA(a), RecordKind::Aaaa) => RecordValue::Address(IpAddr::V6(a.0)),
        (RData::CNAME(name), RecordKind::Cname) => RecordValue::Name(name.to_string()),
        (RData::NS(name), RecordKind::Ns) => RecordValue::Name(name.to_string()),
        (RData::PTR(name), RecordKind::Ptr) => RecordValue::Name(name.to_string()),
        (RData::MX(mx), RecordKind::Mx) => RecordValue::Mx { preference: mx.preference, exchange: mx.exchange.to_string() },
        (RData::SRV(srv), RecordKind::Srv) => {
            RecordValue::Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_string() }
        }
        (RData::TXT(txt), RecordKind::Txt) => {
            let bytes: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
            RecordValue::Txt(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_needs_an_address() {
        assert!(name_server("127.0.0.1").is_ok());
        assert!(name_server("127.0.0.1:5353").is_ok());
        assert!(name_server("[::1]:53").is_ok());
        assert!(name_server("dns.example").is_err());
    }

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let resolver = Resolver::with_servers::<&str>(&[]).expect("no server is a configuration too");
        assert_eq!(resolver.lookup_ips("127.0.0.9").await, Ok(vec!["127.0.0.9".parse().expect("an address")]));
        assert_eq!(resolver.lookup_ips("[::1]").await, Ok(vec!["::1".parse().expect("an address")]));
        assert_eq!(resolver.lookup_ips("LocalHost.").await.map(|a| a.len()), Ok(2));
    }
}
