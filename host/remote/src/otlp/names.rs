//! Names of OpenTelemetry as those of Prometheus:
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus>.

use std::borrow::Cow;

use super::options::{OtlpOptions, Translation};

/// What a metric's name depends on beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    /// A sum that only rises.
    Counter,
    Other,
}

/// The name of a family.
pub(crate) fn metric(name: &str, unit: &str, kind: Kind, strategy: Translation) -> String {
    let ratio = kind == Kind::Gauge && unit == "1";
    match (strategy.escapes(), strategy.adds_suffixes()) {
        (true, true) => {
            let mut parts: Vec<&str> = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).filter(|p| !p.is_empty()).collect();
            let (main, per) = units(unit);
            let (main, per) = (clean(main), clean(per));
            if !main.is_empty() && !parts.contains(&main.as_str()) {
                parts.push(&main);
            }
            if !per.is_empty() && !parts.contains(&per.as_str()) {
                parts.extend(["per", &per]);
            }
            for (wanted, suffix) in [(kind == Kind::Counter, "total"), (ratio, "ratio")] {
                if wanted {
                    parts.retain(|part| *part != suffix);
                    parts.push(suffix);
                }
            }
            guarded(parts.join("_"))
        }
        (true, false) => {
            let parts: Vec<&str> =
                name.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '_')).filter(|p| !p.is_empty()).collect();
            guarded(parts.join("_"))
        }
        (false, true) => {
            let (main, per) = units(unit);
            let per = if per.is_empty() { String::new() } else { format!("per_{per}") };
            let mut name = name.to_owned();
            for (wanted, suffix) in [(!main.is_empty(), main), (!per.is_empty(), &per), (kind == Kind::Counter, "total"), (ratio, "ratio")]
            {
                if wanted {
                    // The suffix comes last, and once.
                    if let Some(bare) = name.strip_suffix(suffix) {
                        name.truncate(bare.strip_suffix(['_', '.']).unwrap_or(bare).len());
                    }
                    if !name.is_empty() {
                        name.push('_');
                    }
                    name.push_str(suffix);
                }
            }
            name
        }
        (false, false) => name.to_owned(),
    }
}

fn guarded(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// The name of a label.
pub(crate) fn label<'a>(name: &'a str, options: &OtlpOptions) -> Cow<'a, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !options.strategy.escapes() || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mut label = Cow::Borrowed(name);
    if !name.chars().all(plain) {
        label = name.chars().map(|c| if plain(c) { c } else { '_' }).collect::<String>().into();
    }
    let reserved = label.starts_with("__") && label.ends_with("__");
    if options.join_underscores && !reserved && label.contains("__") {
        let mut joined = String::with_capacity(label.len());
        for c in label.chars() {
            if c != '_' || !joined.ends_with('_') {
                joined.push(c);
            }
        }
        label = joined.into();
    }
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        label = format!("key_{label}").into();
    } else if label.starts_with('_') && !label.starts_with("__") && !options.keep_leading_underscore {
        label = format!("key{label}").into();
    }
    label
}

/// The two sides of a unit, in words.
fn units(unit: &str) -> (&str, &str) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    // What stands in braces is a remark.
    let side = |text: &'_ str| -> bool { !text.is_empty() && !text.contains(['{', '}']) };
    let (main, per) = (main.trim(), per.trim());
    (if side(main) { word(main) } else { "" }, if side(per) { per_word(per) } else { "" })
}

fn word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// A unit in classic characters.
fn clean(unit: &str) -> String {
    let parts: Vec<&str> = unit.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_each_strategy() {
        use Translation::*;
        for (name, unit, kind, strategy, wanted) in [
            ("http.server.duration", "ms", Kind::Other, UnderscoreEscapingWithSuffixes, "http_server_duration_milliseconds"),
            ("requests", "{request}", Kind::Counter, UnderscoreEscapingWithSuffixes, "requests_total"),
            ("requests.total", "", Kind::Counter, UnderscoreEscapingWithSuffixes, "requests_total"),
            ("total.requests", "1", Kind::Counter, UnderscoreEscapingWithSuffixes, "requests_total"),
            ("cpu.utilization", "1", Kind::Gauge, UnderscoreEscapingWithSuffixes, "cpu_utilization_ratio"),
            ("disk.io", "By/s", Kind::Gauge, UnderscoreEscapingWithSuffixes, "disk_io_bytes_per_second"),
            ("disk.io.bytes", "By", Kind::Counter, UnderscoreEscapingWithSuffixes, "disk_io_bytes_total"),
            ("2xx..count", "", Kind::Gauge, UnderscoreEscapingWithSuffixes, "_2xx_count"),
            ("a_b", "", Kind::Gauge, UnderscoreEscapingWithSuffixes, "a_b"),
            ("größe", "", Kind::Gauge, UnderscoreEscapingWithSuffixes, "gr_e"),
            ("...", "", Kind::Gauge, UnderscoreEscapingWithSuffixes, ""),
            ("disk.io", "By/s", Kind::Counter, UnderscoreEscapingWithoutSuffixes, "disk_io"),
            ("disk.io", "By", Kind::Counter, NoUtf8EscapingWithSuffixes, "disk.io_bytes_total"),
            ("disk.bytes", "By/s", Kind::Other, NoUtf8EscapingWithSuffixes, "disk_bytes_per_second"),
            ("disk.io", "By", Kind::Counter, NoTranslation, "disk.io"),
        ] {
            assert_eq!(metric(name, unit, kind, strategy), wanted, "{name} {unit} {strategy:?}");
        }
    }

    #[test]
    fn labels_are_classic_unless_told_otherwise() {
        let (default, mut other) = (OtlpOptions::default(), OtlpOptions::default());
        for (name, wanted) in [("http.method", "http_method"), ("1x", "key_1x"), ("_x", "key_x"), ("__x", "__x"), ("a..b", "a__b")] {
            assert_eq!(label(name, &default), wanted);
        }
        (other.join_underscores, other.keep_leading_underscore) = (true, true);
        assert_eq!((label("a..b", &other), label("_x", &other)), ("a_b".into(), "_x".into()));
        other.strategy = Translation::NoTranslation;
        assert_eq!(label("a..b", &other), "a..b");
    }
}
