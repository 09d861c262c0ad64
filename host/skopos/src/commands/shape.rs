//! Answers of the API as text, in the forms that promtool prints.

use std::fmt::Write;

use serde_json::Value;

/// `data` of a query.
pub(crate) fn result(data: &Value) -> String {
    let result = &data["result"];
    let entries = result.as_array().map(Vec::as_slice).unwrap_or_default();
    match data["resultType"].as_str() {
        Some("vector") => entries.iter().map(|one| format!("{} => {}", metric(&one["metric"]), point(one))).collect::<Vec<_>>().join("\n"),
        Some("matrix") => entries.iter().map(matrix_series).collect::<Vec<_>>().join("\n"),
        Some("scalar") => format!("scalar: {}", sample(result)),
        Some("string") => result[1].as_str().unwrap_or_default().to_owned(),
        _ => result.to_string(),
    }
}

/// `data` of `/api/v1/series`.
pub(crate) fn series(data: &Value) -> String {
    data.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(labels).collect::<Vec<_>>().join("\n")
}

/// A list of texts.
pub(crate) fn texts(data: &Value) -> String {
    data.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

fn matrix_series(one: &Value) -> String {
    let mut text = format!("{} =>", metric(&one["metric"]));
    for value in one["values"].as_array().map(Vec::as_slice).unwrap_or_default() {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n{}", sample(value));
    }
    for value in one["histograms"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let _ = write!(text, "\n{} @[{}]", value[1], value[0]);
    }
    text
}

fn point(one: &Value) -> String {
    match one.get("value") {
        Some(value) => sample(value),
        None => format!("{} @[{}]", one["histogram"][1], one["histogram"][0]),
    }
}

/// `[time, "value"]` as `value @[time]`.
fn sample(value: &Value) -> String {
    format!("{} @[{}]", value[1].as_str().unwrap_or_default(), value[0])
}

/// `name{a="b", c="d"}`
pub(crate) fn metric(metric: &Value) -> String {
    let name = metric["__name__"].as_str().unwrap_or_default();
    let rest = pairs(metric, true);
    match (name.is_empty(), rest.is_empty()) {
        (true, _) => format!("{{{rest}}}"),
        (false, true) => name.to_owned(),
        (false, false) => format!("{name}{{{rest}}}"),
    }
}

fn labels(metric: &Value) -> String {
    format!("{{{}}}", pairs(metric, false))
}

fn pairs(metric: &Value, without_name: bool) -> String {
    // The map keeps names sorted.
    let all = metric.as_object().into_iter().flatten().filter(|(name, _)| !(without_name && *name == "__name__"));
    all.map(|(name, value)| format!("{name}={:?}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", ")
}

/// A time such as `2026-08-01T12:00:00.5+09:00`, in Unix seconds.
pub(crate) fn rfc3339_seconds(text: &str) -> Option<f64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let mut time = time.splitn(3, ':');
    let (hour, minute): (i64, i64) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let second: f64 = time.next()?.parse().ok()?;
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && (0..24).contains(&hour) && (0..60).contains(&minute);
    if !fits || !(0.0..61.0).contains(&second) || !(0..=9999).contains(&year) {
        return None;
    }
    // Days of the proleptic Gregorian calendar, counted in years that begin in March (Howard Hinnant's days_from_civil).
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some((days * 86_400 + hour * 3600 + minute * 60 - offset) as f64 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_promtool_prints() {
        for (data, text) in [
            (
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a","instance":"b"},"value":[1618943760.123,"1"]},{"metric":{},"value":[1,"NaN"]}]}"#,
                "up{instance=\"b\", job=\"a\"} => 1 @[1618943760.123]\n{} => NaN @[1]",
            ),
            (r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[1,"1"],[2,"0"]]}]}"#, "up =>\n1 @[1]\n0 @[2]"),
            (r#"{"resultType":"scalar","result":[5,"1.5"]}"#, "scalar: 1.5 @[5]"),
            (r#"{"resultType":"string","result":[5,"hi"]}"#, "hi"),
        ] {
            assert_eq!(result(&serde_json::from_str(data).expect("JSON")), text);
        }
        assert_eq!(series(&serde_json::json!([{"__name__": "up", "a": "\"x"}])), r#"{__name__="up", a="\"x"}"#);
    }

    #[test]
    fn times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2026-08-01T12:00:00Z", Some(1_785_585_600.0)),
            ("2026-08-01T12:00:00.5+09:00", Some(1_785_553_200.5)),
            ("2000-02-29T23:59:59-01:00", Some(951_872_399.0)),
            ("2026-13-01T12:00:00Z", None),
            ("soon", None),
        ] {
            assert_eq!(rfc3339_seconds(text), seconds, "{text}");
        }
    }
}
