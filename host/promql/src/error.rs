use std::fmt;

use model::seams::SelectError;

use crate::position::Span;

/// Why a text is not a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl ParseError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: parse error: {}", self.span.position, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Why a query has no answer. The kinds are apart because the HTTP API answers them with different types and codes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvalError {
    /// The question itself cannot be asked this way (`bad_data`): a range query of a range vector, a step of zero, a
    /// function that is not there yet.
    BadQuery(String),
    /// The data do not allow an answer (`execution`): many-to-many matches, two results with the same labels.
    Execution(String),
    /// A limit of [`crate::Limits`] other than time was reached (`execution` upstream).
    TooLarge(String),
    /// The deadline passed (`timeout`).
    Timeout,
    /// The caller gave up (`canceled`).
    Canceled,
    /// Storage could not answer (`internal`).
    Storage(SelectError),
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadQuery(text) | Self::Execution(text) | Self::TooLarge(text) => f.write_str(text),
            Self::Timeout => f.write_str("query timed out in expression evaluation"),
            Self::Canceled => f.write_str("query was canceled in expression evaluation"),
            Self::Storage(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EvalError {}

impl From<SelectError> for EvalError {
    fn from(error: SelectError) -> Self {
        Self::Storage(error)
    }
}
