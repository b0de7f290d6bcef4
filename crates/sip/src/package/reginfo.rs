//! `application/reginfo+xml`: the phones of one extension (RFC 3680).

use bytes::Bytes;

use super::xml::Writer;

/// The registrations of one address of record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegInfo<'a> {
    /// 0 in the first document of a subscription, one more in each further one.
    pub version: u32,
    /// The address of record.
    pub aor: &'a str,
    /// Whether anything is registered.
    pub state: RegState,
    /// The phones: all that are registered, and those that have left since the last document.
    pub contacts: &'a [RegContact],
}

/// The state of an address of record (§3.7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegState {
    /// Nothing is registered, nor was.
    Init,
    /// Something is registered.
    Active,
    /// The last phone has left.
    Terminated,
}

/// One phone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegContact {
    /// Tells the phones of one address of record apart; of no meaning otherwise.
    pub id: String,
    /// Contact.
    pub uri: String,
    /// What has happened to it last.
    pub event: ContactEvent,
    /// Seconds since it registered first.
    pub registered_s: u64,
    /// Seconds for which it stays registered.
    pub expires_s: u64,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// Call-ID and CSeq of its last REGISTER.
    pub call_id: String,
    /// CSeq of its last REGISTER.
    pub cseq: u32,
}

/// What has happened to a phone last (§3.7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactEvent {
    /// It registers.
    Registered,
    /// It has gone by itself.
    Unregistered,
    /// It was not heard of in time.
    Expired,
}

impl ContactEvent {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Registered => ("active", "registered"),
            Self::Unregistered => ("terminated", "unregistered"),
            Self::Expired => ("terminated", "expired"),
        }
    }
}

impl RegInfo<'_> {
    /// The content type of the document.
    pub const CONTENT_TYPE: &'static str = "application/reginfo+xml";

    /// The document; always the full state.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut writer = Writer::new();
        let attributes =
            [("xmlns", "urn:ietf:params:xml:ns:reginfo"), ("version", &self.version.to_string()), ("state", "full")];
        writer.open("reginfo", &attributes);
        let state = match self.state {
            RegState::Init => "init",
            RegState::Active => "active",
            RegState::Terminated => "terminated",
        };
        writer.open("registration", &[("aor", self.aor), ("id", "r1"), ("state", state)]);
        for contact in self.contacts {
            let (state, event) = contact.event.words();
            let attributes = [
                ("id", contact.id.as_str()),
                ("state", state),
                ("event", event),
                ("duration-registered", &contact.registered_s.to_string()),
                ("expires", &contact.expires_s.to_string()),
                ("q", &preference(contact.q)),
                ("callid", &contact.call_id),
                ("cseq", &contact.cseq.to_string()),
            ];
            writer.open("contact", &attributes);
            writer.text("uri", &[], &contact.uri);
            writer.close();
        }
        writer.finish()
    }
}

fn preference(q: u16) -> String {
    if q >= 1_000 { "1.0".to_owned() } else { format!("0.{q:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phone_is_there_and_one_has_left() {
        let desk = RegContact {
            id: "d".to_owned(),
            uri: "sip:1001@192.0.2.1:5060;transport=tcp".to_owned(),
            event: ContactEvent::Registered,
            registered_s: 30,
            expires_s: 3_570,
            q: 1_000,
            call_id: "c&d".to_owned(),
            cseq: 7,
        };
        let mobile =
            RegContact { id: "m".to_owned(), event: ContactEvent::Expired, expires_s: 0, q: 500, ..desk.clone() };
        let info =
            RegInfo { version: 1, aor: "sip:1001@a", state: RegState::Active, contacts: &[desk, mobile] }.to_bytes();
        assert_eq!(
            std::str::from_utf8(&info).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"1\" state=\"full\">\n\
               <registration aor=\"sip:1001@a\" id=\"r1\" state=\"active\">\n\
                 <contact id=\"d\" state=\"active\" event=\"registered\" duration-registered=\"30\" expires=\"3570\" q=\"1.0\" callid=\"c&amp;d\" cseq=\"7\">\n\
                   <uri>sip:1001@192.0.2.1:5060;transport=tcp</uri>\n\
                 </contact>\n\
                 <contact id=\"m\" state=\"terminated\" event=\"expired\" duration-registered=\"30\" expires=\"0\" q=\"0.500\" callid=\"c&amp;d\" cseq=\"7\">\n\
                   <uri>sip:1001@192.0.2.1:5060;transport=tcp</uri>\n\
                 </contact>\n\
               </registration>\n\
             </reginfo>\n"
        );
        let info = RegInfo { version: 0, aor: "sip:1001@a", state: RegState::Init, contacts: &[] }.to_bytes();
        assert!(std::str::from_utf8(&info).unwrap().contains("state=\"init\">\n</registration>"));
    }
}
