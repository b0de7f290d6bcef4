//! Lanes: everything that waits for a shard, in the order in which it will be done.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sip::Flow;

use super::fair::Fair;
use super::{Class, Fate, Standing};
use crate::limits;

/// How long the oldest of a group may wait before others of it are turned away.
const CALL_PATIENCE: Duration = Duration::from_millis(40);
const RENEWAL_PATIENCE: Duration = Duration::from_millis(200);
const STRANGER_PATIENCE: Duration = Duration::from_millis(100);
/// So many of a group may always wait, strangers excepted: when they wait long, it is not for one another.
const FEW: usize = 16;
/// What each lane is sure of when a batch is taken; the first two are emptied before.
const SHARES: [(Class, usize); 3] = [(Class::Call, 5), (Class::Renewal, 2), (Class::Stranger, 1)];

/// Something that waits.
#[derive(Debug)]
pub struct Letter<T> {
    /// When it came.
    pub at: Instant,
    /// What it is.
    pub item: T,
    /// The flow it came over, if it came from outside and may wait long enough for that to have ended.
    flow: Option<Flow>,
    number: u64,
}

/// What has become of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered<T> {
    /// It waits.
    Taken,
    /// There is no room for it: the sender shall be told to come again.
    TurnedAway(T),
    /// There is no room for it: it is lost, as on the wire.
    Lost,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Lanes<T> {
    urgent: VecDeque<Letter<T>>,
    /// Messages from outside among the urgent.
    urgent_messages: usize,
    emergency: Fair<Letter<T>>,
    calls: Fair<Letter<T>>,
    renewals: Fair<Letter<T>>,
    strangers: Fair<Letter<T>>,
    number: u64,
    /// Connections that have ended, and the number of the letter that said so.
    closed: HashMap<Flow, u64>,
    taken: Marks,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            urgent_messages: 0,
            emergency: Fair::default(),
            calls: Fair::default(),
            renewals: Fair::default(),
            strangers: Fair::default(),
            number: 0,
            closed: HashMap::new(),
            taken: Marks::default(),
        }
    }
}

impl<T> Lanes<T> {
    /// Takes in a fact, a change or a question of the house: it must not be lost, and waits behind the urgent alone.
    pub fn post(&mut self, now: Instant, item: T) {
        let letter = self.letter(now, item, None);
        self.urgent.push_back(letter);
    }

    /// A connection has ended. What it asked for and still waits is not done any more: an answer would find nobody, and a
    /// binding would be one to nowhere. What it ended or acknowledged is done all the same.
    pub fn closed(&mut self, now: Instant, flow: Flow, item: T) {
        self.post(now, item);
        if self.waiting() > self.urgent.len() && self.closed.len() < limits::LANE {
            self.closed.insert(flow, self.number);
        }
    }

    /// Takes in a message, if there is room for it.
    pub fn offer(
        &mut self,
        now: Instant,
        (class, fate): (Class, Fate),
        (flow, standing): (Flow, Standing),
        item: T,
    ) -> Offered<T> {
        let group = group(&flow, standing);
        let (waiting, waited) = match class {
            Class::Urgent => (self.urgent_messages, false),
            class => {
                let (lane, patience) = self.lane(class);
                let waited = lane.waiting(group).is_some_and(|(waiting, since)| {
                    let few = class != Class::Stranger && waiting < FEW;
                    patience.is_some_and(|patience| now.saturating_duration_since(since) > patience) && !few
                });
                (lane.len(), waited)
            }
        };
        let room = limits::LANE.saturating_sub(waiting);
        match fate {
            Fate::Waits if room == 0 => return Offered::Lost,
            Fate::Waits => {}
            Fate::TurnedAwayUnless(mark) => {
                if (waited || room == 0) && self.taken.has(mark) {
                    return Offered::Lost;
                }
                if waited || room == 0 {
                    return Offered::TurnedAway(item);
                }
                self.taken.note(mark);
            }
            Fate::TurnedAway if waited || room == 0 => return Offered::TurnedAway(item),
            Fate::TurnedAway => {}
        }
        if class == Class::Urgent {
            self.urgent_messages += 1;
        }
        let outlives = flow.transport.is_reliable() && class != Class::Urgent;
        let mut letter = self.letter(now, item, outlives.then_some(flow));
        match class {
            Class::Urgent => {
                letter.flow = Some(flow);
                self.urgent.push_back(letter);
            }
            class => self.lane(class).0.push(now, group, letter),
        }
        Offered::Taken
    }

    /// Takes out what shall be done next: a few letters, all of the urgent first, and of the others as much of each lane
    /// as is its due.
    pub fn take(&mut self, out: &mut Vec<Letter<T>>) {
        let most = limits::BATCH;
        while out.len() < most
            && let Some(letter) = self.urgent.pop_front()
        {
            self.urgent_messages -= usize::from(letter.flow.is_some());
            out.push(letter);
        }
        self.draw(Class::Emergency, most, most, out);
        let before = out.len();
        for (class, share) in SHARES {
            // With urgent work at hand the shares shrink, but none to nothing.
            let share = (share * most.saturating_sub(before) / most).max(1);
            self.draw(class, share, most + SHARES.len(), out);
        }
        for (class, _) in SHARES {
            self.draw(class, most, most, out);
        }
        if self.waiting() == 0 {
            self.closed.clear();
        }
    }

    /// How many letters wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let others = [&self.emergency, &self.calls, &self.renewals, &self.strangers];
        self.urgent.len() + others.iter().map(|lane| lane.len()).sum::<usize>()
    }

    /// Draws up to `share` letters of a lane, as long as there are fewer than `most`.
    fn draw(&mut self, class: Class, share: usize, most: usize, out: &mut Vec<Letter<T>>) {
        let mut drawn = 0;
        while drawn < share && out.len() < most {
            let Some((_, letter)) = self.lane(class).0.pop() else { return };
            let over = |flow| self.closed.get(flow).is_some_and(|closed| *closed > letter.number);
            if letter.flow.as_ref().is_some_and(over) {
                continue;
            }
            out.push(letter);
            drawn += 1;
        }
    }

    fn letter(&mut self, at: Instant, item: T, flow: Option<Flow>) -> Letter<T> {
        self.number += 1;
        Letter { at, item, flow, number: self.number }
    }

    fn lane(&mut self, class: Class) -> (&mut Fair<Letter<T>>, Option<Duration>) {
        match class {
            Class::Urgent | Class::Emergency => (&mut self.emergency, None),
            Class::Call => (&mut self.calls, Some(CALL_PATIENCE)),
            Class::Renewal => (&mut self.renewals, Some(RENEWAL_PATIENCE)),
            Class::Stranger => (&mut self.strangers, Some(STRANGER_PATIENCE)),
        }
    }
}

/// Who waits together: a tenant's phones, or an address.
fn group(flow: &Flow, standing: Standing) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    match standing {
        Standing::Registered(group) => group,
        Standing::Neighbour | Standing::Stranger => {
            let mut hasher = DefaultHasher::new();
            domain::source(flow.remote.ip()).hash(&mut hasher);
            hasher.finish()
        }
    }
}

/// The INVITEs that were taken last.
#[derive(Debug, Default)]
struct Marks {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Marks {
    fn has(&self, mark: u64) -> bool {
        self.known.contains(&mark)
    }

    fn note(&mut self, mark: u64) {
        if !self.known.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > limits::MARKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
