//! A network that loses, repeats, delays and reorders datagrams, and delays and cuts streams, the same way every time for one
//! seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::dice::Dice;

/// The largest payload a UDP datagram can carry over IPv4.
pub const DATAGRAM_BYTES: usize = 65_507;

/// Which stream of the seed the weather uses; phones take others.
pub const WEATHER_STREAM: u64 = 0;

/// A datagram that is held back waits at most this much longer than the width of the delay, so that even in a network
/// without delay two packets of a 20 ms stream can overtake it.
const HELD_BACK: Duration = Duration::from_millis(50);

/// How long a stream waits for what was lost to be sent again, beyond the delay.
const SENT_AGAIN: Range<Duration> = Duration::from_millis(200)..Duration::from_millis(1_000);

/// How long a stream waits for a host that is cut off before it tries again.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// What may happen to a datagram. Probabilities are between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Weather {
    /// Probability that a datagram never arrives.
    pub loss: f64,
    /// Probability that it arrives twice; the copy has a delay of its own.
    pub duplicate: f64,
    /// Probability that it is held back and those behind it may overtake. All others keep their order per pair of addresses.
    pub reorder: f64,
    /// How long it travels; the end is excluded. An empty range is a fixed delay.
    pub delay: Range<Duration>,
}

impl Weather {
    /// Nothing is lost, repeated, reordered or delayed.
    pub const CALM: Weather =
        Weather { loss: 0.0, duplicate: 0.0, reorder: 0.0, delay: Duration::ZERO..Duration::ZERO };

    /// The weather in which 99 of 100 calls must still succeed: 10 % loss, 5 % duplication, 10 % reordering, up to 800 ms.
    pub const STORM: Weather =
        Weather { loss: 0.1, duplicate: 0.05, reorder: 0.1, delay: Duration::ZERO..Duration::from_millis(800) };
}

/// A datagram on arrival.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// Where it arrives.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Bytes,
}

/// What the network has done so far. Once nothing is in flight, `sent + duplicated == lost + delivered`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Datagrams given to [`Network::send`].
    pub sent: u64,
    /// Those that never arrive: by the weather, by a host that is cut off, or because they are too large.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams held back.
    pub reordered: u64,
    /// Datagrams handed out by [`Network::poll_datagram`].
    pub delivered: u64,
}

/// Carries datagrams between virtual hosts. A host is an IP address, and needs no announcement.
///
/// Two runs with one seed and the same calls deliver the same datagrams at the same instants. Each `send` consumes the
/// same amount of chance whatever the weather, so a change of weather between two hosts leaves the others alone.
#[derive(Debug)]
pub struct Network {
    dice: Dice,
    weather: Weather,
    /// Weather between two hosts, both ways; the smaller address stands first.
    between: BTreeMap<(IpAddr, IpAddr), Weather>,
    cut_off: BTreeSet<IpAddr>,
    /// Ordered by arrival, then by departure.
    in_flight: BTreeMap<(Instant, u64), Parcel>,
    sequence: u64,
    /// The latest ordered arrival of each pair that has datagrams in flight.
    latest: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    counters: Counters,
}

