//! The little of X.509 (RFC 5280) that errors and the time of expiry need. Trust is decided by rustls.

/// What is read of a certificate.
pub(crate) struct Certificate {
    /// Unix seconds.
    pub(crate) not_before: i64,
    /// Unix seconds.
    pub(crate) not_after: i64,
    /// Whether issuer and subject are one.
    pub(crate) self_issued: bool,
}

impl Certificate {
    /// None if the bytes are no certificate.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        const SEQUENCE: u8 = 0x30;
        const INTEGER: u8 = 0x02;
        const VERSION: u8 = 0xa0;
        let mut outer = Reader(der);
        let mut certificate = Reader(outer.value(SEQUENCE)?);
        let mut fields = Reader(certificate.value(SEQUENCE)?);
        if fields.0.first() == Some(&VERSION) {
            fields.value(VERSION)?;
        }
        fields.value(INTEGER)?;
        fields.value(SEQUENCE)?;
        let issuer = fields.value(SEQUENCE)?;
        let mut validity = Reader(fields.value(SEQUENCE)?);
        let subject = fields.value(SEQUENCE)?;
        Some(Self { not_before: validity.time()?, not_after: validity.time()?, self_issued: issuer == subject })
    }
}

/// Reads DER values one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, which are the only forms that certificates may use.
    fn time(&mut self) -> Option<i64> {
        const UTC_TIME: u8 = 0x17;
        const GENERALIZED_TIME: u8 = 0x18;
        let (tag, content) = self.next()?;
        let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year: i64 = year.parse().ok()?;
                (year + if year < 50 { 2000 } else { 1900 }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (year.parse().ok()?, rest)
            }
            _ => return None,
        };
        if rest.len() != 10 || !rest.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
        let (month, day) = (part(0)?, part(2)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        Some(days(year, month, day) * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
    }
}

/// Days since 1970 of a date of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2026-01-31 23:59:59 UTC`.
pub(crate) fn time_text(seconds: i64) -> String {
    let (mut day, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let era = day.div_euclid(146_097);
    day = day.rem_euclid(146_097);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        for (seconds, text, (year, month, day)) in [
            (0, "1970-01-01 00:00:00 UTC", (1970, 1, 1)),
            (951_782_399, "2000-02-28 23:59:59 UTC", (2000, 2, 28)),
            (951_782_400, "2000-02-29 00:00:00 UTC", (2000, 2, 29)),
            (1_767_225_599, "2025-12-31 23:59:59 UTC", (2025, 12, 31)),
            (4_107_542_400, "2100-03-01 00:00:00 UTC", (2100, 3, 1)),
            (-86_400, "1969-12-31 00:00:00 UTC", (1969, 12, 31)),
        ] {
            assert_eq!(time_text(seconds), text);
            assert_eq!(days(year, month, day), i64::div_euclid(seconds, 86_400), "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x02, 0x30, 0x00], &[0x30, 0x80, 0, 0]] {
            assert!(Certificate::read(bytes).is_none(), "{bytes:?}");
        }
        let time = |tag: u8, text: &str| Reader(&[&[tag, text.len() as u8], text.as_bytes()].concat()).time();
        assert_eq!(time(0x17, "250102030405Z"), Some(1_735_787_045));
        assert_eq!(time(0x18, "20250102030405Z"), Some(1_735_787_045));
        assert_eq!((time(0x17, "251302030405Z"), time(0x17, "25010203Z"), time(0x02, "250102030405Z")), (None, None, None));
    }
}
