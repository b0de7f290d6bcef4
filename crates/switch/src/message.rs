//! Messages: SIP MESSAGE between extensions (RFC 3428), at once or when a phone registers.
//!
//! ```text
//!             a phone takes it            200
//!  MESSAGE ──▶ Direct ───────────────────────────────────▶ sender
//!     │          │ nobody there, no answer in 8 s
//!     │ no phone ▼
//!     └───────▶ Storing ──▶ store: kept ── 202 ──────────▶ sender
//!                             │
//!  REGISTER ──▶ Fetching ─────┘ in order, one after another, see [`mailbox`]
//! ```
//!
//! A message goes to all phones of the extension but the one that sends it; the first that takes it has answered for all. 202 is
//! said when the store has the message, and not before. A message is kept at most once and marked as delivered once; should the
//! machine stop between the two, a phone may see it a second time.
//!
//! | what | is told |
//! |---|---|
//! | a number that is no extension of the sender's tenant | 404 |
//! | more than 8 KiB | 413 |
//! | a content type or encoding that is not on the list | 415 |
//! | nobody there, and the message is not one that waits (`im-iscomposing`, Expires: 0) | 480 |
//! | as many messages as may wait for the extension | 480 |
//! | the store did not take it, too many messages under way | 503 |

pub(crate) mod mailbox;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use domain::{Kept, MAX_MESSAGE_BODY, MessageId, StoredMessage, TenantId, TenantSnapshot};
use jiff::{SignedDuration, Timestamp};
use sip::header::{ContentType, Expires, NameAddr};
use sip::{ClientId, Flow, Header, Method, Name, OutgoingRequest, Reply, Request, ServerId, Uri};

use crate::admit::Identity;
use crate::call::effect::Ids;
use crate::limits;
use crate::qualify::{Qualify, Reach};
use crate::registrar::Registrar;
use crate::routing;
use mailbox::{MailboxKey, Mailboxes, Outcome};

/// What may be sent: type, subtype, and whether it waits for a phone. HTML is not among them, since what one person writes is
/// not to be run in another's browser.
const TYPES: [(&str, &str, bool); 4] = [
    ("text", "plain", true),
    ("message", "cpim", true),
    ("message", "imdn+xml", true),
    ("application", "im-iscomposing+xml", false),
];

/// The same list for those who sent something else.
const ACCEPT: &str = "text/plain, message/cpim, message/imdn+xml, application/im-iscomposing+xml";

/// Who sends without a name.
const ANONYMOUS: &str = "anonymous";

/// A message on its way to phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SendingId(u64);

/// What the service wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send a request to a phone; [`Messages::sent`] or [`Messages::unsent`] follows.
    Send { sending: SendingId, outgoing: Box<OutgoingRequest> },
    /// Answer a sender.
    Respond { server: ServerId, reply: Reply },
    /// Keep a message; [`Messages::kept`] follows.
    Store(Box<StoredMessage>),
    /// Read messages that wait, those after one; [`Messages::fetched`] follows.
    Fetch { mailbox: MailboxKey, after: Option<MessageId> },
    /// A kept message has been taken by a phone.
    Delivered { tenant: TenantId, id: MessageId },
}

/// What the service may look at.
pub(crate) struct Around<'a> {
    pub(crate) now: Instant,
    pub(crate) at: Timestamp,
    /// The tenant; absent when it is gone.
    pub(crate) tenant: Option<&'a TenantSnapshot>,
    pub(crate) registrar: &'a Registrar,
    pub(crate) qualify: &'a Qualify,
    pub(crate) ids: &'a mut Ids,
}

/// What somebody has written, and to whom.
#[derive(Clone, Debug)]
struct Message {
    mailbox: MailboxKey,
    /// Number of the extension it is for.
    to: String,
    sender: String,
    sender_name: Option<String>,
    content_type: String,
    body: Bytes,
    sent_at: Timestamp,
    /// Until when it waits; absent when it does not.
    expires_at: Option<Timestamp>,
    max_forwards: u8,
}

