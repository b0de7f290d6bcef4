//! `application/pidf+xml`: whether somebody can be reached, and what they do (RFC 3863, with RFC 4479 and 4480).

use bytes::Bytes;

use super::xml::{Element, Writer, read};
use crate::error::Error;
use crate::limits;

/// The presence of one person.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Presence {
    /// Ways to reach them.
    pub tuples: Vec<Tuple>,
    /// What they say about themselves.
    pub note: Option<String>,
    /// What they do.
    pub activities: Vec<Activity>,
}

/// One way to reach a person.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tuple {
    /// Tells the ways apart; of no meaning otherwise.
    pub id: String,
    /// Whether it is open at present, when that is known.
    pub is_open: Option<bool>,
    /// The address.
    pub contact: Option<String>,
    /// What is said about it.
    pub note: Option<String>,
}

/// What a person does: one of the words of RFC 4480 §3.2.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Activity(&'static str);

const ACTIVITIES: &[&str] = &[
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "looking-for-work",
    "lunch",
    "meal",
    "meeting",
    "on-the-phone",
    "performance",
    "permanent-absence",
    "playing",
    "presentation",
    "shopping",
    "sleeping",
    "spectator",
    "steering",
    "travel",
    "tv",
    "vacation",
    "working",
    "worship",
];

impl Activity {
    /// Talks to somebody.
    pub const ON_THE_PHONE: Activity = Activity("on-the-phone");

    /// Wants not to be disturbed.
    pub const BUSY: Activity = Activity("busy");

