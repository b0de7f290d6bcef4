//! No body, however broken, panics or leaves a leg in a state of its own.

use proptest::prelude::*;

use super::*;

fn broken() -> impl Strategy<Value = Vec<u8>> {
    let good = phone(PHONE_A, 4_000, "111 8 0 101", &format!("a=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n{EVENTS}"));
    let len = good.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 0..5);
    (changes, 0..=len).prop_map(move |(changes, cut)| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(len / 2));
        bytes
    })
}

proptest! {
    #[test]
    fn any_exchange_ends_stable_after_rollback(bodies in prop::collection::vec((broken(), broken()), 1..5)) {
        let mut call = Call::new();
        for (offer, answer) in bodies {
            let outcome = call
                .a
                .remote_offer(&offer)
                .and_then(|()| plan::offer(&call.a, &mut call.b, TO_B, Reach::Single))
                .and_then(|_| call.b.remote_answer(&answer))
                .and_then(|()| plan::answer(&mut call.a, &call.b, TO_A));
            match outcome {
                Ok((body, plan)) => {
                    prop_assert!(Description::parse(&body).is_ok());
                    prop_assert_eq!(plan.legs.len(), 2);
                    for leg in &plan.legs {
                        prop_assert!(leg.accepts.iter().all(|a| a.payload_type < 128));
                        prop_assert!(!leg.send || leg.remote_rtp.is_some());
                    }
                }
                Err(refusal) => prop_assert!(matches!(refusal.code, 400 | 488), "{refusal:?}"),
            }
            call.a.rollback();
            call.b.rollback();
            prop_assert!(call.a.is_stable() && call.b.is_stable());
        }
    }
}
