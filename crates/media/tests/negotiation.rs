//! Offer and answer between two legs, as the brain drives them.

#[path = "negotiation/basic.rs"]
mod basic;
#[path = "negotiation/codecs.rs"]
mod codecs;
#[path = "negotiation/field.rs"]
mod field;
#[path = "negotiation/garbage.rs"]
mod garbage;
#[path = "negotiation/hold.rs"]
mod hold;
#[path = "negotiation/reoffer.rs"]
mod reoffer;
#[path = "negotiation/secure.rs"]
mod secure;

use std::net::{IpAddr, Ipv4Addr};

use media::sdp::{Description, Direction, Media};
use media::{Leg, LegPlan, MediaAddress, Negotiation, Plan, Profile, Reach, plan};

const PHONE_A: &str = "192.0.2.1";
const PHONE_B: &str = "192.0.2.2";

/// Our address as the caller sees it.
const TO_A: MediaAddress =
    MediaAddress { ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), rtp_port: 20_000, shared_port: 0 };
/// Our address as the callee sees it.
const TO_B: MediaAddress =
    MediaAddress { ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), rtp_port: 30_000, shared_port: 0 };

/// A phone's description: `formats` as on the `m=` line, further lines behind it.
fn phone(ip: &str, port: u16, formats: &str, more: &str) -> Vec<u8> {
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n{more}")
        .into_bytes()
}

const EVENTS: &str = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

fn read(body: &[u8]) -> Description {
    Description::parse(body).expect("our own description")
}

fn audio(body: &[u8]) -> Media {
    let description = read(body);
    let active: Vec<Media> = description.media.into_iter().filter(|m| m.port != 0).collect();
    let [audio] = &active[..] else { panic!("one stream is active") };
    audio.clone()
}

/// Direction and plan of the two legs.
fn directions(plan: &Plan) -> [(bool, bool); 2] {
    let [a, b] = &plan.legs[..] else { panic!("two legs") };
    [a, b].map(|leg: &LegPlan| (leg.send, leg.receive))
}

/// Two legs and what was last said to each.
struct Call {
    a: Negotiation,
    b: Negotiation,
}

impl Call {
    fn new() -> Self {
        Call { a: Negotiation::new(1, Profile::plain(None)), b: Negotiation::new(2, Profile::plain(None)) }
    }

    /// A whole exchange: `a` offers, `b` answers. Returns what B was offered, what A was answered, and the plan.
    fn exchange(&mut self, offer: &[u8], answer: &[u8]) -> (Vec<u8>, Vec<u8>, Plan) {
        self.a.remote_offer(offer).expect("a good offer");
        let to_b = plan::offer(&self.a, &mut self.b, TO_B, Reach::Single).expect("something to offer");
        self.b.remote_answer(answer).expect("a good answer");
        let (to_a, plan) = plan::answer(&mut self.a, &self.b, TO_A).expect("an agreement");
        (to_b.to_vec(), to_a.to_vec(), plan)
    }

    /// The same from the other side; the plan is in the order of the call.
    fn exchange_back(&mut self, offer: &[u8], answer: &[u8]) -> (Vec<u8>, Vec<u8>, Plan) {
        self.b.remote_offer(offer).expect("a good offer");
        let to_a = plan::offer(&self.b, &mut self.a, TO_A, Reach::Single).expect("something to offer");
        self.a.remote_answer(answer).expect("a good answer");
        let (to_b, plan) = plan::answer(&mut self.b, &self.a, TO_B).expect("an agreement");
        (to_a.to_vec(), to_b.to_vec(), plan.from_leg(Leg::CALLEE))
    }

    /// An ordinary call, both ways.
    fn up() -> Self {
        let mut call = Call::new();
        call.exchange(&phone(PHONE_A, 4_000, "8 0 101", EVENTS), &phone(PHONE_B, 5_000, "8 101", EVENTS));
        call
    }
}

const BOTH: (bool, bool) = (true, true);

fn direction(body: &[u8]) -> Direction {
    audio(body).direction.expect("ours always say it")
}
