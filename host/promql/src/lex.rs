//! Text to tokens. Inside braces there are no keywords, inside brackets only those of durations; the rest is context-free.

mod words;

use crate::position::{LineColumn, Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Duration,
    /// Quoted; the value is read by [`crate::text::unquote`].
    String,
    Identifier,
    /// An identifier with a colon.
    MetricIdentifier,
    /// A word with a meaning, in lower case as it is listed in [`KEYWORDS`].
    Keyword(&'static str),
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// Why nothing can be read from here on. Always the last token.
    Error(String),
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// Words with a meaning outside braces and brackets. Any of them can be a label, most of them a metric's name.
pub(crate) const KEYWORDS: [&str; 37] = [
    "and",
    "or",
    "unless",
    "atan2",
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "count_values",
    "quantile",
    "limitk",
    "limit_ratio",
    "offset",
    "smoothed",
    "anchored",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "fill",
    "fill_left",
    "fill_right",
    "bool",
    "start",
    "end",
    "step",
    "range",
    "max_of",
    "min_of",
];

/// Words with a meaning inside brackets.
const DURATION_KEYWORDS: [&str; 4] = ["step", "range", "max_of", "min_of"];

/// Most tokens of an expression: some ten times what the longest query has that anyone writes by program. A token makes up
/// to some hundred bytes of the tree.
pub(crate) const TOKENS_MAX: usize = 150_000;

/// Reads all tokens. The last is [`Kind::End`] or [`Kind::Error`].
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        in_braces: false,
        in_brackets: false,
        parens: 0,
        colon_seen: false,
        line: LineColumn::default(),
        counted: 0,
        tokens: Vec::new(),
    };
    if let Err(fault) = lexer.run() {
        let span = lexer.span(fault.start, text.len());
        lexer.tokens.push(Token { kind: Kind::Error(fault.message), span });
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    in_braces: bool,
    in_brackets: bool,
    parens: usize,
    colon_seen: bool,
    /// Where the byte `counted` stands. Tokens come in order, so each byte is looked at once.
    line: LineColumn,
    counted: usize,
    tokens: Vec<Token>,
}

struct Fault {
    start: usize,
    message: String,
}

type Outcome = Result<(), Fault>;

impl Lexer<'_> {
    fn run(&mut self) -> Outcome {
        loop {
            self.skip_blank();
            let Some(byte) = self.peek(0) else {
                return self.end();
            };
            if self.tokens.len() >= TOKENS_MAX {
                return self.fail(self.at, format!("the expression has more than {TOKENS_MAX} words and signs"));
            }
            if self.in_braces {
                self.inside_braces(byte)?;
            } else if self.in_brackets {
                self.inside_brackets(byte)?;
            } else {
                self.statement(byte)?;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                // No comment inside brackets, as upstream.
                b'#' if !self.in_brackets => {
                    while self.peek(0).is_some_and(|b| b != b'\n' && b != b'\r') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn fail(&self, start: usize, message: impl Into<String>) -> Outcome {
        Err(Fault { start, message: message.into() })
    }

    /// The character at this byte, for messages.
    fn character(&self, at: usize) -> String {
        self.text.get(at..).and_then(|rest| rest.chars().next()).map_or_else(|| "end of input".to_owned(), |c| format!("{c:?}"))
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let span = self.span(start, self.at);
        self.tokens.push(Token { kind, span });
    }

    fn span(&mut self, start: usize, end: usize) -> Span {
        for byte in &self.bytes[self.counted..start.max(self.counted)] {
            if *byte == b'\n' {
                self.line = LineColumn { line: self.line.line + 1, column: 1 };
            } else {
                self.line.column += 1;
            }
        }
        self.counted = self.counted.max(start);
        Span { start, end, position: self.line }
    }

    fn symbol(&mut self, symbol: &'static str) -> Outcome {
        let start = self.at;
        self.at += symbol.len();
        self.push(Kind::Symbol(symbol), start);
        Ok(())
    }

    fn end(&mut self) -> Outcome {
        let at = self.text.len();
        if self.in_braces {
            return self.fail(at, "unexpected end of input inside braces");
        }
        if self.in_brackets {
            return self.fail(at, "unexpected end of input in duration expression");
        }
        if self.parens > 0 {
            return self.fail(at, "unclosed left parenthesis");
        }
        self.push(Kind::End, at);
        Ok(())
    }

    fn statement(&mut self, byte: u8) -> Outcome {
        let next = self.peek(1);
        match byte {
            b',' => self.symbol(","),
            b'*' => self.symbol("*"),
            b'/' => self.symbol("/"),
            b'%' => self.symbol("%"),
            b'+' => self.symbol("+"),
            b'-' => self.symbol("-"),
            b'^' => self.symbol("^"),
            b'@' => self.symbol("@"),
            b'=' if next == Some(b'=') => self.symbol("=="),
            b'=' if next == Some(b'~') => self.fail(self.at, "unexpected character after '=': '~'"),
            b'=' => self.symbol("="),
            b'!' if next == Some(b'=') => self.symbol("!="),
            b'!' => self.fail(self.at, format!("unexpected character after '!': {}", self.character(self.at + 1))),
            b'<' if next == Some(b'=') => self.symbol("<="),
            b'<' if next == Some(b'/') => self.symbol("</"),
            b'<' => self.symbol("<"),
            b'>' if next == Some(b'=') => self.symbol(">="),
            b'>' if next == Some(b'/') => self.symbol(">/"),
            b'>' => self.symbol(">"),
            b'"' | b'\'' | b'`' => self.string(byte),
            b'(' | b')' => self.paren(byte),
            b'{' => {
                self.in_braces = true;
                self.symbol("{")
            }
            b'[' => {
                self.in_brackets = true;
                self.colon_seen = false;
                self.symbol("[")
            }
            b']' => self.fail(self.at, "unexpected right bracket ']'"),
            _ if byte.is_ascii_digit() || (byte == b'.' && next.is_some_and(|b| b.is_ascii_digit())) => self.number_or_duration(),
            _ if is_alpha(byte) || byte == b':' => self.word(),
            _ => self.fail(self.at, format!("unexpected character: {}", self.character(self.at))),
        }
    }

    fn paren(&mut self, byte: u8) -> Outcome {
        if byte == b'(' {
            self.parens += 1;
            return self.symbol("(");
        }
        if self.parens == 0 {
            return self.fail(self.at, "unexpected right parenthesis ')'");
        }
        self.parens -= 1;
        self.symbol(")")
    }

    fn inside_braces(&mut self, byte: u8) -> Outcome {
        let next = self.peek(1);
        match byte {
            b',' => self.symbol(","),
            b'"' | b'\'' | b'`' => self.string(byte),
            b'=' if next == Some(b'~') => self.symbol("=~"),
            b'=' => self.symbol("="),
            b'!' if next == Some(b'~') => self.symbol("!~"),
            b'!' if next == Some(b'=') => self.symbol("!="),
            b'!' => self.fail(self.at, format!("unexpected character after '!' inside braces: {}", self.character(self.at + 1))),
            b'{' => self.fail(self.at, "unexpected left brace '{'"),
            b'}' => {
                self.in_braces = false;
                self.symbol("}")
            }
            _ if is_alpha(byte) => {
                let start = self.at;
                self.take_while(is_alphanumeric);
                self.push(Kind::Identifier, start);
                Ok(())
            }
            _ => self.fail(self.at, format!("unexpected character inside braces: {}", self.character(self.at))),
        }
    }

    fn inside_brackets(&mut self, byte: u8) -> Outcome {
        match byte {
            b']' => {
                self.in_brackets = false;
                self.symbol("]")
            }
            b':' if self.colon_seen => self.fail(self.at, "unexpected repeated colon in duration expression"),
            b':' => {
                self.colon_seen = true;
                self.symbol(":")
            }
            b'(' | b')' => self.paren(byte),
            b'+' => self.symbol("+"),
            b'-' => self.symbol("-"),
            b'*' => self.symbol("*"),
            b'/' => self.symbol("/"),
            b'%' => self.symbol("%"),
            b'^' => self.symbol("^"),
            b',' => self.symbol(","),
            b'[' => self.fail(self.at, "unexpected left bracket '['"),
            _ if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_some_and(|b| b.is_ascii_digit())) => self.number_or_duration(),
            _ if is_alpha(byte) => {
                let start = self.at;
                self.take_while(is_alpha);
                let word = self.text[start..self.at].to_ascii_lowercase();
                match DURATION_KEYWORDS.into_iter().find(|k| *k == word) {
                    Some(keyword) => {
                        self.push(Kind::Keyword(keyword), start);
                        Ok(())
                    }
                    None => self.fail(start, format!("unexpected character: {}, expected ':'", self.character(start))),
                }
            }
            _ => self.fail(self.at, format!("unexpected character in duration expression: {}", self.character(self.at))),
        }
    }
}

fn is_alpha(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

fn is_alphanumeric(byte: u8) -> bool {
    is_alpha(byte) || byte.is_ascii_digit()
}
