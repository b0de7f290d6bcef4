//! The journal: from the switch to PostgreSQL exactly once, whatever happens in between.

#[path = "journal/arrival.rs"]
mod arrival;
#[path = "journal/faults.rs"]
mod faults;
#[path = "journal/restart.rs"]
mod restart;

use std::path::Path;
use std::time::Duration;

use domain::{
    CallEvent, CallEventKind, CallId, CallLeg, CallRecord, CallStatus, Direction, EventId, HangupBy, JournalEntry,
    LegId, LegMedia, Tenant,
};
use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::PgConnection;
use store::testing::Server;
use store::{DatabaseConfig, Journal, NewTenant, Store};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(30);

/// A store with one tenant, and a way past its policies.
struct Place {
    store: Store,
    tenant: Tenant,
    superuser: PgConnection,
}

impl Place {
    async fn new() -> Self {
        Self::on(Server::shared()).await
    }

    async fn on(server: &Server) -> Self {
        let url = server.database().await;
        let config = DatabaseConfig { max_connections: 5, min_connections: 0, ..DatabaseConfig::new(&url) };
        let store = Store::open(&config).await.unwrap();
        let tenant = store.create_tenant(NewTenant::new("acme", "acme.example")).await.unwrap();
        Self { store, tenant, superuser: Server::superuser(&url).await }
    }

    async fn records(&self) -> Vec<CallRecord> {
        let mut records = self.store.tenant(self.tenant.id).call_records(10_000).await.unwrap();
        records.sort_by_key(|record| record.id);
        records
    }

    async fn count(&mut self, table: &'static str) -> i64 {
        let query = match table {
            "call_events" => "SELECT count(*) FROM call_events",
            "call_legs" => "SELECT count(*) FROM call_legs",
            _ => "SELECT count(*) FROM call_records",
        };
        sqlx::query_scalar(query).fetch_one(&mut self.superuser).await.unwrap()
    }

    /// A call that began ten seconds ago.
    fn opened(&self, id: u128) -> CallRecord {
        let start =
            Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap() - SignedDuration::from_secs(10);
        CallRecord {
            id: CallId(Uuid::from_u128(id)),
            tenant_id: self.tenant.id,
            parent_call_id: Some(CallId(Uuid::from_u128(id + 1_000))),
            call_id: format!("{id}@phone"),
            caller: "sip:1001@acme.example".to_owned(),
            callee: "sip:1002@acme.example".to_owned(),
            caller_ip: Some("127.0.0.1".parse().unwrap()),
            callee_ip: None,
            caller_id_name: Some("Ada \"L\" ünï".to_owned()),
            caller_number: Some("1001".to_owned()),
            dialed_number: Some("1002".to_owned()),
            context: Some("default".to_owned()),
            caller_extension_id: None,
            callee_extension_id: None,
            user_id: None,
            direction: Direction::Internal,
            start_time: start,
            ringing_at: None,
            answer_time: None,
            end_time: None,
            status: CallStatus::Active,
            disconnect_reason: None,
            hangup_by: None,
            hangup_cause: None,
            sip_response_code: None,
            codec: None,
            caller_sdp: Some("v=0\r\n".to_owned()),
            callee_sdp: None,
            caller_user_agent: Some("phone".to_owned()),
            callee_user_agent: None,
            media: Vec::new(),
        }
    }

    fn closed(&self, opened: &CallRecord) -> CallRecord {
        let media = LegMedia {
            codec: "PCMU".to_owned(),
            packets_received: 99,
            packets_sent: 100,
            packets_lost: 1,
            jitter_ms: 1.5,
            strangers: 0,
            sent_lost: 2,
            rtt_ms: Some(31.5),
            mos: Some(4.25),
            encryption: "SDES".to_owned(),
        };
        CallRecord {
            ringing_at: Some(opened.start_time + SignedDuration::from_secs(1)),
            answer_time: Some(opened.start_time + SignedDuration::from_secs(2)),
            end_time: Some(opened.start_time + SignedDuration::from_millis(9_500)),
            status: CallStatus::Completed,
            disconnect_reason: Some("the caller hung up".to_owned()),
            hangup_by: Some(HangupBy::Caller),
            hangup_cause: Some(16),
            sip_response_code: Some(200),
            codec: Some("PCMU".to_owned()),
            callee_sdp: Some("v=0\r\n".to_owned()),
            callee_ip: Some("::1".parse().unwrap()),
            media: vec![media.clone(), media],
            ..opened.clone()
        }
    }

    fn event(&self, call: CallId, id: u128) -> CallEvent {
        CallEvent {
            id: EventId(Uuid::from_u128(id)),
            tenant_id: self.tenant.id,
            call_id: call,
            at: Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap(),
            kind: CallEventKind::Ringing,
            from_status: CallStatus::Active,
            to_status: CallStatus::Active,
            detail: Some("1002".to_owned()),
        }
    }

    fn leg(&self, record: &CallRecord, id: u128) -> CallLeg {
        CallLeg {
            id: LegId(Uuid::from_u128(id)),
            tenant_id: self.tenant.id,
            call_id: record.id,
            sip_call_id: record.call_id.clone(),
            is_caller: true,
            extension_id: None,
            remote_ip: Some("127.0.0.1".parse().unwrap()),
            user_agent: Some("phone".to_owned()),
            start_time: record.start_time,
            answer_time: None,
            end_time: record.start_time + SignedDuration::from_secs(9),
            sip_response_code: Some(200),
            hangup_cause: Some(16),
            media: record.media.first().cloned(),
        }
    }
}

fn open_entry(record: &CallRecord) -> JournalEntry {
    JournalEntry::Opened(Box::new(record.clone()))
}

fn close_entry(record: &CallRecord) -> JournalEntry {
    JournalEntry::Closed(Box::new(record.clone()))
}

/// The segment files of a journal, in order.
fn segments(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "journal")).collect();
    segments.sort();
    segments
}

/// What is left of a journal when its machine dies now.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // A segment may have been read to its end and deleted meanwhile.
        let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

async fn recover(place: &Place, directory: &Path) -> u64 {
    let journal = Journal::open(directory).unwrap();
    place.store.recover(&journal).await.unwrap()
}
