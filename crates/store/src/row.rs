//! Rows as JSON: one shape per table for writing a batch in one statement and for reading back.
//!
//! `jsonb_populate_recordset` turns a JSON array into rows of a table's own type, so a batch of any size is one
//! parameter. The field names are the column names.

use std::net::{IpAddr, SocketAddr};

use domain::{CallEvent, CallId, CallLeg, CallRecord, EventId, LegId, LegMedia, Registration, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text;

/// A row of `call_records`, as far as this program fills it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallRecordRow {
    pub(crate) id: Uuid,
    tenant_id: Uuid,
    #[serde(default)]
    parent_call_id: Option<Uuid>,
    #[serde(default)]
    node: Option<Uuid>,
    call_id: String,
    caller: String,
    callee: String,
    caller_ip: Option<String>,
    callee_ip: Option<String>,
    caller_id_name: Option<String>,
    caller_number: Option<String>,
    dialed_number: Option<String>,
    context: Option<String>,
    caller_extension_id: Option<Uuid>,
    callee_extension_id: Option<Uuid>,
    user_id: Option<Uuid>,
    direction: String,
    start_time: Timestamp,
    ringing_at: Option<Timestamp>,
    answer_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    #[serde(default)]
    setup_duration_ms: Option<i32>,
    #[serde(default)]
    call_duration_ms: Option<i32>,
    #[serde(default)]
    total_duration_ms: Option<i32>,
    #[serde(default)]
    billable_seconds: Option<i32>,
    status: String,
    disconnect_reason: Option<String>,
    hangup_by: Option<String>,
    hangup_cause: Option<u8>,
    sip_response_code: Option<u16>,
    codec: Option<String>,
    caller_sdp: Option<String>,
    callee_sdp: Option<String>,
    caller_user_agent: Option<String>,
    callee_user_agent: Option<String>,
    media_info: Option<String>,
    #[serde(default)]
    jitter_ms: Option<f32>,
    #[serde(default)]
    packet_loss_percent: Option<f64>,
    #[serde(default)]
    mos_score: Option<f32>,
    #[serde(default)]
    rtt_ms: Option<f32>,
}

impl CallRecordRow {
    pub(crate) fn new(record: &CallRecord, node: Uuid) -> Self {
        let short = |value: &Option<String>| value.as_deref().map(text::short);
        Self {
            id: record.id.0,
            tenant_id: record.tenant_id.0,
            parent_call_id: record.parent_call_id.map(|id| id.0),
            node: Some(node),
            call_id: text::short(&record.call_id),
            caller: text::short(&record.caller),
            callee: text::short(&record.callee),
            caller_ip: record.caller_ip.map(|ip| ip.to_string()),
            callee_ip: record.callee_ip.map(|ip| ip.to_string()),
            caller_id_name: short(&record.caller_id_name),
            caller_number: short(&record.caller_number),
            dialed_number: short(&record.dialed_number),
            context: short(&record.context),
            caller_extension_id: record.caller_extension_id.map(|id| id.0),
            callee_extension_id: record.callee_extension_id.map(|id| id.0),
            user_id: record.user_id.map(|id| id.0),
            direction: record.direction.as_str().to_owned(),
            start_time: record.start_time,
            ringing_at: record.ringing_at,
            answer_time: record.answer_time,
            end_time: record.end_time,
            setup_duration_ms: record.setup_duration_ms(),
            call_duration_ms: record.call_duration_ms(),
            total_duration_ms: record.total_duration_ms(),
            billable_seconds: record.billable_seconds(),
            status: record.status.as_str().to_owned(),
            disconnect_reason: record.disconnect_reason.as_deref().map(text::long),
            hangup_by: record.hangup_by.map(|by| by.as_str().to_owned()),
            hangup_cause: record.hangup_cause,
            sip_response_code: record.sip_response_code,
            codec: short(&record.codec),
            caller_sdp: record.caller_sdp.as_deref().map(text::sdp),
            callee_sdp: record.callee_sdp.as_deref().map(text::sdp),
            caller_user_agent: short(&record.caller_user_agent),
            callee_user_agent: short(&record.callee_user_agent),
            media_info: media_info(&record.media),
            jitter_ms: record.media.iter().map(|leg| leg.jitter_ms).reduce(f32::max),
            packet_loss_percent: loss_percent(&record.media),
            mos_score: record.media.iter().filter_map(|leg| leg.mos).reduce(f32::min),
            rtt_ms: record.media.iter().filter_map(|leg| leg.rtt_ms).reduce(f32::max),
        }
    }

