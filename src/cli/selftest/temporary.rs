//! An extension that is there for as long as the test.

use std::time::{Duration, Instant};

use anyhow::Result;
use domain::Tenant;
use rand_core::{OsRng, TryRngCore as _};
use store::{Login, NewExtension, Store, StoreError};

use crate::cli::live::must_run;
use crate::control::Question;
use crate::exit::Refusal;
use crate::settings::Settings;

/// By this name whoever finds one knows what it is.
const NAME: &str = "self-test";
/// How many numbers are tried.
const TRIES: u32 = 50;
/// How long the server may take to hear of the extension.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// An extension with a number that was free and a password that nobody knows.
pub(super) struct Temporary<'a> {
    store: &'a Store,
    tenant: Tenant,
    login: Login,
}

impl<'a> Temporary<'a> {
    /// Makes it.
    pub(super) async fn create(store: &'a Store, tenant: Tenant) -> Result<Self> {
        let rows = store.tenant(tenant.id);
        for _ in 0..TRIES {
            let number = (10_000 + OsRng.try_next_u32().unwrap_or_default() % 90_000).to_string();
            let new = NewExtension { number, name: Some(NAME.to_owned()), password: None };
            match rows.create_extension(new).await {
                Ok((_, login)) => return Ok(Self { store, tenant, login }),
                // Somebody has the number, or it means something else.
                Err(StoreError::Invalid(_) | StoreError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::new(format!(
            "no number of five digits is free in tenant {}; name an extension with --extension and --password",
            crate::cli::output::printable(&tenant.slug)
        ))
        .into())
    }

    /// Waits until the server has heard of it.
    pub(super) async fn settle(&self, settings: &Settings) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let question = Question::Knows { tenant: self.tenant.id, extension: self.login.extension.clone() };
        while !must_run::<bool>(settings, &question)? {
            if Instant::now() > until {
                return Err(Refusal::new(
                    "the server does not hear of a new extension; is it on the same database? See `yakyak status`",
                )
                .into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// What its phone logs in with.
    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// Deletes it again.
    pub(super) async fn delete(self) -> Result<()> {
        self.store.tenant(self.tenant.id).delete_extension(&self.login.extension).await.map_err(|error| {
            let (number, slug) = (&self.login.extension, &self.tenant.slug);
            anyhow::anyhow!(
                "the extension of the test is still there ({error}); `yakyak extension delete --tenant {slug} {number}` removes it"
            )
        })
    }
}
