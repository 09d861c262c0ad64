//! A text that refuses to grow past a limit.

/// The limit on the size of values is reached. Ends the expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// A text with a limit in bytes. Everything that builds texts out of values goes through one, because a value may be
/// shared a thousand times within another.
#[derive(Debug)]
pub(crate) struct Text {
    text: String,
    max: usize,
}

impl Text {
    pub(crate) fn new(max: usize) -> Self {
        Self { text: String::new(), max }
    }

    pub(crate) fn push_str(&mut self, part: &str) -> Result<(), TooLong> {
        if part.len() > self.max - self.text.len() {
            return Err(TooLong);
        }
        self.text.push_str(part);
        Ok(())
    }

    pub(crate) fn push(&mut self, c: char) -> Result<(), TooLong> {
        self.push_str(c.encode_utf8(&mut [0; 4]))
    }

    /// The same character so many times.
    pub(crate) fn pad(&mut self, c: char, count: usize) -> Result<(), TooLong> {
        if count > self.max {
            return Err(TooLong);
        }
        (0..count).try_for_each(|_| self.push(c))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn remaining(&self) -> usize {
        self.max - self.text.len()
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }
}
