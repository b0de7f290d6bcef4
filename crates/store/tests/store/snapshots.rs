//! Snapshots and how soon they follow.

use std::time::{Duration, Instant};

use domain::{SipLogin, TenantStatus};
use store::testing::Server;
use store::{Change, DatabaseConfig, Listener, Store, TenantChanges};
use tokio::time::timeout;

use crate::{extension, tenant};

async fn next(listener: &mut Listener) -> Change {
    timeout(Duration::from_secs(1), listener.next()).await.expect("a change is heard of within a second")
}

/// Takes what is there already.
async fn settle(listener: &mut Listener) {
    while timeout(Duration::from_millis(200), listener.next()).await.is_ok() {}
}

#[tokio::test]
async fn a_change_is_heard_of_within_a_second() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let mut listener = store.changes().await.unwrap();
    let before = store.snapshot(acme.id).await.unwrap().unwrap();

    let started = Instant::now();
    extension(&store, &acme, "1003").await;
    assert_eq!(next(&mut listener).await, Change::Tenant(acme.id));
    let after = store.snapshot(acme.id).await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(after.extensions.contains_key("1003") && after.credentials.contains_key("1003"));
    assert!(after.revision > before.revision);

    settle(&mut listener).await;
    let other = tenant(&store, "other").await;
    assert_eq!(next(&mut listener).await, Change::Tenant(other.id));
    settle(&mut listener).await;
    let gone = TenantChanges { status: Some(TenantStatus::Deleted), ..TenantChanges::default() };
    store.tenant(other.id).update(gone).await.unwrap();
    assert_eq!(next(&mut listener).await, Change::Tenant(other.id));
    assert!(store.snapshot(other.id).await.unwrap().is_none());
}

#[tokio::test]
async fn every_table_of_the_snapshot_moves_the_revision() {
    let url = Server::shared().database().await;
    let store = Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let acme = tenant(&store, "acme").await;
    extension(&store, &acme, "1001").await;
    let both = TenantChanges { sip_login: Some(SipLogin::Both), ..TenantChanges::default() };
    store.tenant(acme.id).update(both).await.unwrap();
    store.tenant(acme.id).set_password("1001", None).await.unwrap();
    let mut superuser = Server::superuser(&url).await;
    for statement in [
        "UPDATE tenants SET ring_timeout_s = 20",
        "INSERT INTO tenant_domains SELECT id, 'x.example' FROM tenants",
        "UPDATE tenant_domains SET domain = 'y.example' WHERE domain = 'x.example'",
        "DELETE FROM tenant_domains WHERE domain = 'y.example'",
        "UPDATE extensions SET enabled = false",
        "UPDATE users SET enabled = false",
        "UPDATE devices SET enabled = false",
        "UPDATE dialplan SET priority = 2",
        "DELETE FROM devices",
        "DELETE FROM extensions",
        "DELETE FROM dialplan",
        "DELETE FROM users",
    ] {
        let before = store.revisions().await.unwrap()[0].1;
        sqlx::query(statement).execute(&mut superuser).await.unwrap();
        assert!(store.revisions().await.unwrap()[0].1 > before, "{statement}");
    }
}

#[tokio::test]
async fn what_is_switched_off_stays_in_the_snapshot_as_such() {
    let url = Server::shared().database().await;
    let store = Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let acme = tenant(&store, "acme").await;
    extension(&store, &acme, "1001").await;
    let mut superuser = Server::superuser(&url).await;
    sqlx::query("UPDATE users SET enabled = false").execute(&mut superuser).await.unwrap();
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert!(!snapshot.credentials["1001"].enabled);
    assert!(snapshot.extensions["1001"].enabled);
    let suspended = TenantChanges { status: Some(TenantStatus::Suspended), ..TenantChanges::default() };
    store.tenant(acme.id).update(suspended).await.unwrap();
    assert_eq!(store.snapshots().await.unwrap()[0].tenant.status, TenantStatus::Suspended);
    sqlx::query("UPDATE tenants SET status = 'deleted'").execute(&mut superuser).await.unwrap();
    assert!(store.snapshot(acme.id).await.unwrap().is_none());
    assert!(store.snapshots().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_misses_nothing() {
    let server = Server::start();
    let store = server.store().await;
    let url = store.database().to_owned();
    let acme = tenant(&store, "acme").await;
    let mut listener = store.changes().await.unwrap();
    let directory = server.stop();
    let server = Server::resume(&directory);
    // Before the listener is back, so that no notification reaches it.
    extension(&store, &acme, "1009").await;
    let heard = timeout(Duration::from_secs(20), async {
        let mut heard = Vec::new();
        while !heard.contains(&Change::Tenant(acme.id)) {
            heard.push(listener.next().await);
        }
        heard
    });
    assert_eq!(heard.await.expect("the listener is back"), [Change::Reconnected, Change::Tenant(acme.id)], "{url}");
    drop(server);
}

#[tokio::test]
async fn a_hundred_thousand_extensions_load_in_five_seconds() {
    let url = Server::shared().database().await;
    let store = Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let mut superuser = Server::superuser(&url).await;
    sqlx::raw_sql(
        "BEGIN;
         INSERT INTO tenants (id, name, slug, realm, domain)
         SELECT gen_random_uuid(), 't' || n, 't' || n, 't' || n || '.example', 't' || n || '.example'
           FROM generate_series(1, 100) n;
         INSERT INTO tenant_domains SELECT id, domain FROM tenants;
         INSERT INTO users (id, username, realm, sip_ha1, sip_ha1_sha256)
         SELECT gen_random_uuid(), n::text, t.realm, md5(n::text), md5(n::text) || md5(n::text)
           FROM tenants t, generate_series(10000, 10999) n;
         INSERT INTO user_tenants
         SELECT t.id, u.id, 'a0000000-0000-0000-0000-000000000002' FROM users u JOIN tenants t ON t.realm = u.realm;
         INSERT INTO destinations SELECT t.id, u.id, 'extension' FROM users u JOIN tenants t ON t.realm = u.realm;
         INSERT INTO extensions (id, tenant_id, extension_number, user_id)
         SELECT u.id, t.id, u.username, u.id FROM users u JOIN tenants t ON t.realm = u.realm;
         COMMIT; ANALYZE;",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    let started = Instant::now();
    let snapshots = store.snapshots().await.unwrap();
    let took = started.elapsed();
    assert_eq!(snapshots.iter().map(|snapshot| snapshot.credentials.len()).sum::<usize>(), 100_000);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
