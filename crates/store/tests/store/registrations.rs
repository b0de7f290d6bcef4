//! Bindings, written behind the switch.

use std::time::Duration;

use domain::{Extension, Registration, RegistrationChange, RegistrationId, Tenant};
use jiff::{SignedDuration, Timestamp};
use store::testing::Server;
use store::{RegistrationWriter, Store};

use crate::{extension, tenant};

const LONG: Duration = Duration::from_secs(20);

fn binding(tenant: &Tenant, extension: &Extension, id: u128) -> Registration {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    Registration {
        id: RegistrationId(uuid::Uuid::from_u128(id)),
        tenant_id: tenant.id,
        extension_id: extension.id,
        extension: extension.number.clone(),
        device_id: None,
        contact: "<sip:1001@[2001:db8::1]:5062;transport=udp>;+sip.instance=\"<urn:uuid:1>\"".to_owned(),
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: Some(1),
        q: 500,
        call_id: "abc@host".to_owned(),
        cseq: u32::MAX,
        transport: "udp".to_owned(),
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "[2001:db8::1]:5062".parse().unwrap(),
        user_agent: Some("a phone".to_owned()),
        path: vec!["<sip:edge;lr>".to_owned(), "<sip:b,c;lr>".to_owned()],
        registered_at: now,
        expires_at: now + SignedDuration::from_hours(1),
    }
}

async fn office() -> (Store, Tenant, Extension) {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let (extension, _) = extension(&store, &acme, "1001").await;
    (store, acme, extension)
}

#[tokio::test]
async fn bindings_come_back_as_they_were() {
    let (store, acme, extension) = office().await;
    let writer = RegistrationWriter::start(store.clone());
    let kept = binding(&acme, &extension, 1);
    let mut refreshed = kept.clone();
    refreshed.cseq = 1;
    assert!(writer.push(RegistrationChange::Put(Box::new(refreshed))));
    assert!(writer.push(RegistrationChange::Put(Box::new(kept.clone()))));
    let removed = binding(&acme, &extension, 2);
    let id = removed.id;
    writer.push(RegistrationChange::Put(Box::new(removed)));
    assert!(writer.flush(LONG).await);
    writer.push(RegistrationChange::Removed { tenant_id: acme.id, id });
    let mut expired = binding(&acme, &extension, 3);
    expired.expires_at = expired.registered_at - SignedDuration::from_secs(1);
    writer.push(RegistrationChange::Put(Box::new(expired)));
    assert!(writer.stop(LONG).await);
    assert_eq!(store.tenant(acme.id).registrations().await.unwrap(), std::slice::from_ref(&kept));
    let [mut loaded] = <[Registration; 1]>::try_from(store.load_registrations().await.unwrap()).unwrap();
    // It may have been refreshed without being written.
    let allowed = loaded.expires_at.duration_since(kept.expires_at);
    assert!((SignedDuration::from_mins(44)..=SignedDuration::from_mins(45)).contains(&allowed), "{allowed}");
    loaded.expires_at = kept.expires_at;
    assert_eq!(loaded, kept);
}

#[tokio::test]
async fn a_refresh_that_tells_nothing_new_is_written_when_it_is_due() {
    let (store, acme, extension) = office().await;
    let writer = RegistrationWriter::start(store.clone());
    let first = binding(&acme, &extension, 1);
    let later = |minutes: i64, cseq: u32| {
        let expires_at = first.expires_at + SignedDuration::from_mins(minutes);
        Registration { cseq, expires_at, ..first.clone() }
    };
    let moved = Registration { remote: "127.0.0.1:9".parse().unwrap(), ..later(2, 3) };
    let due = Registration { remote: moved.remote, ..later(60 * 24, 4) };
    let shorter = Registration { remote: moved.remote, ..later(-30, 5) };
    let mut cseqs = Vec::new();
    for change in [first.clone(), later(1, 2), moved, due, shorter] {
        writer.push(RegistrationChange::Put(Box::new(change)));
        assert!(writer.flush(LONG).await);
        cseqs.push(store.tenant(acme.id).registrations().await.unwrap()[0].cseq);
    }
    assert_eq!(cseqs, [u32::MAX, u32::MAX, 3, 4, 5], "a minute more is not worth a row; all else is");
    let id = first.id;
    writer.push(RegistrationChange::Removed { tenant_id: acme.id, id });
    assert!(writer.flush(LONG).await);
    writer.push(RegistrationChange::Put(Box::new(later(1, 6))));
    assert!(writer.stop(LONG).await);
    assert_eq!(store.tenant(acme.id).registrations().await.unwrap()[0].cseq, 6, "what was removed is written anew");
}

#[tokio::test]
async fn a_binding_that_cannot_be_kept_stops_no_other() {
    let (store, acme, extension) = office().await;
    let writer = RegistrationWriter::start(store.clone());
    let good = binding(&acme, &extension, 1);
    let mut nul = binding(&acme, &extension, 2);
    nul.contact = "<sip:a\0b@c>".to_owned();
    let mut odd = binding(&acme, &extension, 3);
    odd.transport = "pigeon".to_owned();
    let mut orphan = binding(&acme, &extension, 4);
    orphan.extension_id = domain::ExtensionId(uuid::Uuid::from_u128(9));
    for change in [good, nul, odd, orphan] {
        writer.push(RegistrationChange::Put(Box::new(change)));
    }
    assert!(writer.stop(LONG).await);
    let ids: Vec<u128> =
        store.load_registrations().await.unwrap().iter().map(|binding| binding.id.0.as_u128()).collect();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn bindings_wait_for_a_database_that_is_away() {
    let server = Server::start();
    let store = server.store().await;
    let acme = tenant(&store, "acme").await;
    let (extension, _) = extension(&store, &acme, "1001").await;
    let writer = RegistrationWriter::start(store.clone());
    let directory = server.stop();
    for refresh in 0..100 {
        let mut change = binding(&acme, &extension, 1);
        change.cseq = refresh;
        writer.push(RegistrationChange::Put(Box::new(change)));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(writer.waiting(), 1, "one binding, however often it was refreshed");
    let _server = Server::resume(&directory);
    assert!(writer.flush(LONG).await);
    assert_eq!(store.load_registrations().await.unwrap()[0].cseq, 99);
}
