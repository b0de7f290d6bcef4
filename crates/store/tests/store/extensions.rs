//! Tenants, extensions and their logins.

use domain::{Action, Ha1, SipLogin};
use store::testing::Server;
use store::{NewExtension, NewTenant, Store, StoreError};

use crate::{extension, tenant};

fn new(number: &str, password: Option<&str>) -> NewExtension {
    NewExtension { number: number.to_owned(), name: None, password: password.map(str::to_owned) }
}

async fn tenant_with(store: &Store, sip_login: SipLogin) -> domain::Tenant {
    store.create_tenant(NewTenant { sip_login, ..NewTenant::new("Acme & Sons", "sip.acme.example") }).await.unwrap()
}

#[tokio::test]
async fn the_demo_is_made_once() {
    let store = Server::shared().store().await;
    let (tenant, logins) = store.seed_demo().await.unwrap().unwrap();
    assert_eq!((tenant.slug.as_str(), tenant.realm.as_str()), ("demo", "demo.internal"));
    assert_eq!(tenant.domain, "demo.internal");
    assert!(tenant.is_default);
    assert_eq!(logins.iter().map(|login| login.username.as_str()).collect::<Vec<_>>(), ["1001", "1002"]);
    assert_ne!(logins[0].password, logins[1].password);
    assert_eq!(store.seed_demo().await.unwrap(), None);

    let snapshot = store.snapshot(tenant.id).await.unwrap().unwrap();
    assert_eq!(snapshot.dialplan.len(), 1);
    assert_eq!((snapshot.dialplan[0].exten.as_str(), &snapshot.dialplan[0].action), ("*43", &Action::Echo));
    let ha1 = &snapshot.credentials["1001"].ha1;
    assert_eq!(ha1, &Ha1::new("1001", "demo.internal", &logins[0].password));
}

#[tokio::test]
async fn a_number_logs_in_by_number() {
    let store = Server::shared().store().await;
    let acme = tenant_with(&store, SipLogin::Number).await;
    assert_eq!(acme.slug, "acme-sons");
    let acme_rows = store.tenant(acme.id);
    let (made, login) = acme_rows.create_extension(new("1001", Some("chosen secret"))).await.unwrap();
    assert_eq!((login.username.as_str(), login.password.as_str()), ("1001", "chosen secret"));
    assert_eq!(login.device_username, None);
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert_eq!(snapshot.credentials.len(), 1);
    let credential = &snapshot.credentials["1001"];
    assert_eq!(credential.ha1, Ha1::new("1001", "sip.acme.example", "chosen secret"));
    assert_eq!(credential.user_id, made.user_id);
    assert!(credential.enabled);

    let login = acme_rows.set_password("1001", None).await.unwrap();
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert_eq!(snapshot.credentials["1001"].ha1, Ha1::new("1001", "sip.acme.example", &login.password));
}

#[tokio::test]
async fn a_device_logs_in_by_its_uuid_alone() {
    let store = Server::shared().store().await;
    let acme = tenant_with(&store, SipLogin::Device).await;
    let rows = store.tenant(acme.id);
    let refused = rows.create_extension(new("1001", Some("chosen"))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid(_)), "{refused}");
    let (_, login) = rows.create_extension(new("1001", None)).await.unwrap();
    assert!(uuid::Uuid::parse_str(&login.username).is_ok());
    assert!(login.password.len() >= 20);
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert!(!snapshot.credentials.contains_key("1001"));
    let credential = &snapshot.credentials[&login.username];
    assert_eq!(credential.extension, "1001");
    assert!(credential.device_id.is_some());
    assert_eq!(credential.ha1, Ha1::new(&login.username, "sip.acme.example", &login.password));

    assert!(rows.set_password("1001", Some("chosen".to_owned())).await.is_err());
    let again = rows.set_password("1001", None).await.unwrap();
    assert_eq!(again.username, login.username, "the device keeps its name");
    assert_ne!(again.password, login.password);
}

