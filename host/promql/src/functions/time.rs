//! Parts of dates in UTC, by the proleptic Gregorian calendar. The conversion between days and dates is the one Howard
//! Hinnant describes in "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).

/// A date and the seconds of its day.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    /// Since 1970-01-01.
    days: i64,
    seconds: i64,
}

const DAY: i64 = 86_400;

/// The function of this name from seconds since 1970 to a part of the date.
pub(crate) fn of_date(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "day_of_month" => |s| part(s, |c| c.day),
        "day_of_week" => |s| part(s, |c| (c.days + 4).rem_euclid(7)),
        "day_of_year" => |s| part(s, |c| c.days - days_from_civil(c.year, 1, 1) + 1),
        "days_in_month" => |s| part(s, |c| days_in_month(c.year, c.month)),
        "hour" => |s| part(s, |c| c.seconds / 3600),
        "minute" => |s| part(s, |c| c.seconds / 60 % 60),
        "month" => |s| part(s, |c| c.month),
        "year" => |s| part(s, |c| c.year),
        _ => return None,
    })
}

/// What a number of seconds that is no time becomes. Upstream converts it to an integer, which on its usual machines is
/// the smallest; counted from its first year without a sign that is 2^63 seconds after 1970.
const NO_TIME: i128 = 1 << 63;

/// The earliest time that upstream counts to without wrapping.
const EARLIEST: i128 = -9_223_372_028_715_321_600;

fn part(seconds: f64, part: fn(&Civil) -> i64) -> f64 {
    let is_time = seconds >= i64::MIN as f64 && seconds < i64::MAX as f64;
    let seconds = if is_time { seconds as i128 } else { NO_TIME };
    part(&civil(if seconds < EARLIEST { seconds + (1 << 64) } else { seconds })) as f64
}

fn civil(seconds: i128) -> Civil {
    // At most 2^64 / 86400 either way.
    let days = seconds.div_euclid(i128::from(DAY)) as i64;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day, days, seconds: seconds.rem_euclid(i128::from(DAY)) as i64 }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

/// A time in milliseconds, to the second, as RFC 3339 writes it.
pub(crate) fn rfc3339(ms: i64) -> String {
    let c = civil(i128::from(ms.div_euclid(1000)));
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.seconds / 3600, c.seconds / 60 % 60, c.seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_868_799_000), "2000-02-29T23:59:59Z");
        assert_eq!(rfc3339(-1000), "1969-12-31T23:59:59Z");
        let of = |name: &str, seconds: f64| of_date(name).map(|f| f(seconds));
        assert_eq!(of("day_of_year", 951_868_799.0), Some(60.0));
        assert_eq!(of("day_of_week", 0.0), Some(4.0));
        assert_eq!(of("days_in_month", 951_868_799.0), Some(29.0));
        for (name, value) in
            [("year", 292_277_026_596.0), ("month", 12.0), ("day_of_month", 4.0), ("day_of_week", 0.0), ("hour", 15.0), ("minute", 30.0)]
        {
            assert_eq!(of(name, f64::NAN), Some(value), "{name}");
            assert_eq!(of(name, f64::INFINITY), Some(value), "{name}");
        }
        assert_eq!(of("year", -62_135_596_800.0), Some(1.0));
    }
}
