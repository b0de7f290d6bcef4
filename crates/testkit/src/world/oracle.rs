//! Oracles: what must be so after every simulated day, whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{CallEventKind, CallId, CallRecord, CallStatus, JournalEntry, TenantStatus};

use super::World;
use crate::network::{Datagram, Weather};
use crate::phone::Phone;
use crate::phone::audio::Sound;
use crate::phone::talk::{Role, Stage, Talk};

/// How long everything may take to come to rest: three transaction timeouts, and the patience of a phone.
const REST: Duration = Duration::from_secs(400);

/// Numbers of the pair that is plugged in at the end.
const FRESH: [&str; 2] = ["7701", "7702"];

impl World {
    /// The end of a test: everything comes to rest, and every oracle is asked.
    ///
    /// # Panics
    /// One of them objects.
    pub fn finish(mut self) {
        let faults = self.faults();
        assert!(faults.is_empty(), "seed {}:\n  {}", self.seed(), faults.join("\n  "));
    }

    /// What the oracles object to.
    pub fn faults(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        self.rest(&mut faults);
        self.check_records(&mut faults);
        self.check_isolation(&mut faults);
        if faults.is_empty() && !self.is_draining {
            self.check_liveness(&mut faults);
            self.rest(&mut faults);
            self.check_records(&mut faults);
            self.check_isolation(&mut faults);
        }
        faults
    }

    /// All counts come back to zero.
    fn rest(&mut self, faults: &mut Vec<String>) {
        if !self.run_until(REST, World::is_quiet) {
            let busy: Vec<&str> =
                self.phones.iter().filter(|phone| !phone.is_quiet()).map(|phone| phone.setup.name.as_str()).collect();
            faults.push(format!(
                "no rest after {REST:?}: {:?}, {} ports, phones {busy:?}",
                self.counts(),
                self.open_ports()
            ));
        }
        // What was on its way when the last call ended.
        self.seconds(5);
    }

    /// Exactly one opened and one closed record for each call that was let in, and sane ones.
    fn check_records(&self, faults: &mut Vec<String>) {
        let opened: Vec<&CallRecord> = self.opened_records().collect();
        let closed: Vec<&CallRecord> = self.records().collect();
        let mut ids = BTreeSet::new();
        for record in &opened {
            if !ids.insert(record.id) {
                faults.push(format!("{:?} was opened twice", record.id));
            }
        }
        let mut ends = BTreeSet::new();
        for record in &closed {
            if !ends.insert(record.id) || !ids.contains(&record.id) {
                faults.push(format!("{:?} was closed twice, or never opened", record.id));
            }
            faults.extend(insane(record).map(|why| format!("{why}: {record:?}")));
        }
        faults.extend(ids.difference(&ends).map(|id| format!("{id:?} was never closed")));
        self.check_history(&ids, faults);
        self.check_calls(&closed, faults);
    }

    /// Legs and events belong to calls; each call begins and ends once.
    fn check_history(&self, ids: &BTreeSet<CallId>, faults: &mut Vec<String>) {
        let mut ended: BTreeMap<CallId, (usize, usize)> = BTreeMap::new();
        for entry in &self.journal {
            match entry {
                JournalEntry::Event(event) => {
                    let counts = ended.entry(event.call_id).or_default();
                    counts.0 += usize::from(event.kind == CallEventKind::Initiated);
                    counts.1 += usize::from(event.kind == CallEventKind::Ended);
                }
                JournalEntry::Leg(leg) if !ids.contains(&leg.call_id) => {
                    faults.push(format!("a leg of no call: {leg:?}"))
                }
                JournalEntry::Leg(leg) if leg.end_time < leg.start_time => {
                    faults.push(format!("a leg backwards: {leg:?}"))
                }
                JournalEntry::Leg(_) | JournalEntry::Opened(_) | JournalEntry::Closed(_) => {}
            }
        }
        for id in ids {
            if ended.get(id) != Some(&(1, 1)) {
                faults.push(format!("{id:?} began and ended {:?} times", ended.get(id)));
            }
            let callers = self.legs().filter(|leg| leg.call_id == *id && leg.is_caller).count();
            if callers != 1 {
                faults.push(format!("{id:?} has {callers} caller legs"));
            }
        }
    }

    /// Records and what the callers saw.
    fn check_calls(&self, closed: &[&CallRecord], faults: &mut Vec<String>) {
        let mut of_call: BTreeMap<&str, Vec<&CallRecord>> = BTreeMap::new();
        for record in closed {
            of_call.entry(&record.call_id).or_default().push(record);
        }
        for phone in &self.phones {
            // Who takes somebody's place has a leg in the other's call and none of its own, or is refused.
            let calls = |talk: &&Talk| talk.role == Role::Caller && !talk.replaces;
            for talk in phone.talks.iter().filter(calls) {
                let records = of_call.remove(talk.call_id.as_str()).unwrap_or_default();
                match records.as_slice() {
                    [] if !talk.admitted => {}
                    [record] => self.compare(phone, talk, record, faults),
                    several => {
                        faults.push(format!("{} records of {}'s call {talk:?}", several.len(), phone.setup.name))
                    }
                }
            }
        }
        faults.extend(of_call.keys().map(|call_id| format!("a record of a call nobody made: {call_id}")));
    }

