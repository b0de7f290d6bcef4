//! The thread that starts the server, watches it, starts it again and stops it.
//!
//! The kernel ends the server when the thread that started it ends, so this one lives as long as the server may.

use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::{Cluster, last_complaint};
use super::{PrivateError, leftovers};

const LOOK: Duration = Duration::from_millis(10);
const WATCH: Duration = Duration::from_millis(100);
/// Replaying the log after a crash takes its time.
const READY: Duration = Duration::from_mins(10);
const STOP: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The handle of the thread.
#[derive(Debug)]
pub(super) struct Supervisor {
    thread: Option<JoinHandle<()>>,
    stop: Option<Sender<()>>,
    process: Arc<AtomicU32>,
}

impl Supervisor {
    /// Starts the server and waits until it is ready.
    pub(super) fn start(cluster: Cluster, settings: Vec<String>) -> Result<Self, PrivateError> {
        let (stop, stopped) = channel();
        let (report, first) = channel();
        let process = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&process);
        let log = cluster.log().to_owned();
        let failed = |reason: String| PrivateError::Start { reason, log: log.clone() };
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || Watch { cluster, settings, process: shared, stopped }.run(&report))
            .map_err(|error| failed(error.to_string()))?;
        let supervisor = Self { thread: Some(thread), stop: Some(stop), process };
        match first.recv() {
            Ok(Ok(())) => Ok(supervisor),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(failed("its supervisor has ended".to_owned())),
        }
    }

    pub(super) fn process(&self) -> Option<u32> {
        Some(self.process.load(Ordering::Relaxed)).filter(|&process| process != 0)
    }

    /// Stops the server and waits for it.
    pub(super) fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the supervisor of the private database has panicked");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Watch {
    cluster: Cluster,
    settings: Vec<String>,
    process: Arc<AtomicU32>,
    /// Disconnected when the server shall stop.
    stopped: Receiver<()>,
}

impl Watch {
    fn run(&self, report: &Sender<Result<(), PrivateError>>) {
        self.supervise(report);
        self.process.store(0, Ordering::Relaxed);
        self.cluster.tidy();
    }

    fn supervise(&self, report: &Sender<Result<(), PrivateError>>) {
        let mut child = match self.start_server() {
            Ok(child) => child,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        if report.send(Ok(())).is_err() {
            return stop_server(&mut child);
        }
        loop {
            if !self.watch(&mut child) {
                return stop_server(&mut child);
            }
            self.process.store(0, Ordering::Relaxed);
            tracing::error!("the private database has ended by itself; starting it again");
            match self.restart() {
                Some(again) => child = again,
                None => return,
            }
        }
    }

    /// True when the server ended by itself, false when it shall stop.
    fn watch(&self, child: &mut Child) -> bool {
        loop {
            match self.stopped.recv_timeout(WATCH) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            if !matches!(child.try_wait(), Ok(None)) {
                return true;
            }
        }
    }

    /// Tries until it runs; `None` when it shall stop meanwhile.
    fn restart(&self) -> Option<Child> {
        let mut wait = WATCH;
        loop {
            let started =
                leftovers::end(self.cluster.directory(), self.cluster.sockets()).and_then(|()| self.start_server());
            match started {
                Ok(child) => return Some(child),
                Err(error) => tracing::error!(%error, "the private database does not come back; trying again"),
            }
            match self.stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => wait = (wait * 2).min(LONGEST_WAIT),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn start_server(&self) -> Result<Child, PrivateError> {
        let failed = |reason: String| PrivateError::Start { reason, log: self.cluster.log().to_owned() };
        let before = std::fs::metadata(self.cluster.log()).map_or(0, |log| log.len());
        let (mut command, open) = self.cluster.server(&self.settings).map_err(|error| failed(error.to_string()))?;
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        drop(open);
        let give_up_at = Instant::now() + READY;
        while !is_ready(self.cluster.directory(), child.id()) {
            match child.try_wait() {
                Ok(None) if Instant::now() < give_up_at => std::thread::sleep(LOOK),
                Ok(None) => {
                    stop_server(&mut child);
                    return Err(failed("it is not ready after ten minutes".to_owned()));
                }
                Ok(Some(_)) | Err(_) => return Err(failed(said_since(self.cluster.log(), before))),
            }
        }
        self.process.store(child.id(), Ordering::Relaxed);
        Ok(child)
    }
}

/// The server writes its process into the first line of its pid file and its state into the eighth.
fn is_ready(directory: &Path, process: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(directory.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next().is_some_and(|line| line.trim() == process.to_string())
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn said_since(log: &Path, before: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let start = usize::try_from(before).ok().filter(|&start| start <= text.len()).unwrap_or(0);
    last_complaint(&String::from_utf8_lossy(&text[start..]))
}

/// The fast shutdown, and the immediate one when that takes too long.
fn stop_server(child: &mut Child) {
    for (signal, patience) in [(Signal::INT, STOP), (Signal::QUIT, STOP)] {
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // Not reaped yet, so the process id is still the child's.
            let _ = kill_process(pid, signal);
        }
        let give_up_at = Instant::now() + patience;
        while Instant::now() < give_up_at {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}
