//! The command line: what can be typed, and who carries it out.

mod args;
mod ban;
mod cdr;
mod choice;
mod extension;
pub mod live;
mod locate;
mod output;
mod selftest;
mod tenant;
pub mod trace;

pub use args::{Arguments, Command};

use anyhow::Result;
use store::Store;

use crate::database::Session;
use crate::settings::Settings;

/// Carries out one command.
///
/// # Errors
/// A [`crate::exit::Refusal`] for mistakes of the user; anything else is a fault.
pub fn run(arguments: Arguments) -> Result<()> {
    let mut settings = Settings::load(arguments.config.as_deref())?;
    if let Some(data_dir) = arguments.data_dir {
        settings.server.data_dir = data_dir;
    }
    let json = arguments.json;
    match arguments.command {
        Command::Serve => crate::serve::run(settings, json),
        Command::Status => live::status(&settings, json),
        Command::Tenant(command) => with_store(&settings, async |store| tenant::run(store, command, json).await),
        Command::Extension(command) => with_store(&settings, async |store| extension::run(store, command, json).await),
        Command::Registration(command) => live::registrations(&settings, &command, json),
        Command::Call(command) => live::calls(&settings, &command, json),
        Command::Selftest(wanted) => selftest::run(&settings, &wanted, json),
        Command::Trace(wanted) => trace::run(&settings, &wanted, json),
        Command::Locate { uri, server, bytes } => locate::run(&uri, server, bytes, json),
        Command::Ban(command) => ban::run(&settings, command, json),
        Command::Cdr(command) => with_store(&settings, async |store| cdr::run(store, command, json).await),
    }
}

/// Opens the database (starting the private one for this command when no server runs), works, and closes it again.
pub(crate) fn with_store(settings: &Settings, work: impl AsyncFnOnce(&Store) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let session = Session::open(settings, &runtime)?;
    let done = runtime.block_on(work(session.store()));
    session.close(&runtime);
    done
}
