//! Cuts a template into text and the tokens between braces.
//!
//! The grammar is that of Go's `text/template/parse`.

use std::ops::Range;

/// A token with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// Outside of braces, already trimmed.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// White space within braces: it separates operands.
    Space,
    /// A name of a function, or a key word.
    Word(String),
    /// `.name`
    Field(String),
    /// `$name` or `$`
    Variable(String),
    /// `.`
    Dot,
    /// A number, not read yet.
    Number(String),
    /// A character constant.
    Char(char),
    /// A string, unquoted.
    String(String),
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `,`
    Comma,
}

/// What is wrong, and the byte it begins at.
pub(crate) type LexError = (usize, String);

/// All tokens of a template, in order.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, LexError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    let mut trim_left = false;
    loop {
        let open = text[lexer.at..].find("{{").map(|offset| lexer.at + offset);
        let end = open.unwrap_or(text.len());
        let trim_right = open.is_some_and(|open| has_left_trim(&text[open + 2..]));
        lexer.text_token(end, trim_left, trim_right);
        let Some(open) = open else { return Ok(lexer.tokens) };
        lexer.at = open + 2 + if trim_right { 2 } else { 0 };
        trim_left = match lexer.comment(open)? {
            Some(trim) => trim,
            None => lexer.action(open)?,
        };
    }
}

