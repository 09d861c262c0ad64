//! The tree of a parsed template.

use std::ops::Range;
use std::sync::Arc;

/// Bytes of the template's text.
pub(crate) type Span = Range<usize>;

/// A list of nodes, executed in order.
pub(crate) type Block = Vec<Node>;

/// What stands between, and in, the braces.
#[derive(Debug)]
pub(crate) enum Node {
    /// Text outside of braces, trimmed as the markers say.
    Text(Arc<str>),
    /// `{{pipeline}}`
    Action(Pipe),
    /// `{{if}}`, with what `{{else}}` leads to.
    If { pipe: Pipe, then: Block, otherwise: Block },
    /// `{{with}}`
    With { pipe: Pipe, then: Block, otherwise: Block },
    /// `{{range}}`
    Range { pipe: Pipe, body: Block, otherwise: Block },
    /// `{{template "name" pipeline}}`
    Template { name: Arc<str>, pipe: Option<Pipe>, span: Span },
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// Commands, each of which hands its result to the next as its last argument.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Variables to declare or set, with their dollar sign.
    pub(crate) variables: Vec<Arc<str>>,
    /// `=` rather than `:=`.
    pub(crate) assign: bool,
    pub(crate) commands: Vec<Command>,
    pub(crate) span: Span,
}

/// An operand, or a function with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    /// Not empty.
    pub(crate) operands: Vec<Operand>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) kind: OperandKind,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Arc<str>),
    /// `.a.b`
    Field(Vec<Arc<str>>),
    /// `$x.a.b`
    Variable(Arc<str>, Vec<Arc<str>>),
    /// The name of a function.
    Function(Arc<str>),
    /// `(pipeline)`
    Pipe(Box<Pipe>),
    /// `(pipeline).a.b`
    Chain(Box<Operand>, Vec<Arc<str>>),
}
