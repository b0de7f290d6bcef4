//! What can be seen of a world without changing it.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{CallLeg, CallRecord, JournalEntry};
use switch::Counts;

use super::World;
use crate::phone::Phone;
use crate::phone::audio::Sound;
use crate::phone::talk::{Stage, Talk};

/// How a tone or anything else that is nobody's voice is called.
pub const TONE: &str = "a tone";

impl World {
    /// The seed everything grows from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.config.seed
    }

    /// The phone with this name, to look at.
    #[must_use]
    pub fn look(&self, name: &str) -> &Phone {
        &self.phones[self.place(name)]
    }

    /// All phones.
    #[must_use]
    pub fn phones(&self) -> &[Phone] {
        &self.phones
    }

    /// The newest call of a phone.
    ///
    /// # Panics
    /// It has had none.
    #[must_use]
    pub fn talk(&self, name: &str) -> &Talk {
        self.look(name).last_talk().unwrap_or_else(|| panic!("seed {}: {name} has had no call", self.seed()))
    }

    /// Where the newest call of a phone stands; over when it has had none.
    #[must_use]
    pub fn stage(&self, name: &str) -> Stage {
        self.look(name).last_talk().map_or(Stage::Over, |talk| talk.stage)
    }

    /// Final status of the newest call of a phone.
    #[must_use]
    pub fn code(&self, name: &str) -> Option<u16> {
        self.look(name).last_talk().and_then(|talk| talk.code)
    }

    /// Whom a phone has heard in the last `window` of its running calls.
    #[must_use]
    pub fn hearing_within(&self, name: &str, window: Duration) -> Vec<String> {
        let now = self.clock.now();
        let mut names = BTreeSet::new();
        for talk in self.look(name).open_talks() {
            for (sound, heard) in talk.ear.heard() {
                if now.saturating_duration_since(heard.last) <= window {
                    names.insert(self.name_of(sound));
                }
            }
        }
        names.into_iter().collect()
    }

    /// Whom a phone hears at this moment: in the last tenth of a second, in calm weather.
    #[must_use]
    pub fn hearing(&self, name: &str) -> Vec<String> {
        self.hearing_within(name, Duration::from_millis(100))
    }

    /// Whom a phone has ever heard.
    #[must_use]
    pub fn heard(&self, name: &str) -> Vec<String> {
        let sounds = self.look(name).talks.iter().flat_map(|talk| talk.ear.heard());
        let names: BTreeSet<String> = sounds.map(|(sound, _)| self.name_of(sound)).collect();
        names.into_iter().collect()
    }

    /// Whose voice that is.
    #[must_use]
    pub fn name_of(&self, sound: Sound) -> String {
        match sound {
            Sound::Voice(voice) => match self.phones.get(usize::from(voice.0)) {
                Some(phone) => phone.setup.name.clone(),
                None => format!("unknown voice {}", voice.0),
            },
            Sound::Other => TONE.to_owned(),
        }
    }

    /// The closed records, in the order in which they were closed.
    pub fn records(&self) -> impl Iterator<Item = &CallRecord> {
        self.journal.iter().filter_map(|entry| match entry {
            JournalEntry::Closed(record) => Some(&**record),
            JournalEntry::Opened(_) | JournalEntry::Leg(_) | JournalEntry::Event(_) => None,
        })
    }

    /// The records as they were opened.
    pub fn opened_records(&self) -> impl Iterator<Item = &CallRecord> {
        self.journal.iter().filter_map(|entry| match entry {
            JournalEntry::Opened(record) => Some(&**record),
            JournalEntry::Closed(_) | JournalEntry::Leg(_) | JournalEntry::Event(_) => None,
        })
    }

    /// The legs.
    pub fn legs(&self) -> impl Iterator<Item = &CallLeg> {
        self.journal.iter().filter_map(|entry| match entry {
            JournalEntry::Leg(leg) => Some(&**leg),
            JournalEntry::Opened(_) | JournalEntry::Closed(_) | JournalEntry::Event(_) => None,
        })
    }

    /// The closed record of the newest call that a phone has dialled.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn record_of(&self, name: &str) -> &CallRecord {
        let call_id = &self.talk(name).call_id;
        let found = self.records().find(|record| record.call_id == *call_id);
        found.unwrap_or_else(|| panic!("seed {}: no record of {name}'s call", self.seed()))
    }

    /// How much there is of everything in the shard.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shard.counts()
    }

    /// The shard, to look at.
    #[must_use]
    pub fn shard(&self) -> &switch::Shard {
        &self.shard
    }

    /// Ports of the worker that are in use.
    #[must_use]
    pub fn open_ports(&self) -> usize {
        self.worker.open_ports()
    }

    /// Sessions the worker has opened so far, and those it could not open.
    #[must_use]
    pub fn sessions(&self) -> (u64, u64) {
        self.worker.opened()
    }

    /// Whether nothing goes on any more: no call, no transaction, no dialog of a call, no port, nobody who waits.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let counts = self.shard.counts();
        // Each subscription has its dialog; whoever still watches may.
        let endpoint = sip::Counts { dialogs: counts.subscriptions, ..sip::Counts::default() };
        let idle =
            counts.calls == 0 && counts.messages == 0 && counts.media_sessions == 0 && counts.endpoint == endpoint;
        idle && self.worker.open_ports() == 0 && self.phones.iter().all(Phone::is_quiet)
    }
}
