//! State: a dialog as a plain value, so that a subscription outlives a restart.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Dialog, Offer, Stage, Usage};
use crate::error::Error;
use crate::flow::{Flow, Transport};
use crate::header::NameAddr;
use crate::uri::Uri;

/// All that the two ends of a confirmed dialog remember of each other (RFC 3261 §12), as text and numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogState {
    /// Whether a session lives in it, rather than a subscription.
    pub session: bool,
    /// Whether our request made it.
    pub initiated: bool,
    /// Call-ID.
    pub call_id: String,
    /// From of our requests, tag included.
    pub local: String,
    /// To of our requests, tag included when the peer has one.
    pub remote: String,
    /// Request-URI of our requests.
    pub target: String,
    /// Route values of our requests, in order.
    pub routes: Vec<String>,
    /// Name of the transport as in a Via.
    pub transport: String,
    /// Our address.
    pub local_address: SocketAddr,
    /// The peer's address.
    pub remote_address: SocketAddr,
    /// Whether our Contact is a `sips:` URI.
    pub secure: bool,
    /// Number of our last request.
    pub local_cseq: u32,
    /// Number of the peer's last request, when there was one.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog as a plain value. `None` while it is not confirmed, and for peers who write what is no text.
    pub(crate) fn state(&self) -> Option<DialogState> {
        if self.stage != Stage::Confirmed {
            return None;
        }
        let routes: Option<Vec<_>> = self.routes.iter().map(|route| text(&route.to_bytes())).collect();
        Some(DialogState {
            session: self.usage == Usage::Session,
            initiated: self.initiated,
            call_id: text(&self.call_id)?,
            local: text(&self.local.to_bytes())?,
            remote: text(&self.remote.to_bytes())?,
            target: text(self.target.bytes())?,
            routes: routes?,
            transport: self.flow.transport.as_str().to_owned(),
            local_address: self.flow.local,
            remote_address: self.flow.remote,
            secure: self.secure,
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
        })
    }

    /// The dialog that a plain value describes.
    pub(crate) fn of_state(state: &DialogState) -> Result<Dialog, Error> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let address = |text: &str| NameAddr::parse(&bytes(text));
        let known = Transport::ALL.into_iter().find(|transport| transport.as_str() == state.transport);
        let transport = known.ok_or(Error::Unsupported { what: "transport" })?;
        let (local, remote) = (address(&state.local)?, address(&state.remote)?);
        let local_tag = local.tag().ok_or(Error::Violation { header: "From", why: "has no tag" })?;
        let routes: Result<Vec<_>, Error> = state.routes.iter().map(|route| address(route)).collect();
        Ok(Dialog {
            stage: Stage::Confirmed,
            usage: if state.session { Usage::Session } else { Usage::Subscription },
            initiated: state.initiated,
            call_id: bytes(&state.call_id),
            local,
            local_tag,
            remote_tag: remote.tag().unwrap_or_default(),
            remote,
            target: Uri::parse(&bytes(&state.target))?,
            routes: routes?,
            flow: Flow { transport, local: state.local_address, remote: state.remote_address },
            secure: state.secure,
            local_cseq: state.local_cseq,
            invite: None,
            remote_cseq: state.remote_cseq,
            inviting: false,
            invited: None,
            offer: Offer::None,
            updating: false,
            updated: None,
            reliable: None,
            rseq: None,
            unpracked: None,
            refused: None,
            answers: Vec::new(),
            referred: false,
            gone_at: None,
            held_bye: None,
        })
    }
}

fn text(bytes: &Bytes) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
