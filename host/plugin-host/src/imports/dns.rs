use http_client::{RecordKind, RecordValue, ResolveError};

use crate::state::CallState;
use crate::text::shortened;
use crate::v0_1::imports::dns::{Answer, Error, Host, Mx, Rdata, RecordType, Srv};

impl Host for CallState {
    async fn resolve(&mut self, name: String, kind: RecordType) -> wasmtime::Result<Result<Vec<Answer>, Error>> {
        let line = format!("dns: {}", crate::text::one_line(&shortened(name.trim_end_matches('.'), 300)));
        if !self.access.grants.allows_dns(&name) {
            return Ok(Err(Error::Denied(self.access.refuse(&line, &line))));
        }
        self.access.standing.ledger.used(&line);
        let records = self.access.means.resolver.records(&name, record_kind(kind)).await;
        Ok(records
            .map(|records| records.into_iter().map(|r| Answer { data: rdata(r.value), ttl_seconds: r.ttl_seconds }).collect())
            .map_err(|e| match e {
                ResolveError::NotFound => Error::NotFound,
                ResolveError::Timeout => Error::Timeout,
                ResolveError::Failed(text) => Error::Failed(text),
            }))
    }
}

fn record_kind(kind: RecordType) -> RecordKind {
    match kind {
        RecordType::A => RecordKind::A,
        RecordType::Aaaa => RecordKind::Aaaa,
        RecordType::Cname => RecordKind::Cname,
        RecordType::Mx => RecordKind::Mx,
        RecordType::Ns => RecordKind::Ns,
        RecordType::Ptr => RecordKind::Ptr,
        RecordType::Srv => RecordKind::Srv,
        RecordType::Txt => RecordKind::Txt,
    }
}

fn rdata(value: RecordValue) -> Rdata {
    match value {
        RecordValue::Address(address) => Rdata::Address(address.to_string()),
        RecordValue::Name(name) => Rdata::Name(name),
        RecordValue::Mx { preference, exchange } => Rdata::Mx(Mx { preference, exchange }),
        RecordValue::Srv { priority, weight, port, target } => Rdata::Srv(Srv { priority, weight, port, target }),
        RecordValue::Txt(text) => Rdata::Txt(text),
    }
}