    /// The activity of a name; `None` for words that the RFC does not have.
    #[must_use]
    pub fn named(name: &str) -> Option<Activity> {
        ACTIVITIES.iter().find(|known| **known == name).map(|known| Activity(known))
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Presence {
    /// The content type of the document.
    pub const CONTENT_TYPE: &'static str = "application/pidf+xml";

    /// The document about `entity`, a URI.
    #[must_use]
    pub fn to_bytes(&self, entity: &str) -> Bytes {
        let mut writer = Writer::new();
        let attributes = [
            ("xmlns", "urn:ietf:params:xml:ns:pidf"),
            ("xmlns:dm", "urn:ietf:params:xml:ns:pidf:data-model"),
            ("xmlns:rpid", "urn:ietf:params:xml:ns:pidf:rpid"),
            ("entity", entity),
        ];
        writer.open("presence", &attributes);
        for tuple in &self.tuples {
            tuple.write(&mut writer);
        }
        if let Some(note) = &self.note {
            writer.text("note", &[], note);
        }
        if !self.activities.is_empty() {
            writer.open("dm:person", &[("id", "p1")]);
            writer.open("rpid:activities", &[]);
            for activity in &self.activities {
                writer.empty(&format!("rpid:{}", activity.0), &[]);
            }
            writer.close();
            if let Some(note) = &self.note {
                writer.text("dm:note", &[], note);
            }
        }
        writer.finish()
    }

    /// Reads a document. Elements that we do not know are passed over, and of a list that is too long the beginning is kept.
    ///
    /// # Errors
    /// It is no presence document, or one that is too large.
    pub fn parse(body: &[u8]) -> Result<Presence, Error> {
        let root = read(body)?;
        if root.name != "presence" {
            return Err(Error::Violation { header: "body", why: "not a presence document" });
        }
        let persons: Vec<&Element> = root.all("person").collect();
        let mut activities: Vec<Activity> = Vec::new();
        // Before RFC 4479 activities stood in the tuple or in its status.
        let places = persons.iter().copied().chain(root.all("tuple")).chain(statuses(&root));
        for element in places.flat_map(|place| place.all("activities")).flat_map(|activities| &activities.children) {
            match Activity::named(&element.name) {
                Some(activity) if !activities.contains(&activity) => activities.push(activity),
                _ => {}
            }
        }
        Ok(Presence {
            tuples: root.all("tuple").take(limits::PRESENCE_TUPLES).map(Tuple::read).collect(),
            note: note(&root).or_else(|| persons.iter().find_map(|person| note(person))),
            activities,
        })
    }
}

impl Tuple {
    fn write(&self, writer: &mut Writer) {
        writer.open("tuple", &[("id", &self.id)]);
        writer.open("status", &[]);
        if let Some(is_open) = self.is_open {
            writer.text("basic", &[], if is_open { "open" } else { "closed" });
        }
        writer.close();
        if let Some(contact) = &self.contact {
            writer.text("contact", &[], contact);
        }
        if let Some(note) = &self.note {
            writer.text("note", &[], note);
        }
        writer.close();
    }

    fn read(element: &Element) -> Tuple {
        let basic = element.first("status").and_then(|status| status.first("basic"));
        Tuple {
            id: short(element.attribute("id").unwrap_or_default()),
            is_open: basic.and_then(|basic| match basic.text.as_str() {
                "open" => Some(true),
                "closed" => Some(false),
                _ => None,
            }),
            contact: element.first("contact").map(|contact| short(&contact.text)),
            note: note(element),
        }
    }
}

fn statuses(root: &Element) -> impl Iterator<Item = &Element> {
    root.children
        .iter()
        .filter(|child| matches!(child.name.as_str(), "tuple" | "person"))
        .filter_map(|child| child.first("status"))
}

fn note(element: &Element) -> Option<String> {
    element.first("note").filter(|note| !note.text.is_empty()).map(|note| short(&note.text))
}

fn short(text: &str) -> String {
    text.chars().take(limits::PRESENCE_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talking() -> Presence {
        Presence {
            tuples: vec![Tuple {
                id: "t1".to_owned(),
                is_open: Some(true),
                contact: Some("sip:1001@alpha.test".to_owned()),
                note: None,
            }],
            note: Some("Out & about".to_owned()),
            activities: vec![Activity::ON_THE_PHONE],
        }
    }

    #[test]
    fn somebody_on_the_phone() {
        let document = talking().to_bytes("sip:1001@alpha.test");
        assert_eq!(
            std::str::from_utf8(&document).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
             xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:1001@alpha.test\">\n\
               <tuple id=\"t1\">\n\
                 <status>\n\
                   <basic>open</basic>\n\
                 </status>\n\
                 <contact>sip:1001@alpha.test</contact>\n\
               </tuple>\n\
               <note>Out &amp; about</note>\n\
               <dm:person id=\"p1\">\n\
                 <rpid:activities>\n\
                   <rpid:on-the-phone/>\n\
                 </rpid:activities>\n\
                 <dm:note>Out &amp; about</dm:note>\n\
               </dm:person>\n\
             </presence>\n"
        );
        assert_eq!(Presence::parse(&document).unwrap(), talking());
    }

    #[test]
    fn what_phones_publish_is_understood() {
        let softphone = "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' \
            xmlns:p='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:1@a'>\
            <tuple id='x'><status><basic>closed</basic><r:activities><r:meal/></r:activities></status></tuple>\
            <p:person id='y'><r:activities><r:away/><r:away/><r:juggling/></r:activities><p:note>Back soon</p:note></p:person>\
            </presence>";
        let presence = Presence::parse(softphone.as_bytes()).unwrap();
        assert_eq!(presence.tuples, [Tuple { id: "x".to_owned(), is_open: Some(false), ..Tuple::default() }]);
        assert_eq!(presence.note.as_deref(), Some("Back soon"));
        assert_eq!(presence.activities.iter().map(|word| word.as_str()).collect::<Vec<_>>(), ["away", "meal"]);
    }

    #[test]
    fn limits_hold_and_other_documents_are_refused() {
        let many = format!("<presence>{}</presence>", "<tuple id='a'/>".repeat(limits::PRESENCE_TUPLES + 3));
        assert_eq!(Presence::parse(many.as_bytes()).unwrap().tuples.len(), limits::PRESENCE_TUPLES);
        let long = format!("<presence><note>{}</note></presence>", "é".repeat(limits::PRESENCE_TEXT + 1));
        assert_eq!(
            Presence::parse(long.as_bytes()).unwrap().note.map(|note| note.chars().count()),
            Some(limits::PRESENCE_TEXT)
        );
        assert!(Presence::parse(b"<html/>").is_err());
        assert!(Presence::parse(b"").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(
            start in 0_usize..700,
            bytes in proptest::collection::vec(proptest::sample::select(&b"<>/&;#x!-[]CDAT='\" ap:?\xff"[..]), 0..24),
        ) {
            let mut document = talking().to_bytes("sip:1001@alpha.test").to_vec();
            let start = start.min(document.len());
            document.splice(start..(start + bytes.len()).min(document.len()), bytes);
            let _ = Presence::parse(&document);
        }
    }
}
