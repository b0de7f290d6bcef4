//! First offers and answers, addresses, refusals.

use media::{Accept, Carries, Codec};

use super::*;

#[test]
fn two_phones_agree() {
    let mut call = Call::new();
    let (to_b, to_a, plan) = call.exchange(
        &phone(PHONE_A, 4_000, "8 0 101", EVENTS),
        &phone(PHONE_B, 5_000, "0 96", "a=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp:5005\r\n"),
    );
    let offered = audio(&to_b);
    assert_eq!((offered.port, &offered.formats[..]), (30_000, &["8", "0", "9", "107", "101"].map(String::from)[..]));
    let answered = audio(&to_a);
    assert_eq!((answered.port, &answered.formats[..]), (20_000, &["0", "101"].map(String::from)[..]));
    assert_eq!(answered.ptime_ms, Some(30));
    assert_eq!(directions(&plan), [BOTH, BOTH]);
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    assert_eq!((a.codec, a.payload_type, a.dtmf), (Codec::Pcmu, 0, Some(101)));
    assert_eq!((b.codec, b.payload_type, b.dtmf), (Codec::Pcmu, 0, Some(96)));
    assert_eq!(a.remote_rtp, Some("192.0.2.1:4000".parse().expect("address")));
    assert_eq!(a.remote_rtcp, Some("192.0.2.1:4001".parse().expect("address")));
    assert_eq!(b.remote_rtcp, Some("192.0.2.2:5005".parse().expect("address")));
    assert_eq!((a.ptime_ms, b.ptime_ms), (20, 30));
    let event = |payload_type| Accept { payload_type, carries: Carries::Event { clock_hz: 8_000 } };
    assert!(b.accepts.contains(&event(101)) && b.accepts.contains(&event(96)), "{:?}", b.accepts);
    assert_eq!(a.sources, ["192.0.2.1".parse::<IpAddr>().expect("address")]);
    assert!(call.a.is_stable() && call.b.is_stable());
    assert_eq!(call.a.local_body().as_deref(), Some(&to_a[..]));
}

#[test]
fn a_registered_phone_may_send_from_where_it_signals() {
    let behind_nat: IpAddr = "203.0.113.7".parse().expect("address");
    let mut leg = Negotiation::new(1, Profile::plain(Some(behind_nat)));
    leg.remote_offer(&phone("10.0.0.5", 4_000, "0", "")).expect("offer");
    let (_, plan) = plan::terminate(&mut leg, TO_A).expect("plan");
    assert_eq!(plan.legs[0].sources, ["10.0.0.5".parse().expect("address"), behind_nat]);
    assert_eq!(plan.legs[0].remote_rtp, Some("10.0.0.5:4000".parse().expect("address")));
}

#[test]
fn other_streams_are_refused_in_their_place() {
    let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=video 6000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
        m=audio 4002 RTP/SAVP 0\r\n\
        m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n\
        m=image 4010 udptl t38\r\n";
    let mut call = Call::new();
    let (to_b, to_a, _) = call.exchange(offer.as_bytes(), &phone(PHONE_B, 5_000, "0", ""));
    assert_eq!(read(&to_b).media.len(), 1, "what we do not relay is not offered");
    let lines: Vec<(u16, String)> = read(&to_a).media.into_iter().map(|m| (m.port, m.protocol)).collect();
    let expected = [(0, "RTP/AVP"), (0, "RTP/SAVP"), (20_000, "RTP/AVP"), (0, "udptl")];
    assert_eq!(lines, expected.map(|(port, protocol)| (port, protocol.to_owned())));
    assert!(!String::from_utf8_lossy(&to_a).contains("mux"));
    // The called side offers later: the caller's four lines keep their places.
    let back = call.exchange_back(
        &phone(PHONE_B, 5_000, "0", "a=sendonly\r\n"),
        offer
            .replace("m=video 6000", "m=video 0")
            .replace("m=audio 4002", "m=audio 0")
            .replace("m=image 4010", "m=image 0")
            .as_bytes(),
    );
    let ports: Vec<u16> = read(&back.0).media.iter().map(|m| m.port).collect();
    assert_eq!(ports, [0, 0, 20_000, 0]);
}

