//! Subscriptions, written behind the switch.

use std::time::Duration;

use domain::{Extension, Subscription, SubscriptionChange, SubscriptionId, Tenant};
use jiff::{SignedDuration, Timestamp};
use store::SubscriptionWriter;
use store::testing::Server;

use crate::{extension, tenant};

const LONG: Duration = Duration::from_secs(20);

pub(crate) fn subscription(tenant: &Tenant, extension: &Extension, id: u128) -> Subscription {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    Subscription {
        id: SubscriptionId(uuid::Uuid::from_u128(id)),
        tenant_id: tenant.id,
        extension_id: extension.id,
        extension: extension.number.clone(),
        package: "dialog".to_owned(),
        event_id: Some("7".to_owned()),
        resource: "1002".to_owned(),
        entity: "sip:1002@acme.example".to_owned(),
        version: u32::MAX,
        call_id: "abc@host".to_owned(),
        local: "<sip:1002@acme.example>;tag=a".to_owned(),
        remote: "\"A, B\" <sip:1001@acme.example>;tag=b".to_owned(),
        target: "sip:1001@[2001:db8::1]:5062".to_owned(),
        routes: vec!["<sip:edge;lr>".to_owned(), "<sip:b,c;lr>".to_owned()],
        transport: "WSS".to_owned(),
        local_address: "127.0.0.1:5061".parse().unwrap(),
        remote_address: "[2001:db8::1]:5062".parse().unwrap(),
        secure: true,
        local_cseq: u32::MAX,
        remote_cseq: None,
        expires_at: now + SignedDuration::from_hours(1),
    }
}

#[tokio::test]
async fn subscriptions_come_back_as_they_were() {
    let store = Server::shared().store().await;
    let acme = tenant(&store, "acme").await;
    let (extension, _) = extension(&store, &acme, "1001").await;
    let writer = SubscriptionWriter::start(store.clone());
    let put = |subscription: &Subscription| SubscriptionChange::Put(Box::new(subscription.clone()));
    let first = subscription(&acme, &extension, 1);
    let mut kept = Subscription { version: 7, remote_cseq: Some(9), ..first.clone() };
    kept.expires_at += SignedDuration::from_secs(60);
    let gone = subscription(&acme, &extension, 2);
    let mut expired = subscription(&acme, &extension, 3);
    expired.expires_at -= SignedDuration::from_hours(2);
    let odd = Subscription { package: "pigeon".to_owned(), ..subscription(&acme, &extension, 4) };
    for change in [put(&first), put(&gone), put(&expired), put(&odd)] {
        assert!(writer.push(change));
    }
    assert!(writer.flush(LONG).await);
    writer.push(put(&kept));
    writer.push(SubscriptionChange::Removed { tenant_id: acme.id, id: gone.id });
    assert!(writer.stop(LONG).await);
    assert_eq!(store.tenant(acme.id).subscriptions().await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(store.load_subscriptions().await.unwrap(), [kept]);
}
