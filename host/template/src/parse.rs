//! Tokens to a tree. The grammar is that of Go's `text/template/parse`.

mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Block, Node, Pipe};
use crate::lex::{Token, TokenKind, lex};

/// Deepest nesting of blocks and parentheses.
const NESTING_MAX: usize = 100;

/// What is wrong, and the byte it stands at.
pub(crate) type ParseError = (usize, String);

/// The templates that a text defines: its own body under its name, and those of `define` and `block`.
pub(crate) struct Parsed {
    pub(crate) body: Block,
    pub(crate) defined: BTreeMap<Arc<str>, Block>,
}

/// Reads a template. `is_function` says which functions there are besides Go's own.
pub(crate) fn parse(text: &str, is_function: &dyn Fn(&str) -> bool) -> Result<Parsed, ParseError> {
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        end: text.len(),
        is_function,
        variables: vec![Arc::from("$")],
        loops: 0,
        nesting: 0,
        defined: BTreeMap::new(),
    };
    let (body, end) = parser.block(true)?;
    match end {
        BlockEnd::Text => Ok(Parsed { body, defined: parser.defined }),
        BlockEnd::End(at) => Err((at, "unexpected {{end}}".to_owned())),
        BlockEnd::Else(at) => Err((at, "unexpected {{else}}".to_owned())),
    }
}

