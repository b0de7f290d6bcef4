//! The program dies at any moment.

use std::path::Path;
use std::time::Duration;

use domain::{CallEventKind, CallStatus, HangupBy, JournalEntry};
use jiff::{SignedDuration, Timestamp};
use store::{Journal, JournalError, Writer};
use uuid::Uuid;

use crate::{LONG, Place, close_entry, copy, open_entry, recover, segments};

#[tokio::test]
async fn open_calls_are_closed_once() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    let mut arrived = place.opened(1);
    arrived.answer_time = Some(arrived.start_time + SignedDuration::from_secs(1));
    journal.append(open_entry(&arrived));
    assert!(writer.stop(LONG).await);
    // These two are in the journal alone when the program dies.
    let finished = place.closed(&place.opened(2));
    journal.append(close_entry(&finished));
    journal.append(open_entry(&place.opened(3)));
    journal.sync().await;
    let died_at = Timestamp::now();
    let dead = tempfile::tempdir().unwrap();
    copy(directory.path(), dead.path());
    drop(journal);

    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(recover(&place, dead.path()).await, 2);
    let records = place.records().await;
    assert_eq!(records.len(), 3);
    assert_eq!(records[1], finished, "a call that had ended keeps its end");
    for record in [&records[0], &records[2]] {
        assert_eq!(record.status, CallStatus::Failed);
        assert_eq!(record.disconnect_reason.as_deref(), Some("system restart"));
        assert_eq!(record.hangup_by, Some(HangupBy::System));
        let off = record.end_time.unwrap().duration_since(died_at).abs();
        assert!(off < SignedDuration::from_secs(5), "{off}");
        assert!(record.total_duration_ms().unwrap() >= 8_000);
    }
    let rows = place.store.tenant(place.tenant.id);
    let events = rows.call_events(records[0].id).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].to_status), (CallEventKind::Ended, CallStatus::Failed));
    assert_eq!(recover(&place, dead.path()).await, 0, "once");
    assert_eq!(place.records().await, records);
}

#[tokio::test]
async fn another_node_is_left_alone() {
    let place = Place::new().await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = Journal::open(one.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    journal.append(open_entry(&place.opened(1)));
    assert!(writer.stop(LONG).await);
    assert_eq!(recover(&place, two.path()).await, 0);
    assert_eq!(place.records().await[0].status, CallStatus::Active);
}

/// Cut the journal at every byte: whatever stands whole before the cut arrives, the rest never was.
#[tokio::test]
async fn a_journal_cut_at_any_byte() {
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let segment = segments(directory.path())[0].clone();
    let mut ends = Vec::new();
    for id in 0..3 {
        journal.append(JournalEntry::Event(Box::new(place.event(place.opened(1).id, id))));
        journal.sync().await;
        ends.push(std::fs::metadata(&segment).unwrap().len());
    }
    drop(journal);
    let whole = std::fs::read(&segment).unwrap();
    for cut in 0..=whole.len() {
        let dead = tempfile::tempdir().unwrap();
        std::fs::write(dead.path().join(segment.file_name().unwrap()), &whole[..cut]).unwrap();
        sqlx::raw_sql("TRUNCATE call_events, journal_positions").execute(&mut place.superuser).await.unwrap();
        recover(&place, dead.path()).await;
        let expected = ends.iter().filter(|&&end| end <= cut as u64).count();
        assert_eq!(place.count("call_events").await, expected as i64, "cut at {cut} of {}", whole.len());
    }
}

/// The program is killed again and again while it writes and drains; the dying journal is copied as it stands.
#[tokio::test]
async fn killed_again_and_again() {
    let mut place = Place::new().await;
    let mut directory = tempfile::tempdir().unwrap();
    let mut next = 0_u128;
    let mut safe = Vec::new();
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for _ in 0..15 {
        let journal = Journal::open(directory.path()).unwrap();
        place.store.recover(&journal).await.unwrap();
        let writer = Writer::start(place.store.clone(), &journal);
        let synced = random() % 40;
        for step in 0..40 + random() % 200 {
            next += 1;
            let opened = place.opened(next);
            journal.append(open_entry(&opened));
            if random() % 3 != 0 {
                journal.append(close_entry(&place.closed(&opened)));
            }
            journal.append(JournalEntry::Event(Box::new(place.event(opened.id, next))));
            if step < synced {
                safe.push(opened.id);
            }
            if step == synced {
                journal.sync().await;
            }
            if random() % 8 == 0 {
                tokio::time::sleep(Duration::from_millis(random() % 5)).await;
            }
        }
        let dead = tempfile::tempdir().unwrap();
        drop(writer);
        copy(directory.path(), dead.path());
        drop(journal);
        directory = dead;
    }
    recover(&place, directory.path()).await;
    let records = place.records().await;
    assert!(records.iter().all(|record| record.status != CallStatus::Active && record.end_time.is_some()));
    let mut ids: Vec<_> = records.iter().map(|record| record.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), records.len(), "one record per call");
    let lost: Vec<_> = safe.iter().filter(|id| ids.binary_search(id).is_err()).collect();
    assert_eq!(lost, Vec::<&domain::CallId>::new(), "what was on disk has arrived");
    let twice: i64 =
        sqlx::query_scalar("SELECT count(*) FROM (SELECT id FROM call_events GROUP BY id HAVING count(*) > 1) twice")
            .fetch_one(&mut place.superuser)
            .await
            .unwrap();
    assert_eq!(twice, 0);
}

#[tokio::test]
async fn an_older_copy_of_the_journal_is_read_again_without_doubling() {
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.append(close_entry(&place.closed(&place.opened(1))));
    journal.sync().await;
    let old = tempfile::tempdir().unwrap();
    copy(directory.path(), old.path());
    drop(journal);
    for _ in 0..3 {
        recover(&place, directory.path()).await;
    }
    let journal = Journal::open(old.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    journal.append(close_entry(&place.closed(&place.opened(2))));
    assert!(writer.stop(LONG).await);
    assert_eq!(place.count("call_records").await, 2);
}

#[test]
fn a_journal_has_one_writer_and_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let node = journal.node();
    assert!(matches!(Journal::open(directory.path()), Err(JournalError::Lock(_))));
    journal.close();
    assert_eq!(Journal::open(directory.path()).unwrap().node(), node);
    assert_ne!(node, Uuid::nil());
    std::fs::write(directory.path().join("node"), "nonsense").unwrap();
    let error = Journal::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("holds no identity"), "{error}");
}

#[test]
fn the_heartbeat_is_written_while_nothing_happens() {
    let directory = tempfile::tempdir().unwrap();
    let _journal = Journal::open(directory.path()).unwrap();
    let beat = |path: &Path| {
        std::fs::read_to_string(path.join("heartbeat")).ok().and_then(|text| text.trim().parse::<Timestamp>().ok())
    };
    std::thread::sleep(Duration::from_millis(500));
    let first = beat(directory.path()).unwrap();
    std::thread::sleep(Duration::from_millis(2_000));
    assert!(beat(directory.path()).unwrap() > first);
}
