//! Contact (RFC 3261 §20.10) with the parameters of RFC 5626.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, NameAddr};
use crate::error::{Error, malformed};
use crate::scan;

/// One value of a Contact field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ContactValue {
    /// `*`: every binding, in a REGISTER that removes them.
    Star,
    /// An address.
    Address(NameAddr),
}

impl ContactValue {
    /// The address, unless it is `*`.
    pub fn address(&self) -> Option<&NameAddr> {
        match self {
            ContactValue::Star => None,
            ContactValue::Address(address) => Some(address),
        }
    }

    /// The `expires` parameter in seconds. Larger than 32 bits is as long as possible; what is no number counts as absent
    /// (RFC 3261 §20.10).
    pub fn expires(&self) -> Option<u32> {
        scan::seconds(&self.value("expires")?)
    }

    /// The `q` parameter in thousandths, 0 to 1000. What is no such number counts as absent.
    pub fn q(&self) -> Option<u16> {
        let value = self.value("q")?;
        let (whole, fraction) = match scan::find(&value, b'.', 0) {
            Some(dot) => (&value[..dot], &value[dot + 1..]),
            None => (&value[..], &[][..]),
        };
        let whole = if whole.is_empty() && !fraction.is_empty() { 0 } else { scan::number(whole, 1)? };
        if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let thousandths =
            (0..3).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |digit| u16::from(digit - b'0')));
        let q = whole as u16 * 1000 + thousandths;
        (q <= 1000).then_some(q)
    }

    /// `+sip.instance` without its brackets (RFC 5626).
    pub fn instance(&self) -> Option<Bytes> {
        let value = self.value("+sip.instance")?;
        match value.as_ref() {
            [b'<', inner @ .., b'>'] => Some(value.slice_ref(inner)),
            _ => Some(value),
        }
    }

    /// `reg-id` (RFC 5626).
    pub fn reg_id(&self) -> Option<u32> {
        scan::number(&self.value("reg-id")?, u64::from(u32::MAX)).map(|id| id as u32)
    }

    fn value(&self, name: &str) -> Option<Bytes> {
        self.address()?.params.value(name)
    }
}

impl Header for ContactValue {
    const NAME: Name = Name::Contact;
    const LIST: bool = true;

    fn parse(value: &Bytes) -> Result<ContactValue, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        match &value[start..end] {
            b"*" => Ok(ContactValue::Star),
            [b'*', ..] => malformed("Contact", start + 1),
            _ => NameAddr::parse_in("Contact", value).map(ContactValue::Address),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        match self {
            ContactValue::Star => out.put_u8(b'*'),
            ContactValue::Address(address) => address.render(out),
        }
    }
}

impl From<NameAddr> for ContactValue {
    fn from(address: NameAddr) -> ContactValue {
        ContactValue::Address(address)
    }
}
