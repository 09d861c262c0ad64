//! Reads times in Go's layouts.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::{DAYS, MONTHS, Part, next_part};
use crate::value::Time;

/// Reads a time in a layout. Without a zone in it, the time is UTC.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let fail = |what: &str, part: &str| {
        format!("parsing time {} as {}: cannot parse {} as {}", quoted(text), quoted(layout), quoted(what), quoted(part))
    };
    let out_of_range = |what: &str| format!("parsing time {}: {what} out of range", quoted(text));
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut nanos) = (0_i64, 1_i64, 1_i64, 0_i64, 0_i64, 0_i64, 0_i64);
    let (mut offset_seconds, mut afternoon, mut day_of_year) = (0_i64, None, None);
    let (mut layout_rest, mut rest) = (layout, text);
    loop {
        let Some((before, part, after)) = next_part(layout_rest) else {
            return match rest.strip_prefix(layout_rest) {
                Some("") => {
                    if let Some(afternoon) = afternoon {
                        hour = hour % 12 + if afternoon { 12 } else { 0 };
                    }
                    if let Some(number) = day_of_year {
                        (month, day) = month_and_day(year, number).ok_or_else(|| out_of_range("day-of-year"))?;
                    }
                    build([year, month, day, hour, minute, second, nanos], offset_seconds).ok_or_else(|| out_of_range("day"))
                }
                Some(extra) => Err(format!("parsing time {}: extra text: {}", quoted(text), quoted(extra))),
                None => Err(fail(rest, layout_rest)),
            };
        };
        let layout_part = &layout_rest[before.len()..layout_rest.len() - after.len()];
        rest = rest.strip_prefix(before).ok_or_else(|| fail(rest, before))?;
        let here = rest;
        let bad = || fail(here, layout_part);
        match part {
            Part::Year => year = number(&mut rest, 4, 4).ok_or_else(bad)?,
            Part::ShortYear => {
                year = number(&mut rest, 2, 2).ok_or_else(bad)?;
                year += if year >= 69 { 1900 } else { 2000 };
            }
            Part::LongMonth => month = name(&mut rest, &MONTHS, false).ok_or_else(bad)? + 1,
            Part::ShortMonth => month = name(&mut rest, &MONTHS, true).ok_or_else(bad)? + 1,
            Part::LongDay => drop(name(&mut rest, &DAYS, false).ok_or_else(bad)?),
            Part::ShortDay => drop(name(&mut rest, &DAYS, true).ok_or_else(bad)?),
            Part::Month => month = number(&mut rest, 1, 2).ok_or_else(bad)?,
            Part::ZeroMonth => month = number(&mut rest, 2, 2).ok_or_else(bad)?,
            Part::Day => day = number(&mut rest, 1, 2).ok_or_else(bad)?,
            Part::SpaceDay => {
                rest = rest.strip_prefix(' ').unwrap_or(rest);
                day = number(&mut rest, 1, 2).ok_or_else(bad)?;
            }
            Part::ZeroDay => day = number(&mut rest, 2, 2).ok_or_else(bad)?,
            Part::YearDay | Part::SpaceYearDay => {
                rest = if part == Part::SpaceYearDay { rest.trim_start_matches(' ') } else { rest };
                day_of_year = Some(number(&mut rest, if part == Part::YearDay { 3 } else { 1 }, 3).ok_or_else(bad)?);
            }
            Part::Hour24 => hour = number(&mut rest, 2, 2).ok_or_else(bad)?,
            Part::Hour12 => hour = number(&mut rest, 1, 2).ok_or_else(bad)?,
            Part::ZeroHour12 => hour = number(&mut rest, 2, 2).ok_or_else(bad)?,
            Part::Minute => minute = number(&mut rest, 1, 2).ok_or_else(bad)?,
            Part::ZeroMinute => minute = number(&mut rest, 2, 2).ok_or_else(bad)?,
            Part::Second | Part::ZeroSecond => {
                second = number(&mut rest, if part == Part::Second { 1 } else { 2 }, 2).ok_or_else(bad)?;
                // A fraction may follow the seconds even if the layout has none.
                if !after.starts_with(['.', ',']) {
                    nanos = read_fraction(&mut rest).unwrap_or(0);
                }
            }
            Part::Fraction { digits, trim, .. } => {
                let before = rest.len();
                match read_fraction(&mut rest) {
                    Some(value) if trim || before - rest.len() == digits + 1 => nanos = value,
                    None if trim => {}
                    _ => return Err(bad()),
                }
            }
            Part::Upper | Part::Lower => {
                let upper = part == Part::Upper;
                afternoon = Some(match rest.get(..2) {
                    Some(text) if text == if upper { "PM" } else { "pm" } => true,
                    Some(text) if text == if upper { "AM" } else { "am" } => false,
                    _ => return Err(bad()),
                });
                rest = &rest[2..];
            }
            Part::ZoneName => {
                let letters = rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&letters) {
                    return Err(bad());
                }
                rest = &rest[letters..];
            }
            Part::Offset { z, colon, minutes, seconds } => {
                offset_seconds = read_offset(&mut rest, z, colon, minutes, seconds).ok_or_else(bad)?
            }
        }
        for (value, range, what) in
            [(month, 1..=12, "month"), (hour, 0..=23, "hour"), (minute, 0..=59, "minute"), (second, 0..=59, "second"), (day, 1..=31, "day")]
        {
            if !range.contains(&value) {
                return Err(out_of_range(what));
            }
        }
        layout_rest = after;
    }
}

