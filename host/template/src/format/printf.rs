//! `printf`: verbs with flags, width and precision.

use super::{float, quote, write_value};
use crate::text::{Text, TooLong};
use crate::value::Value;

/// Widest field and longest precision of `printf`.
const WIDTH_MAX: i64 = 100_000;

/// One verb of a format with its flags.
#[derive(Clone, Copy, Default)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `printf`, with Go's way of naming mistakes within the result.
pub(crate) fn printf(out: &mut Text, format: &str, args: &[Value]) -> Result<(), TooLong> {
    let mut reader = Reader { rest: format, args, next: 0, reordered: false, bad_index: false };
    while let Some(at) = reader.rest.find('%') {
        out.push_str(&reader.rest[..at])?;
        reader.rest = &reader.rest[at + 1..];
        reader.verb(out)?;
    }
    out.push_str(reader.rest)?;
    if !reader.reordered && reader.next < args.len() {
        out.push_str("%!(EXTRA ")?;
        for (at, arg) in args[reader.next..].iter().enumerate() {
            if at > 0 {
                out.push_str(", ")?;
            }
            if matches!(arg, Value::Nil) {
                out.push_str("<nil>")?;
                continue;
            }
            out.push_str(arg.type_name())?;
            out.push('=')?;
            write_value(out, arg, false)?;
        }
        out.push(')')?;
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a str,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    bad_index: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        let value = self.args.get(self.next);
        self.next += usize::from(value.is_some());
        value
    }

    /// `[3]`: the next argument is that one.
    fn index(&mut self) {
        let Some(inner) = self.rest.strip_prefix('[') else { return };
        self.reordered = true;
        let Some((number, rest)) = inner.split_once(']') else {
            self.bad_index = true;
            self.rest = inner;
            return;
        };
        self.rest = rest;
        match number.parse::<usize>().ok().filter(|n| (1..=self.args.len()).contains(n)) {
            Some(number) => self.next = number - 1,
            None => self.bad_index = true,
        }
    }

    /// Digits or `*`. The error is Go's text for a bad one.
    fn number(&mut self, bad: &'static str) -> Result<Option<i64>, &'static str> {
        self.index();
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return match self.take() {
                Some(Value::Int(number)) if number.abs() <= WIDTH_MAX => Ok(Some(*number)),
                _ => Err(bad),
            };
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if number.is_empty() {
            return Ok(None);
        }
        number.parse().ok().filter(|n| *n <= WIDTH_MAX).map(Some).ok_or(bad)
    }

    fn verb(&mut self, out: &mut Text) -> Result<(), TooLong> {
        let mut spec = Spec::default();
        self.bad_index = false;
        loop {
            match self.rest.as_bytes().first() {
                Some(b'+') => spec.plus = true,
                Some(b'-') => spec.minus = true,
                Some(b'#') => spec.sharp = true,
                Some(b' ') => spec.space = true,
                Some(b'0') => spec.zero = true,
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        match self.number("%!(BADWIDTH)") {
            Err(text) => out.push_str(text)?,
            Ok(None) => {}
            Ok(Some(width)) => {
                spec.minus |= width < 0;
                spec.width = usize::try_from(width.unsigned_abs()).ok();
            }
        }
        if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            match self.number("%!(BADPREC)") {
                Err(text) => out.push_str(text)?,
                Ok(Some(precision)) if precision < 0 => out.push_str("%!(BADPREC)")?,
                Ok(precision) => spec.precision = Some(usize::try_from(precision.unwrap_or(0)).unwrap_or(0)),
            }
        }
        self.index();
        if spec.minus {
            spec.zero = false;
        }
        let Some(verb) = self.rest.chars().next() else { return out.push_str("%!(NOVERB)") };
        self.rest = &self.rest[verb.len_utf8()..];
        if verb == '%' {
            return out.push('%');
        }
        if self.bad_index {
            return out.push_str(&format!("%!{verb}(BADINDEX)"));
        }
        match self.take() {
            Some(value) => write_verb(out, verb, spec, value),
            None => out.push_str(&format!("%!{verb}(MISSING)")),
        }
    }
}

fn write_verb(out: &mut Text, verb: char, spec: Spec, value: &Value) -> Result<(), TooLong> {
    if verb == 'T' {
        return pad(out, if matches!(value, Value::Nil) { "<nil>" } else { value.type_name() }, spec, false);
    }
    // Lists and maps apply the verb to each of what they hold.
    match value {
        Value::List(list) => {
            out.push('[')?;
            for (at, item) in list.items().iter().enumerate() {
                if at > 0 {
                    out.push(' ')?;
                }
                write_verb(out, verb, spec, item)?;
            }
            return out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[")?;
            for (at, (key, item)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(' ')?;
                }
                write_verb(out, verb, spec, &Value::String(key.clone()))?;
                out.push(':')?;
                write_verb(out, verb, spec, item)?;
            }
            return out.push(']');
        }
        _ => {}
    }
    match scalar(verb, spec, value, out.remaining())? {
        Some((text, numeric)) => pad(out, &text, spec, numeric),
        None if matches!(value, Value::Nil) => out.push_str(&format!("%!{verb}(<nil>)")),
        None => {
            out.push_str(&format!("%!{verb}({}=", value.type_name()))?;
            write_value(out, value, false)?;
            out.push(')')
        }
    }
}

/// The text of a value under a verb, and whether zeros may pad it. None if the verb does not fit.
fn scalar(verb: char, spec: Spec, value: &Value, room: usize) -> Result<Option<(String, bool)>, TooLong> {
    let described = |value: &Value| -> Result<String, TooLong> {
        let mut text = Text::new(room);
        write_value(&mut text, value, false)?;
        Ok(text.into_string())
    };
    Ok(match (verb, value) {
        ('v', Value::Float(number)) => Some((signed(float(*number, 'g', spec.precision, false), spec), number.is_finite())),
        ('v', Value::Int(number)) => Some((integer(*number, 10, spec), true)),
        ('v', Value::String(text) | Value::Safe(_, text)) if spec.sharp => Some((quote(text), false)),
        ('v', _) => Some((cut(described(value)?, value, spec), false)),
        ('t', Value::Bool(value)) => Some((value.to_string(), false)),
        ('s' | 'q' | 'x' | 'X', Value::String(_) | Value::Safe(..) | Value::Time(_) | Value::Duration(_) | Value::Named(..))
            if !(matches!(verb, 'x' | 'X') && matches!(value, Value::Duration(_) | Value::Named(..))) =>
        {
            let text = described(value)?;
            let text: String = spec.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect());
            Some((
                match verb {
                    's' => text,
                    'q' if spec.sharp && !text.contains('`') && !text.chars().any(|c| c.is_control() && c != '\t') => format!("`{text}`"),
                    'q' => quote(&text),
                    _ => hex(&text, verb, spec),
                },
                false,
            ))
        }
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(number)) => {
            let precision = spec.precision.or(if matches!(verb, 'g' | 'G') { None } else { Some(6) });
            Some((signed(float(*number, verb, precision, spec.sharp), spec), number.is_finite()))
        }
        ('c' | 'q' | 'U', Value::Int(number)) => {
            let c = u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            Some((
                match verb {
                    'c' => c.to_string(),
                    'U' => format!("U+{number:04X}"),
                    _ => {
                        let quoted = quote(&c.to_string());
                        let inner = &quoted[1..quoted.len() - 1];
                        format!(
                            "'{}'",
                            if c == '"' {
                                "\""
                            } else if c == '\'' {
                                "\\'"
                            } else {
                                inner
                            }
                        )
                    }
                },
                false,
            ))
        }
        ('d' | 'b' | 'o' | 'O' | 'x' | 'X', Value::Int(number) | Value::Duration(number) | Value::Named(number, _)) => {
            let radix = match verb {
                'd' => 10,
                'b' => 2,
                'o' | 'O' => 8,
                _ => 16,
            };
            let text = integer(*number, radix, spec);
            let prefix = match verb {
                'O' => "0o",
                'x' if spec.sharp => "0x",
                'X' if spec.sharp => "0X",
                'b' if spec.sharp => "0b",
                'o' if spec.sharp => "0",
                _ => "",
            };
            let text = if verb == 'X' { text.to_ascii_uppercase() } else { text };
            let digits = text.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0);
            Some((format!("{}{prefix}{}", &text[..digits], &text[digits..]), true))
        }
        _ => None,
    })
}

