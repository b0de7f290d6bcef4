//! What an empty database begins with.

use domain::Tenant;

use crate::{Login, NewExtension, NewTenant, Store, StoreError};

impl Store {
    /// On a database without tenants, makes tenant `demo` with the extensions 1001 and 1002 and returns their logins.
    ///
    /// # Errors
    /// The database is away.
    pub async fn seed_demo(&self) -> Result<Option<(Tenant, Vec<Login>)>, StoreError> {
        let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM tenants)").fetch_one(self.switch()).await?;
        if any {
            return Ok(None);
        }
        let tenant =
            self.create_tenant(NewTenant { is_default: true, ..NewTenant::new("demo", "demo.internal") }).await?;
        let mut logins = Vec::new();
        for number in ["1001", "1002"] {
            let new = NewExtension { number: number.to_owned(), name: None, password: None };
            logins.push(self.tenant(tenant.id).create_extension(new).await?.1);
        }
        Ok(Some((tenant, logins)))
    }
}
