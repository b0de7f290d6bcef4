//! Verdict, row by row.

use domain::CallStatus::{self, Busy, Cancelled, Completed, Failed, NoAnswer, Rejected};
use sip::header::Reason;
use switch::verdict::{Ending, q850_of, q850_of_reason, status_of};

const ALL: &[(Ending, u16, u8, CallStatus)] = &[
    (Ending::Completed, 200, 16, Completed),
    (Ending::BadDomain, 403, 21, Rejected),
    (Ending::ForeignIdentity, 403, 21, Rejected),
    (Ending::BadRequest, 400, 95, Rejected),
    (Ending::MethodNotAllowed, 405, 63, Rejected),
    (Ending::MethodUnknown, 501, 79, Rejected),
    (Ending::TooManyHops, 483, 25, Rejected),
    (Ending::TooBrief, 423, 31, Rejected),
    (Ending::OutOfOrder, 500, 41, Rejected),
    (Ending::BadContact, 416, 127, Rejected),
    (Ending::TooManyBindings, 403, 21, Rejected),
    (Ending::UnknownNumber, 404, 1, Rejected),
    (Ending::NotRegistered, 480, 20, NoAnswer),
    (Ending::Busy, 486, 17, Busy),
    (Ending::DoNotDisturb, 480, 21, Rejected),
    (Ending::ForwardLoop, 482, 25, Failed),
    (Ending::TooManyForwards, 483, 25, Failed),
    (Ending::Declined, 603, 21, Rejected),
    (Ending::NoAnswer, 480, 19, NoAnswer),
    (Ending::Cancelled, 487, 16, Cancelled),
    (Ending::AnsweredElsewhere, 487, 26, Cancelled),
    (Ending::TooManyCalls, 503, 34, Rejected),
    (Ending::NoCommonCodec, 488, 88, Failed),
    (Ending::Offer(400), 400, 95, Failed),
    (Ending::Offer(406), 406, 79, Failed),
    (Ending::Offer(415), 415, 79, Failed),
    (Ending::Offer(488), 488, 88, Failed),
    (Ending::Offer(0), 488, 88, Failed),
    (Ending::MediaFailure, 503, 47, Failed),
    (Ending::Unprotected, 488, 111, Failed),
    (Ending::NoAck, 408, 102, Failed),
    (Ending::NoPrack, 504, 102, Failed),
    (Ending::PeerVanished, 408, 27, Failed),
    (Ending::Timeout, 408, 102, NoAnswer),
    (Ending::TransportFailed, 503, 27, Failed),
    (Ending::Draining, 503, 41, Rejected),
    (Ending::Overloaded, 503, 42, Rejected),
    (Ending::SystemError, 500, 41, Failed),
    (Ending::SystemRestart, 500, 41, Failed),
    // Answers of a phone that was called: what the caller is told, the cause of the answer, the record.
    (Ending::Refused(302), 480, 127, Rejected),
    (Ending::Refused(400), 502, 41, Failed),
    (Ending::Refused(401), 480, 21, Rejected),
    (Ending::Refused(403), 403, 21, Rejected),
    (Ending::Refused(404), 404, 1, Rejected),
    (Ending::Refused(407), 480, 21, Rejected),
    (Ending::Refused(408), 408, 102, NoAnswer),
    (Ending::Refused(420), 502, 127, Failed),
    (Ending::Refused(480), 480, 18, NoAnswer),
    (Ending::Refused(482), 482, 25, Failed),
    (Ending::Refused(486), 486, 17, Busy),
    (Ending::Refused(487), 480, 16, Rejected),
    (Ending::Refused(488), 488, 88, Failed),
    (Ending::Refused(500), 500, 41, Failed),
    (Ending::Refused(503), 500, 41, Failed),
    (Ending::Refused(600), 600, 17, Busy),
    (Ending::Refused(603), 603, 21, Rejected),
    (Ending::Refused(606), 606, 88, Failed),
    (Ending::Refused(699), 699, 127, Rejected),
    (Ending::Refused(0), 502, 127, Failed),
    (Ending::Refused(u16::MAX), 502, 127, Failed),
    (Ending::Dialplan(1), 404, 1, Rejected),
    (Ending::Dialplan(16), 480, 16, Rejected),
    (Ending::Dialplan(17), 486, 17, Busy),
    (Ending::Dialplan(19), 480, 19, NoAnswer),
    (Ending::Dialplan(21), 403, 21, Rejected),
    (Ending::Dialplan(34), 503, 34, Rejected),
    (Ending::Dialplan(127), 500, 127, Rejected),
];

