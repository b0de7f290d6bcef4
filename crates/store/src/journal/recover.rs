//! After a restart: the calls that the last program left open are closed, once.

use domain::{CallEvent, CallEventKind, CallId, CallStatus, EventId, TenantId};
use uuid::Uuid;

use super::Journal;
use super::drain::{Step, drain};
use crate::call_record::insert_events;
use crate::password::new_id;
use crate::pool::time;
use crate::{Store, StoreError};

/// Q.850: temporary failure.
const CAUSE: i32 = 41;

impl Store {
    /// Stores what the journal still holds of earlier runs, then closes every call record of this node that is still
    /// open: status Failed, reason "system restart", ended when the program was last alive. Returns how many.
    ///
    /// To be called after [`Journal::open`] and before [`Writer::start`](crate::Writer::start).
    ///
    /// # Errors
    /// The database is away; the journal cannot be read.
    pub async fn recover(&self, journal: &Journal) -> Result<u64, StoreError> {
        let shared = journal.shared();
        while let Step::Moved(_) = drain(self, shared).await? {}
        let mut transaction = self.switch().begin().await?;
        let closed: Vec<(Uuid, Uuid, i64)> = sqlx::query_as(
            "UPDATE call_records AS r
                SET status = 'Failed', disconnect_reason = 'system restart', hangup_by = 'system',
                    hangup_cause = $4, end_time = e.at,
                    setup_duration_ms = (extract(epoch FROM answer_time - start_time) * 1000)::integer,
                    call_duration_ms = (extract(epoch FROM e.at - answer_time) * 1000)::integer,
                    total_duration_ms = (extract(epoch FROM e.at - start_time) * 1000)::integer,
                    billable_seconds = (ceil(extract(epoch FROM e.at - answer_time) / 6) * 6)::integer
               FROM (SELECT id, greatest($3::text::timestamptz, start_time, ringing_at, answer_time) AS at
                       FROM call_records WHERE node = $1 AND status = 'Active') e
              WHERE r.id = e.id AND r.node = $1 AND r.status = 'Active' AND r.start_time < $2::text::timestamptz
          RETURNING r.id, r.tenant_id, (extract(epoch FROM e.at) * 1000000)::bigint",
        )
        .bind(shared.node)
        .bind(shared.opened_at.to_string())
        .bind(shared.last_alive.to_string())
        .bind(CAUSE)
        .fetch_all(&mut *transaction)
        .await?;
        let events: Vec<CallEvent> = closed.iter().map(|&(id, tenant, at)| ended(id, tenant, at)).collect();
        insert_events(&mut transaction, &events).await?;
        transaction.commit().await?;
        Ok(closed.len() as u64)
    }
}

fn ended(call: Uuid, tenant: Uuid, at: i64) -> CallEvent {
    CallEvent {
        id: EventId(new_id()),
        tenant_id: TenantId(tenant),
        call_id: CallId(call),
        at: time(at),
        kind: CallEventKind::Ended,
        from_status: CallStatus::Active,
        to_status: CallStatus::Failed,
        detail: Some("system restart".to_owned()),
    }
}
