//! Anything in any order: whatever phones and worker do, every call ends once and leaves nothing behind.

use std::time::Duration;

use media::{Command, Fact, Leg, LegAddress, SessionId};
use proptest::prelude::*;
use sip::{Message, Method};
use switch::Input;

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Dialog, Phone, phone, sdp};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Deed {
    /// The worker opens the ports it was asked for.
    Open,
    /// The worker cannot.
    OpenFailed,
    /// A phone answers the oldest request it has, with this code.
    Answer { bob: bool, code: u16 },
    /// A phone sends a request inside the dialog.
    Request { bob: bool, method: &'static str, offer: bool },
    /// A phone acknowledges.
    Ack { bob: bool },
    /// The caller gives up.
    Cancel,
    /// Somebody is not heard.
    Silent { bob: bool },
    /// Time passes.
    Wait(u64),
    /// A step of the call panics.
    Panic,
}

fn deed() -> impl Strategy<Value = Deed> {
    let code = prop_oneof![
        3 => Just(180u16), 1 => Just(183), 6 => Just(200), 1 => Just(302), 1 => Just(401), 1 => Just(408), 1 => Just(481),
        1 => Just(486), 1 => Just(487), 1 => Just(488), 1 => Just(491), 1 => Just(503), 1 => Just(603)
    ];
    let method = prop_oneof![4 => Just("INVITE"), 2 => Just("BYE"), 1 => Just("INFO"), 1 => Just("OPTIONS")];
    prop_oneof![
        4 => Just(Deed::Open),
        1 => Just(Deed::OpenFailed),
        14 => (any::<bool>(), code).prop_map(|(bob, code)| Deed::Answer { bob, code }),
        6 => (any::<bool>(), method, any::<bool>()).prop_map(|(bob, method, offer)| Deed::Request { bob, method, offer }),
        6 => any::<bool>().prop_map(|bob| Deed::Ack { bob }),
        1 => Just(Deed::Cancel),
        1 => any::<bool>().prop_map(|bob| Deed::Silent { bob }),
        2 => (0..12_000u64).prop_map(Deed::Wait),
        1 => Just(Deed::Panic),
    ]
}

/// What the phones remember.
struct Play {
    bench: Bench,
    alice: Dialog,
    bob: Option<Dialog>,
    waiting: [Vec<sip::Request>; 2],
    session: Option<SessionId>,
}

impl Play {
    fn phone(bob: bool) -> Phone {
        if bob { phone("1002", BOB) } else { phone("1001", ALICE) }
    }

    /// Takes in what has come: requests wait for an answer, the caller learns its dialog.
    fn look(&mut self) {
        for bob in [false, true] {
            while let Some(message) = self.bench.next(Self::phone(bob).address) {
                match message {
                    Message::Request(request) if request.method() == &Method::Ack => {}
                    Message::Request(request) => {
                        if bob && self.bob.is_none() && request.method() == &Method::Invite {
                            self.bob = Some(Self::phone(true).dialog(&request, "bob"));
                        }
                        self.waiting[usize::from(bob)].push(request);
                    }
                    Message::Response(response) if !bob && response.to().is_ok_and(|to| to.has_tag()) => {
                        self.alice.learn(&response);
                    }
                    Message::Response(_) => {}
                }
            }
        }
        for command in &self.bench.media {
            if let Command::Open { session, .. } = command {
                self.session = Some(*session);
            }
        }
    }

    fn act(&mut self, deed: &Deed) {
        let session = self.session;
        match (deed, session) {
            (Deed::Open, Some(session)) => {
                let legs =
                    ["192.0.2.1:40002", "192.0.2.1:40004"].map(|leg| LegAddress::alone(leg.parse().unwrap())).to_vec();
                self.bench.input(Input::Media(Fact::Opened { session, legs }));
            }
            (Deed::OpenFailed, Some(session)) => {
                self.bench.input(Input::Media(Fact::OpenFailed { session, why: "no" }));
            }
            (Deed::Silent { bob }, Some(session)) => {
                self.bench.input(Input::Media(Fact::Silent { session, leg: Leg(u8::from(*bob)), for_ms: 1 }));
            }
            (Deed::Answer { bob, code }, _) => self.answer(*bob, *code),
            (Deed::Request { bob, method, offer }, _) => {
                let Some(dialog) = (if *bob { self.bob.as_mut() } else { Some(&mut self.alice) }) else { return };
                let body =
                    if *offer && *method == "INVITE" { sdp(dialog.phone, "a=sendonly\r\n") } else { String::new() };
                dialog.send(&mut self.bench, method, &body);
            }
            (Deed::Ack { bob }, _) => {
                let Some(dialog) = (if *bob { self.bob.as_mut() } else { Some(&mut self.alice) }) else { return };
                let body = sdp(dialog.phone, "");
                dialog.ack(&mut self.bench, &body);
            }
            (Deed::Cancel, _) => self.alice.send_cancel(&mut self.bench),
            (Deed::Wait(ms), _) => self.bench.advance(Duration::from_millis(*ms)),
            (Deed::Panic, _) => {
                let call = self.bench.shard.calls(None).first().map(|call| call.id);
                if let Some(call) = call {
                    self.bench.shard.inject_panic(call);
                }
            }
            (Deed::Open | Deed::OpenFailed | Deed::Silent { .. }, None) => {}
        }
    }

    fn answer(&mut self, bob: bool, code: u16) {
        let waiting = &mut self.waiting[usize::from(bob)];
        if waiting.is_empty() {
            return;
        }
        let request = if code < 200 { waiting[0].clone() } else { waiting.remove(0) };
        let phone = Self::phone(bob);
        let body = if request.method() == &Method::Invite && matches!(code, 183 | 200) {
            sdp(phone, "")
        } else {
            String::new()
        };
        phone.answer(&mut self.bench, &request, code, "bob", &body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once(echo in prop::bool::weighted(0.15), deeds in prop::collection::vec(deed(), 0..40)) {
        let mut bench = Bench::new();
        Play::phone(true).register(&mut bench);
        bench.worker = false;
        let alice = Play::phone(false);
        let alice = alice.invite(&mut bench, if echo { "*43" } else { "1002" }, "", &sdp(alice, ""));
        let mut play = Play { bench, alice, bob: None, waiting: [Vec::new(), Vec::new()], session: None };
        for deed in &deeds {
            play.look();
            play.act(deed);
        }
        // Then everybody goes home: the phones hang up, and say nothing more.
        play.look();
        play.alice.send(&mut play.bench, "BYE", "");
        play.alice.send_cancel(&mut play.bench);
        if let Some(bob) = &mut play.bob {
            bob.send(&mut play.bench, "BYE", "");
        }
        play.bench.advance(Duration::from_secs(200));
        play.bench.end();
        let closes = play.bench.media.iter().filter(|command| matches!(command, Command::Close { .. })).count();
        prop_assert!(closes <= 1);
    }
}
