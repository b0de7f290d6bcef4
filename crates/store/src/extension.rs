//! Extensions of a tenant with their logins.

use domain::{
    Audio, DtmfMode, Extension, ExtensionId, Forwards, Ha1, SipLogin, SrtpKeys, SrtpPolicy, Tenant, UserId, WebRtc,
    is_extension_number, is_forward_number,
};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::error::is_duplicate;
use crate::limits::{DEVICE_PASSWORD, NUMBER_PASSWORD};
use crate::password::{self, new_id, random_uuid};
use crate::tenant::read_tenant;
use crate::{StoreError, Tenanted, text};

/// The columns that an [`Extension`] is read from; the table is `e`.
macro_rules! columns {
    () => {
        "e.id, e.extension_number, e.display_name, e.user_id, e.context, e.enabled, e.forward_always, e.forward_busy,
         e.forward_no_answer, e.forward_not_registered, e.do_not_disturb, e.call_waiting, e.max_calls,
         e.no_answer_timeout_s, e.srtp, e.srtp_keys, e.webrtc, e.dtmf_mode"
    };
}
pub(crate) use columns;

/// Role "user", one of the three built-in ones.
const ROLE_USER: Uuid = Uuid::from_u128(0xa000_0000_0000_0000_0000_0000_0000_0002);

/// An extension to be made.
#[derive(Clone, Default)]
pub struct NewExtension {
    /// Two to five digits.
    pub number: String,
    /// Name shown to the person called.
    pub name: Option<String>,
    /// A chosen password; generated when absent. Refused where devices log in as themselves.
    pub password: Option<String>,
}

/// What may change of an extension; `None` leaves it, `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
pub struct ExtensionChanges {
    /// Where every call goes.
    pub forward_always: Option<Option<String>>,
    /// Where calls go when it is busy.
    pub forward_busy: Option<Option<String>>,
    /// Where calls go when nobody answers.
    pub forward_no_answer: Option<Option<String>>,
    /// Where calls go when no phone is registered.
    pub forward_not_registered: Option<Option<String>>,
    /// Whether calls are turned away.
    pub do_not_disturb: Option<bool>,
    /// Whether a further call rings.
    pub call_waiting: Option<bool>,
    /// Calls at which it is busy, 1 to 1,000.
    pub max_calls: Option<Option<u32>>,
    /// How long it rings, 1 to 3,600 seconds.
    pub no_answer_timeout_s: Option<Option<u32>>,
    /// Whether its audio is encrypted.
    pub srtp: Option<SrtpPolicy>,
    /// How calls to it offer encryption.
    pub srtp_keys: Option<SrtpKeys>,
    /// Which of its phones are browsers.
    pub webrtc: Option<WebRtc>,
    /// How key presses reach it.
    pub dtmf: Option<DtmfMode>,
}

/// What to type into a phone. The password is stored nowhere: this is the only time it can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name for authentication: the extension number, or the device's UUID where only devices log in.
    pub username: String,
    /// The device's UUID, where it logs in with the same password besides the number.
    pub device_username: Option<String>,
    /// Password.
    pub password: String,
    /// Digest realm.
    pub realm: String,
    /// Number of the extension.
    pub extension: String,
}

/// The password is for one person's eyes.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("extension", &self.extension).finish_non_exhaustive()
    }
}

