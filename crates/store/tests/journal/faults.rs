//! Database away, rows refused, files damaged.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use domain::JournalEntry;
use store::testing::Server;
use store::{Journal, Writer};

use crate::{LONG, Place, close_entry, open_entry, recover, segments};

#[tokio::test]
async fn an_outage_loses_and_doubles_nothing() {
    let server = Server::start();
    let place = Place::on(&server).await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    let mut stopped = None;
    let mut server = Some(server);
    for id in 0..300 {
        let opened = place.opened(id);
        journal.append(open_entry(&opened));
        journal.append(close_entry(&place.closed(&opened)));
        match id {
            100 => stopped = server.take().map(Server::stop),
            200 => server = stopped.as_deref().map(Server::resume),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(writer.stop(LONG).await);
    let records = place.records().await;
    assert_eq!(records.len(), 300);
    assert!(records.iter().all(|record| record.end_time.is_some()));
    drop(server);
}

/// The connection is cut in the middle of things, as a fail-over does.
#[tokio::test]
async fn connections_are_cut_again_and_again() {
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    for id in 0..1_000 {
        journal.append(JournalEntry::Event(Box::new(place.event(place.opened(1).id, id))));
        if id % 50 == 0 {
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .execute(&mut place.superuser)
            .await
            .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(writer.stop(LONG).await);
    assert_eq!(place.count("call_events").await, 1_000);
}

#[tokio::test]
async fn a_refused_row_becomes_a_dead_letter() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let mut refused = place.closed(&place.opened(2));
    refused.hangup_cause = Some(200);
    journal.append(close_entry(&place.closed(&place.opened(1))));
    journal.append(close_entry(&refused));
    journal.append(close_entry(&place.closed(&place.opened(3))));
    let writer = Writer::start(place.store.clone(), &journal);
    assert!(writer.flush(LONG).await);
    assert_eq!(place.records().await.len(), 2);
    assert_eq!(journal.stats().dead_letters, 1);
    let letters = std::fs::read_to_string(directory.path().join("dead-letters.jsonl")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(letters.trim()).unwrap();
    assert!(letter["reason"].as_str().unwrap().contains("call_records_hangup_cause_check"), "{letter}");
    let kept: JournalEntry = serde_json::from_str(letter["entry"].as_str().unwrap()).unwrap();
    assert_eq!(kept, close_entry(&refused));

    journal.append(close_entry(&place.closed(&place.opened(4))));
    assert!(writer.stop(LONG).await);
    assert_eq!(place.records().await.len(), 3, "nothing is blocked");
    assert_eq!(journal.stats().dead_letters, 1, "buried once");
}

/// A missing permission is no fault of the rows: they wait until it is put right.
#[tokio::test]
async fn trouble_that_passes_buries_nothing() {
    let mut place = Place::new().await;
    sqlx::query("REVOKE INSERT ON call_records FROM yakyak_switch").execute(&mut place.superuser).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let writer = Writer::start(place.store.clone(), &journal);
    journal.append(close_entry(&place.closed(&place.opened(1))));
    assert!(!writer.flush(Duration::from_millis(500)).await);
    sqlx::query("GRANT INSERT ON call_records TO yakyak_switch").execute(&mut place.superuser).await.unwrap();
    assert!(writer.stop(LONG).await);
    assert_eq!(place.records().await.len(), 1);
    assert_eq!(journal.stats().dead_letters, 0);
}

#[tokio::test]
async fn a_damaged_segment_is_kept_and_the_next_one_read() {
    let mut place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let call = place.opened(1).id;
    for run in 0..2 {
        let journal = Journal::open(directory.path()).unwrap();
        for id in 0..10 {
            journal.append(JournalEntry::Event(Box::new(place.event(call, run * 10 + id))));
        }
    }
    let damaged = segments(directory.path())[0].clone();
    let mut file = std::fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(b"~~~~").unwrap();
    drop(file);
    recover(&place, directory.path()).await;
    let arrived = place.count("call_events").await;
    assert!((13..=15).contains(&arrived), "all before the damage and the whole next segment: {arrived}");
    assert!(damaged.with_extension("damaged").exists());
    assert!(!damaged.exists());
}

#[tokio::test]
async fn a_line_that_is_no_entry_is_buried() {
    let place = Place::new().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.append(close_entry(&place.closed(&place.opened(1))));
    drop(journal);
    let json = br#"{"Unheard":{"of":1}}"#;
    let mut frame = u32::try_from(json.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(&crc32fast::hash(json).to_le_bytes());
    frame.extend_from_slice(json);
    let mut file = std::fs::OpenOptions::new().append(true).open(&segments(directory.path())[0]).unwrap();
    file.write_all(&frame).unwrap();
    recover(&place, directory.path()).await;
    assert_eq!(place.records().await.len(), 1);
    let letters = std::fs::read_to_string(directory.path().join("dead-letters.jsonl")).unwrap();
    assert!(letters.contains("Unheard"));
}
