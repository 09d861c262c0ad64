//! Methods of values: those of Go's `time.Time` and `time.Duration`, and of Alertmanager's label sets.

use std::sync::Arc;

use jiff::{Span, Timestamp};

use crate::functions::{arity, int, string, strings, wrong_type};
use crate::gotime;
use crate::value::{Field, List, Map, MapKind, Time, Value};

/// Calls a method. None if the value has none of that name.
pub(crate) fn call(receiver: &Value, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    match receiver {
        Value::Time(time) => time_method(time, name, args),
        Value::Duration(nanos) => duration_method(*nanos, name, args),
        Value::Named(_, text) if name == "String" => Some(arity::<0>(args).map(|_| Value::text(text))),
        Value::Map(map) if map.kind() == MapKind::Labels => labels_method(map, name, args),
        _ => None,
    }
}

fn labels_method(map: &Map, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let of_none = |value: fn(&Map) -> Value| Some(arity::<0>(args).map(|_| value(map)));
    match name {
        "SortedPairs" => of_none(sorted_pairs),
        "Names" => of_none(|map| Value::list(sorted(map).into_iter().map(|(key, _)| Value::String(key)).collect())),
        "Values" => of_none(|map| Value::list(sorted(map).into_iter().map(|(_, value)| value).collect())),
        "Remove" => Some(arity::<1>(args).and_then(|[names]| strings(names)).map(|names| {
            let kept = map.entries().iter().filter(|(key, _)| !names.contains(&key.as_ref()));
            Value::Map(Arc::new(Map::new(MapKind::Labels, kept.map(|(key, value)| (Arc::clone(key), value.clone())).collect())))
        })),
        _ => None,
    }
}

/// By name, `alertname` first.
fn sorted(map: &Map) -> Vec<(Arc<str>, Value)> {
    let mut pairs: Vec<(Arc<str>, Value)> = map.entries().iter().map(|(key, value)| (Arc::clone(key), value.clone())).collect();
    pairs.sort_by_key(|(key, _)| key.as_ref() != "alertname");
    pairs
}

fn sorted_pairs(map: &Map) -> Value {
    let pairs = sorted(map);
    let names = Value::list(pairs.iter().map(|(key, _)| Value::String(Arc::clone(key))).collect());
    let values = Value::list(pairs.iter().map(|(_, value)| value.clone()).collect());
    let text = pairs.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", ");
    let record = |(key, value): (Arc<str>, Value)| {
        let name = Field { name: "Name", json: "Name", value: Value::String(key) };
        Value::record("template.Pair", vec![name, Field { name: "Value", json: "Value", value }])
    };
    let items = pairs.into_iter().map(record).collect();
    Value::List(Arc::new(List::new(items, vec![("Names", names), ("Values", values), ("String", Value::text(text))])))
}

fn time_arg(value: &Value) -> Result<&Time, String> {
    match value {
        Value::Time(time) => Ok(time),
        _ => Err(wrong_type("time.Time", value)),
    }
}

fn duration_arg(value: &Value) -> Result<i64, String> {
    match value {
        Value::Duration(nanos) | Value::Int(nanos) => Ok(*nanos),
        _ => Err(wrong_type("time.Duration", value)),
    }
}