/// Precision cuts texts, whatever the verb.
fn cut(text: String, value: &Value, spec: Spec) -> String {
    match (value.as_str(), spec.precision) {
        (Some(_), Some(most)) => text.chars().take(most).collect(),
        _ => text,
    }
}

fn integer(number: i64, radix: u32, spec: Spec) -> String {
    let magnitude = number.unsigned_abs();
    let mut digits = match radix {
        2 => format!("{magnitude:b}"),
        8 => format!("{magnitude:o}"),
        16 => format!("{magnitude:x}"),
        _ => magnitude.to_string(),
    };
    if let Some(least) = spec.precision {
        digits = format!("{digits:0>least$}");
    }
    signed(if number < 0 { format!("-{digits}") } else { digits }, spec)
}

fn signed(text: String, spec: Spec) -> String {
    let positive_infinity = text == "+Inf";
    let bare = text.strip_prefix('+').unwrap_or(&text).to_owned();
    if bare.starts_with('-') {
        bare
    } else if spec.plus || (positive_infinity && !spec.space) {
        format!("+{bare}")
    } else if spec.space {
        format!(" {bare}")
    } else {
        bare
    }
}

fn hex(text: &str, verb: char, spec: Spec) -> String {
    let separator = if spec.space { " " } else { "" };
    let bytes: Vec<String> = text.bytes().map(|b| if verb == 'x' { format!("{b:02x}") } else { format!("{b:02X}") }).collect();
    let prefix = if spec.sharp && !bytes.is_empty() { format!("0{verb}") } else { String::new() };
    if spec.space {
        bytes.iter().map(|b| format!("{prefix}{b}")).collect::<Vec<_>>().join(separator)
    } else {
        format!("{prefix}{}", bytes.concat())
    }
}

