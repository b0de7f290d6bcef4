//! What a REGISTER is answered with.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use sip::header::MinExpires;
use sip::{Header, Name, Reply};

use super::{Binding, Occasion, RegistrarConfig};
use crate::verdict::Ending;

/// 200 with every binding that holds (RFC 3261 §10.3, step 8), and the Path that was kept (RFC 3327 §5.3).
pub(super) fn accepted<'a>(
    occasion: &Occasion<'_>,
    bindings: impl Iterator<Item = &'a Binding>,
    path: &[String],
) -> Reply {
    let mut reply = Reply::new(200);
    for binding in bindings {
        reply = reply.header(Name::Contact, contact(occasion, binding));
    }
    for value in path {
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
fn contact(occasion: &Occasion<'_>, binding: &Binding) -> Bytes {
    let registration = binding.registration();
    let left = binding.expires_at().saturating_duration_since(occasion.now);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let mut value = BytesMut::with_capacity(registration.contact.len() + 96);
    value.put_slice(b"<");
    value.put_slice(registration.contact.as_bytes());
    value.put_slice(format!(">;expires={seconds}").as_bytes());
    if registration.q < 1_000 {
        value.put_slice(format!(";q=0.{:03}", registration.q).as_bytes());
    }
    if let Some(instance) = &registration.instance {
        value.put_slice(b";+sip.instance=\"<");
        for byte in instance.bytes() {
            if matches!(byte, b'"' | b'\\') {
                value.put_u8(b'\\');
            }
            value.put_u8(byte);
        }
        value.put_slice(b">\"");
    }
    if let Some(reg_id) = registration.reg_id {
        value.put_slice(format!(";reg-id={reg_id}").as_bytes());
    }
    value.freeze()
}

/// RFC 3261 §20.17.
fn date(timestamp: Timestamp) -> Bytes {
    Bytes::from(timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
