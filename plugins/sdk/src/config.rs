//! Reading a plugin's section, which arrives as a JSON text.

use serde::de::DeserializeOwned;

use crate::types::Error;

/// Parses a section into the plugin's own type. The host has checked it against the plugin's schema, so an error here means
/// that schema and type disagree, or a rule that a schema cannot say.
///
/// # Errors
/// [`Error::Config`] with line and column of the JSON text. An empty text is an empty section.
pub fn parse<T: DeserializeOwned>(section: &str) -> Result<T, Error> {
    let text = if section.trim().is_empty() { "{}" } else { section };
    serde_json::from_str(text).map_err(|error| Error::Config(error.to_string()))
}

/// Milliseconds of a duration as Prometheus writes it: `30s`, `1m30s`, `500ms`, `0`. Units in falling order, each once.
///
/// # Errors
/// A text for people that repeats what was written.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] =
        [("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let wrong = || format!("not a duration: {text:?}; write it as 30s or 1m30s");
    if text == "0" {
        return Ok(0);
    }
    let (mut rest, mut next_unit, mut total) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = UNITS[next_unit..].iter().position(|(name, _)| *name == &rest[..letters]).ok_or_else(wrong)? + next_unit;
        total = number.checked_mul(UNITS[unit].1).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        (rest, next_unit) = (&rest[letters..], unit + 1);
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

/// A JSON object that is read leniently: what is absent, or of another type than asked for, is as if it were not there. For the
/// options of panels, which dashboards of many years and tools carry in many states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(serde_json::Map<String, serde_json::Value>);

impl Options {
    /// Parses an object. An empty text is an empty object.
    ///
    /// # Errors
    /// [`Error::Config`] for a text that is no JSON object.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse(text).map(Self)
    }

    /// The object below a key; empty if there is none.
    #[must_use]
    pub fn object(&self, key: &str) -> Self {
        Self(self.0.get(key).and_then(|value| value.as_object()).cloned().unwrap_or_default())
    }

    /// The text below a key; empty if there is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(|value| value.as_str()).unwrap_or_default()
    }

    /// The finite number below a key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key).and_then(serde_json::Value::as_f64).filter(|number| number.is_finite())
    }

    /// The truth value below a key.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key).and_then(serde_json::Value::as_bool)
    }

    /// The texts of the list below a key; none if there is no list.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.0.get(key)?.as_array()?;
        Some(list.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect())
    }

    /// The objects of the list below a key; empty if there is no list.
    #[must_use]
    pub fn objects(&self, key: &str) -> Vec<Self> {
        let list = self.0.get(key).and_then(|value| value.as_array());
        list.into_iter().flatten().filter_map(|value| value.as_object()).cloned().map(Self).collect()
    }

    /// The finite numbers of the list below a key; empty if there is no list.
    #[must_use]
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let list = self.0.get(key).and_then(|value| value.as_array());
        list.into_iter().flatten().filter_map(serde_json::Value::as_f64).filter(|number| number.is_finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1s5ms", Some(1005)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1s1m", None),
            ("1s1s", None),
            ("1.5s", None),
            ("99999999999y", None),
            ("1é", None),
        ] {
            assert_eq!(duration_ms(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_section_that_does_not_fit_says_where() {
        #[derive(serde::Deserialize, Debug)]
        struct Section {
            #[serde(rename = "port")]
            _port: u16,
        }
        let Err(Error::Config(text)) = parse::<Section>("{\"port\": \"x\"}") else { panic!("must be a config error") };
        assert!(text.contains("line 1 column"), "{text}");
        assert!(parse::<serde_json::Value>("").is_ok());
    }

    #[test]
    fn options_of_a_wrong_type_are_as_if_they_were_not_there() {
        let options = Options::parse(r#"{"t":"x","n":1.5,"b":true,"l":["a",1,"b"],"m":[1,"x",2],"o":{"t":"y"},"z":null}"#).unwrap();
        assert_eq!((options.text("t"), options.text("n"), options.text("gone")), ("x", "", ""));
        assert_eq!((options.number("n"), options.number("t"), options.number("z")), (Some(1.5), None, None));
        assert_eq!((options.flag("b"), options.flag("t")), (Some(true), None));
        assert_eq!(options.texts("l"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((options.texts("t"), options.numbers("m"), options.numbers("z")), (None, vec![1.0, 2.0], vec![]));
        assert_eq!((options.object("o").text("t"), options.object("t").text("t")), ("y", ""));
        assert!(Options::parse("").is_ok() && Options::parse("[]").is_err() && Options::parse("{").is_err());
    }
}
