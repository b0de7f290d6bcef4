//! Bans survive a restart, and nobody but the switch reaches them.

use std::time::Duration;

use domain::Ban;
use jiff::{SignedDuration, Timestamp};
use store::testing::Server;
use store::{BanWriter, DatabaseConfig, Store};

const LONG: Duration = Duration::from_secs(30);

fn ban(address: &str, strikes: u32) -> Ban {
    let since = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    Ban {
        address: address.parse().unwrap(),
        reason: "10 wrong passwords".to_owned(),
        strikes,
        since,
        until: since + SignedDuration::from_mins(5),
    }
}

#[tokio::test]
async fn bans_come_back_as_they_were() {
    let store = Server::shared().store().await;
    let writer = BanWriter::start(store.clone());
    let (first, again) = (ban("192.0.2.1", 1), ban("192.0.2.1", 2));
    let (six, lifted) = (ban("2001:db8:1:2::", u32::MAX), ban("192.0.2.2", 1));
    writer.put(first);
    writer.put(lifted.clone());
    tokio::time::sleep(Duration::from_millis(50)).await;
    writer.put(again.clone());
    writer.put(six.clone());
    writer.remove(lifted.address);
    assert!(writer.stop(LONG).await);
    let expected = [again, Ban { strikes: i32::MAX.unsigned_abs(), ..six }];
    assert_eq!(store.load_bans().await.unwrap(), expected);
}

#[tokio::test]
async fn tenants_do_not_see_who_is_banned() {
    let url = Server::shared().database().await;
    Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let mut connection = Server::superuser(&url).await;
    let reachable: bool =
        sqlx::query_scalar("SELECT has_table_privilege('yakyak_app', 'bans', 'SELECT, INSERT, UPDATE, DELETE')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(!reachable);
}
