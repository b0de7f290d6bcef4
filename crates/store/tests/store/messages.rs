//! Messages that wait for a phone.

use std::sync::mpsc;
use std::time::Duration;

use domain::{ExtensionId, Kept, MessageId, StoredMessage, TenantId};
use jiff::{SignedDuration, Timestamp};
use store::testing::Server;
use store::{DatabaseConfig, MessageAnswer, MessageKeeper, MessageOrder, Store};
use uuid::Uuid;

use crate::{extension, tenant};

const LONG: Duration = Duration::from_secs(30);

/// A keeper with somebody to keep for.
struct Post {
    store: Store,
    keeper: MessageKeeper,
    answers: mpsc::Receiver<MessageAnswer>,
    tenant: TenantId,
    extension: ExtensionId,
}

impl Post {
    async fn new(store: Store) -> Self {
        let acme = tenant(&store, "acme").await;
        let (made, _) = extension(&store, &acme, "1002").await;
        let (tell, answers) = mpsc::channel();
        let keeper = MessageKeeper::start(store.clone(), move |answer| {
            let _ = tell.send(answer);
        });
        Self { store, keeper, answers, tenant: acme.id, extension: made.id }
    }

    fn message(&self, number: u128) -> StoredMessage {
        let sent_at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        StoredMessage {
            id: MessageId(Uuid::from_u128(number)),
            tenant_id: self.tenant,
            extension_id: self.extension,
            sender: "1001".to_owned(),
            sender_name: Some("Ada \"L\" ünï".to_owned()),
            content_type: "text/plain;charset=utf-8".to_owned(),
            body: format!("text {number} \u{0} ünï").into_bytes(),
            sent_at,
            expires_at: sent_at + SignedDuration::from_hours(1),
        }
    }

