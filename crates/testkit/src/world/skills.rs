//! What a handset can do beyond RFC 3261, as verbs.

use super::Handset;
use crate::Method;
use crate::phone::audio::Law;
use crate::phone::description::Hold;
use crate::phone::skill::{Refreshes, Reliable, Skills, TimerSkill};

impl Handset<'_> {
    fn skill(self, change: impl FnOnce(&mut Skills)) -> Self {
        self.manner(|manner| change(&mut manner.skills))
    }

    /// From now on it takes UPDATE, and uses it for its own changes.
    pub fn knows_update(self) -> Self {
        self.skill(|skills| skills.update = true)
    }

    /// From now on it uses reliable provisional answers in this way.
    pub fn is_reliable(self, reliable: Reliable) -> Self {
        self.skill(|skills| skills.reliable = reliable)
    }

    /// From now on its sessions last so many seconds, unless they are refreshed by whom it wants.
    pub fn times_sessions(self, expires_s: u32, refreshes: Refreshes) -> Self {
        let timer = TimerSkill { expires_s, min_se_s: 90, refreshes, keeps_promises: true };
        self.skill(|skills| skills.timer = Some(timer))
    }

    /// From now on it takes no session interval shorter than this, in seconds.
    pub fn takes_no_less_than(self, min_se_s: u32) -> Self {
        self.skill(|skills| {
            if let Some(timer) = &mut skills.timer {
                timer.min_se_s = min_se_s;
            }
        })
    }

    /// From now on it does not refresh sessions, whatever it promises.
    pub fn breaks_promises(self) -> Self {
        self.skill(|skills| {
            if let Some(timer) = &mut skills.timer {
                timer.keeps_promises = false;
            }
        })
    }

    /// From now on it calls without a description.
    pub fn offers_late(self) -> Self {
        self.skill(|skills| skills.late_offer = true)
    }

    /// From now on so many ends ring behind it; the last one takes calls.
    pub fn forks_into(self, early_dialogs: u8) -> Self {
        self.skill(|skills| skills.early_dialogs = early_dialogs)
    }

    /// From now on it answers this to what is said to it in a call.
    pub fn answers_info_with(self, code: u16) -> Self {
        self.skill(|skills| skills.info = code)
    }

    /// Sends an UPDATE in its newest call, with a description or without.
    pub fn updates(self, describes: bool) -> Self {
        self.does_now(|phone, now| phone.update(now, describes))
    }

    /// Holds the other side by UPDATE, or takes it back, whether anybody has answered or not.
    pub fn updates_to(self, hold: Option<Hold>) -> Self {
        self.does_now(|phone, now| phone.update_hold(now, hold))
    }

    /// Goes over to these codecs.
    pub fn changes_laws(self, laws: &[Law]) -> Self {
        self.does_now(|phone, now| phone.change_laws(now, laws))
    }

    /// Says something in its newest call.
    pub fn says(self, method: Method, content_type: &str, body: &str) -> Self {
        self.does_now(|phone, now| phone.say(now, method, content_type, body))
    }
}