    pub(crate) fn record(self) -> Result<CallRecord, domain::UnknownValue> {
        Ok(CallRecord {
            id: CallId(self.id),
            tenant_id: TenantId(self.tenant_id),
            parent_call_id: self.parent_call_id.map(CallId),
            call_id: self.call_id,
            caller: self.caller,
            callee: self.callee,
            caller_ip: self.caller_ip.and_then(|ip| ip.parse().ok()),
            callee_ip: self.callee_ip.and_then(|ip| ip.parse().ok()),
            caller_id_name: self.caller_id_name,
            caller_number: self.caller_number,
            dialed_number: self.dialed_number,
            context: self.context,
            caller_extension_id: self.caller_extension_id.map(Into::into),
            callee_extension_id: self.callee_extension_id.map(Into::into),
            user_id: self.user_id.map(Into::into),
            direction: self.direction.parse()?,
            start_time: self.start_time,
            ringing_at: self.ringing_at,
            answer_time: self.answer_time,
            end_time: self.end_time,
            status: self.status.parse()?,
            disconnect_reason: self.disconnect_reason,
            hangup_by: self.hangup_by.map(|by| by.parse()).transpose()?,
            hangup_cause: self.hangup_cause,
            sip_response_code: self.sip_response_code,
            codec: self.codec,
            caller_sdp: self.caller_sdp,
            callee_sdp: self.callee_sdp,
            caller_user_agent: self.caller_user_agent,
            callee_user_agent: self.callee_user_agent,
            media: self.media_info.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        })
    }
}

fn media_info(media: &[LegMedia]) -> Option<String> {
    if media.is_empty() {
        return None;
    }
    serde_json::to_string(media).ok().map(|json| text::long(&json))
}

/// What was lost of all that should have come, over all legs.
fn loss_percent(media: &[LegMedia]) -> Option<f64> {
    let lost: u64 = media.iter().map(|leg| leg.packets_lost).sum();
    let received: u64 = media.iter().map(|leg| leg.packets_received).sum();
    let expected = lost.saturating_add(received);
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let percent = || lost as f64 * 100.0 / expected as f64;
    (expected > 0).then(percent)
}

/// A row of `call_legs`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallLegRow {
    pub(crate) id: Uuid,
    tenant_id: Uuid,
    call_id: Uuid,
    sip_call_id: String,
    is_caller: bool,
    extension_id: Option<Uuid>,
    remote_ip: Option<String>,
    user_agent: Option<String>,
    start_time: Timestamp,
    answer_time: Option<Timestamp>,
    end_time: Timestamp,
    sip_response_code: Option<u16>,
    hangup_cause: Option<u8>,
    codec: Option<String>,
    packets_received: Option<i64>,
    packets_sent: Option<i64>,
    packets_lost: Option<i64>,
    jitter_ms: Option<f32>,
    strangers: Option<i64>,
    sent_lost: Option<i64>,
    rtt_ms: Option<f32>,
    mos_score: Option<f32>,
    encryption: Option<String>,
}

impl CallLegRow {
    pub(crate) fn new(leg: &CallLeg) -> Self {
        let count = |number: fn(&LegMedia) -> u64| {
            leg.media.as_ref().map(|media| i64::try_from(number(media)).unwrap_or(i64::MAX))
        };
        Self {
            id: leg.id.0,
            tenant_id: leg.tenant_id.0,
            call_id: leg.call_id.0,
            sip_call_id: text::short(&leg.sip_call_id),
            is_caller: leg.is_caller,
            extension_id: leg.extension_id.map(|id| id.0),
            remote_ip: leg.remote_ip.map(|ip| ip.to_string()),
            user_agent: leg.user_agent.as_deref().map(text::short),
            start_time: leg.start_time,
            answer_time: leg.answer_time,
            end_time: leg.end_time,
            sip_response_code: leg.sip_response_code,
            hangup_cause: leg.hangup_cause,
            codec: leg.media.as_ref().map(|media| text::short(&media.codec)),
            packets_received: count(|media| media.packets_received),
            packets_sent: count(|media| media.packets_sent),
            packets_lost: count(|media| media.packets_lost),
            jitter_ms: leg.media.as_ref().map(|media| media.jitter_ms),
            strangers: count(|media| media.strangers),
            sent_lost: count(|media| media.sent_lost),
            rtt_ms: leg.media.as_ref().and_then(|media| media.rtt_ms),
            mos_score: leg.media.as_ref().and_then(|media| media.mos),
            encryption: leg.media.as_ref().map(|media| text::short(&media.encryption)),
        }
    }

