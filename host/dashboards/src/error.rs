use std::fmt;

/// Why a text is no dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportError {
    /// Not JSON. The text carries line and column.
    Json(String),
    /// JSON of something else; the text says what was found and what is expected.
    NotADashboard(String),
    /// A form of dashboard that is not read.
    Unsupported(String),
    /// More of something than a dashboard may have.
    TooLarge {
        /// Of what, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(reason) => write!(f, "the dashboard is not valid JSON: {reason}"),
            Self::NotADashboard(reason) => write!(f, "this is not a dashboard: {reason}"),
            Self::Unsupported(reason) => f.write_str(reason),
            Self::TooLarge { what, count, limit } => write!(f, "the dashboard has {count} {what}, the limit is {limit}"),
        }
    }
}

impl std::error::Error for ImportError {}
