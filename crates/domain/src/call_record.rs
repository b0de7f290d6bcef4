//! Call records, legs and events: what the history of a call is made of.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tenant::text_enum;
use crate::{CallId, EventId, ExtensionId, LegId, TenantId, UserId};

/// Where a call stands, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallStatus {
    /// Still going on.
    Active,
    /// Was answered and has ended.
    Completed,
    /// Ended by a fault.
    Failed,
    /// The other side was busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// Refused by the other side or by us.
    Rejected,
}

text_enum!(CallStatus {
    Active = "Active",
    Completed = "Completed",
    Failed = "Failed",
    Busy = "Busy",
    NoAnswer = "NoAnswer",
    Cancelled = "Cancelled",
    Rejected = "Rejected",
});

/// Which way a call crosses the border of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From outside.
    Inbound,
    /// To the outside.
    Outbound,
    /// Between phones of the tenant.
    Internal,
}

text_enum!(Direction { Inbound = "Inbound", Outbound = "Outbound", Internal = "Internal" });

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupBy {
    /// The one who called.
    Caller,
    /// The one who was called.
    Callee,
    /// The switch: limits, faults, timeouts, administrators.
    System,
}

text_enum!(HangupBy { Caller = "caller", Callee = "callee", System = "system" });

/// A call detail record: one row of `call_records`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Identity, made at the INVITE.
    pub id: CallId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The call that this one came from, for example by a transfer.
    #[serde(default)]
    pub parent_call_id: Option<CallId>,
    /// The caller's Call-ID header. Callers choose it: escaped, and not unique.
    pub call_id: String,
    /// Caller SIP URI.
    pub caller: String,
    /// Callee SIP URI.
    pub callee: String,
    /// Address the INVITE came from.
    pub caller_ip: Option<IpAddr>,
    /// Address of the phone that answered, or of the last one tried.
    pub callee_ip: Option<IpAddr>,
    /// Name the caller gave.
    pub caller_id_name: Option<String>,
    /// Number of the caller.
    pub caller_number: Option<String>,
    /// What was dialled.
    pub dialed_number: Option<String>,
    /// Dialplan context.
    pub context: Option<String>,
    /// Extension that called.
    pub caller_extension_id: Option<ExtensionId>,
    /// Extension that answered or rang.
    pub callee_extension_id: Option<ExtensionId>,
    /// The caller's user.
    pub user_id: Option<UserId>,
    /// Which way.
    pub direction: Direction,
    /// INVITE received.
    pub start_time: Timestamp,
    /// First 180 or 183.
    pub ringing_at: Option<Timestamp>,
    /// 200 OK.
    pub answer_time: Option<Timestamp>,
    /// Over.
    pub end_time: Option<Timestamp>,
    /// How it stands.
    pub status: CallStatus,
    /// Plain sentence why it ended.
    pub disconnect_reason: Option<String>,
    /// Who ended it.
    pub hangup_by: Option<HangupBy>,
    /// Q.850 cause.
    pub hangup_cause: Option<u8>,
    /// Last final SIP status sent to the caller.
    pub sip_response_code: Option<u16>,
    /// Audio codec heard by the caller.
    pub codec: Option<String>,
    /// The caller's SDP.
    pub caller_sdp: Option<String>,
    /// The callee's SDP.
    pub callee_sdp: Option<String>,
    /// User-Agent of the caller.
    pub caller_user_agent: Option<String>,
    /// User-Agent of the callee.
    pub callee_user_agent: Option<String>,
    /// Statistics of the media legs.
    pub media: Vec<LegMedia>,
}

impl CallRecord {
    /// INVITE to answer, in milliseconds.
    #[must_use]
    pub fn setup_duration_ms(&self) -> Option<i32> {
        self.answer_time.map(|answer| milliseconds(self.start_time, answer))
    }

    /// Answer to end, in milliseconds.
    #[must_use]
    pub fn call_duration_ms(&self) -> Option<i32> {
        Some(milliseconds(self.answer_time?, self.end_time?))
    }

    /// INVITE to end, in milliseconds.
    #[must_use]
    pub fn total_duration_ms(&self) -> Option<i32> {
        self.end_time.map(|end| milliseconds(self.start_time, end))
    }

    /// What is billed: answered time in started steps of six seconds.
    #[must_use]
    pub fn billable_seconds(&self) -> Option<i32> {
        const STEP_MS: i32 = 6_000;
        const STEP_S: i32 = 6;
        self.call_duration_ms().map(|ms| ms.saturating_add(STEP_MS - 1) / STEP_MS * STEP_S)
    }
}

/// Milliseconds from one time to a later one, within 0 and the column's range.
fn milliseconds(from: Timestamp, to: Timestamp) -> i32 {
    let ms = to.as_millisecond().saturating_sub(from.as_millisecond());
    i32::try_from(ms.max(0)).unwrap_or(i32::MAX)
}

