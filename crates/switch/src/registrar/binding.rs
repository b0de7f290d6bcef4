//! Binding: one phone that answers for an extension.

use std::time::Instant;

use bytes::Bytes;
use domain::Registration;
use sip::header::{NameAddr, Path};
use sip::{Error, Flow, Header, Transport, Uri};

use super::request::Contact;

/// A live binding. The Contact is kept as text, so that a binding does not hold on to the message it came in.
#[derive(Clone, Debug)]
pub struct Binding {
    registration: Registration,
    flow: Flow,
    expires_at: Instant,
}

impl Binding {
    /// Whether both are of one device: over the same flow, or over two flows that it keeps (RFC 5626).
    pub(crate) fn is_with(&self, other: &Self) -> bool {
        let instance = &self.registration.instance;
        self.flow == other.flow || instance.is_some() && *instance == other.registration.instance
    }

    pub(super) fn new(registration: Registration, flow: Flow, expires_at: Instant) -> Self {
        Self { registration, flow, expires_at }
    }

    /// A binding as it was kept; `None` when its phone cannot be reached by what was kept.
    pub(super) fn restored(registration: Registration, expires_at: Instant) -> Option<Self> {
        let flow = flow_of(&registration)?;
        let binding = Self { registration, flow, expires_at };
        binding.target().is_ok_and(|uri| uri.is_sip()).then_some(binding)
    }

    /// What is kept of it.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The way to the phone.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// When it ends unless refreshed.
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        self.expires_at
    }

    /// The Contact: what a Request-URI to the phone says.
    ///
    /// # Errors
    /// None, in a binding that is in the table; the text was read before.
    pub fn target(&self) -> Result<Uri, Error> {
        self.registration.contact.parse()
    }

    /// The route to the phone (RFC 3327), nearest hop first.
    #[must_use]
    pub fn path(&self) -> Vec<NameAddr> {
        path_of(&self.registration)
    }

    pub(super) fn same_device(&self, contact: &Contact) -> bool {
        self.registration.instance.is_some()
            && self.registration.instance == contact.instance
            && self.registration.reg_id == contact.reg_id
    }

    /// RFC 3261 §19.1.4. Equal text is equal meaning, and the usual case of a refresh.
    pub(super) fn same_address(&self, uri: &Uri) -> bool {
        self.registration.contact.as_bytes() == uri.as_bytes() || self.target().is_ok_and(|own| own.equivalent(uri))
    }

    /// Whether both stand for the same phone.
    pub(super) fn same(&self, other: &Self) -> bool {
        let (one, two) = (&self.registration, &other.registration);
        let device = one.instance.is_some() && one.instance == two.instance && one.reg_id == two.reg_id;
        device || one.id == two.id || other.target().is_ok_and(|uri| self.same_address(&uri))
    }
}

/// The way to a phone, as it was kept.
pub(crate) fn flow_of(registration: &Registration) -> Option<Flow> {
    let transport = transport(&registration.transport)?;
    Some(Flow { transport, local: registration.local, remote: registration.remote })
}

/// The route to a phone (RFC 3327), as it was kept.
pub(crate) fn path_of(registration: &Registration) -> Vec<NameAddr> {
    let values = registration.path.iter();
    values.filter_map(|value| Path::parse(&Bytes::copy_from_slice(value.as_bytes())).ok()).map(|path| path.0).collect()
}

/// The name of a transport in [`Registration`].
pub(super) fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}

fn transport(name: &str) -> Option<Transport> {
    Transport::ALL.into_iter().find(|transport| transport_name(*transport) == name)
}
