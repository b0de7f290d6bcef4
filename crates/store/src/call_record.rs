//! The history of calls: written in batches by the drain, read per tenant.

use domain::{CallEvent, CallId, CallLeg, CallRecord, CallStatus, JournalEntry};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::limits::LISTING;
use crate::row::{CallEventRow, CallLegRow, CallRecordRow};
use crate::{StoreError, Tenanted};

impl Tenanted {
    /// The newest call records first, calls that still go on included.
    ///
    /// # Errors
    /// The database is away.
    pub async fn call_records(&self, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows: Vec<Json<CallRecordRow>> = sqlx::query_scalar(
            "SELECT to_json(r) FROM (SELECT * FROM call_records ORDER BY start_time DESC, id DESC LIMIT $1) r",
        )
        .bind(i64::from(limit).min(LISTING))
        .fetch_all(&mut *transaction)
        .await?;
        rows.into_iter().map(|Json(row)| row.record().map_err(unknown)).collect()
    }

    /// The legs of a call, in the order in which they began.
    ///
    /// # Errors
    /// The database is away.
    pub async fn call_legs(&self, call: CallId) -> Result<Vec<CallLeg>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows: Vec<Json<CallLegRow>> = sqlx::query_scalar(
            "SELECT to_json(l) FROM (SELECT * FROM call_legs WHERE call_id = $1 ORDER BY start_time, id LIMIT $2) l",
        )
        .bind(call.0)
        .bind(LISTING)
        .fetch_all(&mut *transaction)
        .await?;
        Ok(rows.into_iter().map(|Json(row)| row.leg()).collect())
    }

    /// What happened in a call, in order.
    ///
    /// # Errors
    /// The database is away.
    pub async fn call_events(&self, call: CallId) -> Result<Vec<CallEvent>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows: Vec<Json<CallEventRow>> = sqlx::query_scalar(
            "SELECT to_json(e) FROM (SELECT * FROM call_events WHERE call_id = $1 ORDER BY at, id LIMIT $2) e",
        )
        .bind(call.0)
        .bind(LISTING)
        .fetch_all(&mut *transaction)
        .await?;
        rows.into_iter().map(|Json(row)| row.event().map_err(unknown)).collect()
    }
}

fn unknown(error: domain::UnknownValue) -> StoreError {
    StoreError::Database(error.to_string())
}

/// The rows of a stretch of the journal, sorted by table.
#[derive(Default)]
pub(crate) struct Batch {
    opened: Vec<CallRecordRow>,
    closed: Vec<CallRecordRow>,
    legs: Vec<CallLegRow>,
    events: Vec<CallEventRow>,
}

impl Batch {
    pub(crate) fn push(&mut self, entry: &JournalEntry, node: Uuid) {
        match entry {
            JournalEntry::Opened(record) => self.opened.push(CallRecordRow::new(record, node)),
            // A closing that still says Active is a fault of its maker; the row would never be closed again.
            JournalEntry::Closed(record) if record.status == CallStatus::Active || record.end_time.is_none() => {
                let mut record = (**record).clone();
                record.end_time = record.end_time.or(Some(jiff::Timestamp::now()));
                if record.status == CallStatus::Active {
                    record.status = CallStatus::Failed;
                }
                self.closed.push(CallRecordRow::new(&record, node));
            }
            JournalEntry::Closed(record) => self.closed.push(CallRecordRow::new(record, node)),
            JournalEntry::Leg(leg) => self.legs.push(CallLegRow::new(leg)),
            JournalEntry::Event(event) => self.events.push(CallEventRow::new(event)),
        }
    }

