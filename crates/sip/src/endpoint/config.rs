//! What goes into an endpoint and what comes out of it.

use std::time::Instant;

use bytes::Bytes;

use crate::flow::Flow;
use crate::header::{Name, NameAddr, Reason};
use crate::limits;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::network::Advertised;
use crate::transaction::Timers;
use crate::uri::Uri;

/// What an endpoint is told once.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Branches, tags, Call-IDs and the tags of stateless answers grow from this.
    pub seed: [u8; 32],
    /// Value of Server in answers and of User-Agent in requests.
    pub server: String,
    /// T1, T2 and T4.
    pub timers: Timers,
    /// Stands in Via and Contact instead of the flow's local address, for hosts behind a cloud NAT.
    pub advertised: Advertised,
    /// Rides in every branch, tag and Call-ID of ours.
    pub shard: u8,
    /// Transactions of both kinds together; beyond it new requests get 503, beyond twice as many those inside a dialog
    /// too, BYE excepted.
    pub max_transactions: usize,
    /// Dialogs; beyond it new INVITEs get 503.
    pub max_dialogs: usize,
}

impl EndpointConfig {
    /// The usual timers and limits.
    pub fn new(seed: [u8; 32], server: &str) -> EndpointConfig {
        EndpointConfig {
            seed,
            server: server.to_owned(),
            timers: Timers::default(),
            advertised: Advertised::default(),
            shard: 0,
            max_transactions: limits::TRANSACTIONS,
            max_dialogs: limits::DIALOGS,
        }
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub(crate) u64);
    )+};
}

ids! {
    /// A request that waits for our answer.
    ServerId,
    /// A request of ours.
    ClientId,
    /// A dialog.
    DialogId
}

/// Decides who may make state. Pure: it looks and answers.
pub trait Gate<I> {
    /// Whether a request may pass, and as whom.
    fn admit(&mut self, now: Instant, flow: &Flow, request: &Request, scope: Scope) -> Admission<I>;
}

/// Which request the gate is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// It belongs to no dialog.
    OutOfDialog,
    /// It names this dialog, but comes over another flow than the dialog's. Whoever passes takes the dialog over, so the gate
    /// has to know whose it is.
    Dialog(DialogId),
}

/// What a gate says.
#[derive(Debug)]
pub enum Admission<I> {
    /// It may pass.
    Pass(I),
    /// It gets this answer, statelessly.
    Refuse(Reply),
    /// It gets none.
    Drop,
}

/// An answer, without what the endpoint adds: Via, From, To with tag, Call-ID, CSeq, Record-Route, Server.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub code: u16,
    /// Words for it, when the usual ones will not do.
    pub reason: Option<String>,
    /// Further headers.
    pub headers: Vec<(Name, Bytes)>,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
    /// Whether our Contact is added.
    pub contact: ContactPolicy,
}

/// Whether an answer carries our Contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactPolicy {
    /// It does not.
    None,
    /// It does, as answers that make or refresh a dialog must.
    Dialog,
}

impl Reply {
    /// An answer with the usual words and nothing more.
    pub fn new(code: u16) -> Reply {
        Reply { code, reason: None, headers: Vec::new(), body: None, contact: ContactPolicy::None }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: Name, value: impl Into<Bytes>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Bytes) -> Reply {
        self.body = Some((content_type.to_owned(), body));
        self
    }

    /// With other words.
    #[must_use]
    pub fn reason(mut self, words: &str) -> Reply {
        self.reason = Some(words.to_owned());
        self
    }

    /// With or without our Contact.
    #[must_use]
    pub fn contact(mut self, policy: ContactPolicy) -> Reply {
        self.contact = policy;
        self
    }
}

/// A request outside of any dialog.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Where it goes.
    pub flow: Flow,
    /// From; the tag is added.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID; one of ours when absent.
    pub call_id: Option<Bytes>,
    /// Further headers.
    pub headers: Vec<(Name, Bytes)>,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
    /// Hops it may take.
    pub max_forwards: u8,
    /// Route values.
    pub route: Vec<NameAddr>,
}

/// Why a request of ours has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// Nobody answered in time: as a 408.
    Timeout,
    /// It could not be delivered: as a 503.
    Transport,
}

/// What the transaction user hears.
#[derive(Debug)]
pub enum Event<I> {
    /// An INVITE that asks for a new dialog. It has been answered 100.
    Invite {
        /// To answer it.
        id: ServerId,
        /// The dialog it will become.
        dialog: DialogId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
        /// As whom it passed the gate.
        identity: I,
    },
    /// Any other request outside of a dialog.
    Request {
        /// To answer it.
        id: ServerId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
        /// As whom it passed the gate.
        identity: I,
    },
    /// A request inside a dialog, in order.
    InDialog {
        /// To answer it.
        id: ServerId,
        /// The dialog.
        dialog: DialogId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The INVITE was cancelled; CANCEL and INVITE are answered, the INVITE with 487 even where a 2xx was given to be sent and
    /// had to wait for a PRACK.
    Cancelled {
        /// The INVITE.
        id: ServerId,
        /// The dialog that does not come about, or, for a re-INVITE, stays as it was.
        dialog: DialogId,
        /// Why, when the peer says so.
        reason: Option<Reason>,
    },
    /// Our 2xx to an INVITE has its ACK.
    Acked {
        /// The dialog.
        dialog: DialogId,
        /// The ACK.
        request: Request,
    },
    /// Our 2xx never got its ACK; the dialog should be ended with BYE.
    NoAck {
        /// The dialog.
        dialog: DialogId,
    },
    /// A reliable provisional answer of ours never got its PRACK (RFC 3262 §3). The INVITE has been refused with 504, even
    /// where a 2xx was given to be sent, and its dialog is gone, unless the INVITE came inside of it.
    NoPrack {
        /// The INVITE.
        id: ServerId,
        /// The dialog.
        dialog: DialogId,
    },
    /// An answer to a request of ours; never 100, never a repetition.
    Response {
        /// The request.
        id: ClientId,
        /// The dialog the answer belongs to.
        dialog: Option<DialogId>,
        /// The answer.
        response: Response,
        /// Where it came from.
        flow: Flow,
    },
    /// A request of ours ended without an answer.
    Failed {
        /// The request.
        id: ClientId,
        /// The dialog it was sent in.
        dialog: Option<DialogId>,
        /// Why.
        why: Failure,
    },
}

/// How much state an endpoint holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Dialogs, early ones included.
    pub dialogs: usize,
}
