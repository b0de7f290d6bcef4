//! The log: to standard error, as much as `[server] log` says.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::exit::Refusal;

/// Starts it.
///
/// # Errors
/// The filter cannot be read.
pub fn start(filter: &str) -> Result<(), Refusal> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Refusal::new(format!("[server] log: {error}; write error, warn, info, debug or trace, or part=level pairs"))
    })?;
    // Only tests start it twice in one process; the first one stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    Ok(())
}