/// `- ` after the opening braces: the minus must be followed by white space, or it belongs to a number.
fn has_left_trim(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    bytes.first() == Some(&b'-') && bytes.get(1).is_some_and(|b| is_space(*b))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token { kind, span: start..self.at });
    }

    fn text_token(&mut self, end: usize, trim_left: bool, trim_right: bool) {
        let mut part = &self.text[self.at..end];
        if trim_left {
            part = part.trim_start_matches(SPACES);
        }
        if trim_right {
            part = part.trim_end_matches(SPACES);
        }
        if !part.is_empty() {
            self.tokens.push(Token { kind: TokenKind::Text(part.to_owned()), span: self.at..end });
        }
        self.at = end;
    }

    /// Skips a comment. Answers whether the text after it is trimmed, or None if this is no comment.
    fn comment(&mut self, open: usize) -> Result<Option<bool>, LexError> {
        if !self.text[self.at..].starts_with("/*") {
            return Ok(None);
        }
        let end = self.text[self.at..].find("*/").ok_or((open, "unclosed comment".to_owned()))?;
        self.at += end + 2;
        let rest = &self.text[self.at..];
        if rest.starts_with("}}") {
            self.at += 2;
            return Ok(Some(false));
        }
        if rest.as_bytes().first().is_some_and(|b| is_space(*b)) && rest[1..].starts_with("-}}") {
            self.at += 4;
            return Ok(Some(true));
        }
        Err((self.at, "comment ends before closing delimiter".to_owned()))
    }

    /// Tokens up to the closing braces. Answers whether the text after them is trimmed.
    fn action(&mut self, open: usize) -> Result<bool, LexError> {
        self.push(TokenKind::Open, open);
        let mut parens = 0_usize;
        loop {
            let start = self.at;
            let rest = &self.text[start..];
            if rest.as_bytes().first().is_some_and(|b| is_space(*b)) && rest[1..].starts_with("-}}") {
                self.at += 4;
                return self.close(start, parens).map(|()| true);
            }
            if rest.starts_with("}}") {
                self.at += 2;
                return self.close(start, parens).map(|()| false);
            }
            let Some(c) = rest.chars().next() else { return Err((open, "unclosed action".to_owned())) };
            match c {
                ' ' | '\t' | '\r' | '\n' => self.space(),
                '(' | ')' => {
                    self.at += 1;
                    self.push(if c == '(' { TokenKind::LeftParen } else { TokenKind::RightParen }, start);
                    parens = if c == '(' { Some(parens + 1) } else { parens.checked_sub(1) }
                        .ok_or((start, "unexpected right paren".to_owned()))?;
                }
                _ => self.token(c)?,
            }
        }
    }

    fn close(&mut self, start: usize, parens: usize) -> Result<(), LexError> {
        if parens > 0 {
            return Err((start, "unclosed left paren".to_owned()));
        }
        self.push(TokenKind::Close, start);
        Ok(())
    }

    /// White space, but not what belongs to a trimming close.
    fn space(&mut self) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() && is_space(bytes[self.at]) && !(self.at > start && self.text[self.at + 1..].starts_with("-}}")) {
            self.at += 1;
        }
        self.push(TokenKind::Space, start);
    }

    fn token(&mut self, c: char) -> Result<(), LexError> {
        let start = self.at;
        let next = self.text[start..].chars().nth(1);
        match c {
            '|' | ',' | '=' => {
                self.at += 1;
                self.push(
                    if c == '|' {
                        TokenKind::Pipe
                    } else if c == ',' {
                        TokenKind::Comma
                    } else {
                        TokenKind::Assign
                    },
                    start,
                );
            }
            ':' if next == Some('=') => {
                self.at += 2;
                self.push(TokenKind::Declare, start);
            }
            ':' => return Err((start, "expected :=".to_owned())),
            '"' => return self.quoted(),
            '`' => {
                let end = self.text[start + 1..].find('`').ok_or((start, "unterminated raw quoted string".to_owned()))?;
                self.at = start + 1 + end + 1;
                // As in Go, carriage returns are not part of a raw string.
                self.push(TokenKind::String(self.text[start + 1..=start + end].replace('\r', "")), start);
            }
            '\'' => return self.character(),
            '$' => {
                self.at += 1;
                self.name();
                self.terminated("variable")?;
                self.push(TokenKind::Variable(self.text[start..self.at].to_owned()), start);
            }
            '.' if !next.is_some_and(|n| n.is_ascii_digit()) => {
                self.at += 1;
                self.name();
                if self.at == start + 1 {
                    self.push(TokenKind::Dot, start);
                } else {
                    self.terminated("field")?;
                    self.push(TokenKind::Field(self.text[start + 1..self.at].to_owned()), start);
                }
            }
            '+' | '-' | '.' | '0'..='9' => return self.number(),
            c if is_name(c) => {
                self.name();
                self.terminated("name")?;
                self.push(TokenKind::Word(self.text[start..self.at].to_owned()), start);
            }
            c => return Err((start, format!("unexpected {c:?} in an action"))),
        }
        Ok(())
    }

    fn name(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    }

    /// A name ends at one of a few characters, so that `x+y` and the like are errors rather than two operands.
    fn terminated(&self, what: &str) -> Result<(), LexError> {
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(' | '=') => Ok(()),
            Some(_) if rest.starts_with("}}") => Ok(()),
            Some(c) => Err((self.at, format!("bad character {c:?} after a {what}"))),
        }
    }

    fn number(&mut self) -> Result<(), LexError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += usize::from(matches!(bytes[start], b'+' | b'-'));
        let hex = bytes[self.at..].len() > 1 && bytes[self.at] == b'0' && matches!(bytes[self.at + 1], b'x' | b'X');
        while let Some(byte) = bytes.get(self.at) {
            let exponent =
                if hex { matches!(bytes[self.at - 1], b'p' | b'P') } else { matches!(bytes[self.at.saturating_sub(1)], b'e' | b'E') };
            let part = byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'_')
                || (matches!(byte, b'+' | b'-') && exponent && self.at > start + 1);
            if !part {
                break;
            }
            self.at += 1;
        }
        self.push(TokenKind::Number(self.text[start..self.at].to_owned()), start);
        Ok(())
    }

    fn quoted(&mut self) -> Result<(), LexError> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.text[self.at..].chars().next() {
                None | Some('\n') => return Err((start, "unterminated quoted string".to_owned())),
                Some('"') => break,
                Some(_) => self.unescaped('"', &mut bytes)?,
            }
        }
        self.at += 1;
        // Escapes can write bytes that are not UTF-8; texts here are UTF-8 throughout.
        self.push(TokenKind::String(String::from_utf8_lossy(&bytes).into_owned()), start);
        Ok(())
    }

    fn character(&mut self) -> Result<(), LexError> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        match self.text[self.at..].chars().next() {
            None | Some('\n' | '\'') => return Err((start, "malformed character constant".to_owned())),
            Some(_) => self.unescaped('\'', &mut bytes)?,
        }
        if !self.text[self.at..].starts_with('\'') {
            return Err((start, "malformed character constant".to_owned()));
        }
        self.at += 1;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let c = text.chars().next().ok_or((start, "malformed character constant".to_owned()))?;
        self.push(TokenKind::Char(c), start);
        Ok(())
    }

    /// One character of a quoted text, or one escape, as Go writes them.
    fn unescaped(&mut self, quote: char, out: &mut Vec<u8>) -> Result<(), LexError> {
        let start = self.at;
        let bad = || (start, "bad escape in a quoted text".to_owned());
        let mut chars = self.text[start..].chars();
        let c = chars.next().ok_or_else(bad)?;
        if c != '\\' {
            self.at += c.len_utf8();
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            return Ok(());
        }
        let escape = chars.next().ok_or_else(bad)?;
        self.at += 1 + escape.len_utf8();
        let plain = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            c if c == quote => c as u8,
            'x' => return self.digits(2, 16).and_then(|n| u8::try_from(n).ok()).map(|b| out.push(b)).ok_or_else(bad),
            'u' | 'U' => {
                let c = self.digits(if escape == 'u' { 4 } else { 8 }, 16).and_then(char::from_u32).ok_or_else(bad)?;
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                return Ok(());
            }
            '0'..='7' => {
                self.at -= 1;
                return self.digits(3, 8).and_then(|n| u8::try_from(n).ok()).map(|b| out.push(b)).ok_or_else(bad);
            }
            _ => return Err(bad()),
        };
        out.push(plain);
        Ok(())
    }

    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + count)?;
        if !digits.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        self.at += count;
        u32::from_str_radix(digits, radix).ok()
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
