//! The control socket: how the command line asks a running server.
//!
//! One line of JSON in, one line of JSON out, over a unix socket in the data directory that only the server's user
//! can open.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::TenantId;
use serde::{Deserialize, Serialize};

use crate::exit::Refusal;

/// The longest question or answer line that is read.
const LONGEST_QUESTION: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest path a unix socket can have on Linux.
const LONGEST_PATH: usize = 107;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Who runs here, and where it listens.
    Status,
    /// The phones that are registered.
    Registrations {
        /// Slug of a tenant.
        tenant: Option<String>,
    },
    /// The calls that are going on.
    Calls {
        /// Slug of a tenant.
        tenant: Option<String>,
    },
    /// SIP messages that are not in the database yet.
    Trace {
        /// Id of a call record, or a Call-ID.
        id: String,
    },
    /// Whether calls of an extension are served already: the news of a new one takes a moment.
    Knows {
        /// Whose it is.
        tenant: TenantId,
        /// Its number.
        extension: String,
    },
    /// Who is banned.
    Bans,
    /// Ban an address.
    Ban {
        /// Which one.
        address: IpAddr,
        /// For how many seconds.
        lasts_s: u64,
        /// Why, for people.
        reason: String,
    },
    /// Lift a ban; without an address, all of them. The answer is what was lifted.
    Unban {
        /// Which one.
        address: Option<IpAddr>,
    },
}

/// What a running server says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// SIP addresses, UDP.
    pub sip_udp: Vec<String>,
    /// SIP addresses, TCP.
    pub sip_tcp: Vec<String>,
    /// SIP addresses, TLS.
    pub sip_tls: Vec<String>,
    /// SIP addresses, WebSocket.
    pub sip_ws: Vec<String>,
    /// SIP addresses, WebSocket inside TLS.
    pub sip_wss: Vec<String>,
    /// HTTP addresses.
    pub api_http: Vec<String>,
    /// HTTPS addresses.
    pub api_https: Vec<String>,
    /// URLs of the page with a phone in it.
    pub phone_pages: Vec<String>,
    /// TCP, TLS, WS and WSS connections.
    pub connections: usize,
    /// URL of the database, with the password masked.
    pub database: String,
    /// Registered phones.
    pub registrations: usize,
    /// Calls going on.
    pub calls: usize,
    /// Media sessions open.
    pub media_sessions: usize,
    /// SIP transactions of both kinds.
    pub sip_transactions: usize,
    /// SIP dialogs, those of subscriptions included.
    pub sip_dialogs: usize,
    /// Messages refused because too many waited.
    pub sip_refused: u64,
}

/// An answer, or why there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// What was asked for.
    #[serde(rename = "answer")]
    Value(serde_json::Value),
    /// One line.
    #[serde(rename = "error")]
    Error(String),
}

/// Where the socket of a data directory is.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Asks the server of a data directory; `None` when none runs there.
///
/// # Errors
/// The server answers with an error, or not at all.
pub fn ask<T: for<'de> Deserialize<'de>>(data_dir: &Path, question: &Question) -> Result<Option<T>> {
    let path = socket_path(data_dir);
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(Refusal::new(format!(
                "{}: the server runs as another user; run this command as that user",
                path.display()
            ))
            .into());
        }
        Err(error) => return Err(error).context(path.display().to_string()),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).context("the server did not answer on its control socket")?;
    match serde_json::from_str(&reply).context("the server's answer on its control socket cannot be read")? {
        Answer::Value(value) => Ok(Some(serde_json::from_value(value)?)),
        Answer::Error(line) => Err(Refusal::new(line).into()),
    }
}

/// Answers questions on a thread of its own until the process ends.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(data_dir: &Path, answer: impl Fn(Question) -> Result<serde_json::Value> + Send + 'static) -> Result<()> {
    let path = socket_path(data_dir);
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(Refusal::new(format!(
            "[server] data_dir: {} is too long for a unix socket ({LONGEST_PATH} bytes); choose a shorter directory",
            path.display()
        ))
        .into());
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(path.display().to_string()),
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = serve_one(&stream, &answer) {
                tracing::debug!(%error, "control socket");
            }
        }
    })?;
    Ok(())
}

fn serve_one(stream: &UnixStream, answer: &impl Fn(Question) -> Result<serde_json::Value>) -> Result<()> {
    use std::io::Read as _;

    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_QUESTION)).read_line(&mut line)?;
    let reply = match serde_json::from_str(&line) {
        Ok(question) => answer(question).map_or_else(|error| Answer::Error(format!("{error:#}")), Answer::Value),
        Err(error) => Answer::Error(format!("the question cannot be read: {error}")),
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    let mut stream = stream;
    stream.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_answered_and_errors_told() {
        let directory = tempfile::tempdir().unwrap();
        assert!(ask::<u32>(directory.path(), &Question::Status).unwrap().is_none());
        listen(directory.path(), |question| match question {
            Question::Status => Ok(serde_json::json!(7)),
            _ => Err(anyhow::anyhow!("no such tenant")),
        })
        .unwrap();
        assert_eq!(ask::<u32>(directory.path(), &Question::Status).unwrap(), Some(7));
        let error = ask::<u32>(directory.path(), &Question::Calls { tenant: None }).unwrap_err();
        assert_eq!(error.to_string(), "no such tenant");
        let mode = std::fs::metadata(socket_path(directory.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_path_too_long_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(120));
        let error = listen(&long, |_| Ok(serde_json::Value::Null)).unwrap_err();
        assert!(error.to_string().contains("data_dir"), "{error}");
    }
}