fn quoted(text: &str) -> String {
    crate::format::quote(text)
}

fn number(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    let value = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    Some(value)
}

fn name(rest: &mut &str, names: &[&str], short: bool) -> Option<i64> {
    let of = |name: &'_ str| if short { 3 } else { name.len() };
    let at = names.iter().position(|name| rest.get(..of(name)).is_some_and(|text| text.eq_ignore_ascii_case(&name[..of(name)])))?;
    *rest = &rest[of(names[at])..];
    i64::try_from(at).ok()
}

fn read_fraction(rest: &mut &str) -> Option<i64> {
    let digits = rest.strip_prefix(['.', ','])?.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let kept: String = rest[1..=digits].chars().chain(std::iter::repeat('0')).take(9).collect();
    *rest = &rest[1 + digits..];
    kept.parse().ok()
}

fn read_offset(rest: &mut &str, z: bool, colon: bool, minutes: bool, seconds: bool) -> Option<i64> {
    if z && rest.starts_with('Z') {
        *rest = &rest[1..];
        return Some(0);
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let mut total = number(rest, 2, 2)? * 3600;
    for (wanted, unit) in [(minutes, 60), (seconds, 1)] {
        if wanted {
            if colon {
                *rest = rest.strip_prefix(':')?;
            }
            total += number(rest, 2, 2)? * unit;
        }
    }
    Some(sign * total)
}

fn month_and_day(year: i64, day_of_year: i64) -> Option<(i64, i64)> {
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
    let date = date.with().day_of_year(i16::try_from(day_of_year).ok()?).build().ok()?;
    Some((i64::from(date.month()), i64::from(date.day())))
}

fn build(parts: [i64; 7], offset_seconds: i64) -> Option<Time> {
    let [year, month, day, hour, minute, second, nanos] = parts;
    let small = |value: i64| i8::try_from(value).ok();
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        i32::try_from(nanos).ok()?,
    )
    .ok()?;
    let offset = Offset::from_seconds(i32::try_from(offset_seconds).ok()?).ok()?;
    let zone = if offset_seconds == 0 { TimeZone::UTC } else { TimeZone::fixed(offset) };
    Some(Time { nanos: offset.to_timestamp(civil).ok()?.as_nanosecond(), zone })
}
