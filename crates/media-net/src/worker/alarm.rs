//! What wakes the worker for its first deadline.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer of the kernel, set only when it would go off too late. A time limit on each wait would set and
/// clear one for every packet, which costs more than all that we do with the packet.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: OwnedFd,
    set_to: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Alarm { timer: timerfd_create(TimerfdClockId::Monotonic, flags)?, set_to: None })
    }

    /// The timer is readable. It stays so until it is set anew or read.
    pub(super) fn went_off(&mut self) {
        let _ = rustix::io::read(&self.timer, &mut [0_u8; 8]);
        self.set_to = None;
    }

    /// Makes sure to be woken by `wanted`. Being woken before costs one look at the deadlines.
    pub(super) fn set(&mut self, wanted: Option<Instant>, now: Instant) {
        let Some(wanted) = wanted else { return };
        if self.set_to.is_some_and(|set_to| set_to <= wanted) {
            return;
        }
        // No time at all would switch the timer off.
        let wait = wanted.saturating_duration_since(now).max(std::time::Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let time = Itimerspec { it_interval: Timespec::default(), it_value };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time).is_ok() {
            self.set_to = Some(wanted);
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn goes_off_within(alarm: &Alarm, time: Duration) -> bool {
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        poll(&mut [PollFd::new(alarm, PollFlags::IN)], Some(&time)).unwrap() > 0
    }

    #[test]
    fn it_goes_off_by_the_earliest_time_asked_for() {
        let now = Instant::now();
        let mut alarm = Alarm::new().unwrap();
        alarm.set(None, now);
        alarm.set(Some(now + Duration::from_secs(60)), now);
        alarm.set(Some(now + Duration::from_millis(20)), now);
        alarm.set(Some(now + Duration::from_secs(60)), now);
        assert!(!goes_off_within(&alarm, Duration::from_millis(1)));
        assert!(goes_off_within(&alarm, Duration::from_millis(900)));
        alarm.went_off();
        assert!(!goes_off_within(&alarm, Duration::from_millis(1)));
    }

    #[test]
    fn a_time_that_has_passed_goes_off_at_once() {
        let now = Instant::now();
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(now), now);
        assert!(goes_off_within(&alarm, Duration::from_millis(500)));
    }
}