    pub(crate) fn leg(self) -> CallLeg {
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        let media = self.codec.map(|codec| LegMedia {
            codec,
            packets_received: count(self.packets_received),
            packets_sent: count(self.packets_sent),
            packets_lost: count(self.packets_lost),
            jitter_ms: self.jitter_ms.unwrap_or_default(),
            strangers: count(self.strangers),
            sent_lost: count(self.sent_lost),
            rtt_ms: self.rtt_ms,
            mos: self.mos_score,
            encryption: self.encryption.unwrap_or_default(),
        });
        CallLeg {
            id: LegId(self.id),
            tenant_id: TenantId(self.tenant_id),
            call_id: CallId(self.call_id),
            sip_call_id: self.sip_call_id,
            is_caller: self.is_caller,
            extension_id: self.extension_id.map(Into::into),
            remote_ip: self.remote_ip.and_then(|ip| ip.parse::<IpAddr>().ok()),
            user_agent: self.user_agent,
            start_time: self.start_time,
            answer_time: self.answer_time,
            end_time: self.end_time,
            sip_response_code: self.sip_response_code,
            hangup_cause: self.hangup_cause,
            media,
        }
    }
}

/// A row of `call_events`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallEventRow {
    pub(crate) id: Uuid,
    tenant_id: Uuid,
    call_id: Uuid,
    at: Timestamp,
    kind: String,
    from_status: String,
    to_status: String,
    detail: Option<String>,
}

impl CallEventRow {
    pub(crate) fn new(event: &CallEvent) -> Self {
        Self {
            id: event.id.0,
            tenant_id: event.tenant_id.0,
            call_id: event.call_id.0,
            at: event.at,
            kind: event.kind.as_str().to_owned(),
            from_status: event.from_status.as_str().to_owned(),
            to_status: event.to_status.as_str().to_owned(),
            detail: event.detail.as_deref().map(text::long),
        }
    }

    pub(crate) fn event(self) -> Result<CallEvent, domain::UnknownValue> {
        Ok(CallEvent {
            id: EventId(self.id),
            tenant_id: TenantId(self.tenant_id),
            call_id: CallId(self.call_id),
            at: self.at,
            kind: self.kind.parse()?,
            from_status: self.from_status.parse()?,
            to_status: self.to_status.parse()?,
            detail: self.detail,
        })
    }
}

/// A row of `registrations`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RegistrationRow {
    pub(crate) id: Uuid,
    tenant_id: Uuid,
    extension_id: Uuid,
    extension: String,
    device_id: Option<Uuid>,
    contact: String,
    instance: Option<String>,
    reg_id: Option<u32>,
    q: u16,
    call_id: String,
    cseq: u32,
    transport: String,
    local_address: String,
    remote_address: String,
    user_agent: Option<String>,
    path: Vec<String>,
    registered_at: Timestamp,
    expires_at: Timestamp,
}

impl RegistrationRow {
    pub(crate) fn new(registration: &Registration) -> Self {
        Self {
            id: registration.id.0,
            tenant_id: registration.tenant_id.0,
            extension_id: registration.extension_id.0,
            extension: text::short(&registration.extension),
            device_id: registration.device_id.map(|id| id.0),
            contact: text::long(&registration.contact),
            instance: registration.instance.as_deref().map(text::long),
            reg_id: registration.reg_id,
            q: registration.q,
            call_id: text::long(&registration.call_id),
            cseq: registration.cseq,
            transport: text::short(&registration.transport),
            local_address: registration.local.to_string(),
            remote_address: registration.remote.to_string(),
            user_agent: registration.user_agent.as_deref().map(text::short),
            path: registration.path.iter().map(|hop| text::long(hop)).collect(),
            registered_at: registration.registered_at,
            expires_at: registration.expires_at,
        }
    }

    pub(crate) fn registration(self) -> Result<Registration, std::net::AddrParseError> {
        Ok(Registration {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            extension_id: self.extension_id.into(),
            extension: self.extension,
            device_id: self.device_id.map(Into::into),
            contact: self.contact,
            instance: self.instance,
            reg_id: self.reg_id,
            q: self.q,
            call_id: self.call_id,
            cseq: self.cseq,
            transport: self.transport,
            local: self.local_address.parse::<SocketAddr>()?,
            remote: self.remote_address.parse::<SocketAddr>()?,
            user_agent: self.user_agent,
            path: self.path,
            registered_at: self.registered_at,
            expires_at: self.expires_at,
        })
    }
}