    /// One statement per table. Rows that are there already stay as they are, and a closed record is never touched.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.opened.is_empty() {
            sqlx::query(INSERT_OPENED).bind(Json(&self.opened)).execute(&mut *connection).await?;
        }
        if !self.closed.is_empty() {
            sqlx::query(UPSERT_CLOSED).bind(Json(unique(&self.closed))).execute(&mut *connection).await?;
        }
        if !self.legs.is_empty() {
            sqlx::query(INSERT_LEGS).bind(Json(&self.legs)).execute(&mut *connection).await?;
        }
        if !self.events.is_empty() {
            sqlx::query(INSERT_EVENTS).bind(Json(&self.events)).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// One statement cannot touch a row twice; the first closing is the one that counts.
fn unique(rows: &[CallRecordRow]) -> Vec<&CallRecordRow> {
    let mut seen = std::collections::BTreeSet::new();
    rows.iter().filter(|row| seen.insert(row.id)).collect()
}

macro_rules! record_columns {
    () => {
        "id, tenant_id, parent_call_id, node, call_id, caller, callee, caller_ip, callee_ip, caller_id_name, caller_number,
         dialed_number, context, caller_extension_id, callee_extension_id, user_id, direction, start_time,
         ringing_at, answer_time, end_time, setup_duration_ms, call_duration_ms, total_duration_ms,
         billable_seconds, status, disconnect_reason, hangup_by, hangup_cause, sip_response_code, codec,
         caller_sdp, callee_sdp, caller_user_agent, callee_user_agent, media_info, jitter_ms, packet_loss_percent,
         mos_score, rtt_ms"
    };
}

const INSERT_OPENED: &str = concat!(
    "INSERT INTO call_records (",
    record_columns!(),
    ") SELECT ",
    record_columns!(),
    " FROM jsonb_populate_recordset(NULL::call_records, $1) ON CONFLICT (id, start_time) DO NOTHING"
);

const UPSERT_CLOSED: &str = concat!(
    "INSERT INTO call_records AS r (",
    record_columns!(),
    ") SELECT ",
    record_columns!(),
    " FROM jsonb_populate_recordset(NULL::call_records, $1)
      ON CONFLICT (id, start_time) DO UPDATE SET
         parent_call_id = excluded.parent_call_id, callee = excluded.callee, callee_ip = excluded.callee_ip, caller_id_name = excluded.caller_id_name,
         caller_number = excluded.caller_number, dialed_number = excluded.dialed_number, context = excluded.context,
         caller_extension_id = excluded.caller_extension_id, callee_extension_id = excluded.callee_extension_id,
         user_id = excluded.user_id, direction = excluded.direction,
         ringing_at = excluded.ringing_at, answer_time = excluded.answer_time, end_time = excluded.end_time,
         setup_duration_ms = excluded.setup_duration_ms, call_duration_ms = excluded.call_duration_ms,
         total_duration_ms = excluded.total_duration_ms, billable_seconds = excluded.billable_seconds,
         status = excluded.status, disconnect_reason = excluded.disconnect_reason, hangup_by = excluded.hangup_by,
         hangup_cause = excluded.hangup_cause, sip_response_code = excluded.sip_response_code,
         codec = excluded.codec, caller_sdp = excluded.caller_sdp, callee_sdp = excluded.callee_sdp,
         caller_user_agent = excluded.caller_user_agent, callee_user_agent = excluded.callee_user_agent,
         media_info = excluded.media_info, jitter_ms = excluded.jitter_ms,
         packet_loss_percent = excluded.packet_loss_percent, mos_score = excluded.mos_score,
         rtt_ms = excluded.rtt_ms
       WHERE r.status = 'Active'"
);

const INSERT_LEGS: &str = "INSERT INTO call_legs
        (id, tenant_id, call_id, sip_call_id, is_caller, extension_id, remote_ip, user_agent, start_time, answer_time,
         end_time, sip_response_code, hangup_cause, codec, packets_received, packets_sent, packets_lost, jitter_ms,
         strangers, sent_lost, rtt_ms, mos_score, encryption)
 SELECT id, tenant_id, call_id, sip_call_id, is_caller, extension_id, remote_ip, user_agent, start_time, answer_time,
        end_time, sip_response_code, hangup_cause, codec, packets_received, packets_sent, packets_lost, jitter_ms,
        strangers, sent_lost, rtt_ms, mos_score, encryption
   FROM jsonb_populate_recordset(NULL::call_legs, $1) ON CONFLICT (id, start_time) DO NOTHING";

const INSERT_EVENTS: &str = "INSERT INTO call_events
        (id, tenant_id, call_id, at, kind, from_status, to_status, detail)
 SELECT id, tenant_id, call_id, at, kind, from_status, to_status, detail
   FROM jsonb_populate_recordset(NULL::call_events, $1) ON CONFLICT (id, at) DO NOTHING";

/// Events of the system, such as the end that a restart makes.
pub(crate) async fn insert_events(connection: &mut PgConnection, events: &[CallEvent]) -> Result<(), sqlx::Error> {
    let rows: Vec<CallEventRow> = events.iter().map(CallEventRow::new).collect();
    sqlx::query(INSERT_EVENTS).bind(Json(rows)).execute(connection).await?;
    Ok(())
}
