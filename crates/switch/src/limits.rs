//! Every limit of this crate, with what happens there.

use std::time::Duration;

/// Phones that ring at once for one call; further bindings of the extension stay silent.
pub const MAX_BRANCHES: usize = 16;

/// Calls in one shard; further ones are refused with 503.
pub const MAX_CALLS: usize = 20_000;

/// Emergency calls that find room in a shard that has as many calls as it may.
pub const EMERGENCY_CALLS: usize = 200;

/// Dialogs that one call may have, forked early ones included; answers that would make more are acknowledged and ended.
pub const MAX_DIALOGS_PER_CALL: usize = 64;

/// Characters of a header value or URI that a record keeps; the rest is cut off.
pub const MAX_TEXT: usize = 255;

/// Characters of a session description that a record keeps; the rest is cut off.
pub const MAX_SDP: usize = 8_192;

/// Events of one call that go to the journal; further ones are left out, the last one excepted.
pub const MAX_EVENTS_PER_CALL: u32 = 1_000;

/// How long a media worker may take to open ports before the call is refused.
pub const MEDIA_OPEN: Duration = Duration::from_secs(5);

/// Seconds that somebody who transfers a call is promised news of it; a phone rings for less.
pub const REFER_SUBSCRIPTION_S: u32 = 300;

/// How often a side that cannot take in a transfer just now is told of it again.
pub const TURNS: u8 = 3;

/// How long one side may think about a change of the session before it is taken back.
pub const REINVITE: Duration = Duration::from_secs(60);

/// The same for a change by UPDATE, whose sender gives up after 32 s (RFC 3311 §5.2).
pub const UPDATE: Duration = Duration::from_secs(24);

/// The longest session interval, in seconds; a peer that wants a longer one gets this (RFC 4028).
pub const MAX_SESSION_S: u32 = 86_400;

/// Wait before a refresh that could not be sent, or was refused without a reason that helps, is tried again.
pub const REFRESH_AGAIN: Duration = Duration::from_secs(10);

/// Bytes of an INFO or MESSAGE that one side of a call sends to the other; longer ones get 413.
pub const MAX_PASSED_BODY: usize = 4_096;

/// Such requests of one call that wait for an answer; further ones get 500 and may come again.
pub const MAX_PASSED: usize = 16;

/// How long a record waits for the statistics of its media before it is closed without them.
pub const MEDIA_CLOSE: Duration = Duration::from_secs(2);

/// Bytes of a dialled number, of an `exten` and of a pattern's places; longer numbers lead nowhere, longer rows are left out.
pub const MAX_NUMBER_BYTES: usize = 64;

/// Contacts in one REGISTER; one with more is refused with 400.
pub const MAX_CONTACTS_PER_REGISTER: usize = 32;

/// Bytes of a Contact URI, instance id, Call-ID or Path value of a binding; a REGISTER with a longer one is refused with 400.
pub const MAX_BINDING_TEXT: usize = 1_024;

/// Path values of one binding; a REGISTER with more is refused with 400.
pub const MAX_PATHS: usize = 8;

/// Bytes of a User-Agent that a binding keeps; the rest is cut off.
pub const MAX_USER_AGENT: usize = 128;

/// Authorization values of one request that are looked at; further ones are not read.
pub const MAX_AUTHORIZATIONS: usize = 8;

/// The most hops an INVITE may have left when it leaves us, and what one without Max-Forwards is taken to have (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// How often one call may be forwarded; one that is sent on once more is refused with 483.
pub const MAX_FORWARDS_PER_CALL: usize = 8;

/// Contacts of a redirection that are looked at; further ones are not read.
pub const MAX_REDIRECTIONS: usize = 8;

/// Messages between extensions that may be on their way at once; further ones are refused with 503.
pub const MAX_MESSAGES_UNDER_WAY: usize = 10_000;

/// The same for one tenant.
pub const MAX_MESSAGES_PER_TENANT: usize = 1_000;

/// Mailboxes that are emptied at once; further ones wait for their turn.
pub const MAX_DELIVERIES: usize = 100;

/// How long phones may take to answer a message before it is kept for later.
pub const MESSAGE_ANSWER: Duration = Duration::from_secs(8);

/// How long the store may take to keep a message before its sender is told that it has not (503).
pub const MESSAGE_STORE: Duration = Duration::from_secs(10);

