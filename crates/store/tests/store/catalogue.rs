//! The database's own catalogue against the rules, and against docs/DATABASE.md.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use store::testing::Server;
use store::{DatabaseConfig, Store};

/// Tables that belong to no tenant, and why.
const SHARED: [(&str, &str); 7] = [
    ("_sqlx_migrations", "which migrations have run"),
    ("yakyak_meta", "the marker"),
    ("roles", "built-in roles"),
    ("users", "people may belong to several tenants; their policy goes by realm and membership"),
    ("tenants", "its key is the tenant; its policy goes by it"),
    ("journal_positions", "one row per node"),
    ("bans", "an address is the machine's affair; only the switch reaches them"),
];

async fn catalogue() -> PgConnection {
    let url = Server::shared().database().await;
    Store::open(&DatabaseConfig::new(&url)).await.unwrap();
    Server::superuser(&url).await
}

/// Tables of tenants: all but the shared ones and the partitions.
async fn tenant_tables(connection: &mut PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let shared: BTreeSet<&str> = SHARED.iter().map(|(table, _)| *table).collect();
    let tables: Vec<String> = tables.into_iter().filter(|table| !shared.contains(table.as_str())).collect();
    assert!(tables.len() >= 9, "{tables:?}");
    tables
}

/// What is wrong with each table, for a query that lists offenders.
async fn offenders(connection: &mut PgConnection, tables: &[String], query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).bind(tables).fetch_all(connection).await.unwrap()
}

const NO_TENANT_ID: &str = "SELECT t FROM unnest($1::text[]) t
     WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t::regclass AND a.attname = 'tenant_id'
                          AND a.attnotnull AND a.atttypid = 'uuid'::regtype)";

const NOT_LOCKED: &str = "SELECT t FROM unnest($1::text[]) t JOIN pg_class c ON c.oid = t::regclass
     WHERE NOT c.relrowsecurity OR NOT c.relforcerowsecurity
        OR NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
                          AND p.polroles = ARRAY['yakyak_app'::regrole::oid]
                          AND pg_get_expr(p.polqual, p.polrelid) LIKE '%tenant_id = %current_tenant()%'
                          AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%tenant_id = %current_tenant()%')
        OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
                      AND p.polroles && ARRAY[0::oid, 'yakyak_app'::regrole::oid]
                      AND coalesce(pg_get_expr(p.polqual, p.polrelid), '') NOT LIKE '%current_tenant()%')";

const NO_INDEX: &str = "SELECT t FROM unnest($1::text[]) t
     WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                        WHERE i.indrelid = t::regclass AND i.indpred IS NULL AND a.attname = 'tenant_id')";

/// Foreign keys between tenant tables that do not carry the tenant on both sides.
const NOT_COMPOSITE: &str = "SELECT k.conname::text FROM pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = ANY (SELECT t::regclass FROM unnest($1::text[]) t)
       AND k.confrelid = ANY (SELECT t::regclass FROM unnest($1::text[]) t)
       AND NOT (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attname = 'tenant_id'
                           AND a.attnum = k.conkey[1])
            AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attname = 'tenant_id'
                           AND a.attnum = k.confkey[1]))";

/// A reference to a shared row that is not one of the three lawful ones.
const SHARED_REFERENCE: &str = "SELECT k.conname::text FROM pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = ANY (SELECT t::regclass FROM unnest($1::text[]) t)
       AND NOT k.confrelid = ANY (SELECT t::regclass FROM unnest($1::text[]) t)
       AND NOT (k.confrelid = 'tenants'::regclass AND cardinality(k.conkey) = 1)
       AND NOT (k.conrelid = 'user_tenants'::regclass AND k.confrelid IN ('users'::regclass, 'roles'::regclass))";

/// A column that names something of a tenant's without a foreign key. Record tables copy ids on purpose.
const LOOSE_REFERENCE: &str = "SELECT t || '.' || a.attname FROM unnest($1::text[]) t
      JOIN pg_attribute a ON a.attrelid = t::regclass AND a.attname LIKE '%\\_id' AND a.atttypid = 'uuid'::regtype
     WHERE t NOT IN ('call_records', 'call_legs', 'call_events', 'sip_traces')
       AND NOT EXISTS (SELECT FROM pg_constraint k
                        WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey))";

#[tokio::test]
async fn tenant_tables_keep_the_rules() {
    let mut connection = catalogue().await;
    let tables = tenant_tables(&mut connection).await;
    for (rule, query) in [
        ("has tenant_id uuid NOT NULL", NO_TENANT_ID),
        ("is locked to the tenant by forced policies", NOT_LOCKED),
        ("has an index that begins with tenant_id", NO_INDEX),
        ("has composite foreign keys", NOT_COMPOSITE),
        ("refers to no shared row but those on the list", SHARED_REFERENCE),
        ("has a foreign key for each reference", LOOSE_REFERENCE),
    ] {
        assert_eq!(offenders(&mut connection, &tables, query).await, Vec::<String>::new(), "every tenant table {rule}");
    }
}

