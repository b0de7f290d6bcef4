//! Dialplan rows of a tenant.

use domain::{Action, DialplanEntry, DialplanId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};

use crate::error::is_duplicate;
use crate::password::new_id;
use crate::tenant::read_tenant;
use crate::{StoreError, Tenanted, text};

impl Tenanted {
    /// The rows in the order (context, exten, priority).
    ///
    /// # Errors
    /// The database is away.
    pub async fn dialplan(&self) -> Result<Vec<DialplanEntry>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(
            "SELECT id, context, exten, priority, action, argument FROM dialplan ORDER BY context, exten, priority",
        )
        .fetch_all(&mut *transaction)
        .await?;
        rows.iter().map(entry_of_row).collect()
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A row with this context, exten and priority exists; the exten is no number and no pattern.
    pub async fn add_dialplan_entry(
        &self,
        context: &str,
        exten: &str,
        priority: u32,
        action: Action,
    ) -> Result<DialplanEntry, StoreError> {
        let mut transaction = self.begin().await?;
        read_tenant(&mut transaction, self.id).await?;
        let entry = insert_entry(&mut transaction, self.id, context, exten, priority, &action).await?;
        transaction.commit().await?;
        Ok(entry)
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// The tenant has no such row.
    pub async fn delete_dialplan_entry(&self, id: DialplanId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM dialplan WHERE id = $1").bind(id.0).execute(&mut *transaction).await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::Missing(format!("dialplan row {id}")));
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Inserts a row into the tenant of the transaction.
pub(crate) async fn insert_entry(
    transaction: &mut Transaction<'_, Postgres>,
    tenant: TenantId,
    context: &str,
    exten: &str,
    priority: u32,
    action: &Action,
) -> Result<DialplanEntry, StoreError> {
    let fits = (1..=80).contains(&exten.len()) && exten.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits || context.is_empty() || context.len() > 80 {
        let problem =
            format!("{exten:?} in context {context:?} cannot be dialled; an exten has 1 to 80 visible characters");
        return Err(StoreError::Invalid(problem));
    }
    let entry = DialplanEntry {
        id: DialplanId(new_id()),
        context: context.to_owned(),
        exten: exten.to_owned(),
        priority,
        action: action.clone(),
    };
    let inserted = sqlx::query(
        "INSERT INTO dialplan (id, tenant_id, context, exten, priority, action, argument)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(entry.id.0)
    .bind(tenant.0)
    .bind(context)
    .bind(exten)
    .bind(i32::try_from(priority).unwrap_or(i32::MAX))
    .bind(action.name())
    .bind(action.argument().map(|argument| text::short(&argument)))
    .execute(&mut **transaction)
    .await;
    match inserted {
        Ok(_) => Ok(entry),
        Err(error) if is_duplicate(&error, "dialplan_exten_key") => {
            Err(StoreError::Exists(format!("dialplan row {exten:?} with priority {priority} in context {context:?}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// A row of the columns id, context, exten, priority, action, argument.
pub(crate) fn entry_of_row(row: &PgRow) -> Result<DialplanEntry, StoreError> {
    let action = Action::from_columns(row.try_get("action")?, row.try_get("argument")?)
        .map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(DialplanEntry {
        id: DialplanId(row.try_get("id")?),
        context: row.try_get("context")?,
        exten: row.try_get("exten")?,
        priority: u32::try_from(row.try_get::<i32, _>("priority")?).unwrap_or(0),
        action,
    })
}
