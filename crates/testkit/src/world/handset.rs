//! Handset: a phone of the world, with verbs that read like a story.

use std::time::Duration;

use super::World;
use crate::Method;
use crate::phone::audio::Law;
use crate::phone::description::Hold;
use crate::phone::talk::Stage;
use crate::phone::{Manner, Phone, Reaction};

/// Something a person does with a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Register.
    Register,
    /// End the registration.
    Unregister,
    /// Call a number.
    Dial(String),
    /// Call a number without a description of one's own.
    DialLate(String),
    /// Go over to these codecs in mid-call.
    ChangeLaws(Vec<Law>),
    /// Ask the other side for a description.
    AskForOffer,
    /// Press a key that travels by INFO.
    PressByInfo(char),
    /// Say that one is still there, by UPDATE without a description.
    Refresh,
    /// Pick up what rings.
    PickUp,
    /// End the newest call, in whatever way its stage asks for.
    HangUp,
    /// Hold the other side.
    Hold(Hold),
    /// Take it back.
    Resume,
    /// Unplug the phone.
    Vanish,
}

/// A phone in somebody's hand.
pub struct Handset<'a> {
    world: &'a mut World,
    place: usize,
}

impl World {
    /// The phone with this name.
    ///
    /// # Panics
    /// There is none.
    pub fn phone(&mut self, name: &str) -> Handset<'_> {
        let place = self.place(name);
        Handset { world: self, place }
    }

    pub(super) fn place(&self, name: &str) -> usize {
        *self.names.get(name).unwrap_or_else(|| panic!("no phone {name}"))
    }

    /// Lets a phone do something.
    pub fn perform(&mut self, name: &str, verb: &Verb) {
        let (place, now) = (self.place(name), self.clock.now());
        let phone = &mut self.phones[place];
        match verb {
            Verb::Register => phone.register(now, phone.setup.expires),
            Verb::Unregister => phone.register(now, 0),
            Verb::Dial(number) => {
                phone.dial(now, number);
            }
            Verb::DialLate(number) => {
                let before = std::mem::replace(&mut phone.manner.skills.late_offer, true);
                phone.dial(now, number);
                phone.manner.skills.late_offer = before;
            }
            Verb::ChangeLaws(laws) => phone.change_laws(now, laws),
            Verb::AskForOffer => phone.ask_for_offer(now),
            Verb::PressByInfo(key) => phone.say(now, Method::Info, "application/dtmf", &key.to_string()),
            Verb::Refresh => phone.update(now, false),
            Verb::PickUp => {
                if let Some(call) = newest(phone, |stage| stage == Stage::Ringing) {
                    phone.pick_up(now, call);
                }
            }
            Verb::HangUp => {
                if let Some(call) = newest(phone, |stage| stage != Stage::Over) {
                    phone.hang_up(now, call);
                }
            }
            Verb::Hold(hold) => phone.hold(now, *hold),
            Verb::Resume => phone.resume(now),
            Verb::Vanish => phone.vanish(now),
        }
        self.settle_phone(place);
    }
}

fn newest(phone: &Phone, wanted: impl Fn(Stage) -> bool) -> Option<usize> {
    phone.talks.iter().rposition(|talk| wanted(talk.stage))
}