/// A message on its way to phones.
struct Sending {
    message: Message,
    state: State,
    /// Phones that have said nothing yet.
    open: usize,
    /// A refusal that would be the same tomorrow.
    refused: Option<u16>,
}

/// Who waits for what becomes of a message.
enum State {
    /// Its sender.
    Direct { server: ServerId, answer_by: Instant },
    /// A mailbox.
    Kept { id: MessageId, answer_by: Instant },
    /// Nobody: it is kept. A phone that takes it after all has it.
    Late { id: MessageId },
}

impl State {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Direct { answer_by, .. } | Self::Kept { answer_by, .. } => Some(*answer_by),
            Self::Late { .. } => None,
        }
    }
}

/// A message on its way to the store.
struct Storing {
    server: ServerId,
    mailbox: MailboxKey,
    to: String,
    sent_at: Timestamp,
    give_up_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Sending(SendingId),
    Storing(MessageId),
}

/// All messages of a shard. The hash maps are for look-up alone.
#[derive(Default)]
pub(crate) struct Messages {
    sendings: BTreeMap<SendingId, Sending>,
    clients: HashMap<ClientId, SendingId>,
    storing: BTreeMap<MessageId, Storing>,
    /// How many of both each tenant has.
    under_way: HashMap<TenantId, usize>,
    mailboxes: Mailboxes,
    deadlines: BTreeSet<(Instant, Due)>,
    effects: VecDeque<Effect>,
    next: u64,
}

impl Messages {
    /// A MESSAGE of an extension, outside of any dialog.
    pub(crate) fn request(
        &mut self,
        cx: &mut Around<'_>,
        server: ServerId,
        request: &Request,
        flow: &Flow,
        identity: &Identity,
    ) {
        match self.read(cx, request, identity) {
            Ok(message) => {
                let own = identity.extension_id == message.mailbox.extension;
                self.deliver(cx, server, message, own.then_some(flow));
            }
            Err(reply) => self.effects.push_back(Effect::Respond { server, reply }),
        }
    }

    /// What the request says, or why it is not taken.
    fn read(&self, cx: &Around<'_>, request: &Request, identity: &Identity) -> Result<Message, Reply> {
        let own = self.under_way.get(&identity.tenant).copied().unwrap_or(0);
        if self.len() >= limits::MAX_MESSAGES_UNDER_WAY || own >= limits::MAX_MESSAGES_PER_TENANT {
            return Err(unavailable());
        }
        let (content_type, waits) = content_type(request)?;
        let body = request.body();
        if body.len() > MAX_MESSAGE_BODY {
            return Err(Reply::new(413));
        }
        let tenant = cx.tenant.ok_or_else(|| Reply::new(404))?;
        let number = request.uri().user_raw().and_then(routing::number_of_user);
        let extension = number.and_then(|number| tenant.extensions.get(&number)).filter(|extension| extension.enabled);
        let extension = extension.ok_or_else(|| Reply::new(404))?;
        let from = request.from().ok();
        let nameless = from.is_some_and(|from| from.uri.user().as_deref() == Some(ANONYMOUS.as_bytes()));
        let own = tenant.extensions.get(&identity.extension).filter(|_| !nameless);
        let lifetime = match request.headers().typed::<Expires>() {
            Some(Ok(Expires(seconds))) => seconds.min(limits::MESSAGE_LIFETIME_S),
            _ => limits::MESSAGE_LIFETIME_S,
        };
        let until = cx.at.checked_add(SignedDuration::from_secs(i64::from(lifetime))).unwrap_or(Timestamp::MAX);
        Ok(Message {
            mailbox: MailboxKey { tenant: identity.tenant, extension: extension.id },
            to: extension.number.clone(),
            sender: if nameless { ANONYMOUS.to_owned() } else { identity.extension.clone() },
            sender_name: own.and_then(|own| own.display_name.clone()),
            content_type,
            body,
            sent_at: cx.at,
            expires_at: (waits && lifetime > 0).then_some(until),
            max_forwards: request.max_forwards().unwrap_or(limits::MAX_FORWARDS).min(limits::MAX_FORWARDS),
        })
    }

