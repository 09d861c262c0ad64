//! Looks at a schema itself, when its plugin is loaded.

use regex::Regex;
use serde_json::Value;

use super::{DEPTH_MAX, Mark, marks_text};

/// Keywords that are checked.
const CHECKED: [&str; 34] = [
    "$ref",
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "default",
    "x-skopos",
    "$defs",
];

/// Keywords that say something to people and change nothing here.
const TOLD: [&str; 12] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentMediaType",
    "definitions",
];

/// Refuses what cannot be checked at all, and collects keywords that are not known.
pub(super) fn lint(schema: &Value, unknown: &mut Vec<String>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("its schema is nested too deeply".to_owned());
    }
    let Value::Object(keywords) = schema else {
        return if schema.is_boolean() {
            Ok(())
        } else {
            Err("its schema has something other than an object where a schema belongs".to_owned())
        };
    };
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" => {
                for (name, sub) in value.as_object().ok_or_else(|| format!("{keyword} of its schema is not an object"))? {
                    if keyword == "patternProperties" {
                        Regex::new(name).map_err(|e| format!("its schema has a bad pattern: {e}"))?;
                    }
                    lint(sub, unknown, depth + 1)?;
                }
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" => lint(value, unknown, depth + 1)?,
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                for sub in value.as_array().ok_or_else(|| format!("{keyword} of its schema is not a list"))? {
                    lint(sub, unknown, depth + 1)?;
                }
            }
            "$ref" => {
                if !value.as_str().is_some_and(|r| r.starts_with('#')) {
                    return Err(format!("its schema refers to {value}, which is not within the schema"));
                }
            }
            "pattern" => {
                Regex::new(value.as_str().unwrap_or_default()).map_err(|e| format!("its schema has a bad pattern: {e}"))?;
            }
            "x-skopos" => {
                for mark in marks_text(value) {
                    Mark::parse(mark).ok_or_else(|| format!("its schema has the mark {mark:?}, which this host does not know"))?;
                }
            }
            other if CHECKED.contains(&other) || TOLD.contains(&other) || other.starts_with("x-") => {}
            other => unknown.push(other.to_owned()),
        }
    }
    Ok(())
}
