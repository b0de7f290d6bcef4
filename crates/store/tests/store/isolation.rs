//! Two tenants with the same numbers never meet.

use std::time::Duration;

use domain::{Action, CallId, SipLogin, TenantId};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use store::testing::Server;
use store::{DatabaseConfig, ExtensionChanges, NewExtension, NewTenant, Store, StoreError, TenantChanges, TraceOf};

use crate::sip_traces::trace;
use crate::subscriptions::subscription;
use crate::{extension, tenant};

#[tokio::test]
async fn the_same_number_in_two_tenants() {
    let store = Server::shared().store().await;
    let (acme, umbrella) = (tenant(&store, "acme").await, tenant(&store, "umbrella").await);
    let (_, first) = extension(&store, &acme, "1001").await;
    let (_, second) = extension(&store, &umbrella, "1001").await;
    let snapshots = store.snapshots().await.unwrap();
    let of = |id: TenantId| snapshots.iter().find(|snapshot| snapshot.tenant.id == id).unwrap();
    let [one, two] = [of(acme.id), of(umbrella.id)].map(|snapshot| &snapshot.credentials["1001"]);
    assert_ne!(one.ha1, two.ha1);
    assert_ne!(one.user_id, two.user_id);
    assert_eq!(one.ha1, domain::Ha1::new("1001", "acme.example", &first.password));
    assert_eq!(two.ha1, domain::Ha1::new("1001", "umbrella.example", &second.password));
}

/// Every function of `Tenanted` with what belongs to another.
#[tokio::test]
async fn no_function_reaches_another_tenant() {
    let store = Server::shared().store().await;
    let (acme, umbrella) = (tenant(&store, "acme").await, tenant(&store, "umbrella").await);
    extension(&store, &acme, "1001").await;
    let row = store.tenant(acme.id).add_dialplan_entry("default", "_9X", 1, Action::Echo).await.unwrap();
    let subscriptions = store::SubscriptionWriter::start(store.clone());
    let own = subscription(&acme, &store.tenant(acme.id).extension("1001").await.unwrap(), 1);
    subscriptions.push(domain::SubscriptionChange::Put(Box::new(own)));
    assert!(subscriptions.stop(Duration::from_secs(20)).await);
    let writer = store::TraceWriter::start(&store, Duration::from_secs(3_600));
    writer.push(trace(acme.id, "one"));
    assert!(writer.flush(Duration::from_secs(20)).await);
    let before = store.snapshot(acme.id).await.unwrap().unwrap();
    let stranger = store.tenant(umbrella.id);

    assert!(matches!(stranger.extension("1001").await, Err(StoreError::Missing(_))));
    assert!(stranger.extensions().await.unwrap().is_empty());
    assert!(matches!(stranger.delete_extension("1001").await, Err(StoreError::Missing(_))));
    assert!(matches!(stranger.set_password("1001", None).await, Err(StoreError::Missing(_))));
    let changes = ExtensionChanges { do_not_disturb: Some(true), ..ExtensionChanges::default() };
    assert!(matches!(stranger.set_extension("1001", changes).await, Err(StoreError::Missing(_))));
    assert!(matches!(stranger.delete_dialplan_entry(row.id).await, Err(StoreError::Missing(_))));
    assert_eq!(stranger.dialplan().await.unwrap().len(), 1, "its own *43");
    assert!(stranger.call_records(10).await.unwrap().is_empty());
    assert!(stranger.call_legs(CallId(row.id.0)).await.unwrap().is_empty());
    assert!(stranger.call_events(CallId(row.id.0)).await.unwrap().is_empty());
    assert!(stranger.registrations().await.unwrap().is_empty());
    assert!(stranger.subscriptions().await.unwrap().is_empty());
    let trace = TraceOf::SipCallId("one".to_owned());
    assert_eq!(store.trace_owners(&trace).await.unwrap(), [acme.id]);
    assert!(stranger.sip_traces(&trace).await.unwrap().is_empty());
    assert!(matches!(stranger.add_domain("acme.example").await, Err(StoreError::Exists(_))));
    stranger.update(TenantChanges { ring_timeout_s: Some(5), ..TenantChanges::default() }).await.unwrap();
    assert_eq!(stranger.tenant().await.unwrap().ring_timeout_s, 5);

    let after = store.snapshot(acme.id).await.unwrap().unwrap();
    assert_eq!(before, after, "nothing of the other tenant has moved");

    let nobody = store.tenant(TenantId(uuid::Uuid::nil()));
    assert!(matches!(nobody.tenant().await, Err(StoreError::Missing(_))));
    let new = NewExtension { number: "1001".to_owned(), ..NewExtension::default() };
    assert!(matches!(nobody.create_extension(new).await, Err(StoreError::Missing(_))));
    assert!(matches!(nobody.add_domain("nobody.example").await, Err(StoreError::Missing(_))));
    let added = nobody.add_dialplan_entry("default", "1", 1, Action::Echo).await;
    assert!(matches!(added, Err(StoreError::Missing(_))));
    assert!(matches!(nobody.update(TenantChanges::default()).await, Err(StoreError::Missing(_))));
}

