//! Tenants, and the only way to their rows.

use domain::{DigestOffer, SipLogin, Tenant, TenantId, TenantStatus, is_emergency_number};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};

use crate::dialplan::insert_entry;
use crate::error::is_duplicate;
use crate::limits::EMERGENCY_NUMBERS;
use crate::password::new_id;
use crate::{Store, StoreError, text};

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Name people read.
    pub name: String,
    /// Short name; made from the name when absent.
    pub slug: Option<String>,
    /// Main SIP domain.
    pub domain: String,
    /// Digest realm, for ever; the domain when absent.
    pub realm: Option<String>,
    /// Whether it answers for the machine's bare address.
    pub is_default: bool,
    /// What its phones log in with.
    pub sip_login: SipLogin,
    /// Digest algorithms of its challenges.
    pub digest_algorithms: DigestOffer,
    /// Calls at once; the database's default when absent.
    pub max_concurrent_calls: Option<u32>,
}

impl NewTenant {
    /// A tenant with the defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, domain: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            slug: None,
            domain: domain.into(),
            realm: None,
            is_default: false,
            sip_login: SipLogin::Number,
            digest_algorithms: DigestOffer::Md5,
            max_concurrent_calls: None,
        }
    }
}

/// What may change of a tenant; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct TenantChanges {
    /// Whether it may register and call.
    pub status: Option<TenantStatus>,
    /// What its phones log in with.
    pub sip_login: Option<SipLogin>,
    /// Digest algorithms of its challenges.
    pub digest_algorithms: Option<DigestOffer>,
    /// Whether it answers for the machine's bare address.
    pub is_default: Option<bool>,
    /// Calls at once.
    pub max_concurrent_calls: Option<u32>,
    /// How long an extension rings, in seconds.
    pub ring_timeout_s: Option<u32>,
    /// All numbers that are emergencies; 32 at the most.
    pub emergency_numbers: Option<Vec<String>>,
}

/// The rows of one tenant. Each function runs in a transaction that can see no other tenant.
#[derive(Clone, Debug)]
pub struct Tenanted {
    pub(crate) store: Store,
    pub(crate) id: TenantId,
}

impl Store {
    /// Makes a tenant with the dialplan row every tenant has: `*43`, the echo test.
    ///
    /// # Errors
    /// The slug, realm or domain exists; the domain or slug is of the wrong form; there is a default tenant already.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, StoreError> {
        let id = TenantId(new_id());
        let mut transaction = self.app(id).await?;
        insert_tenant(&mut transaction, id, &new).await?;
        insert_entry(&mut transaction, id, "default", "*43", 1, &domain::Action::Echo).await?;
        let tenant = read_tenant(&mut transaction, id).await?;
        transaction.commit().await.map_err(|error| explain(&error, &new).unwrap_or_else(|| error.into()))?;
        Ok(tenant)
    }

    /// All tenants that are not deleted, by slug.
    ///
    /// # Errors
    /// The database is away.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query(TENANTS).bind(None::<uuid::Uuid>).fetch_all(self.switch()).await?;
        rows.iter().map(tenant_of_row).collect()
    }

    /// The tenant with this short name.
    ///
    /// # Errors
    /// The database is away.
    pub async fn tenant_by_slug(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        let id: Option<uuid::Uuid> =
            sqlx::query_scalar("SELECT id FROM tenants WHERE slug = $1 AND status <> 'deleted'")
                .bind(text::short(slug))
                .fetch_optional(self.switch())
                .await?;
        let Some(id) = id else { return Ok(None) };
        let row = sqlx::query(TENANTS).bind(Some(id)).fetch_optional(self.switch()).await?;
        row.as_ref().map(tenant_of_row).transpose()
    }
}

impl Tenanted {
    pub(crate) fn new(store: Store, id: TenantId) -> Self {
        Self { store, id }
    }

    /// Whose rows these are.
    #[must_use]
    pub fn id(&self) -> TenantId {
        self.id
    }

    /// The tenant itself.
    ///
    /// # Errors
    /// It does not exist; the database is away.
    pub async fn tenant(&self) -> Result<Tenant, StoreError> {
        let mut transaction = self.begin().await?;
        read_tenant(&mut transaction, self.id).await
    }

