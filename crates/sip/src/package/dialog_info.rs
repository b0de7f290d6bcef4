//! `application/dialog-info+xml`: the calls of one extension (RFC 4235).

use bytes::Bytes;

use super::xml::Writer;

/// The dialogs of one entity, or what has changed about them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogInfo<'a> {
    /// 0 in the first document of a subscription, one more in each further one (§4.1.1).
    pub version: u32,
    /// Whether these are all dialogs there are; otherwise only those that have changed.
    pub is_full: bool,
    /// Whose dialogs, as a URI.
    pub entity: &'a str,
    /// The dialogs.
    pub dialogs: &'a [Dialog],
}

/// One call as its entity sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dialog {
    /// Tells the dialogs of one entity apart; of no meaning otherwise.
    pub id: String,
    /// Call-ID, local tag and remote tag, as far as they are known: what a Replaces has to name.
    pub call_id: Option<String>,
    /// Tag of the entity.
    pub local_tag: Option<String>,
    /// Tag of the other side.
    pub remote_tag: Option<String>,
    /// Who called.
    pub direction: Direction,
    /// How far it has come.
    pub state: DialogState,
    /// The entity.
    pub local: Participant,
    /// Who is at the other end; unknown once the dialog is over.
    pub remote: Option<Participant>,
}

/// Who called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The entity.
    Initiator,
    /// The other side.
    Recipient,
}

/// How far a dialog has come (§3.7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DialogState {
    /// The INVITE is out and nobody has answered.
    Trying,
    /// Answered provisionally, without a tag.
    Proceeding,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
    /// Over.
    Terminated,
}

/// One end of a dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Participant {
    /// Address of record.
    pub identity: String,
    /// Name for people.
    pub display: Option<String>,
    /// Where the dialog's requests go.
    pub target: String,
    /// Whether it hears the other end; on hold it does not (`+sip.rendering`, §4.1.6).
    pub is_rendering: bool,
}

impl DialogInfo<'_> {
    /// The content type of the document.
    pub const CONTENT_TYPE: &'static str = "application/dialog-info+xml";

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut writer = Writer::new();
        let attributes = [
            ("xmlns", "urn:ietf:params:xml:ns:dialog-info"),
            ("version", &self.version.to_string()),
            ("state", if self.is_full { "full" } else { "partial" }),
            ("entity", self.entity),
        ];
        writer.open("dialog-info", &attributes);
        for dialog in self.dialogs {
            dialog.write(&mut writer);
        }
        writer.finish()
    }
}

impl Dialog {
    /// The same dialog, over.
    #[must_use]
    pub fn terminated(&self) -> Self {
        Self { state: DialogState::Terminated, ..self.clone() }
    }

    fn write(&self, writer: &mut Writer) {
        let direction = match self.direction {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        };
        let mut attributes = vec![("id", self.id.as_str())];
        let named = [("call-id", &self.call_id), ("local-tag", &self.local_tag), ("remote-tag", &self.remote_tag)];
        attributes.extend(named.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
        attributes.push(("direction", direction));
        writer.open("dialog", &attributes);
        writer.text("state", &[], self.state.as_str());
        self.local.write(writer, "local");
        if let Some(remote) = &self.remote {
            remote.write(writer, "remote");
        }
        writer.close();
    }
}

impl DialogState {
    /// The word of the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

impl Participant {
    fn write(&self, writer: &mut Writer, side: &'static str) {
        writer.open(side, &[]);
        match &self.display {
            Some(display) => writer.text("identity", &[("display", display)], &self.identity),
            None => writer.text("identity", &[], &self.identity),
        }
        if self.is_rendering {
            writer.empty("target", &[("uri", &self.target)]);
        } else {
            writer.open("target", &[("uri", &self.target)]);
            writer.empty("param", &[("pname", "+sip.rendering"), ("pval", "no")]);
            writer.close();
        }
        writer.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(number: &str, display: Option<&str>) -> Participant {
        Participant {
            identity: format!("sip:{number}@alpha.test"),
            display: display.map(str::to_owned),
            target: format!("sip:{number}@alpha.test"),
            is_rendering: true,
        }
    }

    fn ringing() -> Dialog {
        Dialog {
            id: "a1".to_owned(),
            call_id: Some("c\"1".to_owned()),
            local_tag: Some("l".to_owned()),
            remote_tag: None,
            direction: Direction::Recipient,
            state: DialogState::Early,
            local: end("1001", None),
            remote: Some(end("1002", Some("Bob <the \"builder\"> & son"))),
        }
    }

    #[test]
    fn a_ringing_phone() {
        let info =
            DialogInfo { version: 3, is_full: true, entity: "sip:1001@alpha.test", dialogs: &[ringing()] }.to_bytes();
        assert_eq!(
            std::str::from_utf8(&info).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"3\" state=\"full\" entity=\"sip:1001@alpha.test\">\n\
               <dialog id=\"a1\" call-id=\"c&quot;1\" local-tag=\"l\" direction=\"recipient\">\n\
                 <state>early</state>\n\
                 <local>\n\
                   <identity>sip:1001@alpha.test</identity>\n\
                   <target uri=\"sip:1001@alpha.test\"/>\n\
                 </local>\n\
                 <remote>\n\
                   <identity display=\"Bob &lt;the &quot;builder&quot;&gt; &amp; son\">sip:1002@alpha.test</identity>\n\
                   <target uri=\"sip:1002@alpha.test\"/>\n\
                 </remote>\n\
               </dialog>\n\
             </dialog-info>\n"
        );
    }

    #[test]
    fn a_held_call_and_one_that_is_over() {
        let mut held = ringing();
        held.state = DialogState::Confirmed;
        held.local.is_rendering = false;
        held.remote = None;
        let info = DialogInfo { version: 4, is_full: false, entity: "e", dialogs: &[held.clone(), held.terminated()] };
        let info = info.to_bytes();
        let text = std::str::from_utf8(&info).unwrap();
        assert!(text.contains("version=\"4\" state=\"partial\""));
        assert!(text.contains(
            "<target uri=\"sip:1001@alpha.test\">\n<param pname=\"+sip.rendering\" pval=\"no\"/>\n</target>"
        ));
        assert!(text.contains("<state>confirmed</state>") && text.contains("<state>terminated</state>"));
        assert!(!text.contains("remote>"));
    }

    #[test]
    fn nobody_calls() {
        let info = DialogInfo { version: 0, is_full: true, entity: "sip:1001@alpha.test", dialogs: &[] }.to_bytes();
        assert!(info.ends_with(b"entity=\"sip:1001@alpha.test\">\n</dialog-info>\n"));
    }
}