/// A database with two tenants that have rows in every tenant table, and its tenant tables.
async fn filled() -> (PgConnection, Vec<String>, [TenantId; 2]) {
    let url = Server::shared().database().await;
    let store = Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    let mut ids = Vec::new();
    let mut superuser = Server::superuser(&url).await;
    for name in ["acme", "umbrella"] {
        let new = NewTenant { sip_login: SipLogin::Both, ..NewTenant::new(name, format!("{name}.example")) };
        let made = store.create_tenant(new).await.unwrap();
        let (extension, _) = extension(&store, &made, "1001").await;
        for statement in [
            "INSERT INTO registrations (id, tenant_id, extension_id, extension, contact, call_id, cseq, transport,
                    local_address, remote_address, registered_at, expires_at)
             VALUES (gen_random_uuid(), $1, $2, '1001', 'sip:x', 'c', 1, 'udp', '127.0.0.1:1', '127.0.0.1:2', now(), now())",
            "INSERT INTO subscriptions (id, tenant_id, extension_id, extension, package, resource, entity, version, call_id,
                    local, remote, target, transport, local_address, remote_address, local_cseq, expires_at)
             VALUES (gen_random_uuid(), $1, $2, '1001', 'dialog', '1002', 'sip:x', 0, 'c', 'l', 'r', 't', 'UDP',
                    '127.0.0.1:1', '127.0.0.1:2', 1, now())",
            "INSERT INTO messages (id, tenant_id, extension_id, sender, content_type, body, sent_at, expires_at)
             VALUES (gen_random_uuid(), $1, $2, '1002', 'text/plain', 'x', now(), now())",
            "INSERT INTO call_records (id, tenant_id, call_id, caller, callee, direction, start_time, status,
                    caller_extension_id)
             VALUES (gen_random_uuid(), $1, 'c', 'a', 'b', 'Internal', now(), 'Active', $2)",
            "INSERT INTO call_legs (id, tenant_id, call_id, sip_call_id, is_caller, start_time, end_time, extension_id)
             VALUES (gen_random_uuid(), $1, gen_random_uuid(), 'c', true, now(), now(), $2)",
            "INSERT INTO call_events (id, tenant_id, call_id, at, kind, from_status, to_status)
             VALUES (gen_random_uuid(), $1, $2, now(), 'initiated', 'Active', 'Active')",
            "INSERT INTO sip_traces (id, tenant_id, call_id, sip_call_id, started_at, ended_at, messages, data)
             VALUES (gen_random_uuid(), $1, $2, 'c', now(), now(), 1, '')",
        ] {
            sqlx::query(statement).bind(made.id.0).bind(extension.id.0).execute(&mut superuser).await.unwrap();
        }
        ids.push(made.id);
    }
    let tables = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          UNION SELECT 'tenants' UNION SELECT 'users' ORDER BY 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    (superuser, tables, [ids[0], ids[1]])
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let statement = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query(statement).fetch_one(connection).await.unwrap().get(0)
}

