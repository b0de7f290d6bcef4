//! What an extension does with its calls, and the emergency numbers of a tenant.

use domain::{Audio, CallEventKind, DtmfMode, Extension, Forwards, SrtpKeys, SrtpPolicy, WebRtc};
use store::testing::Server;
use store::{DatabaseConfig, ExtensionChanges, NewExtension, Store, StoreError, TenantChanges};

use crate::{extension, tenant};

fn some(number: &str) -> Option<Option<String>> {
    Some(Some(number.to_owned()))
}

/// What a refusal says.
fn problem<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Invalid(problem)) => problem,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn settings_reach_the_snapshot_and_only_what_is_named_changes() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let (made, _) = extension(&store, &acme, "1001").await;
    assert_eq!(made, Extension { user_id: made.user_id, ..Extension::new(made.id, "1001", "default") });
    let rows = store.tenant(acme.id);

    let changes = ExtensionChanges {
        forward_always: some("+33123456789"),
        forward_busy: some("1002"),
        forward_no_answer: some("*97"),
        forward_not_registered: some("1003"),
        do_not_disturb: Some(true),
        call_waiting: Some(false),
        max_calls: Some(Some(2)),
        no_answer_timeout_s: Some(Some(15)),
        srtp: Some(SrtpPolicy::Require),
        srtp_keys: Some(SrtpKeys::Dtls),
        webrtc: Some(WebRtc::Off),
        dtmf: Some(DtmfMode::Info),
    };
    let set = rows.set_extension("1001", changes).await.unwrap();
    let expected = Extension {
        forwards: Forwards {
            always: Some("+33123456789".to_owned()),
            busy: Some("1002".to_owned()),
            no_answer: Some("*97".to_owned()),
            not_registered: Some("1003".to_owned()),
        },
        do_not_disturb: true,
        call_waiting: false,
        max_calls: Some(2),
        no_answer_timeout_s: Some(15),
        audio: Audio {
            srtp: SrtpPolicy::Require,
            srtp_keys: SrtpKeys::Dtls,
            webrtc: WebRtc::Off,
            dtmf: DtmfMode::Info,
        },
        ..made
    };
    assert_eq!(set, expected);
    assert_eq!(rows.extension("1001").await.unwrap(), expected);
    assert_eq!(store.snapshot(acme.id).await.unwrap().unwrap().extensions["1001"], expected);

    let changes = ExtensionChanges { forward_always: Some(None), max_calls: Some(None), ..ExtensionChanges::default() };
    rows.set_extension("1001", changes).await.unwrap();
    let mut expected = Extension { max_calls: None, ..expected };
    expected.forwards.always = None;
    assert_eq!(rows.extension("1001").await.unwrap(), expected);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    extension(&store, &acme, "1001").await;
    let rows = store.tenant(acme.id);
    for (changes, words) in [
        (ExtensionChanges { forward_busy: some("alice@example.com"), ..Default::default() }, "address"),
        (ExtensionChanges { forward_busy: some("1001"), ..Default::default() }, "itself"),
        (ExtensionChanges { max_calls: Some(Some(0)), ..Default::default() }, "1 to 1000"),
        (ExtensionChanges { no_answer_timeout_s: Some(Some(3_601)), ..Default::default() }, "1 to 3600"),
    ] {
        let problem = problem(rows.set_extension("1001", changes).await);
        assert!(problem.contains(words), "{problem}");
    }
    let missing = rows.set_extension("1009", ExtensionChanges::default()).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn emergency_numbers_are_numbers_and_nobody_s_extension() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    assert_eq!(acme.emergency_numbers, ["112"]);
    let rows = store.tenant(acme.id);
    extension(&store, &acme, "911").await;
    let with = |numbers: &[&str]| TenantChanges {
        emergency_numbers: Some(numbers.iter().map(|number| (*number).to_owned()).collect()),
        ..TenantChanges::default()
    };
    assert!(problem(rows.update(with(&["112", "911"])).await).contains("911 is an extension"));
    assert!(problem(rows.update(with(&["sos"])).await).contains("sos"));
    let many: Vec<String> = (100..133).map(|number| number.to_string()).collect();
    assert!(problem(rows.update(with(&many.iter().map(String::as_str).collect::<Vec<_>>())).await).contains("32"));
    rows.update(with(&["112", "15", "*999"])).await.unwrap();
    let snapshot = store.snapshot(acme.id).await.unwrap().unwrap();
    assert_eq!(snapshot.tenant.emergency_numbers, ["112", "15", "*999"]);
    assert!(snapshot.is_emergency("15") && !snapshot.is_emergency("911"));
    let new = NewExtension { number: "112".to_owned(), ..NewExtension::default() };
    assert!(problem(rows.create_extension(new).await).contains("emergency"));
    rows.update(with(&[])).await.unwrap();
    assert!(rows.tenant().await.unwrap().emergency_numbers.is_empty());
}

/// The database's own list of event kinds knows all that the program writes.
#[tokio::test]
async fn every_kind_of_event_has_its_place() {
    let url = Server::shared().database().await;
    Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let mut superuser = Server::superuser(&url).await;
    for kind in [
        CallEventKind::Initiated,
        CallEventKind::Ringing,
        CallEventKind::Answered,
        CallEventKind::Held,
        CallEventKind::Resumed,
        CallEventKind::Digit,
        CallEventKind::Silent,
        CallEventKind::Forwarded,
        CallEventKind::Transferred,
        CallEventKind::Emergency,
        CallEventKind::Ended,
    ] {
        let inserted = sqlx::query(
            "INSERT INTO call_events (id, tenant_id, call_id, at, kind, from_status, to_status)
             VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), $1, 'Active', 'Active')",
        )
        .bind(kind.as_str())
        .execute(&mut superuser)
        .await;
        assert!(inserted.is_ok(), "{kind}: {inserted:?}");
    }
}
