use std::fmt;

/// A stretch of the query's text, in bytes: from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The same as `start`, for people.
    pub position: LineColumn,
}

impl Span {
    /// From the beginning of this one to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        self.until(other.end)
    }

    /// From the beginning of this one to a byte.
    pub(crate) fn until(self, end: usize) -> Self {
        Self { end, ..self }
    }
}

/// Line and column, both from 1; the column counts bytes, as upstream's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineColumn {
    /// The line.
    pub line: u32,
    /// The byte in the line.
    pub column: u32,
}

impl Default for LineColumn {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