#[test]
fn bad_offers_get_their_status() {
    let secure = String::from_utf8(phone(PHONE_A, 4_000, "0", "")).expect("text").replace("RTP/AVP", "RTP/SAVP");
    let cases: [(&[u8], u16); 10] = [
        (b"", 400),
        (b"\xff\xfe\x00garbage", 400),
        (b"v=0\r\nm=audio\r\n", 400),
        (b"v=0\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n", 488),
        (b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4000 RTP/AVP 97\r\n", 488),
        (b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n", 488),
        (b"v=0\r\nc=IN IP4 phone.example\r\nm=audio 4000 RTP/AVP 0\r\n", 488),
        (b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n", 488),
        (b"v=0\r\nc=IN IP4 224.1.2.3/127\r\nm=audio 4000 RTP/AVP 0\r\n", 488),
        (secure.as_bytes(), 488),
    ];
    for (body, code) in cases {
        let mut leg = Negotiation::new(1, Profile::plain(None));
        let refusal = leg.remote_offer(body).expect_err("not acceptable");
        assert_eq!(refusal.code, code, "{}", String::from_utf8_lossy(body));
        assert!(refusal.text.ends_with('.') && leg.is_stable());
    }
}

#[test]
fn turns_are_kept() {
    let offer = phone(PHONE_A, 4_000, "0", "");
    let mut a = Negotiation::new(1, Profile::plain(None));
    let mut b = Negotiation::new(2, Profile::plain(None));
    assert_eq!(a.remote_answer(&offer).expect_err("nothing offered").code, 400);
    assert_eq!(plan::offer(&a, &mut b, TO_B, Reach::Single).expect_err("nothing to offer").code, 500);
    assert_eq!(plan::terminate(&mut a, TO_A).expect_err("nothing to answer").code, 500);
    a.remote_offer(&offer).expect("offer");
    assert_eq!(a.remote_offer(&offer).expect_err("still pending").code, 491);
    assert_eq!(plan::answer(&mut a, &b, TO_A).expect_err("callee said nothing").code, 500);
    plan::offer(&a, &mut b, TO_B, Reach::Single).expect("offer");
    assert_eq!(plan::offer(&a, &mut b, TO_B, Reach::Single).expect_err("still pending").code, 491);
    assert_eq!(b.remote_offer(&offer).expect_err("glare").code, 491);
    assert!(!b.is_stable());
    b.rollback();
    assert!(b.is_stable() && !b.is_agreed());
}

#[test]
fn a_leg_that_ends_here_is_answered_with_one_codec() {
    let mut leg = Negotiation::new(9, Profile::plain(None));
    leg.remote_offer(&phone(PHONE_A, 4_000, "18 0 8 101", EVENTS)).expect("offer");
    let (body, plan) = plan::terminate(&mut leg, TO_A).expect("plan");
    assert_eq!(audio(&body).formats, ["0", "101"]);
    assert_eq!((plan.legs.len(), plan.legs[0].codec), (1, Codec::Pcmu));
    let again = plan::terminate(&mut leg, TO_A).expect("the same");
    assert_eq!(again, (body, plan));
    let mut exotic = Negotiation::new(9, Profile::plain(None));
    exotic.remote_offer(&phone(PHONE_A, 4_000, "18", "")).expect("offer");
    assert_eq!(plan::terminate(&mut exotic, TO_A).expect_err("we cannot speak it").code, 488);
}

#[test]
fn the_two_families_of_addresses_meet() {
    let six = "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let mut call = Call::new();
    let (_, _, plan) = call.exchange(six.as_bytes(), &phone(PHONE_B, 5_000, "0", ""));
    assert_eq!(plan.legs[0].remote_rtp, Some("[2001:db8::1]:4000".parse().expect("address")));
    let ours = MediaAddress { ip: "2001:db8::99".parse().expect("address"), rtp_port: 20_000, shared_port: 0 };
    let mut leg = Negotiation::new(1, Profile::plain(None));
    leg.remote_offer(six.as_bytes()).expect("offer");
    let (body, _) = plan::terminate(&mut leg, ours).expect("plan");
    assert!(String::from_utf8_lossy(&body).contains("c=IN IP6 2001:db8::99\r\n"));
}

#[test]
fn a_call_without_an_offer_gets_ours() {
    let mut b = Negotiation::new(2, Profile::plain(None));
    let body = plan::propose(&mut b, TO_B).expect("offer");
    assert_eq!(audio(&body).formats, ["8", "0", "9", "107", "101"]);
    b.remote_answer(&phone(PHONE_B, 5_000, "0 101", EVENTS)).expect("answer");
    // Now the caller, who has offered nothing, is offered what the callee has.
    let mut a = Negotiation::new(1, Profile::plain(None));
    let body = plan::offer(&b, &mut a, TO_A, Reach::Single).expect("offer");
    assert_eq!(audio(&body).formats, ["0", "8", "9", "107", "101"]);
    a.remote_answer(&phone(PHONE_A, 4_000, "8", "")).expect("answer");
    let plan = plan::again(&a, &b).expect("plan");
    assert_eq!(plan.legs.iter().map(|leg| leg.codec).collect::<Vec<_>>(), [Codec::Pcma, Codec::Pcmu]);
    assert_eq!(directions(&plan), [BOTH, BOTH]);
}

#[test]
fn one_codec_alone_can_be_offered() {
    let mut leg = Negotiation::new(1, Profile { events: false, ..Profile::plain(None) });
    let body = plan::propose_only(&mut leg, TO_B, Codec::Pcmu).expect("offer");
    assert_eq!(audio(&body).formats, ["0"]);
    leg.remote_answer(&phone(PHONE_B, 5_000, "0", "")).expect("answer");
    let (_, plan) = plan::terminate(&mut leg, TO_B).expect("plan");
    assert_eq!((plan.legs.len(), plan.legs[0].codec, plan.legs[0].dtmf), (1, Codec::Pcmu, None));
    let mut leg = Negotiation::new(1, Profile::plain(None));
    assert_eq!(plan::propose_only(&mut leg, TO_B, Codec::Other).expect_err("cannot be made").code, 488);
    assert!(leg.is_stable());
}
