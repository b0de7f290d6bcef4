//! Which codec each leg speaks.

use media::{Accept, Carries, Codec};

use super::*;

fn codecs(plan: &Plan) -> [Codec; 2] {
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    [a.codec, b.codec]
}

#[test]
fn legs_that_share_nothing_are_transcoded() {
    let mut call = Call::new();
    let (to_b, to_a, plan) = call.exchange(&phone(PHONE_A, 4_000, "8", ""), &phone(PHONE_B, 5_000, "0", ""));
    assert_eq!(audio(&to_b).formats, ["8", "0", "9", "107", "101"], "what we can make of it is offered as well");
    assert_eq!(audio(&to_a).formats, ["8"]);
    assert_eq!(codecs(&plan), [Codec::Pcma, Codec::Pcmu]);
}

#[test]
fn opus_passes_between_two_under_the_numbers_of_each() {
    let opus = "a=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 useinbandfec=1\r\n";
    let answer = "a=rtpmap:98 opus/48000/2\r\na=fmtp:98 stereo=0\r\n";
    let mut call = Call::new();
    let (to_b, to_a, plan) =
        call.exchange(&phone(PHONE_A, 4_000, "111 8", opus), &phone(PHONE_B, 5_000, "98 0", answer));
    assert_eq!(audio(&to_b).formats, ["111", "8", "0", "9", "101"]);
    assert_eq!(audio(&to_b).fmtps[0], (111, "useinbandfec=1".to_owned()));
    assert_eq!(audio(&to_a).formats, ["111"]);
    assert_eq!(audio(&to_a).fmtps, [(111, "stereo=0".to_owned())]);
    assert_eq!(codecs(&plan), [Codec::Opus, Codec::Opus]);
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    assert_eq!((a.payload_type, b.payload_type, b.clock_hz, b.codec_name), (111, 98, 48_000, "opus"));
    assert!(b.accepts.contains(&Accept { payload_type: 111, carries: Carries::Audio(Codec::Opus) }));
}

#[test]
fn unknown_codecs_alone_are_offered_alone_and_never_to_several() {
    let mut a = Negotiation::new(1, Profile::plain(None));
    a.remote_offer(&phone(PHONE_A, 4_000, "18 4", "")).expect("offer");
    let mut b = Negotiation::new(2, Profile::plain(None));
    assert_eq!(plan::offer(&a, &mut b, TO_B, Reach::Forked).expect_err("nothing to fork").code, 488);
    let body = plan::offer(&a, &mut b, TO_B, Reach::Single).expect("offer");
    assert_eq!(audio(&body).formats, ["18", "4"]);
    assert_eq!(b.remote_answer(&phone(PHONE_B, 5_000, "0", "")).expect_err("never offered").code, 488);
    assert!(!b.is_stable(), "the offer is still open");
    b.remote_answer(&phone(PHONE_B, 5_000, "4", "")).expect("answer");
    let (to_a, plan) = plan::answer(&mut a, &b, TO_A).expect("plan");
    assert_eq!((&audio(&to_a).formats[..], plan.legs[0].codec_name), (&["4".to_owned()][..], "G723"));
}

#[test]
fn several_phones_are_offered_only_what_we_can_transcode() {
    let mut a = Negotiation::new(1, Profile::plain(None));
    a.remote_offer(&phone(PHONE_A, 4_000, "18 9 0 101 13", EVENTS)).expect("offer");
    let mut b = Negotiation::new(2, Profile::plain(None));
    let body = plan::offer(&a, &mut b, TO_B, Reach::Forked).expect("offer");
    assert_eq!(audio(&body).formats, ["9", "0", "8", "107", "101"]);
    let mut single = Negotiation::new(3, Profile::plain(None));
    let body = plan::offer(&a, &mut single, TO_B, Reach::Single).expect("offer");
    assert_eq!(audio(&body).formats, ["18", "9", "0", "8", "107", "101"], "comfort noise is no codec");
}

#[test]
fn the_caller_keeps_its_answer_whatever_later_branches_say() {
    let mut a = Negotiation::new(1, Profile::plain(None));
    a.remote_offer(&phone(PHONE_A, 4_000, "0 8 101", EVENTS)).expect("offer");
    let mut first = Negotiation::new(2, Profile::plain(None));
    let mut second = Negotiation::new(3, Profile::plain(None));
    for branch in [&mut first, &mut second] {
        plan::offer(&a, branch, TO_B, Reach::Forked).expect("offer");
    }
    first.remote_answer(&phone(PHONE_B, 5_000, "0 101", EVENTS)).expect("early answer");
    let (early, plan) = plan::answer(&mut a, &first, TO_A).expect("plan");
    assert_eq!(codecs(&plan), [Codec::Pcmu, Codec::Pcmu]);
    second.remote_answer(&phone("192.0.2.3", 6_000, "8", "")).expect("answer");
    let plan = plan::again(&a, &second).expect("plan");
    assert_eq!(codecs(&plan), [Codec::Pcmu, Codec::Pcma]);
    assert_eq!(plan.legs[1].dtmf, None);
    assert_eq!(plan::answer(&mut a, &second, TO_A).expect("the same body"), (early, plan));
    // A third phone is tried after the caller was answered: it is offered what reaches that answer.
    let mut third = Negotiation::new(4, Profile::plain(None));
    let body = plan::offer(&a, &mut third, TO_B, Reach::Single).expect("offer");
    assert_eq!(audio(&body).formats, ["0", "8", "9", "107", "101"]);
    // The same branch answers differently in its final response.
    second.remote_answer(&phone("192.0.2.3", 6_002, "0", "")).expect("answer again");
    let plan = plan::again(&a, &second).expect("plan");
    assert_eq!(codecs(&plan), [Codec::Pcmu, Codec::Pcmu]);
    assert_eq!(plan.legs[1].remote_rtp, Some("192.0.2.3:6002".parse().expect("address")));
}

