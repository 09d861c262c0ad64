//! The subject alternative names of a certificate (RFC 5280, 4.2.1.6): DNS names, mail addresses, URIs, IP addresses.
//!
//! Walks down to one extension and reads nothing else; the libraries below have no reader that hands the names out.

use std::net::{Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// `extensions [3]` of a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// All names, as they are written in a configuration; none if the certificate is not DER.
pub(crate) fn alternative_names(certificate: &[u8]) -> Option<Vec<String>> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    while !fields.is_empty() {
        let (tag, content, rest) = element(fields)?;
        if tag == EXTENSIONS {
            return of_extensions(expect(content, SEQUENCE)?.0);
        }
        fields = rest;
    }
    Some(Vec::new())
}

fn of_extensions(mut extensions: &[u8]) -> Option<Vec<String>> {
    while !extensions.is_empty() {
        let (extension, rest) = expect(extensions, SEQUENCE)?;
        extensions = rest;
        let (id, mut fields) = expect(extension, OBJECT_ID)?;
        if id != SUBJECT_ALT_NAME {
            continue;
        }
        // Whether it is critical may stand in between.
        while !fields.is_empty() {
            let (tag, content, rest) = element(fields)?;
            if tag == OCTETS {
                return of_names(expect(content, SEQUENCE)?.0);
            }
            fields = rest;
        }
        return None;
    }
    Some(Vec::new())
}

fn of_names(mut names: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    while !names.is_empty() {
        let (tag, content, rest) = element(names)?;
        names = rest;
        match tag {
            // rfc822Name, dNSName, uniformResourceIdentifier
            0x81 | 0x82 | 0x86 => found.push(std::str::from_utf8(content).ok().filter(|text| text.is_ascii())?.to_owned()),
            // iPAddress
            0x87 => found.push(match content.len() {
                4 => Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?).to_string(),
                16 => Ipv6Addr::from(<[u8; 16]>::try_from(content).ok()?).to_string(),
                _ => return None,
            }),
            _ => {}
        }
    }
    Some(found)
}

/// The content of an element with this tag, and what follows it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what follows. DER has one form of a length; sizes beyond 24 bits do not occur.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) || rest.len() < count {
            return None;
        }
        let (digits, after) = rest.split_at(count);
        length = digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    (tag & 0x1f != 0x1f && length <= rest.len()).then(|| {
        let (content, after) = rest.split_at(length);
        (tag, content, after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => bytes.push(length),
            _ => bytes.extend([0x82, (content.len() >> 8) as u8, content.len() as u8]),
        }
        bytes.extend(content);
        bytes
    }

    fn certificate(names: &[u8]) -> Vec<u8> {
        let san = [wrap(OBJECT_ID, &SUBJECT_ALT_NAME), wrap(0x01, &[0xff]), wrap(OCTETS, &wrap(SEQUENCE, names))].concat();
        let other = wrap(SEQUENCE, &[wrap(OBJECT_ID, &[0x55, 0x1d, 0x0f]), wrap(OCTETS, &[3, 2, 5, 160])].concat());
        let extensions = wrap(EXTENSIONS, &wrap(SEQUENCE, &[other, wrap(SEQUENCE, &san)].concat()));
        let fields = [wrap(0xa0, &[2, 1, 2]), wrap(0x02, &[1]), wrap(SEQUENCE, &[0; 200]), extensions].concat();
        wrap(SEQUENCE, &[wrap(SEQUENCE, &fields), wrap(SEQUENCE, &[])].concat())
    }

    #[test]
    fn names_of_all_kinds() {
        let names = [
            wrap(0x82, b"a.example"),
            wrap(0x81, b"ops@a.example"),
            wrap(0x86, b"spiffe://a/b"),
            wrap(0x87, &[127, 0, 0, 1]),
            wrap(0x87, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            wrap(0xa0, b"other"),
        ];
        let found = alternative_names(&certificate(&names.concat())).expect("good");
        assert_eq!(found, ["a.example", "ops@a.example", "spiffe://a/b", "127.0.0.1", "::1"]);
    }

    #[test]
    fn what_is_cut_or_changed_neither_breaks_nor_lets_in() {
        let whole = certificate(&wrap(0x82, b"a.example"));
        for length in 0..whole.len() {
            assert_eq!(alternative_names(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = alternative_names(&changed);
            }
        }
    }
}
