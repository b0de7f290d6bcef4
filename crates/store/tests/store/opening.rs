//! Whose database it is.

use sqlx::{AssertSqlSafe, Connection as _};
use store::testing::Server;
use store::{DatabaseConfig, Store, StoreError};

async fn open(url: &str) -> Result<Store, StoreError> {
    Store::open(&DatabaseConfig { min_connections: 0, connect_timeout_s: 5, ..DatabaseConfig::new(url) }).await
}

async fn run(url: &str, statement: &'static str) {
    let mut connection = Server::superuser(url).await;
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_empty_database_is_prepared_and_recognised() {
    let url = Server::shared().database().await;
    open(&url).await.unwrap().seed_demo().await.unwrap();
    assert_eq!(open(&url).await.unwrap().tenants().await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_programs_may_prepare_it_at_once() {
    let url = Server::shared().database().await;
    let (first, second) = tokio::join!(open(&url), open(&url));
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn a_foreign_database_is_left_alone() {
    let url = Server::shared().database().await;
    run(&url, "CREATE SCHEMA shop; CREATE TABLE shop.orders (id integer)").await;
    let error = open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("shop.orders") && text.contains("test_") && !text.contains('\n'), "{text}");
    let mut connection = Server::superuser(&url).await;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'shop')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, 1, "nothing was made");
}

#[tokio::test]
async fn a_table_called_like_the_marker_is_no_marker() {
    let url = Server::shared().database().await;
    run(&url, "CREATE TABLE yakyak_meta (name text)").await;
    assert!(matches!(open(&url).await, Err(StoreError::Foreign { .. })));
}

#[tokio::test]
async fn the_migrations_of_another_program_are_left_alone() {
    let url = Server::shared().database().await;
    run(
        &url,
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
                installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
                execution_time bigint NOT NULL);
         INSERT INTO _sqlx_migrations VALUES (1, 'theirs', now(), true, '\\x00', 1)",
    )
    .await;
    assert!(matches!(open(&url).await, Err(StoreError::Foreign { .. })));
}

#[tokio::test]
async fn a_preparation_cut_off_at_once_is_begun_anew() {
    let url = Server::shared().database().await;
    run(
        &url,
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
                installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
                execution_time bigint NOT NULL)",
    )
    .await;
    open(&url).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = Server::shared().database().await;
    open(&url).await.unwrap();
    run(&url, "INSERT INTO _sqlx_migrations VALUES (299901010000, 'later', now(), true, '\\x00', 1)").await;
    let error = open(&url).await.unwrap_err();
    assert!(error.to_string().contains("299901010000"), "{error}");
    assert!(matches!(error, StoreError::Newer { .. }));
}

#[tokio::test]
async fn no_server_is_one_line() {
    let error = open("postgres://me:secret@127.0.0.1:1/calls").await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && !error.contains("secret") && !error.contains('\n'), "{error}");
}

/// A login as administrators make them: owner of its database, and allowed to make roles.
#[tokio::test]
async fn an_ordinary_login_is_enough() {
    let server = Server::shared();
    let url = server.database().await;
    let name = url.split_once("/test_").unwrap().1.split_once('?').unwrap().0.to_owned();
    server.execute(&format!("CREATE ROLE ordinary_{name} LOGIN NOSUPERUSER CREATEROLE")).await;
    server.execute(&format!("ALTER DATABASE test_{name} OWNER TO ordinary_{name}")).await;
    let mut connection = Server::superuser(&url).await;
    let schema = format!("ALTER SCHEMA public OWNER TO ordinary_{name}");
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut connection).await.unwrap();
    let store = open(&url.replacen("yakyak@", &format!("ordinary_{name}@"), 1)).await.unwrap();
    let (tenant, _) = store.seed_demo().await.unwrap().unwrap();
    let before = store.revisions().await.unwrap();
    store.tenant(tenant.id).delete_extension("1001").await.unwrap();
    assert!(store.revisions().await.unwrap() > before, "the triggers work for an owner under row-level security");
    assert_eq!(store.snapshot(tenant.id).await.unwrap().unwrap().extensions.len(), 1);
}