/// See [`Login`].
impl std::fmt::Debug for NewExtension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewExtension").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Tenanted {
    /// Makes an extension with its user and its device, and the login its phone uses.
    ///
    /// # Errors
    /// The number is of the wrong form, taken, or means something else in the dialplan; the password was chosen where
    /// only generated ones are allowed.
    pub async fn create_extension(&self, new: NewExtension) -> Result<(Extension, Login), StoreError> {
        if !is_extension_number(&new.number) {
            let problem = format!("{:?} is not an extension number; it has two to five digits", new.number);
            return Err(StoreError::Invalid(problem));
        }
        let mut transaction = self.begin().await?;
        let tenant = read_tenant(&mut transaction, self.id).await?;
        let secret = Secret::choose(&tenant, new.password)?;
        if tenant.emergency_numbers.contains(&new.number) {
            let problem = format!("{} is an emergency number of the tenant; choose another", new.number);
            return Err(StoreError::Invalid(problem));
        }
        refuse_dialplan_number(&mut transaction, &new.number).await?;
        let name = new.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(text::short);
        let id = insert_extension(&mut transaction, &tenant, &new.number, name.as_deref()).await?;
        let login = secret.store(&mut transaction, &tenant, id, &new.number).await?;
        let extension = read_extension(&mut transaction, &new.number).await?;
        transaction.commit().await?;
        Ok((extension, login))
    }

    /// All extensions, by number.
    ///
    /// # Errors
    /// The database is away.
    pub async fn extensions(&self) -> Result<Vec<Extension>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM extensions e ORDER BY e.extension_number"))
            .fetch_all(&mut *transaction)
            .await?;
        rows.iter().map(extension_of_row).collect()
    }

    /// One extension.
    ///
    /// # Errors
    /// The tenant has no such extension.
    pub async fn extension(&self, number: &str) -> Result<Extension, StoreError> {
        let mut transaction = self.begin().await?;
        read_extension(&mut transaction, number).await
    }

    /// Deletes an extension with its devices, its bindings and its login. A person with a web login stays.
    ///
    /// # Errors
    /// The tenant has no such extension.
    pub async fn delete_extension(&self, number: &str) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let extension = read_extension(&mut transaction, number).await?;
        for statement in [
            "DELETE FROM devices WHERE extension_id = $1",
            "DELETE FROM extensions WHERE id = $1",
            "DELETE FROM destinations WHERE id = $1",
        ] {
            sqlx::query(statement).bind(extension.id.0).execute(&mut *transaction).await?;
        }
        if let Some(user) = extension.user_id {
            sqlx::query("UPDATE users SET sip_ha1 = NULL, sip_ha1_sha256 = NULL WHERE id = $1 AND username = $2")
                .bind(user.0)
                .bind(number)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM users WHERE id = $1 AND username = $2 AND password_hash = '!'")
                .bind(user.0)
                .bind(number)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Changes what an extension does with its calls. Its next call follows within a second.
    ///
    /// # Errors
    /// The tenant has no such extension; a forward is no number, or the extension's own; a value is out of range.
    pub async fn set_extension(&self, number: &str, changes: ExtensionChanges) -> Result<Extension, StoreError> {
        let mut transaction = self.begin().await?;
        let mut extension = read_extension(&mut transaction, number).await?;
        changes.apply(&mut extension)?;
        sqlx::query(
            "UPDATE extensions
                SET forward_always = $2, forward_busy = $3, forward_no_answer = $4, forward_not_registered = $5,
                    do_not_disturb = $6, call_waiting = $7, max_calls = $8, no_answer_timeout_s = $9,
                    srtp = $10, srtp_keys = $11, webrtc = $12, dtmf_mode = $13
              WHERE id = $1",
        )
        .bind(extension.id.0)
        .bind(&extension.forwards.always)
        .bind(&extension.forwards.busy)
        .bind(&extension.forwards.no_answer)
        .bind(&extension.forwards.not_registered)
        .bind(extension.do_not_disturb)
        .bind(extension.call_waiting)
        .bind(extension.max_calls.map(saturating))
        .bind(extension.no_answer_timeout_s.map(saturating))
        .bind(extension.audio.srtp.as_str())
        .bind(extension.audio.srtp_keys.as_str())
        .bind(extension.audio.webrtc.as_str())
        .bind(extension.audio.dtmf.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(extension)
    }

    /// Gives an extension a new password, generated when none is chosen.
    ///
    /// # Errors
    /// The tenant has no such extension; the password was chosen where only generated ones are allowed.
    pub async fn set_password(&self, number: &str, password: Option<String>) -> Result<Login, StoreError> {
        let mut transaction = self.begin().await?;
        let tenant = read_tenant(&mut transaction, self.id).await?;
        let secret = Secret::choose(&tenant, password)?;
        let extension = read_extension(&mut transaction, number).await?;
        let login = secret.store(&mut transaction, &tenant, extension.id, number).await?;
        transaction.commit().await?;
        Ok(login)
    }
}

impl ExtensionChanges {
    fn apply(self, extension: &mut Extension) -> Result<(), StoreError> {
        let forwards = &mut extension.forwards;
        for (what, change, place) in [
            ("always", self.forward_always, &mut forwards.always),
            ("busy", self.forward_busy, &mut forwards.busy),
            ("no answer", self.forward_no_answer, &mut forwards.no_answer),
            ("not registered", self.forward_not_registered, &mut forwards.not_registered),
        ] {
            let Some(change) = change else { continue };
            if let Some(number) = &change {
                check_forward(what, number, &extension.number)?;
            }
            *place = change;
        }
        if let Some(Some(calls @ (0 | 1_001..))) = self.max_calls {
            return Err(StoreError::Invalid(format!("an extension cannot have a limit of {calls} calls; 1 to 1000")));
        }
        if let Some(Some(seconds @ (0 | 3_601..))) = self.no_answer_timeout_s {
            return Err(StoreError::Invalid(format!("an extension cannot ring for {seconds} seconds; 1 to 3600")));
        }
        extension.do_not_disturb = self.do_not_disturb.unwrap_or(extension.do_not_disturb);
        extension.call_waiting = self.call_waiting.unwrap_or(extension.call_waiting);
        extension.max_calls = self.max_calls.unwrap_or(extension.max_calls);
        extension.no_answer_timeout_s = self.no_answer_timeout_s.unwrap_or(extension.no_answer_timeout_s);
        let audio = &mut extension.audio;
        audio.srtp = self.srtp.unwrap_or(audio.srtp);
        audio.srtp_keys = self.srtp_keys.unwrap_or(audio.srtp_keys);
        audio.webrtc = self.webrtc.unwrap_or(audio.webrtc);
        audio.dtmf = self.dtmf.unwrap_or(audio.dtmf);
        Ok(())
    }
}

/// A forward is a number, and not the extension's own.
fn check_forward(what: &str, number: &str, own: &str) -> Result<(), StoreError> {
    if !is_forward_number(number) {
        return Err(StoreError::Invalid(format!(
            "forward {what}: {number:?} is not a number; it has 1 to 32 digits, *, # and + (an address cannot be a forward)"
        )));
    }
    if number == own {
        return Err(StoreError::Invalid(format!("forward {what}: {number} cannot be forwarded to itself")));
    }
    Ok(())
}

fn saturating(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A password on its way to becoming hashes.
struct Secret {
    password: String,
    generated: bool,
}

impl Secret {
    fn choose(tenant: &Tenant, chosen: Option<String>) -> Result<Self, StoreError> {
        match (chosen, tenant.sip_login) {
            (Some(_), SipLogin::Device) => Err(StoreError::Invalid(format!(
                "tenant {:?} lets devices alone log in, with generated passwords; leave the password out",
                tenant.slug
            ))),
            (Some(password), SipLogin::Number | SipLogin::Both) => {
                password::check(&password)?;
                Ok(Self { password, generated: false })
            }
            (None, SipLogin::Number) => Ok(Self { password: password::generate(NUMBER_PASSWORD), generated: true }),
            (None, SipLogin::Device | SipLogin::Both) => {
                Ok(Self { password: password::generate(DEVICE_PASSWORD), generated: true })
            }
        }
    }

    /// Stores the hashes of every login the tenant allows. A device never gets a chosen password.
    async fn store(
        self,
        transaction: &mut Transaction<'_, Postgres>,
        tenant: &Tenant,
        extension: ExtensionId,
        number: &str,
    ) -> Result<Login, StoreError> {
        let by_number = tenant.sip_login != SipLogin::Device;
        let by_device = tenant.sip_login != SipLogin::Number && self.generated;
        if by_number {
            self.store_for_number(transaction, tenant, extension, number).await?;
        }
        let device = if by_device { Some(self.store_for_device(transaction, tenant, extension).await?) } else { None };
        let (username, device_username) = match device {
            Some(device) if !by_number => (device, None),
            device => (number.to_owned(), device),
        };
        Ok(Login {
            username,
            device_username,
            password: self.password,
            realm: tenant.realm.clone(),
            extension: number.to_owned(),
        })
    }

    async fn store_for_number(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        tenant: &Tenant,
        extension: ExtensionId,
        number: &str,
    ) -> Result<(), StoreError> {
        let ha1 = Ha1::new(number, &tenant.realm, &self.password);
        let stored = sqlx::query(
            "UPDATE users SET sip_ha1 = $3, sip_ha1_sha256 = $4
              WHERE username = $2 AND id = (SELECT user_id FROM extensions WHERE id = $1)",
        )
        .bind(extension.0)
        .bind(number)
        .bind(ha1.md5_hex())
        .bind(ha1.sha256_hex())
        .execute(&mut **transaction)
        .await?;
        if stored.rows_affected() == 0 {
            return Err(StoreError::Missing(format!("user {number} to keep the password of the extension")));
        }
        Ok(())
    }

    async fn store_for_device(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        tenant: &Tenant,
        extension: ExtensionId,
    ) -> Result<String, StoreError> {
        let known: Option<(Uuid, Uuid)> =
            sqlx::query_as("SELECT id, auth_username FROM devices WHERE extension_id = $1 ORDER BY id LIMIT 1")
                .bind(extension.0)
                .fetch_optional(&mut **transaction)
                .await?;
        let (id, username) = known.unwrap_or_else(|| (new_id(), random_uuid()));
        let ha1 = Ha1::new(&username.to_string(), &tenant.realm, &self.password);
        sqlx::query(
            "INSERT INTO devices (id, tenant_id, extension_id, auth_username, sip_ha1, sip_ha1_sha256)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET sip_ha1 = excluded.sip_ha1, sip_ha1_sha256 = excluded.sip_ha1_sha256",
        )
        .bind(id)
        .bind(tenant.id.0)
        .bind(extension.0)
        .bind(username)
        .bind(ha1.md5_hex())
        .bind(ha1.sha256_hex())
        .execute(&mut **transaction)
        .await?;
        Ok(username.to_string())
    }
}

/// A number that the dialplan answers already would never be reached.
async fn refuse_dialplan_number(transaction: &mut Transaction<'_, Postgres>, number: &str) -> Result<(), StoreError> {
    let taken: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM dialplan WHERE exten = $1)")
        .bind(number)
        .fetch_one(&mut **transaction)
        .await?;
    if taken {
        return Err(StoreError::Invalid(format!("{number} means something else in the tenant's dialplan")));
    }
    Ok(())
}

/// The user, the destination and the extension itself.
async fn insert_extension(
    transaction: &mut Transaction<'_, Postgres>,
    tenant: &Tenant,
    number: &str,
    name: Option<&str>,
) -> Result<ExtensionId, StoreError> {
    let id = ExtensionId(new_id());
    sqlx::query("INSERT INTO destinations (tenant_id, id, kind) VALUES ($1, $2, 'extension')")
        .bind(tenant.id.0)
        .bind(id.0)
        .execute(&mut **transaction)
        .await?;
    // A person who kept the web login of an earlier extension with this number takes it up again.
    let user: Uuid = sqlx::query_scalar(
        "INSERT INTO users (id, username, realm, display_name, role_id) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (realm, username) DO UPDATE SET display_name = coalesce(excluded.display_name, users.display_name)
         RETURNING id",
    )
    .bind(new_id())
    .bind(number)
    .bind(&tenant.realm)
    .bind(name)
    .bind(ROLE_USER)
    .fetch_one(&mut **transaction)
    .await?;
    sqlx::query("INSERT INTO user_tenants (tenant_id, user_id, role_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(tenant.id.0)
        .bind(user)
        .bind(ROLE_USER)
        .execute(&mut **transaction)
        .await?;
    let inserted = sqlx::query(
        "INSERT INTO extensions (id, tenant_id, extension_number, display_name, user_id) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.0)
    .bind(tenant.id.0)
    .bind(number)
    .bind(name)
    .bind(user)
    .execute(&mut **transaction)
    .await;
    match inserted {
        Ok(_) => Ok(id),
        Err(error) if is_duplicate(&error, "extensions_extension_number_key") => {
            Err(StoreError::Exists(format!("extension {number}")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn read_extension(transaction: &mut Transaction<'_, Postgres>, number: &str) -> Result<Extension, StoreError> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM extensions e WHERE e.extension_number = $1"))
        .bind(text::short(number))
        .fetch_optional(&mut **transaction)
        .await?;
    let row = row.ok_or_else(|| StoreError::Missing(format!("extension {number:?} in this tenant")))?;
    extension_of_row(&row)
}

/// An extension of the columns of `columns!`.
pub(crate) fn extension_of_row(row: &PgRow) -> Result<Extension, StoreError> {
    let unknown = |error: domain::UnknownValue| StoreError::Database(error.to_string());
    let count = |column: &str| {
        row.try_get::<Option<i32>, _>(column).map(|value| value.and_then(|value| u32::try_from(value).ok()))
    };
    Ok(Extension {
        id: ExtensionId(row.try_get("id")?),
        number: row.try_get("extension_number")?,
        display_name: row.try_get("display_name")?,
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
        context: row.try_get("context")?,
        enabled: row.try_get("enabled")?,
        forwards: Forwards {
            always: row.try_get("forward_always")?,
            busy: row.try_get("forward_busy")?,
            no_answer: row.try_get("forward_no_answer")?,
            not_registered: row.try_get("forward_not_registered")?,
        },
        do_not_disturb: row.try_get("do_not_disturb")?,
        call_waiting: row.try_get("call_waiting")?,
        max_calls: count("max_calls")?,
        no_answer_timeout_s: count("no_answer_timeout_s")?,
        audio: Audio {
            srtp: row.try_get::<&str, _>("srtp")?.parse().map_err(unknown)?,
            srtp_keys: row.try_get::<&str, _>("srtp_keys")?.parse().map_err(unknown)?,
            webrtc: row.try_get::<&str, _>("webrtc")?.parse().map_err(unknown)?,
            dtmf: row.try_get::<&str, _>("dtmf_mode")?.parse().map_err(unknown)?,
        },
    })
}