    /// Changes the tenant. Its phones follow within a second; a deleted one is not found any more.
    ///
    /// # Errors
    /// It does not exist; a value is out of range; another tenant is the default one; an emergency number is none, or an
    /// extension of the tenant.
    pub async fn update(&self, changes: TenantChanges) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(numbers) = &changes.emergency_numbers {
            check_emergency_numbers(&mut transaction, numbers).await?;
        }
        let updated = sqlx::query(
            "UPDATE tenants
                SET status = coalesce($2, status), sip_login = coalesce($3, sip_login),
                    digest_algorithms = coalesce($4, digest_algorithms), is_default = coalesce($5, is_default),
                    max_concurrent_calls = coalesce($6, max_concurrent_calls),
                    ring_timeout_s = coalesce($7, ring_timeout_s),
                    emergency_numbers = coalesce($8, emergency_numbers),
                    deleted_at = CASE WHEN coalesce($2, status) = 'deleted' THEN coalesce(deleted_at, now()) END
              WHERE id = $1",
        )
        .bind(self.id.0)
        .bind(changes.status.map(TenantStatus::as_str))
        .bind(changes.sip_login.map(SipLogin::as_str))
        .bind(changes.digest_algorithms.map(DigestOffer::as_str))
        .bind(changes.is_default)
        .bind(changes.max_concurrent_calls.map(saturating))
        .bind(changes.ring_timeout_s.map(saturating))
        .bind(changes.emergency_numbers)
        .execute(&mut *transaction)
        .await
        .map_err(|error| explain_default(&error).unwrap_or_else(|| error.into()))?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::Missing(format!("tenant {}", self.id)));
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Gives the tenant a further domain.
    ///
    /// # Errors
    /// The domain belongs to somebody, or is none.
    pub async fn add_domain(&self, domain: &str) -> Result<(), StoreError> {
        let domain = check_domain(domain)?;
        let mut transaction = self.begin().await?;
        read_tenant(&mut transaction, self.id).await?;
        let inserted = sqlx::query("INSERT INTO tenant_domains (tenant_id, domain) VALUES ($1, $2)")
            .bind(self.id.0)
            .bind(&domain)
            .execute(&mut *transaction)
            .await;
        inserted.map_err(|error| duplicate_domain(&error, &domain).unwrap_or_else(|| error.into()))?;
        transaction.commit().await?;
        Ok(())
    }

    /// A transaction that sees this tenant alone.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.store.app(self.id).await
    }
}

/// All tenants, or the one that is bound.
const TENANTS: &str = "SELECT t.id, t.name, t.slug, t.realm, t.domain, t.is_default, t.status, t.sip_login,
            t.digest_algorithms, t.timezone, t.locale, t.max_concurrent_calls, t.ring_timeout_s, t.emergency_numbers, t.revision,
            ARRAY(SELECT d.domain FROM tenant_domains d
                   WHERE d.tenant_id = t.id AND d.domain <> t.domain ORDER BY d.domain) AS domains
       FROM tenants t
      WHERE t.status <> 'deleted' AND ($1::uuid IS NULL OR t.id = $1)
      ORDER BY t.slug";

/// The statement that reads tenants, for the loader of the snapshots.
pub(crate) fn tenants_query() -> &'static str {
    TENANTS
}

/// A tenant of the columns of [`tenants_query`].
pub(crate) fn tenant_of_row(row: &PgRow) -> Result<Tenant, StoreError> {
    let count = |column: &str| row.try_get::<i32, _>(column).map(|value| u32::try_from(value).unwrap_or(0));
    let unknown = |error: domain::UnknownValue| StoreError::Database(error.to_string());
    Ok(Tenant {
        id: TenantId(row.try_get("id")?),
        name: row.try_get("name")?,
        slug: row.try_get("slug")?,
        realm: row.try_get("realm")?,
        domain: row.try_get("domain")?,
        domains: row.try_get("domains")?,
        is_default: row.try_get("is_default")?,
        status: row.try_get::<&str, _>("status")?.parse().map_err(unknown)?,
        sip_login: row.try_get::<&str, _>("sip_login")?.parse().map_err(unknown)?,
        digest_algorithms: row.try_get::<&str, _>("digest_algorithms")?.parse().map_err(unknown)?,
        timezone: row.try_get("timezone")?,
        locale: row.try_get("locale")?,
        max_concurrent_calls: count("max_concurrent_calls")?,
        ring_timeout_s: count("ring_timeout_s")?,
        emergency_numbers: row.try_get("emergency_numbers")?,
    })
}

/// The tenant of the transaction.
pub(crate) async fn read_tenant(
    transaction: &mut Transaction<'_, Postgres>,
    id: TenantId,
) -> Result<Tenant, StoreError> {
    let row = sqlx::query(TENANTS).bind(Some(id.0)).fetch_optional(&mut **transaction).await?;
    let row = row.ok_or_else(|| StoreError::Missing(format!("tenant {id}")))?;
    tenant_of_row(&row)
}

