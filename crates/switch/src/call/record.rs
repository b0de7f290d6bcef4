//! Record: what the history will know of a call. Opened once, closed once.

use bytes::Bytes;
use domain::{
    CallEvent, CallEventKind, CallLeg, CallRecord, CallStatus, EventId, HangupBy, JournalEntry, LegId, LegMedia,
};

use super::effect::{Context, Effect};
use crate::limits;
use crate::verdict::Verdict;

/// The record of a call while the call lives.
pub(crate) struct Record {
    row: CallRecord,
    events: u32,
}

impl Record {
    /// Opens the record.
    pub(crate) fn open(cx: &mut Context<'_>, row: CallRecord) -> Self {
        cx.effects.push(Effect::Journal(JournalEntry::Opened(Box::new(row.clone()))));
        let mut record = Self { row, events: 0 };
        record.event(cx, CallEventKind::Initiated, None);
        record
    }

    /// What is written down so far.
    pub(crate) fn row(&self) -> &CallRecord {
        &self.row
    }

    /// What is written down so far, to be filled in further.
    pub(crate) fn row_mut(&mut self) -> &mut CallRecord {
        &mut self.row
    }

    /// Writes an event that leaves the call as it is.
    pub(crate) fn event(&mut self, cx: &mut Context<'_>, kind: CallEventKind, detail: Option<String>) {
        if self.events < limits::MAX_EVENTS_PER_CALL {
            self.write_event(cx, kind, self.row.status, detail);
        }
    }

    fn write_event(&mut self, cx: &mut Context<'_>, kind: CallEventKind, to: CallStatus, detail: Option<String>) {
        self.events += 1;
        let event = CallEvent {
            id: EventId(cx.uuid()),
            tenant_id: self.row.tenant_id,
            call_id: self.row.id,
            at: cx.at,
            kind,
            from_status: self.row.status,
            to_status: to,
            detail,
        };
        cx.effects.push(Effect::Journal(JournalEntry::Event(Box::new(event))));
    }

    /// A phone rings; only the first one counts.
    pub(crate) fn ringing(&mut self, cx: &mut Context<'_>) {
        if self.row.ringing_at.is_none() {
            self.row.ringing_at = Some(cx.at);
            self.event(cx, CallEventKind::Ringing, None);
        }
    }

    /// The caller got the 200.
    pub(crate) fn answered(&mut self, cx: &mut Context<'_>) {
        self.row.answer_time = Some(cx.at);
        self.row.sip_response_code = Some(200);
        self.event(cx, CallEventKind::Answered, None);
    }

    /// The call is over. Its times are those of this moment, however long the statistics take.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, verdict: &Verdict, by: HangupBy) {
        self.row.end_time = Some(cx.at);
        self.row.disconnect_reason = Some(verdict.sentence.to_owned());
        self.row.hangup_by = Some(by);
        self.row.hangup_cause = Some(verdict.q850);
        if self.row.answer_time.is_none() {
            self.row.sip_response_code = Some(verdict.sip);
        }
        let status = if self.row.answer_time.is_some() && verdict.status != CallStatus::Failed {
            CallStatus::Completed
        } else {
            verdict.status
        };
        self.write_event(cx, CallEventKind::Ended, status, Some(verdict.sentence.to_owned()));
        self.row.status = status;
    }

    /// Hands the finished record over.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, media: Vec<LegMedia>) {
        self.row.media = media;
        cx.effects.push(Effect::Journal(JournalEntry::Closed(Box::new(self.row.clone()))));
    }

    /// A leg of this call that begins now.
    pub(crate) fn leg(&self, cx: &mut Context<'_>, is_caller: bool) -> CallLeg {
        CallLeg {
            id: LegId(cx.uuid()),
            tenant_id: self.row.tenant_id,
            call_id: self.row.id,
            sip_call_id: String::new(),
            is_caller,
            extension_id: None,
            remote_ip: None,
            user_agent: None,
            start_time: cx.at,
            answer_time: None,
            end_time: cx.at,
            sip_response_code: None,
            hangup_cause: None,
            media: None,
        }
    }
}

/// Hands a finished leg over.
pub(crate) fn write_leg(cx: &mut Context<'_>, leg: CallLeg) {
    cx.effects.push(Effect::Journal(JournalEntry::Leg(Box::new(leg))));
}

/// Header text for people: controls and NUL (which PostgreSQL text cannot hold) become `?`, as do bytes that are no UTF-8.
pub(crate) fn text(bytes: &[u8]) -> String {
    clean(bytes, limits::MAX_TEXT, |_| false)
}

/// A session description for people, line ends kept.
pub(crate) fn description(bytes: &Bytes) -> Option<String> {
    (!bytes.is_empty()).then(|| clean(bytes, limits::MAX_SDP, |character| matches!(character, '\r' | '\n' | '\t')))
}

fn clean(bytes: &[u8], most: usize, keep: impl Fn(char) -> bool) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(most)
        .map(|character| if character.is_control() && !keep(character) { '?' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{description, text};

    #[test]
    fn kept_text_holds_nothing_a_database_refuses() {
        assert_eq!(text(b"a\0b\r\nc\xff"), "a?b??c\u{fffd}");
        assert_eq!(text(&[b'x'; 1_000]).len(), 255);
        assert_eq!(description(&"v=0\r\n\0".into()).as_deref(), Some("v=0\r\n?"));
        assert_eq!(description(&"".into()), None);
    }
}