fn pad(out: &mut Text, text: &str, spec: Spec, numeric: bool) -> Result<(), TooLong> {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.push_str(text)?;
        return out.pad(' ', missing);
    }
    if spec.zero && numeric {
        let sign = usize::from(text.starts_with(['+', '-', ' ']));
        out.push_str(&text[..sign])?;
        out.pad('0', missing)?;
        return out.push_str(&text[sign..]);
    }
    // As in Go since 1.23, zeros do not pad texts.
    out.pad(' ', missing)?;
    out.push_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, args: &[Value], expected: &str) {
        let mut out = Text::new(10_000);
        printf(&mut out, format, args).expect("it is short");
        assert_eq!(out.as_str(), expected, "printf {format:?}");
    }

    #[test]
    fn verbs_as_in_go() {
        check(
            "%d|%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b",
            &[7, 7, 7, 7, 7, 255, 255, 255, 8, 5].map(Value::Int),
            "7|    7|7    |00007|+7|ff|FF|0xff|10|101",
        );
        check(
            "%.2f|%8.3f|%-8.1f|%e|%g|%G|%v",
            &[2.54159, 2.54159, 2.54159, 1e6, 1e21, 1e-7, 100000.0].map(Value::Float),
            "2.54|   2.542|2.5     |1.000000e+06|1e+21|1E-07|100000",
        );
        check(
            "%s|%10s|%-10s|%.2s|%q|%x",
            &["go", "go", "go", "golang", "a\"b\n", "hi"].map(Value::text),
            "go|        go|go        |go|\"a\\\"b\\n\"|6869",
        );
        check("%v %v %v", &[Value::Bool(true), Value::Nil, Value::Duration(1_500_000_000)], "true <nil> 1.5s");
        check("%c%c %U %t", &[Value::Int(0xac12), Value::Int(65), Value::Int(0x1f600), Value::Bool(false)], "값A U+1F600 false");
        check("%.3g|%.10g|%.4g", &[1234567.0, 1234567.0, 0.00001234].map(Value::Float), "1.23e+06|1234567|1.234e-05");
        check("100%% of %T", &[Value::Int(1)], "100% of int");
        check("%08.3f|%+.1f|% d", &[Value::Float(-2.54159), Value::Float(2.0), Value::Int(5)], "-002.542|+2.0| 5");
        check("%[2]s %[1]s|%*d", &[Value::text("a"), Value::text("b"), Value::Int(3)], "b a|%!(BADWIDTH)3");
        check("%*d", &[Value::Int(4), Value::Int(3)], "   3");
    }

    #[test]
    fn mistakes_are_named_in_the_text() {
        check("%d", &[Value::text("hi")], "%!d(string=hi)");
        check("%s", &[Value::Float(1.5)], "%!s(float64=1.5)");
        check("%d %d", &[Value::Int(1)], "1 %!d(MISSING)");
        check("x", &[Value::Int(1), Value::text("y")], "x%!(EXTRA int=1, string=y)");
        check("%", &[], "%!(NOVERB)");
        check("%!", &[Value::Int(1)], "%!!(int=1)");
        check("%d", &[Value::Nil], "%!d(<nil>)");
        check("%999999999d", &[Value::Int(1)], "%!(BADWIDTH)1");
    }
}