    /// Sends a message to all phones that are there, or keeps it.
    fn deliver(&mut self, cx: &mut Around<'_>, server: ServerId, message: Message, but: Option<&Flow>) {
        let mut phones = phones_of(cx, &message, but);
        if phones.is_empty() && but.is_some() {
            // Who writes to itself with one phone alone hears itself.
            phones = phones_of(cx, &message, None);
        }
        if phones.is_empty() {
            return self.keep(cx, server, message);
        }
        let state = State::Direct { server, answer_by: cx.now + limits::MESSAGE_ANSWER };
        self.send(message, state, phones);
    }

    fn send(&mut self, message: Message, state: State, phones: Vec<OutgoingRequest>) {
        self.next += 1;
        let id = SendingId(self.next);
        self.deadlines.extend(state.deadline().map(|at| (at, Due::Sending(id))));
        self.begins(message.mailbox.tenant);
        self.sendings.insert(id, Sending { message, state, open: phones.len(), refused: None });
        for outgoing in phones {
            self.effects.push_back(Effect::Send { sending: id, outgoing: Box::new(outgoing) });
        }
    }

    /// A request is on its way to a phone.
    pub(crate) fn sent(&mut self, sending: SendingId, client: ClientId) {
        self.clients.insert(client, sending);
    }

    /// A request could not be sent.
    pub(crate) fn unsent(&mut self, cx: &mut Around<'_>, sending: SendingId) {
        self.heard(cx, sending, None);
    }

    /// Whether a request is one of these; of which tenant, when somebody still waits for its answer.
    pub(crate) fn owner(&self, client: ClientId) -> Option<Option<TenantId>> {
        let sending = self.sendings.get(self.clients.get(&client)?);
        Some(sending.map(|sending| sending.message.mailbox.tenant))
    }

    /// The tenant of a message that is on its way to the store.
    pub(crate) fn tenant_of(&self, id: MessageId) -> Option<TenantId> {
        self.storing.get(&id).map(|storing| storing.mailbox.tenant)
    }

    /// A phone has answered, or has not in time (`None`).
    pub(crate) fn answered(&mut self, cx: &mut Around<'_>, client: ClientId, code: Option<u16>) {
        if code.is_some_and(|code| code < 200) {
            return;
        }
        if let Some(sending) = self.clients.remove(&client) {
            self.heard(cx, sending, code);
        }
    }

    fn heard(&mut self, cx: &mut Around<'_>, id: SendingId, code: Option<u16>) {
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        sending.open = sending.open.saturating_sub(1);
        match code {
            Some(code @ 200..=299) => self.taken(cx, id, code),
            Some(code) if is_final(code) => sending.refused = sending.refused.max(Some(code)),
            Some(_) | None => {}
        }
        if self.sendings.get(&id).is_some_and(|sending| sending.open == 0) {
            self.failed(cx, id);
        }
    }

    /// A phone has the message; what the others say does not matter any more.
    fn taken(&mut self, cx: &mut Around<'_>, id: SendingId, code: u16) {
        let Some(sending) = self.finish(id) else { return };
        let mailbox = sending.message.mailbox;
        match sending.state {
            State::Direct { server, .. } => {
                self.effects
                    .push_back(Effect::Respond { server, reply: Reply::new(if code == 202 { 202 } else { 200 }) });
            }
            State::Kept { id, .. } => {
                self.effects.push_back(Effect::Delivered { tenant: mailbox.tenant, id });
                self.next_of(cx, mailbox, Outcome::Taken);
            }
            State::Late { id } => self.effects.push_back(Effect::Delivered { tenant: mailbox.tenant, id }),
        }
    }