async fn insert_tenant(
    transaction: &mut Transaction<'_, Postgres>,
    id: TenantId,
    new: &NewTenant,
) -> Result<(), StoreError> {
    let domain = check_domain(&new.domain)?;
    let slug = match &new.slug {
        Some(slug) => slug.clone(),
        None => slug_of(&new.name),
    };
    let inserted = sqlx::query(
        "INSERT INTO tenants (id, name, slug, realm, domain, is_default, sip_login, digest_algorithms, max_concurrent_calls)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 100))",
    )
    .bind(id.0)
    .bind(text::short(new.name.trim()))
    .bind(text::short(&slug))
    .bind(text::short(new.realm.as_deref().unwrap_or(&domain)))
    .bind(&domain)
    .bind(new.is_default)
    .bind(new.sip_login.as_str())
    .bind(new.digest_algorithms.as_str())
    .bind(new.max_concurrent_calls.map(saturating))
    .execute(&mut **transaction)
    .await;
    inserted.map_err(|error| explain(&error, new).unwrap_or_else(|| error.into()))?;
    let inserted = sqlx::query("INSERT INTO tenant_domains (tenant_id, domain) VALUES ($1, $2)")
        .bind(id.0)
        .bind(&domain)
        .execute(&mut **transaction)
        .await;
    inserted.map_err(|error| duplicate_domain(&error, &domain).unwrap_or_else(|| error.into()))?;
    Ok(())
}

/// What the database's refusal means in words.
fn explain(error: &sqlx::Error, new: &NewTenant) -> Option<StoreError> {
    if let Some(explained) = explain_default(error) {
        return Some(explained);
    }
    let constraint = error.as_database_error()?.constraint()?;
    match constraint {
        "tenants_slug_key" => {
            Some(StoreError::Exists(format!("tenant {:?}", new.slug.clone().unwrap_or_else(|| slug_of(&new.name)))))
        }
        "tenants_realm_key" => Some(StoreError::Exists(format!(
            "a tenant with the realm {:?}",
            new.realm.as_deref().unwrap_or(&new.domain)
        ))),
        "tenants_domain_key" => Some(StoreError::Exists(format!("a tenant with the domain {:?}", new.domain))),
        "tenants_slug_check" => Some(StoreError::Invalid(format!(
            "no short name can be made of {:?}; a short name has letters a-z, digits and hyphens, at most 63",
            new.name
        ))),
        "tenants_realm_check" => Some(StoreError::Invalid(
            "a realm has 1 to 253 visible ASCII characters, no quotes and no backslash".to_owned(),
        )),
        "tenants_name_check" => Some(StoreError::Invalid("a tenant needs a name".to_owned())),
        _ => None,
    }
}

fn explain_default(error: &sqlx::Error) -> Option<StoreError> {
    is_duplicate(error, "tenants_is_default_key")
        .then(|| StoreError::Exists("a default tenant (only one can answer for the bare address)".to_owned()))
}

fn duplicate_domain(error: &sqlx::Error, domain: &str) -> Option<StoreError> {
    is_duplicate(error, "tenant_domains_domain_key")
        .then(|| StoreError::Exists(format!("a tenant with the domain {domain:?}")))
}

/// Numbers that phones can dial and that are nobody's extension.
async fn check_emergency_numbers(
    transaction: &mut Transaction<'_, Postgres>,
    numbers: &[String],
) -> Result<(), StoreError> {
    if let Some(wrong) = numbers.iter().find(|number| !is_emergency_number(number)) {
        let problem = format!("{wrong:?} is not an emergency number; it has 2 to 15 digits, * and #, like 112");
        return Err(StoreError::Invalid(problem));
    }
    if numbers.len() > EMERGENCY_NUMBERS {
        return Err(StoreError::Invalid(format!("a tenant has at most {EMERGENCY_NUMBERS} emergency numbers")));
    }
    let taken: Option<String> =
        sqlx::query_scalar("SELECT extension_number FROM extensions WHERE extension_number = ANY($1) LIMIT 1")
            .bind(numbers)
            .fetch_optional(&mut **transaction)
            .await?;
    match taken {
        Some(number) => Err(StoreError::Invalid(format!("{number} is an extension of the tenant; delete that first"))),
        None => Ok(()),
    }
}

/// Lower case, and of the characters that a host name or an address has.
fn check_domain(domain: &str) -> Result<String, StoreError> {
    let domain = domain.trim().trim_end_matches('.').to_ascii_lowercase();
    let fits = (1..=253).contains(&domain.len())
        && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    if fits {
        return Ok(domain);
    }
    Err(StoreError::Invalid(format!("{domain:?} is not a domain; it looks like sip.example.com")))
}

/// A short name made from a name: `Acme & Sons` becomes `acme-sons`.
fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(63);
    slug.trim_end_matches('-').to_owned()
}

fn saturating(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{check_domain, slug_of};

    #[test]
    fn names_become_slugs() {
        assert_eq!(slug_of("Acme & Sons, Ltd."), "acme-sons-ltd");
        assert_eq!(slug_of("  demo "), "demo");
        assert_eq!(slug_of("日本"), "");
        assert_eq!(slug_of(&"a".repeat(100)).len(), 63);
    }

    #[test]
    fn domains_are_names_or_addresses() {
        assert_eq!(check_domain(" Demo.Internal. ").unwrap(), "demo.internal");
        assert!(check_domain("2001:db8::1").is_ok());
        assert!(check_domain("").is_err());
        assert!(check_domain("a b").is_err());
        assert!(check_domain("x'; DROP TABLE tenants").is_err());
    }
}