#[test]
fn an_answer_with_both_laws_may_send_both() {
    let mut call = Call::new();
    let (_, to_a, plan) = call.exchange(&phone(PHONE_A, 4_000, "0 8", ""), &phone(PHONE_B, 5_000, "8 0", ""));
    assert_eq!(audio(&to_a).formats, ["8"], "the callee's first choice");
    for (payload_type, codec) in [(0, Codec::Pcmu), (8, Codec::Pcma)] {
        assert!(plan.legs[1].accepts.contains(&Accept { payload_type, carries: Carries::Audio(codec) }));
    }
}

#[test]
fn an_answer_may_leave_out_what_our_numbers_mean() {
    let mut call = Call::new();
    let (_, _, plan) = call.exchange(
        &phone(PHONE_A, 4_000, "97 0 101", "a=rtpmap:97 iLBC/8000\r\na=rtpmap:101 telephone-event/8000\r\n"),
        &phone(PHONE_B, 5_000, "97 101", ""),
    );
    assert_eq!((plan.legs[1].codec_name, plan.legs[1].dtmf), ("iLBC", Some(101)));
}

#[test]
fn events_are_offered_to_all_who_may_know_them_and_answered_to_those_who_do() {
    let mut call = Call::new();
    let (to_b, to_a, plan) = call.exchange(&phone(PHONE_A, 4_000, "0", ""), &phone(PHONE_B, 5_000, "0", ""));
    assert_eq!(audio(&to_b).formats.last().map(String::as_str), Some("101"));
    assert!(!String::from_utf8_lossy(&to_a).contains("telephone-event"));
    assert_eq!((plan.legs[0].dtmf, plan.legs[1].dtmf), (None, None));
    let mut call = Call::new();
    let wide =
        "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let (to_b, ..) = call.exchange(&phone(PHONE_A, 4_000, "111 0 110 101", wide), &phone(PHONE_B, 5_000, "0", ""));
    assert_eq!(audio(&to_b).formats, ["111", "0", "8", "9", "101", "110"]);
}

#[test]
fn events_follow_the_clock_of_the_codec() {
    let both =
        "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let mut call = Call::new();
    let b = "a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n";
    let (_, to_a, plan) =
        call.exchange(&phone(PHONE_A, 4_000, "111 0 110 101", both), &phone(PHONE_B, 5_000, "96 97", b));
    assert_eq!(audio(&to_a).formats, ["111", "110"]);
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    assert_eq!((a.dtmf, a.dtmf_clock_hz, b.dtmf, b.dtmf_clock_hz), (Some(110), 48_000, Some(97), 48_000));
    let mut call = Call::new();
    let (_, to_a, plan) =
        call.exchange(&phone(PHONE_A, 4_000, "111 0 110 101", both), &phone(PHONE_B, 5_000, "0 101", EVENTS));
    assert_eq!(audio(&to_a).formats, ["0", "101"]);
    assert_eq!((plan.legs[0].dtmf, plan.legs[0].dtmf_clock_hz), (Some(101), 8_000));
}

#[test]
fn codecs_of_different_clocks_are_joined_where_there_is_no_other_way() {
    let opus = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1;maxaveragebitrate=24000\r\n";
    let mut call = Call::new();
    let (to_b, to_a, plan) = call.exchange(&phone(PHONE_A, 4_000, "111", opus), &phone(PHONE_B, 5_000, "9", ""));
    assert_eq!(audio(&to_b).formats, ["111", "8", "0", "9", "101"]);
    assert_eq!(audio(&to_a).formats, ["111"]);
    assert_eq!(audio(&to_a).fmtps, [(111, "useinbandfec=1".to_owned())], "what we say of ourselves");
    assert_eq!(codecs(&plan), [Codec::Opus, Codec::G722]);
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    assert_eq!((a.clock_hz, b.clock_hz, b.payload_type), (48_000, 8_000, 9));
    assert_eq!(a.fmtp.as_deref(), Some("useinbandfec=1;maxaveragebitrate=24000"), "what it wants to hear");
    // Where both have one in common, nobody is transcoded.
    let mut call = Call::new();
    let (_, _, plan) = call.exchange(&phone(PHONE_A, 4_000, "111 8", opus), &phone(PHONE_B, 5_000, "9 8", ""));
    assert_eq!(codecs(&plan), [Codec::Pcma, Codec::Pcma]);
}

#[test]
fn a_caller_answered_with_a_codec_we_do_not_know_needs_that_codec() {
    let mut call = Call::new();
    call.exchange(&phone(PHONE_A, 4_000, "18 0", ""), &phone(PHONE_B, 5_000, "18", ""));
    let mut next = Negotiation::new(3, Profile::plain(None));
    assert_eq!(plan::offer(&call.a, &mut next, TO_B, Reach::Forked).expect_err("cannot be transcoded").code, 488);
    let body = plan::offer(&call.a, &mut next, TO_B, Reach::Single).expect("offer");
    assert_eq!(audio(&body).formats, ["18"]);
}