impl Handset<'_> {
    fn does(self, verb: &Verb) -> Self {
        let name = self.world.phones[self.place].setup.name.clone();
        self.world.perform(&name, verb);
        self
    }

    pub(super) fn manner(self, change: impl FnOnce(&mut Manner)) -> Self {
        change(&mut self.world.phones[self.place].manner);
        self
    }

    /// Does something that has no verb.
    pub(super) fn does_now(self, work: impl FnOnce(&mut Phone, std::time::Instant)) -> Self {
        let now = self.world.clock.now();
        work(&mut self.world.phones[self.place], now);
        self.world.settle_phone(self.place);
        self
    }

    /// The phone itself.
    pub fn phone(self, work: impl FnOnce(&mut Phone, std::time::Instant)) {
        let now = self.world.clock.now();
        work(&mut self.world.phones[self.place], now);
        self.world.settle_phone(self.place);
    }

    /// Registers.
    pub fn registers(self) -> Self {
        self.does(&Verb::Register)
    }

    /// Ends its registration.
    pub fn unregisters(self) -> Self {
        self.does(&Verb::Unregister)
    }

    /// Calls a number.
    pub fn dials(self, number: &str) -> Self {
        self.does(&Verb::Dial(number.to_owned()))
    }

    /// Picks up what rings.
    pub fn picks_up(self) -> Self {
        self.does(&Verb::PickUp)
    }

    /// Ends the newest call.
    pub fn hangs_up(self) -> Self {
        self.does(&Verb::HangUp)
    }

    /// Gives up a call that nobody has answered; the same as hanging up.
    pub fn cancels(self) -> Self {
        self.does(&Verb::HangUp)
    }

    /// Holds the other side, which still hears this phone.
    pub fn holds(self) -> Self {
        self.does(&Verb::Hold(Hold::SendOnly))
    }

    /// Holds the other side in another way.
    pub fn holds_with(self, hold: Hold) -> Self {
        self.does(&Verb::Hold(hold))
    }

    /// Takes the other side back.
    pub fn resumes(self) -> Self {
        self.does(&Verb::Resume)
    }

    /// Transfers its newest running call to a number.
    pub fn transfers_to(self, number: &str) -> Self {
        self.does_now(|phone, now| phone.transfer(now, number))
    }

    /// Joins the other sides of its two newest calls.
    pub fn joins_its_calls(self) -> Self {
        self.does_now(|phone, now| phone.join_calls(now))
    }

    /// From now on it hangs up as soon as a transfer of its has come about.
    pub fn leaves_after_transfers(self) -> Self {
        self.manner(|manner| manner.leaves = true)
    }

    /// Presses a key.
    pub fn presses(self, key: char) -> Self {
        self.world.phones[self.place].press(key);
        self.world.settle_phone(self.place);
        self
    }

    /// Asks the other side for a description of the session as it stands.
    pub fn asks_for_an_offer(self) -> Self {
        let now = self.world.clock.now();
        self.world.phones[self.place].ask_for_offer(now);
        self.world.settle_phone(self.place);
        self
    }

    /// From now on its signalling comes from another port.
    pub fn moves_to(self, port: u16) -> Self {
        self.world.phones[self.place].move_to(port);
        self
    }

    /// Its connection breaks, and both sides see it. It stays away.
    pub fn loses_its_connection(self) -> Self {
        self.world.cut_connection(self.place);
        self
    }

    /// It opens another connection, and registers over it.
    pub fn connects_again(self) -> Self {
        let now = self.world.clock.now();
        self.world.connected(self.place);
        self.world.phones[self.place].reconnect(now);
        self.world.settle_phone(self.place);
        self
    }

    /// Is unplugged.
    pub fn vanishes(self) -> Self {
        self.does(&Verb::Vanish)
    }

    /// From now on it answers calls after so many milliseconds.
    pub fn answers_after(self, ms: u64) -> Self {
        self.manner(|manner| {
            manner.reaction = Reaction::Answers;
            manner.after = Duration::from_millis(ms);
        })
    }

    /// From now on nobody answers.
    pub fn rings_on(self) -> Self {
        self.manner(|manner| manner.reaction = Reaction::RingsOn)
    }

    /// From now on it is busy.
    pub fn is_busy(self) -> Self {
        self.refuses(486, 0)
    }

    /// From now on it declines calls after having rung for a second.
    pub fn declines(self) -> Self {
        self.refuses(603, 1_000)
    }

    /// From now on it refuses calls with a status after so many milliseconds.
    pub fn refuses(self, code: u16, ms: u64) -> Self {
        self.manner(|manner| {
            manner.reaction = Reaction::Refuses(code);
            manner.after = Duration::from_millis(ms);
        })
    }

    /// From now on it speaks before it answers.
    pub fn speaks_early(self) -> Self {
        self.manner(|manner| manner.early_media = true)
    }

    /// From now on it says nothing while it rings.
    pub fn rings_silently(self) -> Self {
        self.manner(|manner| manner.rings = false)
    }

    /// From now on it never acknowledges.
    pub fn never_acknowledges(self) -> Self {
        self.manner(|manner| manner.acknowledges = false)
    }

    /// From now on it refuses every re-INVITE.
    pub fn refuses_changes(self) -> Self {
        self.manner(|manner| manner.refuses_changes = true)
    }

    /// From now on it answers a call at the moment it is withdrawn, so that 200 and CANCEL cross.
    pub fn crosses_cancels(self) -> Self {
        self.manner(|manner| manner.crosses_cancel = true)
    }

    /// From now on every call is answered from two ends at once, as from behind a proxy that forks.
    pub fn answers_twice(self) -> Self {
        self.manner(|manner| manner.answers_twice = true)
    }

    /// From now on it hangs up after so many milliseconds of talk.
    pub fn talks_for(self, ms: u64) -> Self {
        self.manner(|manner| manner.talks_for = Some(Duration::from_millis(ms)))
    }

    /// From now on no audio leaves it.
    pub fn is_mute(self) -> Self {
        self.manner(|manner| manner.speaks = false)
    }
}