#[tokio::test]
async fn the_second_lock_holds_without_the_first() {
    let (mut connection, tables, [acme, _]) = filled().await;
    assert!(tables.len() >= 11, "{tables:?}");
    for table in &tables {
        let all = count(&mut connection, table).await;
        assert!(all >= 2, "{table} has rows of both tenants");
        sqlx::raw_sql("BEGIN; SET LOCAL ROLE yakyak_app").execute(&mut connection).await.unwrap();
        assert_eq!(count(&mut connection, table).await, 0, "{table} without a tenant");
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(acme.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        let seen = count(&mut connection, table).await;
        assert_eq!(seen * 2, all, "{table} of one tenant");
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
    }
}

/// Whatever is allowed to be written can only be written to the tenant of the transaction.
#[tokio::test]
async fn nothing_can_be_written_to_another_tenant() {
    let (mut connection, _, [acme, umbrella]) = filled().await;
    for statement in [
        "INSERT INTO dialplan (id, tenant_id, exten, action) VALUES (gen_random_uuid(), $1, '1', 'Echo')",
        "INSERT INTO tenant_domains (tenant_id, domain) VALUES ($1, 'stolen.example')",
        "INSERT INTO destinations (tenant_id, id, kind) VALUES ($1, gen_random_uuid(), 'extension')",
        "INSERT INTO user_tenants SELECT $1, gen_random_uuid(), id FROM roles LIMIT 1",
        "INSERT INTO users (id, username, realm) VALUES (gen_random_uuid(), $1::text, 'umbrella.example')",
        "INSERT INTO tenants (id, name, slug, realm, domain) VALUES ($1, 'x', 'x', 'x', 'x')",
    ] {
        sqlx::raw_sql("BEGIN; SET LOCAL ROLE yakyak_app").execute(&mut connection).await.unwrap();
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(acme.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        let refused = sqlx::query(statement).bind(umbrella.0).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("row-level security"), "{statement}: {refused}");
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
    }
    for statement in ["DELETE FROM tenants", "INSERT INTO call_records SELECT * FROM call_records", "DELETE FROM roles"]
    {
        sqlx::raw_sql("BEGIN; SET LOCAL ROLE yakyak_app").execute(&mut connection).await.unwrap();
        let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
    }
}

/// The third lock: a row cannot point at a row of another tenant, whoever writes it.
#[tokio::test]
async fn no_row_points_into_another_tenant() {
    let (mut connection, _, [acme, umbrella]) = filled().await;
    for statement in [
        "UPDATE extensions SET user_id = (SELECT user_id FROM extensions WHERE tenant_id = $2) WHERE tenant_id = $1",
        "UPDATE devices SET extension_id = (SELECT id FROM extensions WHERE tenant_id = $2) WHERE tenant_id = $1",
        "UPDATE registrations SET extension_id = (SELECT id FROM extensions WHERE tenant_id = $2) WHERE tenant_id = $1",
        "UPDATE subscriptions SET extension_id = (SELECT id FROM extensions WHERE tenant_id = $2) WHERE tenant_id = $1",
        "UPDATE messages SET extension_id = (SELECT id FROM extensions WHERE tenant_id = $2) WHERE tenant_id = $1",
        "UPDATE registrations SET device_id = (SELECT id FROM devices WHERE tenant_id = $2) WHERE tenant_id = $1",
    ] {
        let refused = sqlx::query(statement).bind(acme.0).bind(umbrella.0).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("foreign key"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn the_switch_may_do_what_it_needs_and_no_more() {
    let (mut connection, _, _) = filled().await;
    for statement in [
        "UPDATE users SET sip_ha1 = NULL",
        "INSERT INTO dialplan (id, tenant_id, exten, action) SELECT id, id, '1', 'Echo' FROM tenants",
        "DELETE FROM extensions",
        "DELETE FROM call_records",
        "UPDATE call_legs SET end_time = now()",
        "UPDATE tenants SET status = 'deleted'",
        "DELETE FROM journal_positions",
        "UPDATE sip_traces SET tenant_id = call_id",
        "CREATE TABLE x (y integer)",
        "SELECT * FROM call_records_default",
    ] {
        sqlx::raw_sql("BEGIN; SET LOCAL ROLE yakyak_switch").execute(&mut connection).await.unwrap();
        let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
    }
}
