//! Whole calls against the SDK's fake of the host.

use plugin_dns::{Dns, SCHEMA};
use skopos_sdk::discovery::{Guest, TargetGroup};
use skopos_sdk::dns::{Error as DnsError, Mx, Rdata, RecordType, Srv};
use skopos_sdk::fake;
use skopos_sdk::types::Error;

fn srv(target: &str, port: u16) -> Rdata {
    Rdata::Srv(Srv { priority: 10, weight: 5, port, target: target.to_owned() })
}

fn mx(exchange: &str) -> Rdata {
    Rdata::Mx(Mx { preference: 10, exchange: exchange.to_owned() })
}

fn address(text: &str) -> Rdata {
    Rdata::Address(text.to_owned())
}

fn name(text: &str) -> Rdata {
    Rdata::Name(text.to_owned())
}

/// One line per target: source, address, labels.
fn lines(groups: Vec<TargetGroup>) -> Vec<String> {
    let mut lines = Vec::new();
    for group in groups {
        let labels: Vec<String> = group.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for target in group.targets {
            lines.push(format!("{} {target} {}", group.source, labels.join(" ")));
        }
    }
    lines
}

#[test]
fn records_become_targets() {
    for (section, record_type, records, expected) in [
        (
            r#"{"names":["accesslog"],"type":"A","port":80}"#,
            RecordType::A,
            vec![name("real.example."), address("10.0.0.10"), address("10.0.0.9"), address("10.0.0.10")],
            vec!["accesslog 10.0.0.9:80 __meta_dns_name=accesslog", "accesslog 10.0.0.10:80 __meta_dns_name=accesslog"],
        ),
        (
            r#"{"names":["v6"],"type":"AAAA","port":9100}"#,
            RecordType::Aaaa,
            vec![address("2001:db8::1"), address("::ffff:192.0.2.7")],
            vec!["v6 192.0.2.7:9100 __meta_dns_name=v6", "v6 [2001:db8::1]:9100 __meta_dns_name=v6"],
        ),
        (
            r#"{"names":["_p._tcp.example"]}"#,
            RecordType::Srv,
            vec![srv("b.example.", 3306), srv("a.example", 3306), srv(".", 0), srv("a.example.", 3306)],
            vec![
                "_p._tcp.example/a.example:3306 a.example:3306 __meta_dns_name=_p._tcp.example __meta_dns_srv_record_port=3306 __meta_dns_srv_record_target=a.example.",
                "_p._tcp.example/b.example:3306 b.example:3306 __meta_dns_name=_p._tcp.example __meta_dns_srv_record_port=3306 __meta_dns_srv_record_target=b.example.",
            ],
        ),
        (
            r#"{"names":["example"],"type":"MX","port":25}"#,
            RecordType::Mx,
            vec![mx("smtp1.example."), mx(".")],
            vec!["example/smtp1.example:25 smtp1.example:25 __meta_dns_name=example __meta_dns_mx_record_target=smtp1.example."],
        ),
        (
            r#"{"names":["example"],"type":"NS","port":53}"#,
            RecordType::Ns,
            vec![name("ns1.example.")],
            vec!["example/ns1.example:53 ns1.example:53 __meta_dns_name=example __meta_dns_ns_record_target=ns1.example."],
        ),
        (r#"{"names":["empty"],"type":"A","port":80}"#, RecordType::A, vec![], vec![]),
    ] {
        let host = fake::Host::default();
        let _entered = host.enter();
        let asked = section.split('"').nth(3).unwrap();
        host.set_dns(asked, record_type, Ok(records));
        assert_eq!(lines(Dns::refresh(section.to_owned()).unwrap()), expected, "{section}");
    }
}

#[test]
fn a_name_that_does_not_exist_has_no_targets_and_any_other_failure_is_an_error() {
    let section = r#"{"names":["here","gone"],"type":"A","port":80}"#.to_owned();
    for (failure, expected) in [
        (DnsError::NotFound, None),
        (DnsError::Timeout, Some("gone: the DNS server did not answer in time")),
        (DnsError::Failed("SERVFAIL".to_owned()), Some("gone: SERVFAIL")),
        (DnsError::Denied("dns: gone".to_owned()), Some("gone: refused; to allow it, grant dns: gone")),
    ] {
        let host = fake::Host::default();
        let _entered = host.enter();
        host.set_dns("here", RecordType::A, Ok(vec![address("192.0.2.1")]));
        host.set_dns("gone", RecordType::A, Err(failure.clone()));
        match expected {
            None => assert_eq!(Dns::refresh(section.clone()).map(|groups| groups.len()), Ok(1)),
            Some(text) => assert_eq!(Dns::refresh(section.clone()), Err(Error::Unavailable(text.to_owned())), "{failure:?}"),
        }
    }
}

#[test]
fn the_schema_is_json_and_marks_what_is_granted() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema.pointer("/properties/names/items/x-skopos").and_then(|mark| mark.as_str()), Some("grant-dns"));
    assert_eq!(schema.pointer("/properties/type/default").and_then(|value| value.as_str()), Some("SRV"));
}
