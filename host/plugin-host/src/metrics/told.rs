//! What a plugin may say of a metric: help, unit and labels.

use std::collections::HashSet;

use model::{LabelSet, is_classic_label_name};

/// Labels of one series, and bytes of one label's value.
const LABELS_MAX: usize = 32;
const LABEL_VALUE_BYTES_MAX: usize = 4096;

/// Bytes of a help text.
const HELP_BYTES_MAX: usize = 4096;

/// Checks what a declaration says.
pub(super) fn check_told(name: &str, help: &str, unit: &str) -> Result<(), String> {
    if help.len() > HELP_BYTES_MAX {
        return Err(format!("{name} was declared with a help text of more than {HELP_BYTES_MAX} bytes"));
    }
    let base = name.strip_suffix("_total").unwrap_or(name);
    if unit.is_empty() || base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
        return Ok(());
    }
    Err(format!("{name} was declared with the unit {unit:?}, which is not the end of its name"))
}

/// The labels of a series, if a series can have them.
pub(super) fn label_set(name: &str, labels: &[(String, String)], histogram: bool) -> Result<LabelSet, String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("{name} was used with more than {LABELS_MAX} labels"));
    }
    let mut seen = HashSet::with_capacity(labels.len());
    for (label, value) in labels {
        if !is_classic_label_name(label) || label.len() > 256 || label.starts_with("__") || (histogram && label == "le") {
            return Err(format!("{name} was used with {label:?}, which cannot be a label here"));
        }
        if !seen.insert(label.as_str()) {
            return Err(format!("{name} was used with the label {label} twice"));
        }
        if value.len() > LABEL_VALUE_BYTES_MAX {
            return Err(format!("{name} was used with a value of more than {LABEL_VALUE_BYTES_MAX} bytes for {label}"));
        }
    }
    Ok(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect())
}
