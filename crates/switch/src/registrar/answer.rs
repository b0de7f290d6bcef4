//! What a REGISTER is answered with.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use sip::header::{MinExpires, NameAddr};
use sip::{Header, Name, Reply};

use super::request::Ask;
use super::{Binding, Occasion, RegistrarConfig, request};
use crate::verdict::Ending;

/// How often a phone shall show that its flow lives (RFC 5626 §4.4.1, §4.4.2), in seconds. NAT boxes forget UDP soon.
const STREAM_FLOW_TIMER_S: u32 = 120;
const UDP_FLOW_TIMER_S: u32 = 25;

/// 200 with every binding that holds (RFC 3261 §10.3, step 8), the Path that was kept (RFC 3327 §5.3), and
/// whether the flow is (RFC 5626 §6).
pub(super) fn accepted<'a>(occasion: &Occasion<'_>, bindings: impl Iterator<Item = &'a Binding>, ask: &Ask) -> Reply {
    let mut reply = Reply::new(200);
    if ask.outbound {
        let seconds = if occasion.flow.transport.is_reliable() { STREAM_FLOW_TIMER_S } else { UDP_FLOW_TIMER_S };
        reply = reply.header(Name::Require, "outbound").header(Name::FlowTimer, seconds.to_string());
    }
    for value in bindings.filter_map(|binding| contact(occasion, binding)) {
        reply = reply.header(Name::Contact, value);
    }
    for value in &ask.path {
        reply = reply.header(Name::Path, Bytes::copy_from_slice(value.as_bytes()));
    }
    reply.header(Name::Date, date(occasion.timestamp))
}

/// A refusal; 423 says what would do.
pub(super) fn refused(refusal: Ending, config: &RegistrarConfig) -> Reply {
    let reply = Reply::new(refusal.verdict().sip);
    match refusal {
        Ending::TooBrief => {
            let mut value = BytesMut::new();
            MinExpires(config.min_expires).render(&mut value);
            reply.header(Name::MinExpires, value.freeze())
        }
        _ => reply,
    }
}

/// A binding as the phone knows it, with the seconds it has left, begun ones included.
fn contact(occasion: &Occasion<'_>, binding: &Binding) -> Option<Bytes> {
    let registration = binding.registration();
    let left = binding.expires_at().saturating_duration_since(occasion.now);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let mut address = NameAddr::new(binding.target().ok()?).with_param("expires", Some(seconds.to_string().as_bytes()));
    if registration.q < request::FULL_PREFERENCE {
        address = address.with_param("q", Some(format!("0.{:03}", registration.q).as_bytes()));
    }
    if let Some(instance) = &registration.instance {
        address = address.with_param("+sip.instance", Some(format!("<{instance}>").as_bytes()));
    }
    if let Some(reg_id) = registration.reg_id {
        address = address.with_param("reg-id", Some(reg_id.to_string().as_bytes()));
    }
    Some(address.to_bytes())
}

/// RFC 3261 §20.17.
fn date(timestamp: Timestamp) -> Bytes {
    Bytes::from(timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