/// Each rule is shown to catch a table that breaks it.
#[tokio::test]
async fn the_rules_catch_what_breaks_them() {
    let mut connection = catalogue().await;
    sqlx::raw_sql(
        "CREATE TABLE loose (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, extension_id uuid REFERENCES extensions (id),
                             user_id uuid REFERENCES users (id), device_id uuid);
         CREATE TABLE stray (id uuid PRIMARY KEY);",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let tables = tenant_tables(&mut connection).await;
    for (query, offender) in [
        (NO_TENANT_ID, "stray"),
        (NOT_LOCKED, "loose"),
        (NO_INDEX, "loose"),
        (NOT_COMPOSITE, "loose_extension_id_fkey"),
        (SHARED_REFERENCE, "loose_user_id_fkey"),
        (LOOSE_REFERENCE, "loose.device_id"),
    ] {
        let found = offenders(&mut connection, &tables, query).await;
        assert!(found.iter().any(|found| found == offender), "{offender} is found: {found:?}");
    }
}

#[tokio::test]
async fn shared_tables_with_people_and_tenants_are_locked_too() {
    let mut connection = catalogue().await;
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relname IN ('tenants', 'users')
            AND NOT (relrowsecurity AND relforcerowsecurity)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new());
}

/// Partitions are reached through their parent alone, whose policies then hold.
#[tokio::test]
async fn partitions_are_made_ahead_and_closed_to_direct_access() {
    let mut connection = catalogue().await;
    let partitions: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT relname::text, relrowsecurity,
                has_table_privilege('yakyak_app', oid, 'SELECT, INSERT, UPDATE, DELETE')
                OR has_table_privilege('yakyak_switch', oid, 'SELECT, INSERT, UPDATE, DELETE')
           FROM pg_class WHERE relispartition AND relkind = 'r'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    // The default one, this month and three more, of each of the three tables.
    assert_eq!(partitions.len(), 3 * 5, "{partitions:?}");
    for (name, locked, reachable) in partitions {
        assert!(locked && !reachable, "{name}");
    }
}

#[tokio::test]
async fn rows_of_an_unprepared_month_move_into_its_partition() {
    let mut connection = catalogue().await;
    let made: i32 = sqlx::query_scalar("SELECT make_partitions(3)").fetch_one(&mut connection).await.unwrap();
    assert_eq!(made, 0, "all are there");
    sqlx::raw_sql(
        "INSERT INTO call_events (id, tenant_id, call_id, at, kind, from_status, to_status)
         VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now() + interval '5 months',
                 'initiated', 'Active', 'Active')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let stray = "SELECT count(*) FROM call_events_default";
    assert_eq!(sqlx::query_scalar::<_, i64>(stray).fetch_one(&mut connection).await.unwrap(), 1);
    sqlx::raw_sql("SELECT make_partitions(6)").execute(&mut connection).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(stray).fetch_one(&mut connection).await.unwrap(), 0);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM call_events").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn every_row_says_when_it_was_made_and_changed() {
    let mut connection = catalogue().await;
    let missing: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname <> '_sqlx_migrations'
            AND NOT ((SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnotnull
                         AND a.attname IN ('created_at', 'updated_at') AND a.atttypid = 'timestamptz'::regtype) = 2
                 AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid
                                AND t.tgname = 'update_' || c.relname || '_updated_at_trigger'))",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(missing, Vec::<String>::new());
    let naive: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
          WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(naive, Vec::<String>::new(), "times are timestamptz");
}

/// Tables and columns of the document: `### name` and the first two cells of each row below it.
fn documented(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut table = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            table = Some(name.trim().trim_matches('`').to_owned());
        } else if line.starts_with('#') {
            table = None;
        }
        let Some(table) = &table else { continue };
        let columns = tables.entry(table.clone()).or_default();
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, column, kind, ..] = cells.as_slice()
            && let Some(column) = column.strip_prefix('`').and_then(|column| column.strip_suffix('`'))
        {
            columns.insert(column.to_owned(), (*kind).to_owned());
        }
    }
    tables
}

#[tokio::test]
async fn the_document_describes_the_database() {
    let mut connection = catalogue().await;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text,
                format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '' ELSE ' null' END
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut actual: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (table, column, kind) in rows {
        let kind = kind.replace("timestamp with time zone", "timestamptz");
        actual.entry(table).or_default().insert(column, kind);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DATABASE.md");
    let documented = documented(&std::fs::read_to_string(path).unwrap());
    let names = |tables: &BTreeMap<String, _>| tables.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(&documented), names(&actual), "tables");
    for (table, columns) in &actual {
        assert_eq!(&documented[table], columns, "columns of {table}");
    }
}
