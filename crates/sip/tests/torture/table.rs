//! One row for each message of `tests/corpus`: its section, how it is read, and what it is answered with.
//!
//! No row repeats a message of the RFCs: each has the same property in our own words. Where an RFC leaves a choice, the row says
//! what we chose.

use std::path::Path;

/// A message and everything that is expected of it.
pub(crate) struct Row {
    /// `4475 3.1.2.3`, or `own` for what the RFCs forgot.
    pub(crate) section: &'static str,
    /// The file in `tests/corpus`, without `.sip`.
    pub(crate) file: &'static str,
    /// What the parser makes of it.
    pub(crate) reading: Reading,
    /// What the endpoint answers.
    pub(crate) answer: Answer,
    /// What is other about it on a stream.
    pub(crate) stream: Stream,
}

/// What the parser makes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    /// It is understood.
    Sound,
    /// It is understood well enough to be refused with this status.
    Faulty(u16),
    /// It is nothing that could be answered.
    Dropped,
}

/// What comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Nothing: a response that belongs to nothing of ours, or no message at all.
    Silence,
    /// This status, whoever asks.
    Refused(u16),
    /// The request is good. A stranger is told to prove itself or sent away (`stranger`); the extension `ada`, with digest, gets
    /// the switch's own answer (`known`), when its called party `bob` is busy.
    Good {
        /// The status without credentials.
        stranger: u16,
        /// The status with them.
        known: u16,
    },
}

/// What a stream has that a datagram has not: an end only where Content-Length says so (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    /// Nothing is other.
    Same,
    /// The rest is waited for.
    Waits,
    /// Nobody knows where the next message would begin: 400, and the connection is closed.
    Refused,
    /// The connection is closed without a word.
    Closed,
    /// A keep-alive, which is answered by CRLF (RFC 5626 §4.4.1).
    Pong,
}

const SOUND: Reading = Reading::Sound;
const BAD: Reading = Reading::Faulty(400);
const REFUSED: Answer = Answer::Refused(400);
const SAME: Stream = Stream::Same;

/// A call to `bob`, who is busy.
const CALL: Answer = Answer::Good { stranger: 407, known: 486 };
/// A registration of `ada`.
const REGISTRATION: Answer = Answer::Good { stranger: 401, known: 200 };
/// A registration of somebody whom `ada` is not.
const NOT_ITSELF: Answer = Answer::Good { stranger: 401, known: 403 };
/// A question what we can do.
const QUESTION: Answer = Answer::Good { stranger: 401, known: 200 };
/// A method that nobody has heard of, but whose syntax is right.
const NOVELTY: Answer = Answer::Good { stranger: 407, known: 501 };

macro_rules! rows {
    ($($section:literal $file:literal $reading:ident $answer:expr, $stream:expr;)*) => {
        /// Every message.
        pub(crate) const ROWS: &[Row] = &[
            $(Row { section: $section, file: $file, reading: $reading, answer: $answer, stream: $stream }),*
        ];
    };
}

const DROPPED: Reading = Reading::Dropped;
const VERSION: Reading = Reading::Faulty(505);