    /// No phone has taken the message, and none is left that could.
    fn failed(&mut self, cx: &mut Around<'_>, id: SendingId) {
        let Some(Sending { message, state, refused, .. }) = self.finish(id) else { return };
        match (state, refused) {
            (State::Direct { server, .. }, Some(code)) => {
                self.effects.push_back(Effect::Respond { server, reply: Reply::new(told(code)) });
            }
            (State::Direct { server, .. }, None) => self.keep(cx, server, message),
            (State::Kept { .. }, Some(_)) => self.next_of(cx, message.mailbox, Outcome::Refused),
            (State::Kept { .. }, None) => self.next_of(cx, message.mailbox, Outcome::Silent),
            (State::Late { .. }, _) => {}
        }
    }

    /// Forgets a sending; answers that are still to come find nobody.
    fn finish(&mut self, id: SendingId) -> Option<Sending> {
        let sending = self.sendings.remove(&id)?;
        self.ends(sending.message.mailbox.tenant);
        if let Some(at) = sending.state.deadline() {
            self.deadlines.remove(&(at, Due::Sending(id)));
        }
        Some(sending)
    }

    /// Hands a message to the store, or says that nobody is there.
    fn keep(&mut self, cx: &mut Around<'_>, server: ServerId, message: Message) {
        if self.store(cx, server, &message).is_none() {
            self.effects.push_back(Effect::Respond { server, reply: Reply::new(480) });
        }
    }

    /// Hands a message to the store, whose word the sender waits for; `None` when it is not one that waits.
    fn store(&mut self, cx: &mut Around<'_>, server: ServerId, message: &Message) -> Option<MessageId> {
        let id = MessageId(cx.ids.uuid(cx.at));
        let stored = StoredMessage {
            id,
            tenant_id: message.mailbox.tenant,
            extension_id: message.mailbox.extension,
            sender: message.sender.clone(),
            sender_name: message.sender_name.clone(),
            content_type: message.content_type.clone(),
            body: message.body.to_vec(),
            sent_at: message.sent_at,
            expires_at: message.expires_at?,
        };
        self.effects.push_back(Effect::Store(Box::new(stored)));
        let Message { mailbox, to, sent_at, .. } = message.clone();
        let give_up_at = cx.now + limits::MESSAGE_STORE;
        self.deadlines.insert((give_up_at, Due::Storing(id)));
        self.begins(mailbox.tenant);
        self.storing.insert(id, Storing { server, mailbox, to, sent_at, give_up_at });
        Some(id)
    }

    /// What has become of a message that was handed to the store.
    pub(crate) fn kept(&mut self, cx: &mut Around<'_>, id: MessageId, kept: Kept) {
        let Some(storing) = self.storing.remove(&id) else { return };
        self.deadlines.remove(&(storing.give_up_at, Due::Storing(id)));
        self.ends(storing.mailbox.tenant);
        let reply = match kept {
            Kept::Stored => Reply::new(202),
            Kept::Full => Reply::new(480),
            Kept::Failed => unavailable(),
        };
        self.effects.push_back(Effect::Respond { server: storing.server, reply });
        if kept == Kept::Stored {
            self.mailboxes.waits(storing.mailbox);
            // A phone that registered while the message was on its way to the store has asked too early.
            let mut bindings = cx.registrar.bindings(cx.now, storing.mailbox.tenant, &storing.to);
            if bindings.any(|binding| binding.registration().registered_at >= storing.sent_at) {
                self.registered(cx.now, storing.mailbox, &storing.to);
            }
        }
    }

    /// For whom messages wait, as the store knows from an earlier life.
    pub(crate) fn waiting(&mut self, mailboxes: impl IntoIterator<Item = MailboxKey>) {
        for mailbox in mailboxes {
            self.mailboxes.waits(mailbox);
        }
    }

    /// A tenant is gone, and what waited for its extensions with it.
    pub(crate) fn remove_tenant(&mut self, now: Instant, tenant: TenantId) {
        self.mailboxes.remove_tenant(now, tenant, &mut self.effects);
    }

    /// A phone of an extension has registered.
    pub(crate) fn registered(&mut self, now: Instant, mailbox: MailboxKey, number: &str) {
        self.mailboxes.registered(now, mailbox, number, &mut self.effects);
    }

