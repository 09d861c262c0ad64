use std::fmt;

/// What is wrong with a body, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The family at fault; empty where none is known.
    pub family: String,
    /// Bytes before the place.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// Longest part of a name that a message quotes, in characters.
const NAME_CHARS_MAX: usize = 80;

impl Error {
    /// `at` is the part of the body where the fault stands.
    pub(super) fn new(body: &[u8], family: &str, at: &[u8], message: &str) -> Self {
        // Both are slices of one allocation; where they are not, the offset is that of the end.
        let offset = (at.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize).min(body.len());
        Self { family: family.chars().take(NAME_CHARS_MAX).collect(), offset, message: message.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protobuf, byte {}", self.offset)?;
        if !self.family.is_empty() {
            write!(f, ", family {:?}", self.family)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}
