//! The slots of the compliance suite's templates.

/// What the slots of the templates stand for.
const SLOTS: [(&str, &[&str]); 17] = [
    ("range", &["1s", "15s", "1m", "5m", "15m", "1h"]),
    ("offset", &["1m", "5m", "10m"]),
    ("simpleAggrOp", &["sum", "avg", "max", "min", "count", "stddev", "stdvar"]),
    ("simpleTimeAggrOp", &["sum", "avg", "min", "max", "count", "stddev", "stdvar", "absent", "last"]),
    ("topBottomOp", &["topk", "bottomk"]),
    ("quantile", &["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"]),
    ("arithBinOp", &["+", "-", "*", "/", "%", "^"]),
    ("compBinOp", &["==", "!=", "<", ">", "<=", ">="]),
    ("binOp", &["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="]),
    ("simpleMathFunc", &["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"]),
    ("extrapolatedRateFunc", &["delta", "rate", "increase"]),
    ("clampFunc", &["clamp_min", "clamp_max"]),
    ("instantRateFunc", &["idelta", "irate"]),
    ("dateFunc", &["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"]),
    ("smoothingFactor", &["0.1", "0.5", "0.8"]),
    ("trendFactor", &["0.1", "0.5", "0.8"]),
    ("quantileOverTime", &["0.5"]),
];

/// All texts that a template stands for.
pub(crate) fn expand(template: &str) -> Vec<String> {
    let Some((before, rest)) = template.split_once("{{.") else {
        return vec![template.to_owned()];
    };
    let (slot, after) = rest.split_once("}}").expect("a closed slot");
    let (_, values) = SLOTS.iter().find(|(name, _)| *name == slot).unwrap_or_else(|| panic!("unknown slot {slot}"));
    values.iter().flat_map(|value| expand(&format!("{before}{value}{after}"))).collect()
}
