//! What can be wrong with a message, sorted by whose fault it is.

use thiserror::Error as ThisError;

/// Why a message or one of its parts was not accepted.
///
/// No variant carries bytes of the message: an error may be logged anywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
pub enum Error {
    /// The bytes cannot be decoded at all.
    #[error("{header} cannot be read at byte {position}")]
    Malformed {
        /// The header field, or the part of the message, that could not be read.
        header: &'static str,
        /// Offset within that value; within the message for the start line and the header section.
        position: usize,
    },
    /// The bytes decode, but the protocol forbids what they say.
    #[error("{header}: {why}")]
    Violation {
        /// The header field, or the part of the message, that breaks the rule.
        header: &'static str,
        /// The rule.
        why: &'static str,
    },
    /// Lawful, but nothing we speak.
    #[error("{what} is not supported")]
    Unsupported {
        /// The thing asked for.
        what: &'static str,
    },
    /// A caller inside the program used this crate wrongly.
    #[error("misuse: {what}")]
    Misuse {
        /// What was done.
        what: &'static str,
    },
}

impl Error {
    /// A message beyond [`crate::limits::MESSAGE_BYTES`].
    pub(crate) const TOO_LONG: Error = Error::Violation { header: "message", why: "too long" };

    /// The status with which a request that shows this error is refused (RFC 3261 §21).
    pub fn status(&self) -> u16 {
        match self {
            Error::Violation { header: "message", why: "too long" } => 513,
            Error::Malformed { .. } | Error::Violation { .. } => 400,
            Error::Unsupported { what: "SIP version" } => 505,
            Error::Unsupported { .. } => 501,
            Error::Misuse { .. } => 500,
        }
    }
}

/// Shorthand for the error of a value of `header` at `position`.
pub(crate) fn malformed<T>(header: &'static str, position: usize) -> Result<T, Error> {
    Err(Error::Malformed { header, position })
}
