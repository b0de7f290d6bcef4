//! Finding `initdb` and `postgres` of one installation.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const OLDEST: u32 = 15;

/// One installation of the server.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
    version: u32,
}

impl Binaries {
    /// The newest installation, or the newest of this major version.
    pub(super) fn find(version: Option<&str>) -> Option<Self> {
        let mut found: Vec<Self> = directories().iter().filter_map(|directory| Self::in_directory(directory)).collect();
        found.retain(|binaries| version.is_none_or(|version| binaries.version.to_string() == version));
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.version));
        found.into_iter().next()
    }

    /// Both programs must stand together and answer with the same version, so that a wrapper of one is not mixed with
    /// the other.
    fn in_directory(directory: &Path) -> Option<Self> {
        // Distributions link from PATH to where the installation really is.
        let initdb = directory.join("initdb").canonicalize().ok()?;
        let postgres = initdb.parent()?.join("postgres");
        let version = major(&postgres)?;
        (version >= OLDEST && major(&initdb)? == version).then_some(Self { initdb, postgres, version })
    }
}

/// PATH first, then where the distributions keep servers.
fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for parent in ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/homebrew/opt"] {
        let versions = std::fs::read_dir(parent).into_iter().flatten().flatten();
        directories.extend(versions.map(|version| version.path().join("bin")));
    }
    directories.extend((OLDEST..40).map(|version| PathBuf::from(format!("/usr/pgsql-{version}/bin"))));
    directories.push(PathBuf::from("/usr/local/pgsql/bin"));
    directories
}

/// The major version a program says it has.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` has 15, `17beta1` has 17.
fn parse(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Binaries, parse};

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse("initdb (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(parse("postgres: cannot be run here"), None);
    }

    #[test]
    fn an_installation_that_is_not_there_is_not_found() {
        assert!(Binaries::find(Some("9")).is_none());
        assert!(Binaries::find(None).is_some(), "these tests need a PostgreSQL server: apt-get install postgresql");
    }
}
