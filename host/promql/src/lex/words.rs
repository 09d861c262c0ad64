//! Tokens of more than one character: words, strings, numbers and lengths of time.

use super::{KEYWORDS, Kind, Lexer, Outcome, is_alphanumeric};

impl Lexer<'_> {
    pub(super) fn take_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    pub(super) fn word(&mut self) -> Outcome {
        let start = self.at;
        self.take_while(|b| is_alphanumeric(b) || b == b':');
        let word = &self.text[start..self.at];
        let lower = word.to_ascii_lowercase();
        let kind = if lower == "inf" || lower == "nan" {
            Kind::Number
        } else if let Some(keyword) = KEYWORDS.into_iter().find(|k| *k == lower) {
            // These came late to the language: they stay names unless a parenthesis follows.
            if keyword.starts_with("fill") && !self.paren_follows() { Kind::Identifier } else { Kind::Keyword(keyword) }
        } else if word.contains(':') {
            Kind::MetricIdentifier
        } else {
            Kind::Identifier
        };
        self.push(kind, start);
        Ok(())
    }

    fn paren_follows(&self) -> bool {
        self.bytes[self.at..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) == Some(&b'(')
    }

    pub(super) fn string(&mut self, quote: u8) -> Outcome {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None if quote == b'`' => return self.fail(start, "unterminated raw string"),
                None => return self.fail(start, "unterminated quoted string"),
                Some(b'\n') if quote != b'`' => return self.fail(start, "unterminated quoted string"),
                // What follows the backslash is checked when the value is read; here it only must not end the string.
                Some(b'\\') if quote != b'`' => self.at += 1 + usize::from(self.peek(1).is_some_and(|b| b != b'\n')),
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        self.push(Kind::String, start);
                        return Ok(());
                    }
                }
            }
        }
    }

    pub(super) fn number_or_duration(&mut self) -> Outcome {
        let start = self.at;
        if self.number() {
            self.push(Kind::Number, start);
            return Ok(());
        }
        if self.rest_of_duration() {
            self.push(Kind::Duration, start);
            return Ok(());
        }
        // The end may stand inside a character that took more than one byte.
        let end = (self.at..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.text.len());
        self.fail(start, format!("bad number or duration syntax: {:?}", &self.text[start..end]))
    }

    fn accept(&mut self, set: &str) -> bool {
        let hit = self.peek(0).is_some_and(|b| set.as_bytes().contains(&b));
        self.at += usize::from(hit);
        hit
    }

    /// Takes a number: decimal, hexadecimal, with a fraction, an exponent, underscores between digits. Stops where it no
    /// longer is one; then what was taken may be the beginning of a duration.
    fn number(&mut self) -> bool {
        let mut digits = "0123456789";
        if self.accept("0") && self.accept("xX") {
            self.accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        let hexadecimal = digits.len() > 10;
        let (mut dot, mut exponent) = (false, false);
        loop {
            if self.accept(digits) {
                continue;
            }
            match self.peek(0) {
                Some(b'.') => {
                    self.at += 1;
                    if std::mem::replace(&mut dot, true) || hexadecimal || self.accept("_.") {
                        return false;
                    }
                }
                Some(b'e' | b'E') => {
                    self.at += 1;
                    if std::mem::replace(&mut exponent, true) {
                        return false;
                    }
                    self.accept("+-");
                    if self.accept("._eE") || self.peek(0).is_none() {
                        return false;
                    }
                }
                Some(b'_') => {
                    self.at += 1;
                    if self.accept("._eE") || self.peek(0).is_none() {
                        return false;
                    }
                }
                next => return !next.is_some_and(is_alphanumeric),
            }
        }
    }

    /// After digits: units and further digits, up to something that is neither. Order and repetition of units are checked
    /// when the value is read.
    fn rest_of_duration(&mut self) -> bool {
        let mut first = true;
        loop {
            if !self.accept(if first { "smhdwy" } else { "smhdw" }) {
                // What stands here belongs to the message.
                self.at += usize::from(self.peek(0).is_some_and(|b| b.is_ascii()));
                return false;
            }
            self.accept("s");
            first = false;
            if !self.accept("0123456789") {
                let ends = !self.peek(0).is_some_and(is_alphanumeric);
                self.at += usize::from(!ends);
                return ends;
            }
            self.take_while(|b| b.is_ascii_digit());
        }
    }
}
