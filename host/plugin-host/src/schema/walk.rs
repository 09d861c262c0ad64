//! Goes through a section along its schema.

use model::config::nearest;
use regex::Regex;
use serde_json::{Map, Value};

use super::leaf::{allows_null, check_choice, check_count, check_number, check_text, check_type};
use super::{At, DEPTH_MAX, Mark, Marked, SectionError, marks_text};

/// Steps of one check: a schema whose combinations multiply ends here.
const STEPS_MAX: usize = 200_000;

pub(super) struct Walk<'s> {
    root: &'s Value,
    steps: usize,
}

impl<'s> Walk<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root, steps: 0 }
    }

    pub(super) fn visit(&mut self, schema: &Value, value: &mut Value, at: &At, found: &mut Vec<Marked>) -> Result<(), SectionError> {
        self.steps += 1;
        if at.depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return Err(at.error("the section or its schema is nested too deeply"));
        }
        let Value::Object(keywords) = schema else {
            return if schema == &Value::Bool(false) { Err(at.error("nothing may stand here")) } else { Ok(()) };
        };
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            let target = target.ok_or_else(|| at.error(format!("the plugin's schema refers to {reference}, which is not there")))?.clone();
            self.visit(&target, value, &At { depth: at.depth + 1, ..at.clone() }, found)?;
        }
        check_type(keywords, value, at)?;
        check_choice(keywords, value, at)?;
        match value {
            Value::Number(_) => check_number(keywords, value, at)?,
            Value::String(text) => check_text(keywords, text, at)?,
            Value::Array(items) => self.visit_items(keywords, items, at, found)?,
            Value::Object(fields) => self.visit_fields(keywords, fields, at, found)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.visit_combined(keywords, value, at, found)?;
        let marks = keywords.get("x-skopos").map(marks_text).unwrap_or_default();
        found.extend(marks.into_iter().filter_map(Mark::parse).map(|mark| Marked {
            pointer: at.pointer.clone(),
            mark,
            written: at.written,
        }));
        Ok(())
    }

    fn visit_items(
        &mut self,
        keywords: &Map<String, Value>,
        items: &mut [Value],
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        check_count(keywords, "minItems", "maxItems", items.len(), "entries", at)?;
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (i, item) in items.iter().enumerate() {
                if items[..i].contains(item) {
                    return Err(at.child(&i.to_string()).error("comes twice"));
                }
            }
        }
        let prefix = keywords.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (i, item) in items.iter_mut().enumerate() {
            if let Some(schema) = prefix.get(i).or_else(|| keywords.get("items")) {
                self.visit(schema, item, &at.child(&i.to_string()), found)?;
            }
        }
        Ok(())
    }

    fn visit_fields(
        &mut self,
        keywords: &Map<String, Value>,
        fields: &mut Map<String, Value>,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let none = Map::new();
        let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&none);
        // A key without a value counts as left out, as everywhere in the configuration.
        fields.retain(|key, value| !value.is_null() || properties.get(key).is_some_and(allows_null));
        self.refuse_unknown(keywords, properties, fields, at)?;
        let mut defaulted = Vec::new();
        for (key, schema) in properties {
            if !fields.contains_key(key)
                && let Some(default) = schema.get("default")
            {
                fields.insert(key.clone(), default.clone());
                defaulted.push(key.as_str());
            }
        }
        for key in keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(key) {
                return Err(at.error(format!("{key} is missing")));
            }
        }
        for (key, needed) in keywords.get("dependentRequired").and_then(Value::as_object).unwrap_or(&none) {
            for other in needed.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if fields.contains_key(key) && !fields.contains_key(other) {
                    return Err(at.error(format!("{other} is missing: {key} needs it")));
                }
            }
        }
        check_count(keywords, "minProperties", "maxProperties", fields.len(), "keys", at)?;
        let patterns = patterns(keywords);
        for (key, value) in fields.iter_mut() {
            let mut child = at.child(key);
            child.written &= !defaulted.contains(&key.as_str());
            let mut described = false;
            if let Some(schema) = properties.get(key) {
                self.visit(schema, value, &child, found)?;
                described = true;
            }
            for (_, schema) in patterns.iter().filter(|(pattern, _)| pattern.is_match(key)) {
                self.visit(schema, value, &child, found)?;
                described = true;
            }
            if let Some(schema) = keywords.get("additionalProperties").filter(|_| !described) {
                self.visit(schema, value, &child, found)?;
            }
        }
        Ok(())
    }

    fn refuse_unknown(
        &self,
        keywords: &Map<String, Value>,
        properties: &Map<String, Value>,
        fields: &Map<String, Value>,
        at: &At,
    ) -> Result<(), SectionError> {
        if keywords.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Ok(());
        }
        let patterns = patterns(keywords);
        let unknown =
            fields.keys().find(|key| !properties.contains_key(*key) && !patterns.iter().any(|(pattern, _)| pattern.is_match(key)));
        let Some(key) = unknown else { return Ok(()) };
        let hint = nearest(key, properties.keys().map(String::as_str)).map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        Err(at.child(key).error(format!("unknown key {key:?}{hint}")))
    }

    fn visit_combined(
        &mut self,
        keywords: &Map<String, Value>,
        value: &mut Value,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let list = |key: &str| keywords.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for schema in list("allOf") {
            self.visit(schema, value, at, found)?;
        }
        for (key, exactly_one) in [("anyOf", false), ("oneOf", true)] {
            let branches = list(key);
            if !branches.is_empty() {
                self.visit_branches(branches, exactly_one, value, at, found)?;
            }
        }
        if let Some(schema) = keywords.get("not")
            && self.holds(schema, value, at)
        {
            return Err(at.error("is what the plugin's schema excludes"));
        }
        if let Some(condition) = keywords.get("if") {
            let branch = if self.holds(condition, value, at) { "then" } else { "else" };
            if let Some(schema) = keywords.get(branch) {
                self.visit(schema, value, at, found)?;
            }
        }
        Ok(())
    }

    /// Takes the branches that hold; if none does, the error is that of the branch that came furthest into the section.
    fn visit_branches(
        &mut self,
        branches: &[Value],
        exactly_one: bool,
        value: &mut Value,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let mut furthest: Option<SectionError> = None;
        let mut holding = 0;
        for schema in branches {
            let (mut attempt, mut marks) = (value.clone(), Vec::new());
            match self.visit(schema, &mut attempt, at, &mut marks) {
                Ok(()) => {
                    *value = attempt;
                    found.append(&mut marks);
                    holding += 1;
                }
                Err(error) if furthest.as_ref().is_none_or(|f| error.pointer.len() > f.pointer.len()) => furthest = Some(error),
                Err(_) => {}
            }
        }
        match (holding, furthest) {
            (0, Some(error)) => Err(error),
            (2.., _) if exactly_one => Err(at.error("fits more than one of the forms that exclude each other")),
            _ => Ok(()),
        }
    }

    fn holds(&mut self, schema: &Value, value: &Value, at: &At) -> bool {
        self.visit(schema, &mut value.clone(), at, &mut Vec::new()).is_ok()
    }
}

fn patterns(keywords: &Map<String, Value>) -> Vec<(Regex, &Value)> {
    let pairs = keywords.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(pattern, schema)| Some((Regex::new(pattern).ok()?, schema))).collect()
}