impl Network {
    /// A network with the same weather everywhere.
    pub fn new(seed: u64, weather: Weather) -> Network {
        Network {
            dice: Dice::new(seed, WEATHER_STREAM),
            weather,
            between: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            sequence: 0,
            latest: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// Changes the weather for datagrams sent from now on. Weather set with [`Network::set_weather_between`] stays.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Sets the weather between two hosts, in both directions.
    pub fn set_weather_between(&mut self, one: IpAddr, other: IpAddr, weather: Weather) {
        self.between.insert((one.min(other), one.max(other)), weather);
    }

    /// Takes a host off the network: nothing leaves it and nothing arrives, what is in flight to it included.
    pub fn cut_off(&mut self, host: IpAddr) {
        self.cut_off.insert(host);
    }

    /// Puts a host back on the network.
    pub fn reconnect(&mut self, host: IpAddr) {
        self.cut_off.remove(&host);
    }

    /// Sends a datagram. Like UDP, it never tells whether it will arrive.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.counters.sent += 1;
        let weather = self.weather_between(from.ip(), to.ip());
        let is_lost = self.dice.chance(weather.loss);
        let is_doubled = self.dice.chance(weather.duplicate);
        let first = self.journey(&weather);
        let second = self.journey(&weather);
        if is_lost || bytes.len() > DATAGRAM_BYTES || self.cut_off.contains(&from.ip()) {
            self.counters.lost += 1;
            return;
        }
        let datagram = Datagram { from, to, bytes };
        if is_doubled {
            self.counters.duplicated += 1;
            self.depart(now, second, Parcel { datagram: datagram.clone(), is_stream: false });
        }
        self.depart(now, first, Parcel { datagram, is_stream: false });
    }

    /// Sends bytes of a stream. They arrive, in order; where the weather would lose them they come later, and all behind them.
    pub fn send_stream(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.counters.sent += 1;
        let weather = self.weather_between(from.ip(), to.ip());
        let again = self.dice.duration(&SENT_AGAIN);
        let wait = if self.dice.chance(weather.loss) { again } else { Duration::ZERO };
        let journey = Journey::InOrder(self.dice.duration(&weather.delay) + wait);
        self.depart(now, journey, Parcel { datagram: Datagram { from, to, bytes }, is_stream: true });
    }

    /// Cuts the stream between two addresses: what is on its way in it never arrives.
    pub fn cut_stream(&mut self, one: SocketAddr, other: SocketAddr) {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, parcel| {
            let ends = (parcel.datagram.from, parcel.datagram.to);
            !parcel.is_stream || (ends != (one, other) && ends != (other, one))
        });
        self.counters.lost += (before - self.in_flight.len()) as u64;
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram that has arrived by `now`, in the order of arrival.
    pub fn poll_datagram(&mut self, now: Instant) -> Option<Datagram> {
        while let Some(first) = self.in_flight.first_entry()
            && first.key().0 <= now
        {
            let ((at, sequence), parcel) = first.remove_entry();
            let pair = (parcel.datagram.from, parcel.datagram.to);
            if parcel.is_stream && (self.cut_off.contains(&pair.0.ip()) || self.cut_off.contains(&pair.1.ip())) {
                let latest = self.latest.entry(pair).or_insert(at);
                *latest = (*latest).max(at + NEXT_TRY);
                self.in_flight.insert((at + NEXT_TRY, sequence), parcel);
                continue;
            }
            if self.latest.get(&pair) == Some(&at) {
                self.latest.remove(&pair);
            }
            if self.cut_off.contains(&pair.1.ip()) {
                self.counters.lost += 1;
                continue;
            }
            self.counters.delivered += 1;
            return Some(parcel.datagram);
        }
        None
    }

    /// How many datagrams are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn weather_between(&self, one: IpAddr, other: IpAddr) -> Weather {
        self.between.get(&(one.min(other), one.max(other))).unwrap_or(&self.weather).clone()
    }

    fn journey(&mut self, weather: &Weather) -> Journey {
        let delay = self.dice.duration(&weather.delay);
        let width = weather.delay.end.saturating_sub(weather.delay.start);
        let held_back = self.dice.duration(&(Duration::from_nanos(1)..width + HELD_BACK));
        match self.dice.chance(weather.reorder) {
            true => Journey::HeldBack(delay + held_back),
            false => Journey::InOrder(delay),
        }
    }

    fn depart(&mut self, now: Instant, journey: Journey, parcel: Parcel) {
        let arrival = match journey {
            Journey::InOrder(delay) => {
                let latest = self.latest.entry((parcel.datagram.from, parcel.datagram.to)).or_insert(now);
                *latest = (*latest).max(now + delay);
                *latest
            }
            Journey::HeldBack(delay) => {
                self.counters.reordered += 1;
                now + delay
            }
        };
        self.sequence += 1;
        self.in_flight.insert((arrival, self.sequence), parcel);
    }
}

/// Something on its way.
#[derive(Debug)]
struct Parcel {
    datagram: Datagram,
    /// Whether it belongs to a stream, which loses nothing.
    is_stream: bool,
}

/// How a datagram travels, and how long.
enum Journey {
    /// Behind whatever its sender sent to the same address before.
    InOrder(Duration),
    /// By itself.
    HeldBack(Duration),
}

#[cfg(test)]
mod tests;
