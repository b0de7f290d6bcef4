use std::fmt::Debug;
use std::time::{Duration, Instant};

use sip::transaction::{client, invite_client, invite_server, provisional, server};

/// The verbs that all four machines have in common.
pub(super) trait Machine {
    type Output: Debug + PartialEq;
    fn handle_timeout(&mut self, now: Instant);
    fn handle_transport_error(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_output(&mut self) -> Option<Self::Output>;
}

macro_rules! machine {
    ($machine:ty, $output:ty) => {
        impl Machine for $machine {
            type Output = $output;
            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
            fn handle_transport_error(&mut self, now: Instant) {
                self.handle_transport_error(now);
            }
            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }
            fn poll_output(&mut self) -> Option<$output> {
                self.poll_output()
            }
        }
    };
}

machine!(client::Client, client::Output);
machine!(invite_client::InviteClient, invite_client::Output);
machine!(invite_server::InviteServer, invite_server::Output);
machine!(server::Server, server::Output);

impl Machine for provisional::Provisional {
    type Output = provisional::Output;
    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    /// Nothing is told of the transport.
    fn handle_transport_error(&mut self, _: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn poll_output(&mut self) -> Option<provisional::Output> {
        self.poll_output()
    }
}

/// A machine on a virtual clock, and all it has done since the last `expect`.
pub(super) struct Bench<M: Machine> {
    start: Instant,
    now: Instant,
    machine: M,
    log: Vec<(u64, M::Output)>,
}

impl<M: Machine> Bench<M> {
    #[expect(clippy::disallowed_methods, reason = "a virtual clock needs one real instant to count from")]
    pub(super) fn new(make: impl FnOnce(Instant) -> M) -> Bench<M> {
        let start = Instant::now();
        let mut bench = Bench { start, now: start, machine: make(start), log: Vec::new() };
        bench.drain();
        bench
    }

    /// Lets the clock run to `at_ms`, stopping at every deadline on the way, that of `at_ms` included.
    pub(super) fn run_to(&mut self, at_ms: u64) -> &mut Bench<M> {
        let end = self.start + Duration::from_millis(at_ms);
        while let Some(deadline) = self.machine.poll_timeout().filter(|&deadline| deadline <= end) {
            assert!(deadline >= self.now, "a deadline in the past");
            self.now = deadline;
            self.machine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        // Called between deadlines, a machine must do nothing.
        self.machine.handle_timeout(self.now);
        self.drain();
        self
    }

    /// Wakes the machine only at `at_ms`, however many deadlines have passed.
    pub(super) fn oversleep_to(&mut self, at_ms: u64) -> &mut Bench<M> {
        self.now = self.start + Duration::from_millis(at_ms);
        self.machine.handle_timeout(self.now);
        self.drain();
        self
    }

    pub(super) fn input(&mut self, give: impl FnOnce(&mut M, Instant)) -> &mut Bench<M> {
        give(&mut self.machine, self.now);
        self.drain();
        self
    }

    pub(super) fn transport_error(&mut self) -> &mut Bench<M> {
        self.input(|machine, now| machine.handle_transport_error(now))
    }

    /// Everything done since the last `expect` is exactly this.
    #[track_caller]
    pub(super) fn expect(&mut self, expected: impl IntoIterator<Item = (u64, M::Output)>) -> &mut Bench<M> {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(self.log, expected);
        self.log.clear();
        self
    }

    /// The next deadline, in milliseconds since the start.
    #[track_caller]
    pub(super) fn expect_deadline(&mut self, at_ms: Option<u64>) -> &mut Bench<M> {
        let deadline = self.machine.poll_timeout().map(|at| (at - self.start).as_millis());
        assert_eq!(deadline, at_ms.map(u128::from));
        self
    }

    fn drain(&mut self) {
        let at_ms = u64::try_from((self.now - self.start).as_millis()).expect("tests are short");
        while let Some(output) = self.machine.poll_output() {
            self.log.push((at_ms, output));
        }
    }
}
