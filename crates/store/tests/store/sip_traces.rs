//! Traces are written behind the switch, read back by call or by Call-ID, and deleted when they are old.

use std::time::Duration;

use domain::{CallId, TenantId};
use jiff::Timestamp;
use store::testing::Server;
use store::{SipTrace, TraceOf, TraceWriter};

use crate::tenant;

const PATIENCE: Duration = Duration::from_secs(20);
const MONTH: Duration = Duration::from_hours(30 * 24);

/// A trace of this moment, to the microsecond that the database keeps.
pub(crate) fn trace(tenant_id: TenantId, sip_call_id: &str) -> SipTrace {
    let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    SipTrace {
        tenant_id,
        call_id: None,
        sip_call_id: sip_call_id.to_owned(),
        started_at: now - Duration::from_micros(1_234_567),
        ended_at: now,
        messages: 3,
        data: vec![0, 1, 255, b'\'', b'\\'],
    }
}

#[tokio::test]
async fn a_trace_is_read_back_by_call_and_by_call_id() {
    let store = Server::shared().store().await;
    let (acme, umbrella) = (tenant(&store, "acme").await, tenant(&store, "umbrella").await);
    let call = CallId(acme.id.0);
    let mut first = SipTrace { call_id: Some(call), ..trace(acme.id, "one") };
    first.started_at -= Duration::from_secs(9);
    let second = SipTrace { call_id: Some(call), ..trace(acme.id, "two") };
    let other = trace(umbrella.id, "one");
    let writer = TraceWriter::start(&store, MONTH);
    for row in [&second, &first, &other] {
        assert!(writer.push(row.clone()));
    }
    assert_eq!(writer.waiting(|waiting| waiting.sip_call_id == "one"), [first.clone(), other.clone()]);
    assert!(writer.flush(PATIENCE).await);
    assert!(writer.waiting(|_| true).is_empty());

    let ours = store.tenant(acme.id);
    assert_eq!(ours.sip_traces(&TraceOf::Call(call)).await.unwrap(), [first.clone(), second]);
    let one = TraceOf::SipCallId("one".to_owned());
    assert_eq!(ours.sip_traces(&one).await.unwrap(), [first]);
    assert_eq!(store.tenant(umbrella.id).sip_traces(&one).await.unwrap(), [other]);
    let mut owners = [acme.id, umbrella.id];
    owners.sort();
    assert_eq!(store.trace_owners(&one).await.unwrap(), owners);
    assert_eq!(store.trace_owners(&TraceOf::Call(call)).await.unwrap(), [acme.id]);
    assert!(store.trace_owners(&TraceOf::SipCallId("three".to_owned())).await.unwrap().is_empty());
}

#[tokio::test]
async fn old_traces_are_deleted_and_new_ones_stay() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    // This one keeps them: it looks for old ones when it starts, and these come while it may still be looking.
    let writer = TraceWriter::start(&store, MONTH * 100);
    for number in 0..2_500 {
        let mut old = trace(acme.id, "old");
        old.started_at -= MONTH + Duration::from_secs(60 + number);
        old.ended_at = old.started_at;
        assert!(writer.push(old));
    }
    writer.push(trace(acme.id, "new"));
    assert!(writer.flush(PATIENCE).await);
    drop(writer);
    let of = |name: &str| TraceOf::SipCallId(name.to_owned());
    let ours = store.tenant(acme.id);
    assert_eq!(ours.sip_traces(&of("old")).await.unwrap().len(), 2_000, "a reading has a limit");

    // The task of a writer that starts finds them.
    let _writer = TraceWriter::start(&store, MONTH);
    let until = std::time::Instant::now() + PATIENCE;
    while !ours.sip_traces(&of("old")).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < until, "old traces never go");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ours.sip_traces(&of("new")).await.unwrap().len(), 1);
    assert_eq!(store.delete_sip_traces(Timestamp::now() - MONTH).await.unwrap(), 0);
}

#[tokio::test]
async fn what_waits_for_the_database_is_bounded() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let writer = TraceWriter::start(&store, MONTH);
    let big = SipTrace { data: vec![0; 1 << 20], ..trace(acme.id, "big") };
    let taken = (0..40).filter(|_| writer.push(big.clone())).count();
    assert_eq!((taken, writer.lost()), (32, 8));
    assert!(writer.flush(PATIENCE).await);
    assert!(writer.push(big), "there is room again");
}