/// How long the store may take to read messages before the attempt is given up.
pub const MESSAGE_FETCH: Duration = Duration::from_secs(30);

/// How long a mailbox rests when no phone answered.
pub const MESSAGE_REST: Duration = Duration::from_mins(1);

/// How long it rests when what is left in it has been refused.
pub const MESSAGE_REST_REFUSED: Duration = Duration::from_hours(1);

/// How long a message waits for a phone, in seconds; an Expires may shorten it.
pub const MESSAGE_LIFETIME_S: u32 = 30 * 24 * 3_600;

/// When those whom we cannot serve at present may come again, in seconds.
pub const RETRY_AFTER_S: u32 = 30;

/// Addresses, names and pairs of both that the guard keeps points for, each; at the limit, who has offended least is forgotten.
pub const MAX_GUARDED: usize = 65_536;

/// Bans, those included that have ended and are remembered; at the limit, the one that would be forgotten first is lifted.
pub const MAX_BANS: usize = 16_384;

/// The longest ban that can be given by hand: a hundred years.
pub const LONGEST_BAN: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Messages that may wait in one lane before a shard; further ones are turned away, or lost like datagrams.
pub const LANE: usize = 8_192;

/// Letters that a shard takes at a time: so many may be before one that is more urgent.
pub const BATCH: usize = 8;

/// INVITEs that are remembered as taken, so that copies of them are not turned away: half a minute at 2,000 calls per second.
pub const MARKS: usize = 65_536;

/// Lifetime of a subscription or a publication whose request names none, in seconds.
pub const SUBSCRIPTION_S: u32 = 3_600;

/// Shortest lifetime of a subscription or a publication, in seconds; below it is 423.
pub const MIN_SUBSCRIPTION_S: u32 = 60;

/// Longest lifetime of a subscription or a publication, in seconds; more is cut down to it.
pub const MAX_SUBSCRIPTION_S: u32 = 7_200;

/// Subscriptions of the phones of one extension; further ones are refused with 403. Two hundred lamps on two devices fit.
pub const MAX_SUBSCRIPTIONS_PER_EXTENSION: usize = 500;

/// Subscriptions of one tenant; further ones are refused with 403.
pub const MAX_SUBSCRIPTIONS_PER_TENANT: usize = 50_000;

/// Subscriptions in one shard; further ones are refused with 503.
pub const MAX_SUBSCRIPTIONS: usize = 100_000;

/// Bytes of the `id` of an Event header; a SUBSCRIBE with a longer one is refused with 400.
pub const MAX_EVENT_ID: usize = 64;

/// How long changes gather before a subscriber is told.
pub const GATHER: Duration = Duration::from_millis(100);

/// By how much later each further subscriber to one resource is told, so that a thousand lamps do not change in one moment.
pub const NOTIFY_SPREAD: Duration = Duration::from_micros(400);

/// The most that it becomes.
pub const MAX_NOTIFY_SPREAD: Duration = Duration::from_millis(500);

/// NOTIFYs that are written in one turn; further ones wait for the next turn, which comes at once.
pub const MAX_NOTIFIES_PER_TURN: usize = 100;

/// Refusals in a row after which a subscription is given up.
pub const MAX_NOTIFY_REFUSALS: u8 = 4;

/// How long a NOTIFY waits that was refused for the moment.
pub const NOTIFY_RETRY: Duration = Duration::from_secs(5);

/// The longest time for which a phone may put a NOTIFY off.
pub const MAX_NOTIFY_RETRY: Duration = Duration::from_secs(60);

/// How far the numbers in the durable copy of a subscription are ahead of those that were sent: it is written again after half as
/// many NOTIFYs.
pub const KEPT_AHEAD: u32 = 1_000;

/// Calls that one document of an extension names; further ones are left out.
pub const MAX_DIALOGS_PER_DOCUMENT: usize = 32;

/// Calls up to which each document is a full one.
pub const FULL_DOCUMENT_DIALOGS: usize = 4;

/// Publications of one extension; further ones are refused with 403.
pub const MAX_PUBLICATIONS_PER_EXTENSION: usize = 8;

/// Publications in one shard; further ones are refused with 503.
pub const MAX_PUBLICATIONS: usize = 50_000;

/// Mailboxes whose messages are known in one shard; those of further ones are not shown.
pub const MAX_MAILBOXES: usize = 100_000;
