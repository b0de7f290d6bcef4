//! Traces: the SIP messages of calls and registrations, compressed, some seconds of one dialog in a row.
//!
//! What the rows hold inside is the business of whoever writes and reads them; here they are bytes with an owner.

use domain::{CallId, TenantId};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::limits::{TRACES_DELETED, TRACES_READ};
use crate::password::new_id;
use crate::pool::time;
use crate::{Store, StoreError, Tenanted, text};

mod writer;

pub use writer::TraceWriter;

/// A stretch of the messages of one dialog or registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTrace {
    /// Tenant.
    pub tenant_id: TenantId,
    /// The record of the call; none for a registration.
    pub call_id: Option<CallId>,
    /// Call-ID header of the messages.
    pub sip_call_id: String,
    /// The first message.
    pub started_at: Timestamp,
    /// The last message.
    pub ended_at: Timestamp,
    /// How many there are.
    pub messages: u32,
    /// The messages.
    pub data: Vec<u8>,
}

/// Which traces are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceOf {
    /// All legs of a call.
    Call(CallId),
    /// Whatever carries this Call-ID header.
    SipCallId(String),
}

impl Store {
    /// Which tenants have traces of this. Callers choose their Call-ID, so two tenants may have the same.
    ///
    /// # Errors
    /// The database is away.
    pub async fn trace_owners(&self, of: &TraceOf) -> Result<Vec<TenantId>, StoreError> {
        let (call, sip_call_id) = parts(of);
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT t.id FROM tenants t
              WHERE EXISTS (SELECT FROM sip_traces s WHERE s.tenant_id = t.id AND s.call_id = $1)
                 OR EXISTS (SELECT FROM sip_traces s WHERE s.tenant_id = t.id AND s.sip_call_id = $2)
              ORDER BY t.id",
        )
        .bind(call)
        .bind(sip_call_id)
        .fetch_all(self.switch())
        .await?;
        Ok(found.into_iter().map(TenantId).collect())
    }

    /// Deletes some of the traces that ended before a time; zero when there are none left.
    ///
    /// # Errors
    /// The database is away.
    pub async fn delete_sip_traces(&self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM sip_traces WHERE id IN
                    (SELECT id FROM sip_traces WHERE ended_at < 'epoch'::timestamptz + $1 * interval '1 microsecond'
                      LIMIT $2)",
        )
        .bind(before.as_microsecond())
        .bind(TRACES_DELETED)
        .execute(self.switch())
        .await?;
        Ok(done.rows_affected())
    }
}

impl Tenanted {
    /// The tenant's traces of this, oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn sip_traces(&self, of: &TraceOf) -> Result<Vec<SipTrace>, StoreError> {
        let mut transaction = self.begin().await?;
        let (call, sip_call_id) = parts(of);
        let rows = sqlx::query(
            "SELECT call_id, sip_call_id, messages, data, (extract(epoch FROM started_at) * 1000000)::bigint AS started,
                    (extract(epoch FROM ended_at) * 1000000)::bigint AS ended
               FROM sip_traces WHERE call_id = $1 OR sip_call_id = $2
              ORDER BY started_at DESC, id LIMIT $3",
        )
        .bind(call)
        .bind(sip_call_id)
        .bind(TRACES_READ)
        .fetch_all(&mut *transaction)
        .await?;
        let mut traces = rows.iter().map(|row| self.read_trace(row)).collect::<Result<Vec<_>, sqlx::Error>>()?;
        traces.reverse();
        Ok(traces)
    }

    fn read_trace(&self, row: &PgRow) -> Result<SipTrace, sqlx::Error> {
        Ok(SipTrace {
            tenant_id: self.id(),
            call_id: row.try_get::<Option<Uuid>, _>("call_id")?.map(CallId),
            sip_call_id: row.try_get("sip_call_id")?,
            started_at: time(row.try_get("started")?),
            ended_at: time(row.try_get("ended")?),
            messages: u32::try_from(row.try_get::<i32, _>("messages")?).unwrap_or(0),
            data: row.try_get("data")?,
        })
    }
}

fn parts(of: &TraceOf) -> (Option<Uuid>, Option<String>) {
    match of {
        TraceOf::Call(call) => (Some(call.0), None),
        TraceOf::SipCallId(sip_call_id) => (None, Some(text::short(sip_call_id))),
    }
}

/// One statement for a batch, in columns.
async fn insert(connection: &mut PgConnection, traces: &[SipTrace]) -> Result<(), sqlx::Error> {
    let column = |of: fn(&SipTrace) -> i64| traces.iter().map(of).collect::<Vec<i64>>();
    sqlx::query(
        "INSERT INTO sip_traces (id, tenant_id, call_id, sip_call_id, started_at, ended_at, messages, data)
         SELECT id, tenant_id, call_id, sip_call_id, 'epoch'::timestamptz + started * interval '1 microsecond',
                'epoch'::timestamptz + ended * interval '1 microsecond', messages, data
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[])
                AS t (id, tenant_id, call_id, sip_call_id, started, ended, messages, data)",
    )
    .bind(traces.iter().map(|_| new_id()).collect::<Vec<Uuid>>())
    .bind(traces.iter().map(|trace| trace.tenant_id.0).collect::<Vec<Uuid>>())
    .bind(traces.iter().map(|trace| trace.call_id.map(|call| call.0)).collect::<Vec<Option<Uuid>>>())
    .bind(traces.iter().map(|trace| text::short(&trace.sip_call_id)).collect::<Vec<String>>())
    .bind(column(|trace| trace.started_at.as_microsecond()))
    .bind(column(|trace| trace.ended_at.as_microsecond()))
    .bind(column(|trace| i64::from(trace.messages)))
    .bind(traces.iter().map(|trace| trace.data.as_slice()).collect::<Vec<&[u8]>>())
    .execute(connection)
    .await?;
    Ok(())
}