enum BlockEnd {
    /// The text is over.
    Text,
    /// `{{end}}`
    End(usize),
    /// `{{else`, with the rest of it still to read.
    Else(usize),
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
    is_function: &'a dyn Fn(&str) -> bool,
    /// Those in scope, for "undefined variable".
    variables: Vec<Arc<str>>,
    loops: usize,
    nesting: usize,
    defined: BTreeMap<Arc<str>, Block>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn here(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |token| token.span.start)
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(&TokenKind::Space) {
            self.at += 1;
        }
    }

    fn unexpected<T>(&self, context: &str) -> Result<T, ParseError> {
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(TokenKind::Close) => "the end of the action".to_owned(),
            Some(TokenKind::Text(_)) => "text".to_owned(),
            Some(_) => match &self.tokens[self.at].kind {
                TokenKind::Word(word) => format!("{word:?}"),
                TokenKind::Field(name) => format!("\".{name}\""),
                TokenKind::Variable(name) | TokenKind::Number(name) => format!("{name:?}"),
                TokenKind::String(text) => format!("the text {text:?}"),
                TokenKind::Pipe => "\"|\"".to_owned(),
                TokenKind::Comma => "\",\"".to_owned(),
                TokenKind::Declare => "\":=\"".to_owned(),
                TokenKind::Assign => "\"=\"".to_owned(),
                TokenKind::LeftParen => "\"(\"".to_owned(),
                TokenKind::RightParen => "\")\"".to_owned(),
                kind => format!("{kind:?}"),
            },
        };
        Err((self.here(), format!("unexpected {found} in {context}")))
    }

    fn close(&mut self, context: &str) -> Result<(), ParseError> {
        self.skip_space();
        if self.peek() != Some(&TokenKind::Close) {
            return self.unexpected(context);
        }
        self.at += 1;
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX { Err((self.here(), format!("nested deeper than {NESTING_MAX}"))) } else { Ok(()) }
    }

    /// Nodes up to the end of the text, `{{end}}` or `{{else`. `define` is allowed at the top alone.
    fn block(&mut self, top: bool) -> Result<(Block, BlockEnd), ParseError> {
        let mut nodes = Vec::new();
        loop {
            let start = self.here();
            match self.peek() {
                None => return Ok((nodes, BlockEnd::Text)),
                Some(TokenKind::Text(text)) => {
                    nodes.push(Node::Text(Arc::from(text.as_str())));
                    self.at += 1;
                    continue;
                }
                Some(_) => self.at += 1,
            }
            self.skip_space();
            let word = match self.peek() {
                Some(TokenKind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" => {
                    self.at += 1;
                    self.close("end")?;
                    return Ok((nodes, BlockEnd::End(start)));
                }
                "else" => {
                    self.at += 1;
                    return Ok((nodes, BlockEnd::Else(start)));
                }
                "define" if top => self.define(start)?,
                "define" => return Err((start, "unexpected {{define}} inside of another block".to_owned())),
                "if" | "with" | "range" => {
                    self.at += 1;
                    nodes.push(self.control(&word, start)?);
                }
                "block" => {
                    self.at += 1;
                    nodes.push(self.block_clause(start)?);
                }
                "template" => {
                    self.at += 1;
                    nodes.push(self.template_clause(start)?);
                }
                "break" | "continue" => {
                    self.at += 1;
                    if self.loops == 0 {
                        return Err((start, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                    }
                    self.close(&word)?;
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                _ => {
                    let pipe = self.pipeline("command", &TokenKind::Close)?;
                    nodes.push(Node::Action(pipe));
                }
            }
        }
    }

    /// Nodes up to `{{end}}`, for clauses that take no `else`.
    fn plain_block(&mut self, start: usize, what: &str) -> Result<Block, ParseError> {
        match self.block(false)? {
            (nodes, BlockEnd::End(_)) => Ok(nodes),
            (_, BlockEnd::Else(at)) => Err((at, format!("unexpected {{{{else}}}} in {what}"))),
            (_, BlockEnd::Text) => Err((start, format!("{what} has no {{{{end}}}}"))),
        }
    }

    fn define(&mut self, start: usize) -> Result<(), ParseError> {
        self.at += 1;
        let name = self.name("define clause")?;
        self.close("define clause")?;
        let body = self.separate(|parser| parser.plain_block(start, "define"))?;
        self.add(name, body, start)
    }

    fn add(&mut self, name: Arc<str>, body: Block, start: usize) -> Result<(), ParseError> {
        let is_empty = |block: &Block| block.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        match self.defined.get(&name) {
            // As in Go, an empty template does not replace one that says something, and one that does is not replaced.
            Some(there) if !is_empty(there) && !is_empty(&body) => {
                Err((start, format!("template: multiple definition of template {name:?}")))
            }
            Some(there) if !is_empty(there) => Ok(()),
            _ => {
                self.defined.insert(name, body);
                Ok(())
            }
        }
    }

    /// Reads the body of another template: its variables and loops are its own.
    fn separate<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        self.deeper()?;
        let variables = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let loops = std::mem::replace(&mut self.loops, 0);
        let result = read(self);
        self.variables = variables;
        self.loops = loops;
        self.nesting -= 1;
        result
    }

    fn name(&mut self, context: &str) -> Result<Arc<str>, ParseError> {
        self.skip_space();
        let Some(TokenKind::String(name)) = self.peek() else { return self.unexpected(context) };
        let name = Arc::from(name.as_str());
        self.at += 1;
        Ok(name)
    }

    fn optional_pipe(&mut self, context: &str) -> Result<Option<Pipe>, ParseError> {
        self.skip_space();
        if self.peek() == Some(&TokenKind::Close) {
            self.at += 1;
            return Ok(None);
        }
        self.pipeline(context, &TokenKind::Close).map(Some)
    }

    fn template_clause(&mut self, start: usize) -> Result<Node, ParseError> {
        let name = self.name("template clause")?;
        let pipe = self.optional_pipe("template clause")?;
        let end = self.tokens[self.at - 1].span.end;
        Ok(Node::Template { name, pipe, span: start..end })
    }

    fn block_clause(&mut self, start: usize) -> Result<Node, ParseError> {
        let name = self.name("block clause")?;
        self.skip_space();
        let pipe = self.pipeline("block clause", &TokenKind::Close)?;
        let end = self.tokens[self.at - 1].span.end;
        let body = self.separate(|parser| parser.plain_block(start, "block"))?;
        self.add(Arc::clone(&name), body, start)?;
        Ok(Node::Template { name, pipe: Some(pipe), span: start..end })
    }

    fn control(&mut self, word: &str, start: usize) -> Result<Node, ParseError> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(word, &TokenKind::Close)?;
        self.loops += usize::from(word == "range");
        let first = self.block(false)?;
        self.loops -= usize::from(word == "range");
        let (then, end) = first;
        let otherwise = match end {
            BlockEnd::End(_) => Vec::new(),
            BlockEnd::Text => return Err((start, format!("{word} has no {{{{end}}}}"))),
            BlockEnd::Else(at) => self.otherwise(word, at)?,
        };
        self.variables.truncate(scope);
        self.nesting -= 1;
        Ok(match word {
            "if" => Node::If { pipe, then, otherwise },
            "with" => Node::With { pipe, then, otherwise },
            _ => Node::Range { pipe, body: then, otherwise },
        })
    }

    /// After `{{else`: the rest of the action and the block it opens, `{{end}}` included.
    fn otherwise(&mut self, word: &str, start: usize) -> Result<Block, ParseError> {
        self.skip_space();
        match self.peek() {
            // `{{else if}}` shares the `{{end}}` of the whole.
            Some(TokenKind::Word(next)) if next == word && word != "range" => {
                self.at += 1;
                Ok(vec![self.control(word, start)?])
            }
            _ => {
                self.close("else")?;
                self.plain_block(start, "else")
            }
        }
    }
}