/// Nanoseconds as a duration, cut to what one can be, as Go does.
fn saturated(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn time_method(time: &Time, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let plain = |value: fn(&Time) -> Value| Some(arity::<0>(args).map(|_| value(time)));
    let compared = |test: fn(i128, i128) -> bool| {
        Some(arity::<1>(args).and_then(|[other]| time_arg(other)).map(|other| Value::Bool(test(time.nanos, other.nanos))))
    };
    match name {
        "Format" => Some(arity::<1>(args).and_then(|[layout]| string(layout)).map(|layout| Value::text(gotime::format(time, layout)))),
        "String" => plain(|time| Value::text(gotime::time_string(time))),
        "Unix" => plain(|time| Value::Int(saturated(time.nanos.div_euclid(1_000_000_000)))),
        "UnixMilli" => plain(|time| Value::Int(saturated(time.nanos.div_euclid(1_000_000)))),
        "UnixMicro" => plain(|time| Value::Int(saturated(time.nanos.div_euclid(1000)))),
        "UnixNano" => plain(|time| Value::Int(saturated(time.nanos))),
        "Year" => plain(|time| Value::Int(i64::from(time.parts().civil.year()))),
        "Month" => plain(|time| Value::Named(i64::from(time.parts().civil.month()), time.month_name())),
        "Day" => plain(|time| Value::Int(i64::from(time.parts().civil.day()))),
        "Hour" => plain(|time| Value::Int(i64::from(time.parts().civil.hour()))),
        "Minute" => plain(|time| Value::Int(i64::from(time.parts().civil.minute()))),
        "Second" => plain(|time| Value::Int(i64::from(time.parts().civil.second()))),
        "Nanosecond" => plain(|time| Value::Int(saturated(time.nanos.rem_euclid(1_000_000_000)))),
        "YearDay" => plain(|time| Value::Int(i64::from(time.parts().civil.date().day_of_year()))),
        "Weekday" => plain(|time| {
            let (number, name) = time.weekday();
            Value::Named(number, name)
        }),
        "UTC" | "Local" => plain(|time| Value::Time(Time { nanos: time.nanos, zone: jiff::tz::TimeZone::UTC })),
        "IsZero" => plain(|time| Value::Bool(Value::Time(Time { nanos: time.nanos, zone: jiff::tz::TimeZone::UTC }) == Value::zero_time())),
        "Before" => compared(|a, b| a < b),
        "After" => compared(|a, b| a > b),
        "Equal" => compared(|a, b| a == b),
        "Sub" => {
            Some(arity::<1>(args).and_then(|[other]| time_arg(other)).map(|other| Value::Duration(saturated(time.nanos - other.nanos))))
        }
        "Add" => Some(arity::<1>(args).and_then(|[by]| duration_arg(by)).map(|by| moved(time, time.nanos + i128::from(by)))),
        "AddDate" => Some(add_date(time, args)),
        "Truncate" | "Round" => Some(arity::<1>(args).and_then(|[to]| duration_arg(to)).map(|to| {
            // Go counts from its zero time, whose distance to 1970 is a whole number of days.
            let since = time.nanos + 62_135_596_800_000_000_000;
            let down = if to > 0 { since.rem_euclid(i128::from(to)) } else { 0 };
            let up = name == "Round" && to > 0 && down * 2 >= i128::from(to);
            moved(time, time.nanos - down + if up { i128::from(to) } else { 0 })
        })),
        _ => None,
    }
}

fn moved(time: &Time, nanos: i128) -> Value {
    Value::Time(Time { nanos, zone: time.zone.clone() })
}

/// Years, months and days further, in the time's zone. Go normalises 31 February to March; so does this.
fn add_date(time: &Time, args: &[Value]) -> Result<Value, String> {
    let [years, months, days] = arity::<3>(args)?;
    let (years, months, days) = (int(years)?, int(months)?, int(days)?);
    let out_of_range = || "the date is out of range".to_owned();
    let civil = time.parts().civil;
    let first = civil.with().day(1).build().map_err(|_| out_of_range())?;
    let span = Span::new().try_years(years).and_then(|s| s.try_months(months)).map_err(|_| out_of_range())?;
    let days = days.checked_add(i64::from(civil.day()) - 1).ok_or_else(out_of_range)?;
    let rest = Span::new().try_days(days).map_err(|_| out_of_range())?;
    let there = first.checked_add(span).and_then(|date| date.checked_add(rest)).map_err(|_| out_of_range())?;
    let timestamp: Timestamp = time.zone.to_timestamp(there).map_err(|_| out_of_range())?;
    Ok(moved(time, timestamp.as_nanosecond()))
}

fn duration_method(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let plain = |value: Value| Some(arity::<0>(args).map(|_| value.clone()));
    let float = nanos as f64;
    match name {
        "String" => plain(Value::text(gotime::duration_string(nanos))),
        "Seconds" => plain(Value::Float(float / 1e9)),
        "Minutes" => plain(Value::Float(float / 60e9)),
        "Hours" => plain(Value::Float(float / 3600e9)),
        "Milliseconds" => plain(Value::Int(nanos / 1_000_000)),
        "Microseconds" => plain(Value::Int(nanos / 1000)),
        "Nanoseconds" => plain(Value::Int(nanos)),
        "Abs" => plain(Value::Duration(nanos.saturating_abs())),
        "Truncate" => Some(
            arity::<1>(args).and_then(|[to]| duration_arg(to)).map(|to| Value::Duration(if to > 0 { nanos - nanos % to } else { nanos })),
        ),
        "Round" => Some(arity::<1>(args).and_then(|[to]| duration_arg(to)).map(|to| {
            if to <= 0 {
                return Value::Duration(nanos);
            }
            let (rest, to) = (i128::from(nanos % to), i128::from(to));
            let down = i128::from(nanos) - rest;
            Value::Duration(saturated(if rest.abs() * 2 < to { down } else { down + to * rest.signum() }))
        })),
        _ => None,
    }
}
