//! What an earlier start left behind: a server that is still ending, or the lock files of one that was killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PrivateError;

/// How long a server may take to write everything out.
const ENDING: Duration = Duration::from_secs(60);
/// How long the parts of a killed server may take to notice.
const NOTICING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Ends every server process on the directory, and removes its pid file and the lock of its socket.
///
/// They are removed only when no process works there any more. PostgreSQL would judge by the process id alone, which
/// after a restart of a container often belongs to somebody else, and which a killed server keeps until it is reaped.
pub(super) fn end(directory: &Path, sockets: &Path) -> Result<(), PrivateError> {
    let pid_file = directory.join("postmaster.pid");
    let running = processes(directory);
    if !running.is_empty() {
        tracing::warn!(processes = running.len(), "an earlier private PostgreSQL is still there; ending it");
        let postmaster = first_number(&pid_file).filter(|pid| running.contains(pid));
        signal(postmaster.as_slice(), Signal::INT);
        let patience = if postmaster.is_some() { ENDING } else { NOTICING };
        if !wait_for_none(directory, patience) {
            // The immediate shutdown: nothing committed is lost, the next start replays its log.
            signal(&processes(directory), Signal::QUIT);
            if !wait_for_none(directory, NOTICING) {
                let process = processes(directory).first().copied().unwrap_or_default();
                return Err(PrivateError::Leftover { process, directory: directory.to_owned() });
            }
        }
    }
    remove(pid_file)?;
    for entry in std::fs::read_dir(sockets).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            remove(entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: PathBuf) -> Result<(), PrivateError> {
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PrivateError::Unusable { path, source }),
        _ => Ok(()),
    }
}

fn signal(processes: &[i32], signal: Signal) {
    for pid in processes.iter().filter_map(|&pid| Pid::from_raw(pid)) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

fn wait_for_none(directory: &Path, patience: Duration) -> bool {
    let give_up_at = Instant::now() + patience;
    while Instant::now() < give_up_at {
        if processes(directory).is_empty() {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

/// Processes named postgres that work in the directory: the server and its parts, whoever started them.
fn processes(directory: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| works_in(pid, directory))
        .collect()
}

fn works_in(pid: i32, directory: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == directory)
        && std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.starts_with("postgres"))
}

fn first_number(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}
