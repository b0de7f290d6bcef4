//! SIP statuses and Q.850 causes into one another (RFC 3398).

use sip::header::Reason;

/// The Q.850 cause of a final SIP status (RFC 3398 §8.2.6.1). 487 and the statuses of the 488 kind have no cause there; they
/// become 127 and 88.
#[must_use]
pub fn q850_of(code: u16) -> u8 {
    match code {
        404 | 485 | 604 => 1,
        200..=299 => 16,
        486 | 600 => 17,
        480 => 18,
        401 | 402 | 403 | 407 | 603 => 21,
        410 => 22,
        482 | 483 => 25,
        484 => 28,
        502 => 38,
        400 | 481 | 500 | 503 => 41,
        405 => 63,
        406 | 415 | 501 => 79,
        488 | 606 => 88,
        408 | 504 => 102,
        _ => 127,
    }
}

/// The SIP status of a Q.850 cause for an INVITE that was not answered (RFC 3398 §7.2.4.1). Cause 16 has none there; it
/// becomes 480, and so does 31. What the table does not list becomes 500.
#[must_use]
pub fn status_of(cause: u8) -> u16 {
    match cause {
        1 | 2 | 3 | 26 => 404,
        17 => 486,
        18 => 408,
        16 | 19 | 20 | 31 => 480,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 79 => 501,
        34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
        65 | 70 => 488,
        102 => 504,
        _ => 500,
    }
}

/// The cause that a Reason header names, directly or through a SIP status; `None` when it names neither.
#[must_use]
pub fn q850_of_reason(reason: &Reason) -> Option<u8> {
    let cause = reason.cause?;
    if reason.protocol.eq_ignore_ascii_case(b"Q.850") {
        u8::try_from(cause).ok().filter(|cause| (1..=127).contains(cause))
    } else if reason.protocol.eq_ignore_ascii_case(b"SIP") {
        Some(q850_of(cause))
    } else {
        None
    }
}