rows! {
    // It has a To tag, so it claims a dialog that is not ours.
    "4475 3.1.1.1" "valid-whitespace" SOUND Answer::Refused(481), SAME;
    "4475 3.1.1.2" "valid-odd-method" SOUND NOVELTY, SAME;
    "4475 3.1.1.3" "valid-escaped-user" SOUND Answer::Good { stranger: 407, known: 404 }, SAME;
    "4475 3.1.1.4" "valid-escaped-null" SOUND NOT_ITSELF, SAME;
    "4475 3.1.1.5" "valid-percent-method" SOUND NOVELTY, SAME;
    "4475 3.1.1.6" "valid-display-touches-bracket" SOUND QUESTION, SAME;
    "4475 3.1.1.7" "valid-long" SOUND CALL, SAME;
    // On a stream the second half is a message of its own, and an illegal one: no Via, nobody to answer.
    "4475 3.1.1.8" "valid-two-in-one" SOUND REGISTRATION, SAME;
    "4475 3.1.1.9" "valid-semicolon-user" SOUND QUESTION, SAME;
    "4475 3.1.1.10" "valid-transports" SOUND QUESTION, SAME;
    "4475 3.1.1.11" "valid-binary-body" SOUND QUESTION, SAME;
    "4475 3.1.1.12" "valid-reason-utf8" SOUND Answer::Silence, SAME;
    "4475 3.1.1.13" "valid-reason-empty" SOUND Answer::Silence, SAME;
    "own" "valid-reason-missing-space" SOUND Answer::Silence, SAME;
    "4475 3.1.2.1" "invalid-separators" BAD REFUSED, SAME;
    "4475 3.1.2.2" "invalid-length-too-long" BAD REFUSED, Stream::Waits;
    "4475 3.1.2.3" "invalid-length-negative" BAD REFUSED, Stream::Refused;
    "4475 3.1.2.4" "invalid-scalars" BAD REFUSED, SAME;
    // The CSeq cannot be ours, so it is dropped when it is looked at.
    "4475 3.1.2.5" "invalid-response-scalars" DROPPED Answer::Silence, SAME;
    "4475 3.1.2.6" "invalid-open-quote" BAD REFUSED, SAME;
    "4475 3.1.2.7" "invalid-bracketed-uri" BAD REFUSED, SAME;
    "4475 3.1.2.8" "invalid-blank-in-uri" BAD REFUSED, SAME;
    // §3.1.2.9 and §3.1.2.10 let a server be liberal; we are not, since two readers must not see two URIs.
    "4475 3.1.2.9" "invalid-blanks-in-start" BAD REFUSED, SAME;
    "4475 3.1.2.10" "invalid-trailing-blank" BAD REFUSED, SAME;
    "4475 3.1.2.11" "invalid-uri-headers" BAD REFUSED, SAME;
    // Nobody here needs the Date: it is not looked at.
    "4475 3.1.2.12" "invalid-date-zone" SOUND CALL, SAME;
    "4475 3.1.2.13" "invalid-contact-question" SOUND Answer::Good { stranger: 401, known: 400 }, SAME;
    // The RFC lets a server pass over these blanks, and some phones write them.
    "4475 3.1.2.14" "invalid-blank-in-address" SOUND QUESTION, SAME;
    "4475 3.1.2.15" "invalid-display-comma" BAD REFUSED, SAME;
    "4475 3.1.2.16" "invalid-version" VERSION Answer::Refused(505), SAME;
    "4475 3.1.2.17" "invalid-method-mismatch" BAD REFUSED, SAME;
    "4475 3.1.2.18" "invalid-new-method-mismatch" BAD REFUSED, SAME;
    "4475 3.1.2.19" "invalid-big-code" DROPPED Answer::Silence, SAME;
    // A branch of the cookie alone is as good as none: the other fields tell the transaction.
    "4475 3.2.1" "valid-bare-branch" SOUND QUESTION, SAME;
    "4475 3.3.1" "invalid-missing-fields" BAD REFUSED, SAME;
    "4475 3.3.2" "valid-unknown-scheme" SOUND Answer::Refused(416), SAME;
    "4475 3.3.3" "valid-novel-scheme" SOUND Answer::Refused(416), SAME;
    "4475 3.3.3" "valid-urn" SOUND Answer::Refused(416), SAME;
    "4475 3.3.3" "valid-tel" SOUND Answer::Good { stranger: 407, known: 404 }, SAME;
    "4475 3.3.4" "valid-foreign-schemes" SOUND NOT_ITSELF, SAME;
    "4475 3.3.5" "valid-require" SOUND Answer::Good { stranger: 401, known: 420 }, SAME;
    "4475 3.3.6" "valid-unknown-body" SOUND Answer::Good { stranger: 407, known: 415 }, SAME;
    "4475 3.3.7" "valid-unknown-auth" SOUND REGISTRATION, SAME;
    "4475 3.3.8" "invalid-twice" BAD REFUSED, SAME;
    "4475 3.3.9" "invalid-length-twice" BAD REFUSED, Stream::Refused;
    "4475 3.3.10" "valid-multicast-response" SOUND Answer::Silence, SAME;
    "4475 3.3.11" "valid-zero-forwards" SOUND QUESTION, SAME;
    "4475 3.3.12" "valid-contact-unknown-param" SOUND REGISTRATION, SAME;
    "4475 3.3.13" "valid-star" SOUND REGISTRATION, SAME;
    "4475 3.3.14" "valid-contact-headers" SOUND REGISTRATION, SAME;
    "4475 3.3.15" "valid-accept-unknown" SOUND Answer::Good { stranger: 407, known: 406 }, SAME;
    "4475 3.4.1" "valid-rfc2543" SOUND CALL, SAME;
    "4475 3.4.1" "valid-rfc2543-sdp" SOUND CALL, SAME;
    "5118 4.1" "valid-v6-register" SOUND REGISTRATION, SAME;
    "5118 4.2" "invalid-v6-no-brackets" BAD REFUSED, SAME;
    "5118 4.3" "valid-v6-port-inside" SOUND REGISTRATION, SAME;
    "5118 4.4" "valid-v6-port-outside" SOUND REGISTRATION, SAME;
    "5118 4.5" "valid-v6-received" SOUND Answer::Good { stranger: 407, known: 481 }, SAME;
    "5118 4.6" "valid-v6-sdp" SOUND CALL, SAME;
    "5118 4.7" "valid-v6-many-hops" SOUND QUESTION, SAME;
    "5118 4.8" "valid-v6-many-streams" SOUND CALL, SAME;
    "5118 4.9" "valid-v6-mapped" SOUND CALL, SAME;
    "5118 4.10" "valid-v6-three-colons" SOUND QUESTION, SAME;
    "5118 4.10" "valid-v6-two-colons" SOUND QUESTION, SAME;
    "own" "valid-answer" SOUND Answer::Silence, SAME;
    "own" "valid-invite" SOUND CALL, SAME;
    "own" "valid-register" SOUND REGISTRATION, SAME;
    "own" "valid-no-length" SOUND QUESTION, Stream::Refused;
    "own" "invalid-cut-in-headers" BAD REFUSED, Stream::Waits;
    "own" "invalid-keepalive" DROPPED Answer::Silence, Stream::Pong;
    "own" "invalid-no-colon" BAD REFUSED, SAME;
    "own" "invalid-no-sip" DROPPED Answer::Silence, Stream::Closed;
    "own" "invalid-raw-null" BAD REFUSED, SAME;
    "own" "invalid-response-cut" DROPPED Answer::Silence, Stream::Waits;
}

/// The bytes of a message, from the folder where the corpus is.
pub(crate) fn bytes(corpus: &Path, file: &str) -> Vec<u8> {
    let path = corpus.join(format!("{file}.sip"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
