//! Loading snapshots: one query per table, whatever the number of tenants.

use std::collections::{BTreeMap, HashMap};

use domain::{Credential, DeviceId, Ha1, SipLogin, TenantId, TenantSnapshot, UserId};
use sqlx::{Acquire as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::dialplan::entry_of_row;
use crate::extension::{columns, extension_of_row};
use crate::tenant::{tenant_of_row, tenants_query};
use crate::{Store, StoreError};

impl Store {
    /// The snapshots of all tenants that are not deleted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn snapshots(&self) -> Result<Vec<TenantSnapshot>, StoreError> {
        self.load(None).await
    }

    /// The snapshot of one tenant; `None` when it is deleted or never was.
    ///
    /// # Errors
    /// The database is away.
    pub async fn snapshot(&self, id: TenantId) -> Result<Option<TenantSnapshot>, StoreError> {
        Ok(self.load(Some(id.0)).await?.pop())
    }

    /// The revision of every tenant that is not deleted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn revisions(&self) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let rows: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT id, revision FROM tenants WHERE status <> 'deleted' ORDER BY id")
                .fetch_all(self.switch())
                .await?;
        Ok(rows.into_iter().map(|(id, revision)| (TenantId(id), revision)).collect())
    }

    /// All tables are read in one transaction, so that the picture is of one moment.
    async fn load(&self, id: Option<Uuid>) -> Result<Vec<TenantSnapshot>, StoreError> {
        let mut connection = self.switch().acquire().await?;
        let mut transaction = connection.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *transaction).await?;
        let mut snapshots = load_tenants(&mut transaction, id).await?;
        load_extensions(&mut transaction, id, &mut snapshots).await?;
        load_devices(&mut transaction, id, &mut snapshots).await?;
        load_dialplan(&mut transaction, id, &mut snapshots).await?;
        transaction.commit().await?;
        Ok(snapshots.into_values().collect())
    }
}

type Snapshots = BTreeMap<Uuid, TenantSnapshot>;

async fn load_tenants(connection: &mut PgConnection, id: Option<Uuid>) -> Result<Snapshots, StoreError> {
    let rows = sqlx::query(tenants_query()).bind(id).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let tenant = tenant_of_row(row)?;
            let snapshot = TenantSnapshot {
                revision: row.try_get("revision")?,
                credentials: HashMap::new(),
                extensions: HashMap::new(),
                dialplan: Vec::new(),
                tenant,
            };
            Ok((snapshot.tenant.id.0, snapshot))
        })
        .collect()
}

/// Extensions with the user whose name is the number: the login "by number".
async fn load_extensions(
    connection: &mut PgConnection,
    id: Option<Uuid>,
    snapshots: &mut Snapshots,
) -> Result<(), StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT e.tenant_id, u.username, u.sip_ha1, u.sip_ha1_sha256, u.enabled AS user_enabled, ",
        columns!(),
        " FROM extensions e
           JOIN tenants t ON t.id = e.tenant_id
           LEFT JOIN users u ON u.id = e.user_id AND u.realm = t.realm
          WHERE $1::uuid IS NULL OR e.tenant_id = $1",
    ))
    .bind(id)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let Some(snapshot) = snapshots.get_mut(&row.try_get::<Uuid, _>("tenant_id")?) else { continue };
        let extension = extension_of_row(row)?;
        let by_number = snapshot.tenant.sip_login != SipLogin::Device;
        let username: Option<String> = row.try_get("username")?;
        let ha1 = read_ha1(row.try_get("sip_ha1")?, row.try_get("sip_ha1_sha256")?);
        if let (true, Some(username), Some(ha1)) = (by_number, username, ha1) {
            let credential = Credential {
                username: username.clone(),
                ha1,
                user_id: extension.user_id,
                device_id: None,
                extension: extension.number.clone(),
                enabled: extension.enabled && row.try_get::<Option<bool>, _>("user_enabled")?.unwrap_or(false),
            };
            snapshot.credentials.insert(username, credential);
        }
        snapshot.extensions.insert(extension.number.clone(), extension);
    }
    Ok(())
}

async fn load_devices(
    connection: &mut PgConnection,
    id: Option<Uuid>,
    snapshots: &mut Snapshots,
) -> Result<(), StoreError> {
    type Columns = (Uuid, Uuid, Uuid, Option<String>, Option<String>, bool, String, Option<Uuid>);
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT d.tenant_id, d.id, d.auth_username, d.sip_ha1, d.sip_ha1_sha256, d.enabled AND e.enabled,
                e.extension_number, e.user_id
           FROM devices d
           JOIN tenants t ON t.id = d.tenant_id AND t.sip_login <> 'number'
           JOIN extensions e ON e.tenant_id = d.tenant_id AND e.id = d.extension_id
          WHERE $1::uuid IS NULL OR d.tenant_id = $1",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    for (tenant, id, username, md5, sha256, enabled, extension, user) in rows {
        let Some(snapshot) = snapshots.get_mut(&tenant) else { continue };
        let Some(ha1) = read_ha1(md5.as_deref(), sha256.as_deref()) else { continue };
        let username = username.to_string();
        let credential = Credential {
            username: username.clone(),
            ha1,
            user_id: user.map(UserId),
            device_id: Some(DeviceId(id)),
            extension,
            enabled,
        };
        snapshot.credentials.insert(username, credential);
    }
    Ok(())
}

async fn load_dialplan(
    connection: &mut PgConnection,
    id: Option<Uuid>,
    snapshots: &mut Snapshots,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT tenant_id, id, context, exten, priority, action, argument FROM dialplan
          WHERE $1::uuid IS NULL OR tenant_id = $1
          ORDER BY tenant_id, context, exten, priority",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let tenant: Uuid = row.try_get("tenant_id")?;
        let Some(snapshot) = snapshots.get_mut(&tenant) else { continue };
        match entry_of_row(row) {
            Ok(entry) => snapshot.dialplan.push(entry),
            // One unreadable row must not take the whole tenant off the air.
            Err(error) => tracing::error!(%tenant, %error, "a dialplan row is left out"),
        }
    }
    Ok(())
}

/// A login without MD5 hash cannot authenticate.
fn read_ha1(md5: Option<&str>, sha256: Option<&str>) -> Option<Ha1> {
    Ha1::from_hex(md5?, sha256)
}
