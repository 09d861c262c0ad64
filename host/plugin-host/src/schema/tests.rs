use serde_json::json;

use super::*;

fn check(schema: Value, mut section: Value) -> Result<(Value, Vec<Marked>), String> {
    let (schema, unknown) = Schema::parse(&schema.to_string(), "channel")?;
    assert_eq!(unknown, Vec::<String>::new());
    let marks = schema.check(&mut section).map_err(|e| e.to_string())?;
    Ok((section, marks))
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["names"],
        "properties": {
            "names": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            "type": {"enum": ["A", "SRV"], "default": "SRV"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "channel": {"type": "string", "pattern": "^[a-z0-9]+$"},
            "either": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}]},
            "nested": {"$ref": "#/$defs/nested"},
        },
        "$defs": {"nested": {"type": "object", "properties": {"deep/er": {"type": "boolean"}}}},
    });
    for (section, expected) in [
        (json!({}), "names is missing"),
        (json!({"names": []}), "/names: must not be empty"),
        (json!({"names": ["a", {}]}), "/names/1: expected a text, found keys with values"),
        (json!({"names": ["a"], "nmes": 1}), "/nmes: unknown key \"nmes\"; did you mean \"names\"?"),
        (json!({"names": ["a"], "type": "MX"}), r#"/type: expected one of "A", "SRV", found "MX""#),
        (json!({"names": ["a"], "port": 0}), "/port: expected at least 1, found 0"),
        (json!({"names": ["a"], "port": 65536}), "/port: expected at most 65535, found 65536"),
        (json!({"names": ["a"], "port": 1.5}), "/port: expected a whole number, found a number"),
        (json!({"names": ["a"], "port": "53"}), "/port: expected a whole number, found a text"),
        (json!({"names": ["a"], "channel": "#x"}), "/channel: does not fit the pattern ^[a-z0-9]+$"),
        (json!({"names": ["a"], "either": {"url": []}}), "/either/url: expected a text, found a list"),
        (json!({"names": ["a"], "nested": {"deep/er": 1}}), "/nested/deep~1er: expected true or false, found a number"),
        (json!([]), "expected keys with values, found a list"),
    ] {
        assert_eq!(check(schema.clone(), section.clone()).expect_err("it does not fit"), expected, "{section}");
    }
    let (section, _) =
        check(schema, json!({"names": [1, "b"], "port": null, "either": {"url": "u"}, "nested": {"deep/er": "yes"}})).expect("it fits");
    assert_eq!(section, json!({"names": ["1", "b"], "type": "SRV", "either": {"url": "u"}, "nested": {"deep/er": true}}));
}

#[test]
fn marks_tell_written_fields_from_defaults() {
    let schema = json!({"$defs": {"channel": {"type": "object", "properties": {
        "url": {"type": "string", "x-skopos": ["grant-http", "secret"], "default": "https://default.example/"},
        "text": {"type": "string", "x-skopos": "template", "default": "{{ .Status }}"},
        "fields": {"type": "array", "items": {"type": "object", "properties": {"title": {"type": "string", "x-skopos": "template-html"}}}},
    }}}});
    let (section, marks) = check(schema, json!({"fields": [{"title": "a"}, {}, {"title": "b"}], "text": "own"})).expect("it fits");
    assert_eq!(section["url"], "https://default.example/");
    let got: Vec<_> = marks.iter().map(|m| (m.pointer.as_str(), m.mark, m.written)).collect();
    assert_eq!(
        got,
        [
            ("/fields/0/title", Mark::TemplateHtml, true),
            ("/fields/2/title", Mark::TemplateHtml, true),
            ("/text", Mark::Template, true),
            ("/url", Mark::GrantHttp, false),
            ("/url", Mark::Secret, false),
        ]
    );
}

#[test]
fn hostile_schemas_end() {
    let circle = json!({"$ref": "#"});
    assert!(check(circle, json!({})).expect_err("it never ends").contains("nested too deeply"));
    let two = json!([{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]);
    let doubling = json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": two}}});
    assert!(check(doubling, json!({})).expect_err("it multiplies").contains("nested too deeply"));
    for (schema, expected) in [
        (json!({"$ref": "https://elsewhere.example/schema"}), "not within the schema"),
        (json!({"properties": {"a": {"x-skopos": "grant-everything"}}}), "does not know"),
        (json!({"pattern": "("}), "bad pattern"),
        (json!({"properties": []}), "not an object"),
        (json!([]), "other than an object"),
    ] {
        assert!(check(schema.clone(), json!({})).expect_err("it is no schema").contains(expected), "{schema}");
    }
    let (_, unknown) = Schema::parse(r#"{"contains": {}, "title": "x", "x-order": 1}"#, "channel").expect("a schema");
    assert_eq!(unknown, ["contains"]);
}