/// What was measured on one leg's media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegMedia {
    /// Codec name.
    pub codec: String,
    /// RTP packets from the phone.
    pub packets_received: u64,
    /// RTP packets to the phone.
    pub packets_sent: u64,
    /// Lost on the way to us.
    pub packets_lost: u64,
    /// Interarrival jitter of what came in, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f32,
    /// Packets from addresses that had no business here.
    pub strangers: u64,
    /// Lost on the way to the phone, as its reports say.
    #[serde(default)]
    pub sent_lost: u64,
    /// Round trip between us and the phone, in milliseconds, if its reports told it.
    #[serde(default)]
    pub rtt_ms: Option<f32>,
    /// How what the phone said arrived here, 1 to 4.5 (ITU-T G.107).
    #[serde(default)]
    pub mos: Option<f32>,
    /// What protected it: `SDES`, `DTLS`, or nothing.
    #[serde(default)]
    pub encryption: String,
}

/// One leg: one row of `call_legs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallLeg {
    /// Identity.
    pub id: LegId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The call it belongs to.
    pub call_id: CallId,
    /// Call-ID header of the leg's dialog.
    pub sip_call_id: String,
    /// Whether this is the caller's leg.
    pub is_caller: bool,
    /// Extension at the far end.
    pub extension_id: Option<ExtensionId>,
    /// Address of the phone.
    pub remote_ip: Option<IpAddr>,
    /// User-Agent.
    pub user_agent: Option<String>,
    /// INVITE sent or received.
    pub start_time: Timestamp,
    /// When this leg was answered.
    pub answer_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Timestamp,
    /// Final SIP status.
    pub sip_response_code: Option<u16>,
    /// Q.850 cause.
    pub hangup_cause: Option<u8>,
    /// What was measured, when the leg had media.
    pub media: Option<LegMedia>,
}

/// What happened in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEventKind {
    /// INVITE came in.
    Initiated,
    /// A phone rings.
    Ringing,
    /// Answered.
    Answered,
    /// Put on hold.
    Held,
    /// Taken back.
    Resumed,
    /// A key was pressed.
    Digit,
    /// RTP stopped coming.
    Silent,
    /// The person called has sent the call on.
    Forwarded,
    /// A side of the call has been replaced.
    Transferred,
    /// An emergency number was dialled.
    Emergency,
    /// The encryption that was agreed did not come about.
    Unprotected,
    /// Over.
    Ended,
}

text_enum!(CallEventKind {
    Initiated = "initiated",
    Ringing = "ringing",
    Answered = "answered",
    Held = "held",
    Resumed = "resumed",
    Digit = "digit",
    Silent = "silent",
    Forwarded = "forwarded",
    Transferred = "transferred",
    Emergency = "emergency",
    Unprotected = "unprotected",
    Ended = "ended",
});

/// One thing that happened: one row of `call_events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEvent {
    /// Identity.
    pub id: EventId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The call.
    pub call_id: CallId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: CallEventKind,
    /// Status before.
    pub from_status: CallStatus,
    /// Status after.
    pub to_status: CallStatus,
    /// More, in plain words.
    pub detail: Option<String>,
}

/// What the switch hands to the journal. A record is opened once and closed once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JournalEntry {
    /// A call began.
    Opened(Box<CallRecord>),
    /// A call is over; the whole record as it ends.
    Closed(Box<CallRecord>),
    /// A leg is over.
    Leg(Box<CallLeg>),
    /// Something happened.
    Event(Box<CallEvent>),
}

#[cfg(test)]
mod tests {
    use super::JournalEntry;

    /// A line of a journal that was written before records knew their parents.
    #[test]
    fn an_older_journal_can_still_be_read() {
        let line = r#"{"Opened":{"id":"00000000-0000-0000-0000-000000000001",
            "tenant_id":"00000000-0000-0000-0000-000000000002","call_id":"a@b","caller":"sip:1001@a","callee":"sip:1002@a",
            "caller_ip":"127.0.0.1","callee_ip":null,"caller_id_name":null,"caller_number":"1001","dialed_number":"1002",
            "context":"default","caller_extension_id":null,"callee_extension_id":null,"user_id":null,
            "direction":"Internal","start_time":"2026-11-21T10:00:00Z","ringing_at":null,"answer_time":null,
            "end_time":null,"status":"Active","disconnect_reason":null,"hangup_by":null,"hangup_cause":null,
            "sip_response_code":null,"codec":null,"caller_sdp":null,"callee_sdp":null,"caller_user_agent":null,
            "callee_user_agent":null,"media":[]}}"#;
        let entry: JournalEntry = serde_json::from_str(line).unwrap();
        let JournalEntry::Opened(record) = entry else { panic!("{entry:?}") };
        assert_eq!((record.caller_number.as_deref(), record.parent_call_id), (Some("1001"), None));
    }
}
