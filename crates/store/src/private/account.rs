//! The user the server runs as: PostgreSQL refuses root.

use std::path::Path;

use rustix::process::geteuid;

use super::PrivateError;

/// Who owns the files and runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Ourselves; nothing to change.
    Ours,
    /// Another user, which we become because we are root.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Account {
    pub(super) fn of_the_server() -> Result<Self, PrivateError> {
        if !geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&users, "postgres").or_else(|| find(&users, "nobody")).ok_or(PrivateError::NoAccount)
    }

    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Ours => geteuid().as_raw(),
            Self::Other { uid, .. } => uid,
        }
    }

    /// Gives a file of ours to the account.
    pub(super) fn give(self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid } => std::os::unix::fs::lchown(path, Some(uid), Some(gid)),
        }
    }
}

fn find(users: &str, name: &str) -> Option<Account> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    let uid = fields.get(2)?.parse().ok().filter(|&uid| uid != 0)?;
    let gid = fields.get(3)?.parse().ok()?;
    Some(Account::Other { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::{Account, find};

    #[test]
    fn users_are_found_by_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n\nodd\n";
        assert_eq!(find(users, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(find(users, "root"), None);
        assert_eq!(find(users, "odd"), None);
        assert_eq!(find(users, "nobody"), None);
    }
}