    fn compare(&self, phone: &Phone, talk: &Talk, record: &CallRecord, faults: &mut Vec<String>) {
        let mut wrong = |what: &str| faults.push(format!("{what}: {}'s {talk:?} against {record:?}", phone.setup.name));
        if record.caller_number.as_deref() != Some(&phone.setup.extension) {
            wrong("another caller");
        }
        if record.tenant_id != self.tenant(&phone.setup.tenant).id() {
            wrong("another tenant");
        }
        // After a transfer the caller's call may end before, or be answered without, the one of the record.
        let may_differ = phone.is_gone() || phone.was_cut() || self.was_transferred(record.id);
        if self.config.weather != Weather::CALM || may_differ {
            return;
        }
        if talk.answered_at.is_some() != record.answer_time.is_some() {
            wrong("answered here and not there");
        }
        if talk.code != record.sip_response_code {
            wrong("another status");
        }
        let seen = |at: Option<std::time::Instant>| at.map(|at| (at - self.clock.start()).as_millis());
        let written = |at: Option<jiff::Timestamp>| at.map(|at| (at.as_millisecond() - START_MS).unsigned_abs().into());
        if seen(talk.answered_at) != written(record.answer_time) {
            wrong("another time of answer");
        }
        if talk.acknowledges_end() && seen(talk.over_at) != written(record.end_time) {
            wrong("another time of end");
        }
    }

    fn was_transferred(&self, id: CallId) -> bool {
        self.journal.iter().any(|entry| {
            matches!(entry, JournalEntry::Event(event) if event.call_id == id && event.kind == CallEventKind::Transferred)
        })
    }

    /// Looks at whatever reaches a phone for traces of other tenants.
    pub(super) fn watch(&mut self, place: usize, datagram: &Datagram) {
        let phone = &self.phones[place];
        if datagram.to != phone.setup.address || self.tenants.len() < 2 {
            return;
        }
        for tenant in self.tenants.values().filter(|tenant| tenant.slug() != phone.setup.tenant) {
            for trace in [tenant.domain(), tenant.realm()] {
                if datagram.bytes.windows(trace.len()).any(|window| window == trace.as_bytes()) {
                    let text = String::from_utf8_lossy(&datagram.bytes);
                    self.breaches.push(format!("{} got a message that names {trace}: {text}", phone.setup.name));
                }
            }
        }
    }

    /// Nobody has seen or heard anything of another tenant, and nobody got what could not be read.
    fn check_isolation(&mut self, faults: &mut Vec<String>) {
        faults.append(&mut self.breaches);
        for phone in &self.phones {
            let name = &phone.setup.name;
            faults.extend(phone.complaints.iter().map(|complaint| format!("{name} complains: {complaint}")));
            let heard = phone.talks.iter().flat_map(|talk| talk.ear.heard().map(|(sound, _)| sound));
            let overheard = phone.overheard.iter().map(|(_, sound)| *sound);
            let sounds: BTreeSet<Sound> = heard.chain(overheard).collect();
            for sound in sounds {
                let Sound::Voice(voice) = sound else { continue };
                match self.phones.get(usize::from(voice.0)) {
                    Some(speaker) if speaker.setup.tenant == phone.setup.tenant => {}
                    Some(speaker) => faults.push(format!("{name} heard {} of another tenant", speaker.setup.name)),
                    None => faults.push(format!("{name} heard a stranger, {voice:?}")),
                }
            }
        }
    }

    /// A fresh pair of phones registers, talks, and is heard.
    fn check_liveness(&mut self, faults: &mut Vec<String>) {
        let alive = |world: &World, slug: &str| world.tenant(slug).snapshot().tenant.status == TenantStatus::Active;
        let Some(slug) = self.tenants.keys().find(|slug| alive(self, slug)).cloned() else { return };
        self.network.set_weather(Weather::CALM);
        self.add_tenant(self.tenant(&slug).with_extensions(&FRESH).next_revision());
        for number in FRESH {
            self.plug_in(&slug, number, &format!("fresh {number}"), |setup| setup);
            self.phone(&format!("fresh {number}")).registers().answers_after(500);
        }
        self.seconds(1);
        self.phone("fresh 7701").dials(FRESH[1]);
        self.seconds(3);
        for (here, there) in [("fresh 7701", "fresh 7702"), ("fresh 7702", "fresh 7701")] {
            if self.stage(here) != Stage::Talking || self.hearing(here) != [there] {
                let (code, stage) = (self.code(here), self.stage(here));
                faults.push(format!("{here} hears {:?}, {stage:?} {code:?}", self.hearing(here)));
            }
        }
        self.phone("fresh 7701").hangs_up();
        self.seconds(1);
    }
}

/// When the clock of every world begins, in milliseconds since 1970.
const START_MS: i64 = 1_893_456_000_000;

impl Talk {
    /// Whether the end of the call at the phone is the end of it at the switch, in calm weather.
    fn acknowledges_end(&self) -> bool {
        self.answered_at.is_some()
    }
}

/// What cannot be true of a closed record.
fn insane(record: &CallRecord) -> Option<&'static str> {
    let end = record.end_time?;
    let times = [Some(record.start_time), record.ringing_at, record.answer_time, Some(end)];
    let in_order = times.into_iter().flatten().collect::<Vec<_>>().is_sorted();
    let answered = record.answer_time.is_some();
    match record.status {
        _ if !in_order => Some("times run backwards"),
        CallStatus::Active => Some("closed and active"),
        CallStatus::Completed if !answered => Some("completed and never answered"),
        CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Cancelled | CallStatus::Rejected if answered => {
            Some("answered and refused")
        }
        _ if answered != (record.sip_response_code == Some(200)) => Some("answered with another status"),
        _ if record.hangup_by.is_none() || record.hangup_cause.is_none() => Some("ended by nobody"),
        _ if record.disconnect_reason.as_deref().is_none_or(str::is_empty) => Some("ended for no reason"),
        _ if record.call_duration_ms().is_some_and(|ms| ms < 0) => Some("a negative duration"),
        _ => None,
    }
}
