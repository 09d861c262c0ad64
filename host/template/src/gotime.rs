//! Times and durations in Go's layouts, whose reference time is `Mon Jan 2 15:04:05 MST 2006`.

mod parse;

use jiff::Timestamp;
use jiff::civil::DateTime;

pub(crate) use parse::parse;

use crate::value::Time;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A time taken apart in its zone.
pub(crate) struct Parts {
    pub(crate) civil: DateTime,
    pub(crate) offset_seconds: i32,
    pub(crate) zone: String,
}

impl Time {
    /// The calendar in the time's zone. Times beyond the years jiff knows (−9999 to 9999) show as the nearest.
    pub(crate) fn parts(&self) -> Parts {
        let timestamp = Timestamp::from_nanosecond(self.nanos).unwrap_or(if self.nanos < 0 { Timestamp::MIN } else { Timestamp::MAX });
        let info = self.zone.to_offset_info(timestamp);
        Parts { civil: info.offset().to_datetime(timestamp), offset_seconds: info.offset().seconds(), zone: info.abbreviation().to_owned() }
    }

    pub(crate) fn month_name(&self) -> &'static str {
        MONTHS[usize::try_from(self.parts().civil.month() - 1).unwrap_or(0) % 12]
    }

    pub(crate) fn weekday(&self) -> (i64, &'static str) {
        let number = self.parts().civil.date().weekday().to_sunday_zero_offset();
        (i64::from(number), DAYS[usize::try_from(number).unwrap_or(0) % 7])
    }
}

/// As `Time.String` writes it.
pub(crate) fn time_string(time: &Time) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// As `time.RFC3339Nano`, which is also how JSON holds times.
pub(crate) fn rfc3339(time: &Time) -> String {
    format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    LongMonth,
    ShortMonth,
    Month,
    ZeroMonth,
    LongDay,
    ShortDay,
    Day,
    SpaceDay,
    ZeroDay,
    YearDay,
    SpaceYearDay,
    Hour24,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    Year,
    ShortYear,
    Upper,
    Lower,
    ZoneName,
    /// Offset: `Z` for UTC, with colons, with minutes, with seconds.
    Offset {
        z: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    /// A fraction of a second: the mark, its digits, and whether trailing zeros go.
    Fraction {
        mark: char,
        digits: usize,
        trim: bool,
    },
}

/// The first element in a layout, with the text before and after it.
fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    const FIXED: [(&str, Part); 33] = [
        ("January", Part::LongMonth),
        ("Jan", Part::ShortMonth),
        ("Monday", Part::LongDay),
        ("Mon", Part::ShortDay),
        ("MST", Part::ZoneName),
        ("002", Part::YearDay),
        ("01", Part::ZeroMonth),
        ("02", Part::ZeroDay),
        ("03", Part::ZeroHour12),
        ("04", Part::ZeroMinute),
        ("05", Part::ZeroSecond),
        ("06", Part::ShortYear),
        ("15", Part::Hour24),
        ("1", Part::Month),
        ("2006", Part::Year),
        ("2", Part::Day),
        ("__2", Part::SpaceYearDay),
        ("_2", Part::SpaceDay),
        ("3", Part::Hour12),
        ("4", Part::Minute),
        ("5", Part::Second),
        ("PM", Part::Upper),
        ("pm", Part::Lower),
        ("-070000", Part::Offset { z: false, colon: false, minutes: true, seconds: true }),
        ("-07:00:00", Part::Offset { z: false, colon: true, minutes: true, seconds: true }),
        ("-0700", Part::Offset { z: false, colon: false, minutes: true, seconds: false }),
        ("-07:00", Part::Offset { z: false, colon: true, minutes: true, seconds: false }),
        ("-07", Part::Offset { z: false, colon: false, minutes: false, seconds: false }),
        ("Z070000", Part::Offset { z: true, colon: false, minutes: true, seconds: true }),
        ("Z07:00:00", Part::Offset { z: true, colon: true, minutes: true, seconds: true }),
        ("Z0700", Part::Offset { z: true, colon: false, minutes: true, seconds: false }),
        ("Z07:00", Part::Offset { z: true, colon: true, minutes: true, seconds: false }),
        ("Z07", Part::Offset { z: true, colon: false, minutes: false, seconds: false }),
    ];
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        // "_2006" is an underscore and a year.
        if let Some(after) = rest.strip_prefix("_2006") {
            return Some((&layout[..=at], Part::Year, after));
        }
        if let Some(mark) = rest.chars().next().filter(|c| matches!(c, '.' | ',')) {
            let digit = rest.as_bytes().get(1).copied().filter(|b| matches!(b, b'0' | b'9'));
            if let Some(digit) = digit {
                let digits = rest.bytes().skip(1).take_while(|b| *b == digit).count();
                let ends = !rest.as_bytes().get(1 + digits).is_some_and(u8::is_ascii_digit);
                if ends {
                    return Some((&layout[..at], Part::Fraction { mark, digits, trim: digit == b'9' }, &rest[1 + digits..]));
                }
            }
        }
        let found = FIXED
            .iter()
            .filter(|(text, part)| {
                rest.starts_with(text)
                    // As in Go, "Jan" within a longer word such as "Janet" is text.
                    && !(matches!(part, Part::ShortMonth | Part::ShortDay) && rest[text.len()..].starts_with(|c: char| c.is_ascii_lowercase()))
            })
            .max_by_key(|(text, _)| text.len());
        if let Some((text, part)) = found {
            return Some((&layout[..at], *part, &rest[text.len()..]));
        }
    }
    None
}