#[test]
fn every_ending_has_its_status_cause_and_record() {
    for (ending, sip, q850, status) in ALL {
        let verdict = ending.verdict();
        assert_eq!((verdict.sip, verdict.q850, verdict.status), (*sip, *q850, *status), "{ending:?}");
    }
}

#[test]
fn whatever_a_phone_or_a_dialplan_says_has_a_final_status_and_a_sentence() {
    let refused = (0..=u16::MAX).map(Ending::Refused);
    let dialplan = (0..=u8::MAX).map(Ending::Dialplan);
    for ending in refused.chain(dialplan).chain(ALL.iter().map(|row| row.0)) {
        let verdict = ending.verdict();
        assert!(ending == Ending::Completed || (400..=699).contains(&verdict.sip), "{ending:?}");
        assert!(verdict.sentence.starts_with(char::is_uppercase) && verdict.sentence.is_ascii(), "{ending:?}");
        assert!(verdict.status != CallStatus::Active, "{ending:?}");
        assert!(![401, 407, 503].contains(&verdict.sip) || !matches!(ending, Ending::Refused(_)), "{ending:?}");
    }
}

/// RFC 3398 §8.2.6.1, the whole table.
#[test]
fn statuses_become_causes() {
    for (code, cause) in [
        (400, 41),
        (401, 21),
        (402, 21),
        (403, 21),
        (404, 1),
        (405, 63),
        (406, 79),
        (407, 21),
        (408, 102),
        (410, 22),
        (413, 127),
        (414, 127),
        (415, 79),
        (416, 127),
        (420, 127),
        (421, 127),
        (423, 127),
        (480, 18),
        (481, 41),
        (482, 25),
        (483, 25),
        (484, 28),
        (485, 1),
        (486, 17),
        (500, 41),
        (501, 79),
        (502, 38),
        (503, 41),
        (504, 102),
        (505, 127),
        (513, 127),
        (600, 17),
        (603, 21),
        (604, 1),
    ] {
        assert_eq!(q850_of(code), cause, "{code}");
    }
}

/// RFC 3398 §7.2.4.1, the whole table.
#[test]
fn causes_become_statuses() {
    for (cause, code) in [
        (1, 404),
        (2, 404),
        (3, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (20, 480),
        (21, 403),
        (22, 410),
        (23, 410),
        (26, 404),
        (27, 502),
        (28, 484),
        (29, 501),
        (31, 480),
        (34, 503),
        (38, 503),
        (41, 503),
        (42, 503),
        (47, 503),
        (55, 403),
        (57, 403),
        (58, 503),
        (65, 488),
        (70, 488),
        (79, 501),
        (87, 403),
        (88, 503),
        (102, 504),
        (111, 500),
        (127, 500),
    ] {
        assert_eq!(status_of(cause), code, "{cause}");
    }
}

#[test]
fn reasons_are_written_and_read() {
    assert_eq!(Ending::Busy.reason(), Reason::q850(17, "The person called is busy"));
    assert_eq!(Ending::AnsweredElsewhere.reason(), Reason::sip(200, "Call completed elsewhere"));
    for (reason, cause) in [
        (Reason::q850(17, ""), Some(17)),
        (Reason::q850(127, ""), Some(127)),
        (Reason::q850(0, ""), None),
        (Reason::q850(128, ""), None),
        (Reason::q850(u16::MAX, ""), None),
        (Reason::sip(486, ""), Some(17)),
        (Reason::sip(200, ""), Some(16)),
        (Reason { protocol: "q.850".into(), cause: Some(21), text: None }, Some(21)),
        (Reason { protocol: "Preemption".into(), cause: Some(1), text: None }, None),
        (Reason { protocol: "Q.850".into(), cause: None, text: None }, None),
    ] {
        assert_eq!(q850_of_reason(&reason), cause, "{reason:?}");
    }
}

#[test]
fn of_several_branches_the_caller_hears_the_one_that_says_most() {
    let order =
        [Ending::Refused(603), Ending::Refused(486), Ending::Refused(480), Ending::Timeout, Ending::TransportFailed];
    for (place, best) in order.iter().enumerate() {
        for other in &order[place..] {
            assert_eq!(best.better(*other), *best);
            assert_eq!(other.better(*best), *best);
        }
    }
    assert_eq!(Ending::Refused(480).better(Ending::Refused(404)), Ending::Refused(480), "the first among equals");
}