    /// Messages that wait for an extension, in order; `None` when the store could not be read.
    pub(crate) fn fetched(&mut self, cx: &mut Around<'_>, mailbox: MailboxKey, messages: Option<Vec<StoredMessage>>) {
        let next = self.mailboxes.fetched(cx.now, mailbox, messages, &mut self.effects);
        self.send_kept(cx, mailbox, next);
    }

    /// A mailbox goes on with its next message.
    fn next_of(&mut self, cx: &mut Around<'_>, mailbox: MailboxKey, outcome: Outcome) {
        let next = self.mailboxes.concluded(cx.now, mailbox, outcome, &mut self.effects);
        self.send_kept(cx, mailbox, next);
    }

    fn send_kept(&mut self, cx: &mut Around<'_>, mailbox: MailboxKey, next: Option<(String, StoredMessage)>) {
        let Some((number, stored)) = next else { return };
        let message = Message {
            mailbox,
            to: number,
            sender: stored.sender,
            sender_name: stored.sender_name,
            content_type: stored.content_type,
            body: Bytes::from(stored.body),
            sent_at: stored.sent_at,
            expires_at: Some(stored.expires_at),
            max_forwards: limits::MAX_FORWARDS,
        };
        let phones = phones_of(cx, &message, None);
        if phones.is_empty() {
            // The phone has left again; the next one that comes starts anew.
            self.mailboxes.concluded(cx.now, mailbox, Outcome::Gone, &mut self.effects);
            return;
        }
        let state = State::Kept { id: stored.id, answer_by: cx.now + limits::MESSAGE_ANSWER };
        self.send(message, state, phones);
    }

    /// What is due next, with the tenant it is about.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TenantId> {
        while let Some((_, due)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let tenant = match due {
                Due::Sending(id) => self.sendings.get(&id).map(|sending| sending.message.mailbox.tenant),
                Due::Storing(id) => self.storing.get(&id).map(|storing| storing.mailbox.tenant),
            };
            if tenant.is_some() {
                return tenant;
            }
            self.deadlines.pop_first();
        }
        self.mailboxes.handle_timeout(now, &mut self.effects);
        None
    }

    /// Does what [`Messages::pop_due`] found.
    pub(crate) fn handle_due(&mut self, cx: &mut Around<'_>) {
        let Some((at, due)) = self.deadlines.pop_first() else { return };
        if at > cx.now {
            self.deadlines.insert((at, due));
            return;
        }
        match due {
            Due::Storing(id) => self.kept(cx, id, Kept::Failed),
            Due::Sending(id) => self.too_late(cx, id),
        }
    }

    /// No phone has answered in time. The sender is not kept waiting, and a phone that answers later has the message.
    fn too_late(&mut self, cx: &mut Around<'_>, id: SendingId) {
        let Some(mut sending) = self.finish(id) else { return };
        let mailbox = sending.message.mailbox;
        match sending.state {
            State::Direct { server, .. } if sending.refused.is_some() || sending.message.expires_at.is_none() => {
                let code = sending.refused.map_or(480, told);
                self.effects.push_back(Effect::Respond { server, reply: Reply::new(code) });
            }
            State::Direct { server, .. } => {
                let Some(kept) = self.store(cx, server, &sending.message) else { return };
                sending.state = State::Late { id: kept };
                self.wait_on(id, sending);
            }
            State::Kept { id: kept, .. } => {
                sending.state = State::Late { id: kept };
                self.wait_on(id, sending);
                self.next_of(cx, mailbox, Outcome::Silent);
            }
            State::Late { .. } => {}
        }
    }

    /// Nobody waits for it any more, but a phone may still answer.
    fn wait_on(&mut self, id: SendingId, sending: Sending) {
        self.begins(sending.message.mailbox.tenant);
        self.sendings.insert(id, sending);
    }

    fn begins(&mut self, tenant: TenantId) {
        *self.under_way.entry(tenant).or_default() += 1;
    }

    fn ends(&mut self, tenant: TenantId) {
        if let Some(count) = self.under_way.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&tenant);
            }
        }
    }

    /// When [`Messages::pop_due`] wants to be asked.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = self.deadlines.first().map(|(at, _)| *at);
        own.into_iter().chain(self.mailboxes.poll_timeout()).min()
    }

    /// The next thing to be done.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Messages on their way, to phones or to the store.
    pub(crate) fn len(&self) -> usize {
        self.sendings.len() + self.storing.len()
    }
}