/// The time in a layout.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let parts = time.parts();
    let (civil, mut out, mut rest) = (parts.civil, String::new(), layout);
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        rest = after;
        let hour12 = if civil.hour() % 12 == 0 { 12 } else { civil.hour() % 12 };
        out.push_str(&match part {
            Part::LongMonth => time.month_name().to_owned(),
            Part::ShortMonth => time.month_name()[..3].to_owned(),
            Part::Month => civil.month().to_string(),
            Part::ZeroMonth => format!("{:02}", civil.month()),
            Part::LongDay => time.weekday().1.to_owned(),
            Part::ShortDay => time.weekday().1[..3].to_owned(),
            Part::Day => civil.day().to_string(),
            Part::SpaceDay => format!("{:2}", civil.day()),
            Part::ZeroDay => format!("{:02}", civil.day()),
            Part::YearDay => format!("{:03}", civil.date().day_of_year()),
            Part::SpaceYearDay => format!("{:3}", civil.date().day_of_year()),
            Part::Hour24 => format!("{:02}", civil.hour()),
            Part::Hour12 => hour12.to_string(),
            Part::ZeroHour12 => format!("{hour12:02}"),
            Part::Minute => civil.minute().to_string(),
            Part::ZeroMinute => format!("{:02}", civil.minute()),
            Part::Second => civil.second().to_string(),
            Part::ZeroSecond => format!("{:02}", civil.second()),
            Part::Year => format!("{:04}", civil.year()),
            Part::ShortYear => format!("{:02}", civil.year().rem_euclid(100)),
            Part::Upper => if civil.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
            Part::Lower => if civil.hour() >= 12 { "pm" } else { "am" }.to_owned(),
            Part::ZoneName => zone_name(&parts),
            Part::Offset { z, colon, minutes, seconds } => offset(parts.offset_seconds, z, colon, minutes, seconds),
            Part::Fraction { mark, digits, trim } => fraction(time.nanos.rem_euclid(1_000_000_000), mark, digits, trim),
        });
    }
    out.push_str(rest);
    out
}

/// A zone without a name shows as its offset.
fn zone_name(parts: &Parts) -> String {
    if parts.zone.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return parts.zone.clone();
    }
    let whole_hours = parts.offset_seconds % 3600 == 0;
    offset(parts.offset_seconds, false, false, !whole_hours, false)
}

fn offset(seconds: i32, z: bool, colon: bool, minutes: bool, with_seconds: bool) -> String {
    if z && seconds == 0 {
        return "Z".to_owned();
    }
    let (sign, total) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let colon = if colon { ":" } else { "" };
    let mut text = format!("{sign}{:02}", total / 3600);
    if minutes {
        text.push_str(&format!("{colon}{:02}", total / 60 % 60));
    }
    if with_seconds {
        text.push_str(&format!("{colon}{:02}", total % 60));
    }
    text
}

fn fraction(nanos: i128, mark: char, digits: usize, trim: bool) -> String {
    let all = format!("{nanos:09}");
    let mut kept: String = all.chars().chain(std::iter::repeat('0')).take(digits.min(9)).collect();
    if trim {
        kept.truncate(kept.trim_end_matches('0').len());
        if kept.is_empty() {
            return String::new();
        }
    }
    format!("{mark}{kept}")
}

/// As `Duration.String` writes it: `1h30m0s`, `1.5s`, `100ms`.
pub(crate) fn duration_string(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let (sign, total) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let decimal = |value: u64, unit: u64| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        if unit == 1 { value.to_string() } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
    };
    if total < 1000 {
        return format!("{sign}{total}ns");
    }
    if total < 1_000_000 {
        return format!("{sign}{}µs", decimal(total, 1000));
    }
    if total < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(total, 1_000_000));
    }
    let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn at(ms: i64) -> Time {
        let Value::Time(time) = Value::time(ms) else { unreachable!("it is a time") };
        time
    }

    #[test]
    fn layouts() {
        let time = at(1_353_755_652_120);
        for (layout, expected) in [
            ("Mon Jan 2 15:04:05 2006", "Sat Nov 24 11:14:12 2012"),
            ("2006-01-02T15:04:05Z07:00", "2012-11-24T11:14:12Z"),
            ("2006-01-02 15:04:05.999999999 -0700 MST", "2012-11-24 11:14:12.12 +0000 UTC"),
            ("Monday, 02-Jan-06 3:04PM", "Saturday, 24-Nov-12 11:14AM"),
            (".000|,999", ".120|,12"),
            ("_2 002 __2", "24 329 329"),
            ("Janet", "Janet"),
            ("20060102", "20121124"),
        ] {
            assert_eq!(format(&time, layout), expected, "{layout}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for layout in ["2006-01-02T15:04:05.999999999Z07:00", "Mon, 02 Jan 2006 15:04:05.000 -0700", "Jan _2 2006 3:04:05.000 pm"] {
            let time = at(1_353_755_652_120);
            assert_eq!(parse(layout, &format(&time, layout)).map(|t| t.nanos), Ok(time.nanos), "{layout}");
        }
        assert!(parse("2006-01-02", "2024-02-30").is_err());
        assert!(parse("2006-01-02", "2024-02-28x").is_err());
        assert!(parse("15:04", "25:00").is_err());
    }

    #[test]
    fn durations() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (-90_000_000_000, "-1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration_string(nanos), text);
        }
    }
}