    async fn answer(&self) -> MessageAnswer {
        for _ in 0..600 {
            if let Ok(answer) = self.answers.try_recv() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no answer");
    }

    async fn keep(&self, message: StoredMessage) -> Kept {
        let wanted = message.id;
        assert!(self.keeper.push(MessageOrder::Keep(Box::new(message))));
        match self.answer().await {
            MessageAnswer::Kept { id, kept } if id == wanted => kept,
            other => panic!("{other:?}"),
        }
    }

    async fn fetch(&self, after: Option<MessageId>) -> Option<Vec<StoredMessage>> {
        let order = MessageOrder::Fetch { tenant: self.tenant, extension: self.extension, after };
        assert!(self.keeper.push(order));
        match self.answer().await {
            MessageAnswer::Waiting { tenant, extension, messages }
                if (tenant, extension) == (self.tenant, self.extension) =>
            {
                messages
            }
            other => panic!("{other:?}"),
        }
    }

    fn deliver(&self, message: &StoredMessage) {
        let order = MessageOrder::Delivered { tenant: message.tenant_id, id: message.id, at: message.sent_at };
        assert!(self.keeper.push(order));
    }
}

#[tokio::test]
async fn messages_come_back_as_they_were_in_order_and_once() {
    let post = Post::new(Server::shared().store().await).await;
    let messages: Vec<_> = (1..=25).map(|number| post.message(number)).collect();
    // Kept in any order, read in that of their ids.
    for message in messages.iter().rev() {
        assert_eq!(post.keep(message.clone()).await, Kept::Stored);
    }
    assert_eq!(post.keep(messages[0].clone()).await, Kept::Stored, "a second time is the first time");
    assert_eq!(post.store.messages_waiting().await.unwrap(), [(post.tenant, post.extension)]);
    let first = post.fetch(None).await.unwrap();
    assert_eq!(first, messages[..20]);
    assert_eq!(post.fetch(Some(first[19].id)).await.unwrap(), messages[20..]);
    for message in &messages[..24] {
        post.deliver(message);
        post.deliver(message);
    }
    assert_eq!(post.fetch(None).await.unwrap(), messages[24..], "marks come before the next reading");
    post.deliver(&messages[24]);
    assert!(post.keeper.stop(LONG).await);
    assert!(post.store.messages_waiting().await.unwrap().is_empty());
    let kept = post.store.tenant(post.tenant).messages(post.extension).await.unwrap();
    assert_eq!(kept.len(), 25);
    assert!(kept.iter().all(|(message, delivered)| *delivered == Some(message.sent_at)));
}

#[tokio::test]
async fn a_mailbox_holds_a_hundred() {
    let post = Post::new(Server::shared().store().await).await;
    for number in 1..=100 {
        assert_eq!(post.keep(post.message(number)).await, Kept::Stored);
    }
    assert_eq!(post.keep(post.message(101)).await, Kept::Full);
    post.deliver(&post.message(7));
    assert_eq!(post.keep(post.message(102)).await, Kept::Stored, "what is delivered makes room");
    assert_eq!(post.keep(post.message(103)).await, Kept::Full);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let post = Post::new(Server::shared().store().await).await;
    let long = StoredMessage { body: vec![b'x'; 8_193], ..post.message(1) };
    assert_eq!(post.keep(long).await, Kept::Failed);
    let nobody = StoredMessage { extension_id: ExtensionId(Uuid::from_u128(77)), ..post.message(2) };
    assert_eq!(post.keep(nobody).await, Kept::Failed, "the extension was deleted");
    assert_eq!(post.keep(post.message(3)).await, Kept::Stored, "and the keeper goes on");
}

#[tokio::test]
async fn another_tenant_neither_reads_nor_marks_nor_receives() {
    let post = Post::new(Server::shared().store().await).await;
    assert_eq!(post.keep(post.message(1)).await, Kept::Stored);
    let umbrella = tenant(&post.store, "umbrella").await;
    let (theirs, _) = extension(&post.store, &umbrella, "1002").await;
    assert!(post.store.tenant(umbrella.id).messages(post.extension).await.unwrap().is_empty());
    let mixed = StoredMessage { extension_id: theirs.id, ..post.message(2) };
    assert_eq!(post.keep(mixed).await, Kept::Failed, "a message cannot point into another tenant");
    post.deliver(&StoredMessage { tenant_id: umbrella.id, ..post.message(1) });
    assert_eq!(post.fetch(None).await.unwrap().len(), 1, "still waiting");
}

#[tokio::test]
async fn what_has_expired_is_gone() {
    let post = Post::new(Server::shared().store().await).await;
    let past = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap() - SignedDuration::from_secs(1);
    assert_eq!(post.keep(StoredMessage { expires_at: past, ..post.message(1) }).await, Kept::Stored);
    assert_eq!(post.keep(post.message(2)).await, Kept::Stored);
    let waiting = post.fetch(None).await.unwrap();
    assert_eq!(waiting.iter().map(|message| message.id.0.as_u128()).collect::<Vec<_>>(), [2]);
    assert_eq!(post.store.purge_messages().await.unwrap(), 1);
    assert_eq!(post.store.tenant(post.tenant).messages(post.extension).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_is_away_is_an_answer_and_no_mark_is_lost() {
    let server = Server::start();
    let url = server.database().await;
    let config = DatabaseConfig { connect_timeout_s: 1, ..DatabaseConfig::new(url) };
    let post = Post::new(Store::open(&config).await.unwrap()).await;
    assert_eq!(post.keep(post.message(1)).await, Kept::Stored);
    let directory = server.stop();
    post.deliver(&post.message(1));
    assert_eq!(post.keep(post.message(2)).await, Kept::Failed);
    assert_eq!(post.fetch(None).await, None);
    let _server = Server::resume(&directory);
    for _ in 0..100 {
        match post.fetch(None).await {
            Some(waiting) => {
                assert!(waiting.is_empty(), "the mark was written before: {waiting:?}");
                return;
            }
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("the database is back and nobody noticed");
}