/// The content type, and whether such a message waits for a phone.
fn content_type(request: &Request) -> Result<(String, bool), Reply> {
    let unsupported = || Reply::new(415).header(Name::Accept, Bytes::from_static(ACCEPT.as_bytes()));
    let headers = request.headers();
    if headers.get(&Name::ContentEncoding).is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported());
    }
    let written = match headers.typed::<ContentType>() {
        Some(Ok(written)) => written,
        // A body without a type says nothing; none at all is empty text.
        None if request.body().is_empty() => return Ok(("text/plain".to_owned(), true)),
        Some(Err(_)) | None => return Err(Reply::new(400)),
    };
    let known = TYPES.iter().find(|(kind, subtype, _)| written.is(kind, subtype));
    let (_, _, waits) = known.ok_or_else(unsupported)?;
    let text = String::from_utf8(written.to_bytes().to_vec()).map_err(|_| Reply::new(400))?;
    if text.len() > limits::MAX_TEXT {
        return Err(Reply::new(400));
    }
    Ok((text, *waits))
}

/// Whether a refusal would be the same tomorrow.
fn is_final(code: u16) -> bool {
    !matches!(code, 408 | 480 | 486 | 487 | 500..=599 | 600) || code == 501
}

/// What a sender is told of a phone's refusal: what it can act upon, and otherwise that the message was not taken.
fn told(code: u16) -> u16 {
    if matches!(code, 403 | 413 | 415 | 488 | 603 | 604 | 606) { code } else { 480 }
}

fn unavailable() -> Reply {
    Reply::new(503).header(Name::RetryAfter, Bytes::from(limits::RETRY_AFTER_S.to_string()))
}

/// The requests that carry a message to every phone that is there, but for the one it comes from.
fn phones_of(cx: &Around<'_>, message: &Message, but: Option<&Flow>) -> Vec<OutgoingRequest> {
    let Some(tenant) = cx.tenant else { return Vec::new() };
    let domain = &tenant.tenant.domain;
    let from = if message.sender == ANONYMOUS {
        NameAddr::new(Uri::sip(Some(ANONYMOUS), "anonymous.invalid", None)).with_display(b"Anonymous")
    } else {
        let from = NameAddr::new(Uri::sip(Some(&message.sender), domain, None));
        from.with_display(message.sender_name.as_deref().unwrap_or_default().as_bytes())
    };
    let mut headers = crate::call::identity::identity_headers(&from);
    headers.push((Name::Date, Bytes::from(message.sent_at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())));
    let all = || cx.registrar.bindings(cx.now, message.mailbox.tenant, &message.to);
    let sender = but.and_then(|flow| all().find(|binding| binding.flow() == flow));
    // One message for each device, however many flows it keeps.
    let there = cx.registrar.targets(cx.now, message.mailbox.tenant, &message.to).into_iter().filter(|binding| {
        but != Some(binding.flow())
            && !sender.is_some_and(|sender| sender.is_with(binding))
            && cx.qualify.reach(binding.registration().id) != Reach::Unreachable
    });
    there
        .filter_map(|binding| {
            Some(OutgoingRequest {
                method: Method::Message,
                uri: binding.target().ok()?,
                flow: *binding.flow(),
                from: from.clone(),
                to: NameAddr::new(Uri::sip(Some(&message.to), domain, None)),
                call_id: None,
                headers: headers.clone(),
                body: Some((message.content_type.clone(), message.body.clone())),
                max_forwards: message.max_forwards.saturating_sub(1),
                route: binding.path(),
            })
        })
        .take(limits::MAX_BRANCHES)
        .collect()
}
