//! Hold and resume, in every spelling, from both sides.

use super::*;

#[test]
fn hold_is_carried_over_and_back() {
    let mut call = Call::up();
    let (to_b, to_a, plan) = call
        .exchange(&phone(PHONE_A, 4_000, "8 101", "a=sendonly\r\n"), &phone(PHONE_B, 5_000, "8 101", "a=recvonly\r\n"));
    assert_eq!((direction(&to_b), direction(&to_a)), (Direction::SendOnly, Direction::ReceiveOnly));
    assert_eq!(directions(&plan), [(false, true), (true, false)]);
    assert!(call.a.remote_hold() && !call.b.remote_hold());
    assert_eq!((call.a.version(), call.b.version()), (2, 2));
    let (to_b, to_a, plan) = call.exchange(&phone(PHONE_A, 4_000, "8 101", ""), &phone(PHONE_B, 5_000, "8 101", ""));
    assert_eq!((direction(&to_b), direction(&to_a)), (Direction::SendReceive, Direction::SendReceive));
    assert_eq!(directions(&plan), [BOTH, BOTH]);
    assert!(!call.a.remote_hold());
}

#[test]
fn both_may_hold_each_other() {
    let mut call = Call::up();
    call.exchange(&phone(PHONE_A, 4_000, "8", "a=sendonly\r\n"), &phone(PHONE_B, 5_000, "8", "a=recvonly\r\n"));
    let (to_a, to_b, plan) = call
        .exchange_back(&phone(PHONE_B, 5_000, "8", "a=inactive\r\n"), &phone(PHONE_A, 4_000, "8", "a=inactive\r\n"));
    assert_eq!((direction(&to_a), direction(&to_b)), (Direction::Inactive, Direction::Inactive));
    assert_eq!(directions(&plan), [(false, false), (false, false)]);
    assert!(call.a.remote_hold() && call.b.remote_hold());
}

#[test]
fn the_called_side_holds_too() {
    let mut call = Call::up();
    let (to_a, _, plan) = call
        .exchange_back(&phone(PHONE_B, 5_000, "8", "a=sendonly\r\n"), &phone(PHONE_A, 4_000, "8", "a=recvonly\r\n"));
    assert_eq!(direction(&to_a), Direction::SendOnly);
    assert_eq!(directions(&plan), [(true, false), (false, true)], "in the order of the call");
}

#[test]
fn the_old_way_of_holding_is_understood() {
    let mut call = Call::up();
    let (to_b, to_a, plan) = call.exchange(&phone("0.0.0.0", 4_000, "8", ""), &phone(PHONE_B, 5_000, "8", ""));
    assert_eq!((direction(&to_b), direction(&to_a)), (Direction::SendOnly, Direction::ReceiveOnly));
    assert_eq!(directions(&plan), [(false, true), (true, false)]);
    assert_eq!((plan.legs[0].remote_rtp, plan.legs[0].remote_rtcp), (None, None));
    assert!(plan.legs[0].sources.is_empty());
    assert!(call.a.remote_hold());
}

#[test]
fn an_answer_never_widens_the_offer() {
    let mut call = Call::up();
    let (_, to_a, plan) =
        call.exchange(&phone(PHONE_A, 4_000, "8", "a=sendonly\r\n"), &phone(PHONE_B, 5_000, "8", "a=sendrecv\r\n"));
    assert_eq!(direction(&to_a), Direction::ReceiveOnly);
    assert_eq!(directions(&plan), [(false, true), (true, false)]);
}

#[test]
fn direction_of_the_session_counts_where_the_stream_is_silent() {
    let mut leg = Negotiation::new(1, Profile::plain(None));
    let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n";
    leg.remote_offer(offer.as_bytes()).expect("offer");
    assert!(leg.remote_hold());
    let (body, plan) = plan::terminate(&mut leg, TO_A).expect("plan");
    assert_eq!(direction(&body), Direction::ReceiveOnly);
    assert_eq!((plan.legs[0].send, plan.legs[0].receive), (false, true));
}
