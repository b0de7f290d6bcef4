//! The files of the server: made once, and the command that runs it on them.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};

use super::PrivateError;
use super::account::Account;
use super::binaries::Binaries;

/// Both the database and its superuser.
const NAME: &str = "yakyak";
/// Longest log that is continued; a longer one is begun anew.
const LOG: u64 = 16 << 20;

/// The files of the server and everything needed to run it.
#[derive(Debug)]
pub(super) struct Cluster {
    directory: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    account: Account,
    binaries: Binaries,
    setpriv: PathBuf,
}

/// Where the files of a data directory's server are.
pub(super) fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres")
}

/// The major version that made the files, if there are any.
pub(super) fn version(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory(data_dir).join("PG_VERSION")).ok()?;
    Some(text.trim().to_owned())
}

/// Where its socket is: a path short enough for `sun_path` (107 bytes) whatever the data directory's.
pub(super) fn socket_directory(data_dir: &Path, account: Account) -> io::Result<PathBuf> {
    let identity = std::fs::metadata(data_dir)?;
    Ok(PathBuf::from(format!("/tmp/yakyak-{}-{:x}-{:x}", account.uid(), identity.dev(), identity.ino())))
}

pub(super) fn url_of(socket: &Path) -> String {
    let encoded: String = socket
        .to_string_lossy()
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("postgres://{NAME}@localhost/{NAME}?host={encoded}")
}

impl Cluster {
    /// Makes the files when they are absent, and checks who owns what.
    pub(super) fn prepare(data_dir: &Path, account: Account, binaries: Binaries) -> Result<Self, PrivateError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| PrivateError::Unusable { path, source }
        };
        let socket = socket_directory(data_dir, account).map_err(unusable(data_dir))?;
        make_private_directory(&socket, account).map_err(unusable(&socket))?;
        let cluster = Self {
            directory: directory(data_dir),
            socket,
            log: data_dir.join("postgres.log"),
            account,
            binaries,
            setpriv: find_setpriv().ok_or(PrivateError::NoSetpriv)?,
        };
        if !cluster.directory.join("PG_VERSION").exists() {
            cluster.create(data_dir)?;
        }
        let owner = std::fs::metadata(&cluster.directory).map_err(unusable(&cluster.directory))?.uid();
        if owner != account.uid() {
            let source =
                io::Error::other(format!("it belongs to user {owner}, and the server runs as {}", account.uid()));
            return Err(PrivateError::Unusable { path: cluster.directory, source });
        }
        Ok(cluster)
    }

    /// Where the socket and its lock are.
    pub(super) fn sockets(&self) -> &Path {
        &self.socket
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn url(&self) -> String {
        url_of(&self.socket)
    }

    /// Takes the socket's directory away, once the server has ended.
    pub(super) fn tidy(&self) {
        // Left behind at worst: the next start of this data directory uses it again.
        let _ = std::fs::remove_dir(&self.socket);
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Everything under another name first, so that a start cut off in between leaves nothing half made.
    fn create(&self, data_dir: &Path) -> Result<(), PrivateError> {
        let draft = data_dir.join("postgres.new");
        let unusable = |source| PrivateError::Unusable { path: draft.clone(), source };
        match std::fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        make_private_directory(&draft, self.account).map_err(unusable)?;
        self.initialise(&draft)?;
        self.create_database(&draft)?;
        std::fs::rename(&draft, &self.directory).map_err(unusable)?;
        File::open(data_dir).and_then(|directory| directory.sync_all()).map_err(unusable)
    }

    fn initialise(&self, draft: &Path) -> Result<(), PrivateError> {
        let options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--data-checksums"];
        let (mut command, _open) = self.command(&self.binaries.initdb, draft).map_err(|source| self.failed(source))?;
        command.args(["-U", NAME]).args(options);
        self.run(command, Stdio::null())
    }

    /// The single-user server reads the statement from its standard input.
    fn create_database(&self, draft: &Path) -> Result<(), PrivateError> {
        let (reader, writer) = io::pipe().map_err(|source| self.failed(source))?;
        io::Write::write_all(&mut &writer, format!("CREATE DATABASE {NAME}\n").as_bytes())
            .map_err(|source| self.failed(source))?;
        drop(writer);
        // The single-user mode has to be asked for before everything else.
        let (mut command, _open) =
            self.command_with(&self.binaries.postgres, &["--single"], draft).map_err(|source| self.failed(source))?;
        command.arg("template1");
        self.run(command, reader.into())
    }

    fn run(&self, mut command: Command, input: Stdio) -> Result<(), PrivateError> {
        let output = command.stdin(input).output().map_err(|source| self.failed(source))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(PrivateError::Init { directory: self.directory.clone(), reason: last_complaint(&said) })
    }

    fn failed(&self, source: io::Error) -> PrivateError {
        PrivateError::Init { directory: self.directory.clone(), reason: source.to_string() }
    }

    /// The command that runs the server.
    pub(super) fn server(&self, settings: &[String]) -> io::Result<(Command, OwnedFd)> {
        make_private_directory(&self.socket, self.account)?;
        let (mut command, open) = self.command(&self.binaries.postgres, &self.directory)?;
        let socket = format!("unix_socket_directories={}", self.socket.display());
        let fixed = ["listen_addresses=", "unix_socket_permissions=0700", "fsync=on", "port=5432", "timezone=UTC"];
        for setting in fixed.into_iter().chain([socket.as_str()]).chain(settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let restart_log = std::fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG);
        let mut options = OpenOptions::new();
        options.create(true).append(!restart_log).write(true).truncate(restart_log);
        let log = options.open(&self.log)?;
        // A Ctrl-C at the terminal is for us alone: the server has to outlive our last writes.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok((command, open))
    }

    fn command(&self, program: &Path, directory: &Path) -> io::Result<(Command, OwnedFd)> {
        self.command_with(program, &[], directory)
    }

    /// A program of the server's on a directory, as the server's user, and dying with the thread that starts it.
    ///
    /// The descriptor has to live until the program has been started.
    fn command_with(&self, program: &Path, first: &[&str], directory: &Path) -> io::Result<(Command, OwnedFd)> {
        // Inherited by the program, hence without CLOEXEC.
        let open = rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut command = Command::new(&self.setpriv);
        command.args(["--pdeathsig", "INT", "--no-new-privs"]);
        if let Account::Other { uid, gid } = self.account {
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        }
        command.arg("--").arg(program).args(first);
        command.arg("-D").arg(format!("/proc/self/fd/{}", open.as_raw_fd()));
        // Neither PGDATA nor a locale of the caller's.
        command.env_clear().env("PATH", path()).env("LC_ALL", "C").current_dir("/");
        Ok((command, open))
    }
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())
}

