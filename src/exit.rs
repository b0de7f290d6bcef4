//! How the program ends when it cannot do what it was asked.

use std::fmt;

/// A mistake of whoever started the program: one line with what is wrong and the remedy, exit code 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// The exit code of a refusal.
    pub const EXIT_CODE: u8 = 2;

    /// Folds the text into one line.
    pub fn new(line: impl Into<String>) -> Self {
        let line: String = line.into();
        Self(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
