//! What arrives, and as what.

use std::time::{Duration, Instant};

use domain::{CallStatus, JournalEntry};
use store::{Journal, Writer};

use crate::{LONG, Place, close_entry, open_entry, segments};

#[tokio::test]
async fn a_call_arrives_as_it_was() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    let opened = place.opened(1);
    journal.append(open_entry(&opened));
    assert!(writer.flush(LONG).await);
    assert_eq!(place.records().await, std::slice::from_ref(&opened), "an open call is seen while it goes on");

    let closed = place.closed(&opened);
    let event = place.event(opened.id, 7);
    let leg = place.leg(&closed, 8);
    journal.append(JournalEntry::Event(Box::new(event.clone())));
    journal.append(JournalEntry::Leg(Box::new(leg.clone())));
    journal.append(close_entry(&closed));
    assert!(writer.stop(LONG).await);
    let rows = place.store.tenant(place.tenant.id);
    assert_eq!(place.records().await, [closed]);
    assert_eq!(rows.call_events(opened.id).await.unwrap(), [event]);
    assert_eq!(rows.call_legs(opened.id).await.unwrap(), [leg]);
    let stats = journal.stats();
    assert_eq!((stats.durable, stats.waiting, stats.dropped_events, stats.dead_letters), (4, 0, 0, 0));
}

#[tokio::test]
async fn the_columns_that_are_reckoned() {
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    journal.append(close_entry(&place.closed(&place.opened(1))));
    assert!(writer.stop(LONG).await);
    let (setup, call, total, billable, loss, jitter): (i32, i32, i32, i32, f32, f32) = sqlx::query_as(
        "SELECT setup_duration_ms, call_duration_ms, total_duration_ms, billable_seconds, packet_loss_percent, jitter_ms
           FROM call_records",
    )
    .fetch_one(&mut place.superuser)
    .await
    .unwrap();
    assert_eq!((setup, call, total, billable), (2_000, 7_500, 9_500, 12));
    assert!((loss - 1.0).abs() < 1e-6 && (jitter - 1.5).abs() < 1e-6);
}

#[tokio::test]
async fn a_call_is_closed_once() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    let opened = place.opened(1);
    let closed = place.closed(&opened);
    let mut again = closed.clone();
    again.status = CallStatus::Failed;
    journal.append(open_entry(&opened));
    journal.append(close_entry(&closed));
    journal.append(close_entry(&again));
    assert!(writer.flush(LONG).await);
    journal.append(close_entry(&again));
    journal.append(open_entry(&opened));
    assert!(writer.stop(LONG).await);
    assert_eq!(place.records().await, [closed]);
}

/// Callers choose much of a record; nothing they choose keeps it from arriving.
#[tokio::test]
async fn hostile_text_arrives() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    let mut record = place.closed(&place.opened(1));
    record.call_id = "\0\u{fffd}'; DROP TABLE users; --".to_owned();
    record.caller = "x".repeat(70_000);
    record.caller_id_name = Some("\\u0000 \u{202e} {\"a\":1}".to_owned());
    record.caller_sdp = Some("a=crypto:1 AES inline:secret\r\n\0".to_owned());
    record.media[0].jitter_ms = f32::NAN;
    record.media[1].jitter_ms = f32::INFINITY;
    journal.append(close_entry(&record));
    assert!(writer.stop(LONG).await);
    let stored = &place.records().await[0];
    assert_eq!(stored.call_id, "\u{fffd}'; DROP TABLE users; --");
    assert_eq!(stored.caller.len(), 255);
    assert_eq!(stored.caller_id_name, record.caller_id_name);
    assert_eq!(stored.caller_sdp.as_deref(), Some("a=crypto:1 AES inline:***\r\n"));
    assert_eq!(journal.stats().dead_letters, 0);
}

#[tokio::test]
async fn entries_are_on_disk_within_fifty_milliseconds() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let mut took = Vec::new();
    for id in 0..20 {
        let started = Instant::now();
        journal.append(open_entry(&place.opened(id)));
        journal.sync().await;
        took.push(started.elapsed());
    }
    took.sort();
    // The median, for other programs use this disk as well.
    assert!(took[took.len() / 2] < Duration::from_millis(50), "{took:?}");
}

#[tokio::test]
async fn thousands_of_calls_in_batches() {
    const CALLS: u128 = 5_000;
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    for id in 0..CALLS {
        let opened = place.opened(id);
        let mut closed = place.closed(&opened);
        closed.caller_sdp = Some("x".repeat(4_000));
        journal.append(open_entry(&opened));
        journal.append(JournalEntry::Event(Box::new(place.event(opened.id, id))));
        journal.append(close_entry(&closed));
    }
    assert!(writer.flush(LONG).await);
    assert_eq!(place.count("call_records").await, i64::try_from(CALLS).unwrap());
    assert_eq!(place.count("call_events").await, i64::try_from(CALLS).unwrap());
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM call_records WHERE status = 'Active'")
        .fetch_one(&mut place.superuser)
        .await
        .unwrap();
    assert_eq!(open, 0);
    assert_eq!(segments(directory.path()).len(), 1, "segments that were read are deleted");
}