#[tokio::test]
async fn both_may_log_in() {
    let store = Server::shared().store().await;
    let acme = tenant_with(&store, SipLogin::Both).await;
    let (_, login) = store.tenant(acme.id).create_extension(new("1001", None)).await.unwrap();
    let device = login.device_username.unwrap();
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert_eq!(snapshot.credentials["1001"].ha1, Ha1::new("1001", "sip.acme.example", &login.password));
    assert_eq!(snapshot.credentials[&device].ha1, Ha1::new(&device, "sip.acme.example", &login.password));

    let (_, login) = store.tenant(acme.id).create_extension(new("1002", Some("chosen"))).await.unwrap();
    assert_eq!(login.device_username, None, "a device never has a chosen password");
}

#[tokio::test]
async fn what_cannot_be_an_extension_is_refused() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let rows = store.tenant(acme.id);
    extension(&store, &acme, "1001").await;
    let error = rows.create_extension(new("1001", None)).await.unwrap_err();
    assert_eq!(error.to_string(), "extension 1001 exists already");
    for bad in ["", "1", "100000", "10a", "*43", "10\0"] {
        assert!(matches!(rows.create_extension(new(bad, None)).await, Err(StoreError::Invalid(_))), "{bad:?}");
    }
    rows.add_dialplan_entry("default", "2000", 1, Action::Hangup(Some(21))).await.unwrap();
    assert!(matches!(rows.create_extension(new("2000", None)).await, Err(StoreError::Invalid(_))));
    assert!(matches!(rows.add_dialplan_entry("default", "2000", 1, Action::Echo).await, Err(StoreError::Exists(_))));
    assert!(matches!(rows.delete_extension("1009").await, Err(StoreError::Missing(_))));
    assert!(matches!(rows.set_password("%00\0", None).await, Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn a_deleted_extension_is_gone_and_its_number_free() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let (_, first) = extension(&store, &acme, "1001").await;
    store.tenant(acme.id).delete_extension("1001").await.unwrap();
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert!(snapshot.extensions.is_empty() && snapshot.credentials.is_empty());
    let (_, second) = extension(&store, &acme, "1001").await;
    assert_ne!(first.password, second.password);
}

#[tokio::test]
async fn names_and_domains_belong_to_one_tenant() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    store.tenant(acme.id).add_domain("Voice.Acme.Example").await.unwrap();
    let error = store.create_tenant(NewTenant::new("acme", "other.example")).await.unwrap_err();
    assert_eq!(error.to_string(), "tenant \"acme\" exists already");
    for taken in ["acme.example", "voice.acme.example"] {
        let error = store.create_tenant(NewTenant::new("other", taken)).await.unwrap_err();
        assert!(matches!(error, StoreError::Exists(_)), "{error}");
    }
    let default = NewTenant { is_default: true, ..NewTenant::new("first", "first.example") };
    store.create_tenant(default).await.unwrap();
    let default = NewTenant { is_default: true, ..NewTenant::new("second", "second.example") };
    assert!(matches!(store.create_tenant(default).await, Err(StoreError::Exists(_))));
    assert_eq!(store.tenant_by_slug("acme").await.unwrap().unwrap().domains, ["voice.acme.example"]);
    assert_eq!(store.tenant_by_slug("nobody").await.unwrap(), None);
    assert!(matches!(store.create_tenant(NewTenant::new("!!!", "x.example")).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn the_realm_never_moves_and_nobody_has_a_web_password() {
    let store = Server::shared().store().await;
    let url = Server::shared().database().await;
    drop(store);
    let store = Store::open(&store::DatabaseConfig::new(&url)).await.unwrap();
    let acme = tenant(&store, "acme").await;
    extension(&store, &acme, "1001").await;
    let mut superuser = Server::superuser(&url).await;
    assert!(sqlx::query("UPDATE tenants SET realm = 'other'").execute(&mut superuser).await.is_err());
    let hashes: Vec<String> =
        sqlx::query_scalar("SELECT password_hash FROM users").fetch_all(&mut superuser).await.unwrap();
    assert_eq!(hashes, ["!"]);
}