fn find_setpriv() -> Option<PathBuf> {
    let path = path();
    let directories = std::env::split_paths(&path).chain(["/usr/bin", "/bin"].map(PathBuf::from));
    directories.map(|directory| directory.join("setpriv")).find(|program| program.is_file())
}

/// A directory that nobody else can enter; one that somebody else made is refused.
fn make_private_directory(path: &Path, account: Account) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => account.give(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(path)?;
            let ours = found.is_dir() && found.uid() == account.uid() && found.mode() & 0o077 == 0;
            if ours { Ok(()) } else { Err(io::Error::other("somebody else made it")) }
        }
        Err(error) => Err(error),
    }
}

/// The last line that says what is wrong.
pub(super) fn last_complaint(said: &str) -> String {
    let serious = |line: &&str| ["FATAL", "PANIC", "ERROR", "error"].iter().any(|word| line.contains(word));
    let line = said.lines().rev().find(serious).or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
    line.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{last_complaint, url_of};

    #[test]
    fn a_socket_becomes_a_url() {
        assert_eq!(url_of(Path::new("/tmp/a-1")), "postgres://yakyak@localhost/yakyak?host=%2Ftmp%2Fa%2D1");
    }

    #[test]
    fn the_complaint_is_the_last_serious_line() {
        assert_eq!(last_complaint("LOG:  a\nFATAL:  no room\nLOG:  shut down\n\n"), "FATAL:  no room");
        assert_eq!(last_complaint("something\n"), "something");
        assert_eq!(last_complaint(""), "it said nothing");
    }
}
