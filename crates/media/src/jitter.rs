//! The jitter buffer: packets come when the network likes, and are taken in their order when their time has come.
//!
//! The first packet of a talk waits for as long as packets have lately been late, so that those behind it are not missed. From
//! then on the one who plays takes packets as it needs them; how long they have waited tells whether the delay could be
//! shorter ([`Jitter::spare`]). A packet that is not there is lost if a later one is, or else may still come: then there is
//! nothing to take, and the delay grows by itself by as long as that lasts.

use std::time::{Duration, Instant};

use crate::limits;

/// Packets that can wait. A power of two: the place of a packet is its sequence number, cut.
const PLACES: usize = 64;
/// How many packets the lateness of the first one is judged by.
const WINDOW: usize = 128;

/// What there is to play next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// This packet; [`Jitter::taken`] has it.
    Packet {
        /// Units of the clock that passed, at the sender, between the end of the packet before and this one, beyond nothing: the
        /// sender kept silent.
        pause: u32,
    },
    /// A packet that will not come. If the one behind it is there, [`Jitter::following`] has it.
    Lost,
    /// Nothing yet.
    Nothing,
}

#[derive(Debug, Default)]
struct Place {
    filled: bool,
    sequence: u16,
    timestamp: u32,
    arrived_at: Option<Instant>,
    noise: bool,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has come, or everything was taken long ago.
    Idle,
    /// The first packet waits.
    Filling {
        until: Instant,
    },
    Playing,
}

/// The packets of one leg.
#[derive(Debug)]
pub struct Jitter {
    clock_hz: u32,
    places: Vec<Place>,
    state: State,
    ssrc: u32,
    /// The next to be taken, and the highest that came.
    next: u16,
    highest: u16,
    /// Where the last packet that was taken ended.
    end: Option<u32>,
    taken: Vec<u8>,
    taken_noise: bool,
    lateness: Lateness,
    /// The least that a packet has waited, since [`Jitter::spare`] was asked.
    waited: Option<Duration>,
    after_jump: Option<u16>,
    late: u64,
}

impl Jitter {
    /// A buffer for packets whose timestamps count `clock_hz` per second (0 is taken as 8000).
    pub fn new(clock_hz: u32) -> Self {
        Jitter {
            clock_hz: if clock_hz == 0 { 8_000 } else { clock_hz },
            places: std::iter::repeat_with(Place::default).take(PLACES).collect(),
            state: State::Idle,
            ssrc: 0,
            next: 0,
            highest: 0,
            end: None,
            taken: Vec::new(),
            taken_noise: false,
            lateness: Lateness::default(),
            waited: None,
            after_jump: None,
            late: 0,
        }
    }

    /// Takes in a packet of audio. Longer payloads than there are in audio are left out.
    pub fn put(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.put_any(now, (ssrc, sequence, timestamp), payload, false);
    }

    /// Takes in a packet of comfort noise, which has its place among the others.
    pub fn put_noise(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.put_any(now, (ssrc, sequence, timestamp), payload, true);
    }

    fn put_any(&mut self, now: Instant, (ssrc, sequence, timestamp): (u32, u16, u32), payload: &[u8], noise: bool) {
        if payload.len() > limits::PACKET_BYTES {
            return;
        }
        let begins = matches!(self.state, State::Idle) || ssrc != self.ssrc;
        if begins {
            self.restart(ssrc, sequence);
        } else if (sequence.wrapping_sub(self.highest) as i16).unsigned_abs() > PLACES as u16 {
            // One packet from far away is a stray; when its successor comes as well, the source goes on there.
            if self.after_jump != Some(sequence) {
                self.after_jump = Some(sequence.wrapping_add(1));
                self.late += 1;
                return;
            }
            self.restart(ssrc, sequence);
        }
        self.after_jump = None;
        self.lateness.note(now, timestamp, self.clock_hz);
        if matches!(self.state, State::Idle) {
            self.state = State::Filling { until: now + self.lateness.usual() };
        }
        let ahead = sequence.wrapping_sub(self.next) as i16;
        if ahead < 0 {
            // While nothing was taken yet, one that was overtaken is the first after all.
            let first = matches!(self.state, State::Filling { .. }) && self.end.is_none();
            if !first || self.highest.wrapping_sub(sequence) as usize >= PLACES {
                self.late += 1;
                return;
            }
            self.next = sequence;
        }
        if (sequence.wrapping_sub(self.highest) as i16) > 0 {
            self.highest = sequence;
        }
        // Too many wait: the oldest are given up, as if their time had passed.
        while self.highest.wrapping_sub(self.next) as usize >= PLACES {
            self.places[usize::from(self.next) % PLACES].filled = false;
            self.next = self.next.wrapping_add(1);
            self.end = None;
        }
        let place = &mut self.places[usize::from(sequence) % PLACES];
        if place.filled && place.sequence == sequence {
            return;
        }
        (place.filled, place.sequence, place.timestamp) = (true, sequence, timestamp);
        (place.arrived_at, place.noise) = (Some(now), noise);
        place.payload.clear();
        place.payload.extend_from_slice(payload);
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.places.iter_mut().for_each(|place| place.filled = false);
        if ssrc != self.ssrc {
            self.lateness = Lateness { usual: self.lateness.usual, ..Lateness::default() };
        }
        self.state = State::Idle;
        self.ssrc = ssrc;
        (self.next, self.highest) = (sequence, sequence);
        self.end = None;
        self.waited = None;
    }

    /// Takes what is to be played next.
    pub fn take(&mut self, now: Instant) -> Next {
        match self.state {
            State::Idle => return Next::Nothing,
            State::Filling { until } if now < until => return Next::Nothing,
            State::Filling { .. } => self.state = State::Playing,
            State::Playing => {}
        }
        self.catch_up();
        let place = &mut self.places[usize::from(self.next) % PLACES];
        if place.filled && place.sequence == self.next {
            place.filled = false;
            std::mem::swap(&mut self.taken, &mut place.payload);
            self.taken_noise = place.noise;
            let pause = self.end.map_or(0, |end| place.timestamp.wrapping_sub(end));
            // A timestamp that goes back is the sender's own mistake, and no pause of half a day.
            let pause = if pause < self.clock_hz * 60 { pause } else { 0 };
            let waited = place.arrived_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            self.waited = Some(self.waited.map_or(waited, |least| least.min(waited)));
            self.end = Some(place.timestamp);
            self.next = self.next.wrapping_add(1);
            return Next::Packet { pause };
        }
        if (self.highest.wrapping_sub(self.next) as i16) > 0 {
            self.next = self.next.wrapping_add(1);
            return Next::Lost;
        }
        Next::Nothing
    }

    /// After a stall the network brings everything at once. What would make the delay longer than it may be is left out.
    fn catch_up(&mut self) {
        let timestamp = |places: &[Place], sequence: u16| {
            let place = &places[usize::from(sequence) % PLACES];
            (place.filled && place.sequence == sequence).then_some(place.timestamp)
        };
        let Some(newest) = timestamp(&self.places, self.highest) else { return };
        let units = |time: Duration| time.as_millis() as u64 * u64::from(self.clock_hz) / 1_000;
        let (most, wanted) = (units(limits::JITTER_MOST + self.delay()), units(self.delay()));
        let span = |oldest: u32| u64::from(newest.wrapping_sub(oldest).min(i32::MAX as u32));
        if timestamp(&self.places, self.next).is_none_or(|oldest| span(oldest) <= most) {
            return;
        }
        while self.next != self.highest && timestamp(&self.places, self.next).is_none_or(|oldest| span(oldest) > wanted)
        {
            self.places[usize::from(self.next) % PLACES].filled = false;
            self.next = self.next.wrapping_add(1);
            self.end = None;
            self.late += 1;
        }
    }

    /// The packet that was taken last.
    pub fn taken(&self) -> &[u8] {
        &self.taken
    }

    /// Whether that is comfort noise.
    pub fn taken_is_noise(&self) -> bool {
        self.taken_noise
    }

    /// How long what was taken, or made up for what was lost, lasts: from there on pauses are reckoned.
    pub fn lasts(&mut self, units: u32) {
        self.end = self.end.map(|end| end.wrapping_add(units));
    }

    /// The packet behind one that is lost.
    pub fn following(&self) -> Option<&[u8]> {
        let place = &self.places[usize::from(self.next) % PLACES];
        (place.filled && place.sequence == self.next && !place.noise).then_some(&place.payload[..])
    }

    /// Nothing came for long: what comes next is a new beginning, and waits as such.
    pub fn rest(&mut self) {
        if (self.highest.wrapping_sub(self.next) as i16) < 0 {
            self.state = State::Idle;
        }
    }

    /// Forgets what waits: what comes next is a new beginning.
    pub fn clear(&mut self) {
        self.places.iter_mut().for_each(|place| place.filled = false);
        self.state = State::Idle;
    }

    /// By how much every packet since the last question waited for longer than it had to.
    pub fn spare(&mut self) -> Duration {
        self.waited.take().unwrap_or_default()
    }

    /// How long the first packet of a talk waits.
    pub fn delay(&self) -> Duration {
        self.lateness.usual()
    }

    /// Packets that wait, those missing between them included.
    pub fn waiting(&self) -> usize {
        match self.state {
            State::Idle => 0,
            State::Filling { .. } | State::Playing => usize::from(self.highest.wrapping_sub(self.next).wrapping_add(1)),
        }
    }

    /// Packets that came when their time had passed.
    pub fn late(&self) -> u64 {
        self.late
    }
}

/// How late packets are, beside the quickest of late.
#[derive(Debug)]
struct Lateness {
    /// Moments of arrival less timestamps, in microseconds from the first.
    transit_us: [i64; WINDOW],
    count: usize,
    first: Option<(Instant, u32)>,
    /// Timestamps, unrolled.
    last: (u32, i64),
    usual: Duration,
}

impl Default for Lateness {
    fn default() -> Self {
        Lateness { transit_us: [0; WINDOW], count: 0, first: None, last: (0, 0), usual: limits::JITTER_FIRST }
    }
}

impl Lateness {
    fn note(&mut self, now: Instant, timestamp: u32, clock_hz: u32) {
        let (began, _) = *self.first.get_or_insert((now, timestamp));
        if self.count == 0 {
            self.last = (timestamp, 0);
        }
        let (before, unrolled) = self.last;
        let units = unrolled + i64::from(timestamp.wrapping_sub(before) as i32);
        self.last = (timestamp, units);
        let arrived = i64::try_from(now.saturating_duration_since(began).as_micros()).unwrap_or(i64::MAX / 2);
        self.transit_us[self.count % WINDOW] = arrived - units.saturating_mul(1_000_000) / i64::from(clock_hz);
        self.count += 1;
        if self.count.is_multiple_of(16) {
            self.judge();
        }
    }

    /// Of the last packets, 1 in 50 may be later.
    fn judge(&mut self) {
        let known = self.count.min(WINDOW);
        let mut sorted = self.transit_us;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        let (Some(quickest), Some(slow)) = (sorted.first(), sorted.get(known - 1 - known / 50)) else { return };
        let late = Duration::from_micros(u64::try_from(slow.saturating_sub(*quickest)).unwrap_or(0));
        let wanted = (late + limits::JITTER_LEAST).clamp(limits::JITTER_LEAST, limits::JITTER_MOST);
        // Up at once, down by an eighth each time.
        self.usual = if wanted > self.usual { wanted } else { self.usual - (self.usual - wanted) / 8 };
    }

    fn usual(&self) -> Duration {
        self.usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
    fn beginning() -> Instant {
        Instant::now()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A buffer of 8 kHz, and packets of 20 ms that carry the lower byte of their number.
    struct Bench {
        jitter: Jitter,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Bench { jitter: Jitter::new(8_000), start: beginning() }
        }

        fn put(&mut self, at_ms: u64, number: u32) {
            self.jitter.put(self.start + ms(at_ms), 1, number as u16, number * 160, &[number as u8]);
        }

        /// What is taken at a moment: a packet's byte, or what else.
        fn take(&mut self, at_ms: u64) -> Result<u8, Next> {
            match self.jitter.take(self.start + ms(at_ms)) {
                Next::Packet { pause: 0 } => {
                    self.jitter.lasts(160);
                    Ok(self.jitter.taken()[0])
                }
                Next::Lost => {
                    self.jitter.lasts(160);
                    Err(Next::Lost)
                }
                other => Err(other),
            }
        }
    }

    #[test]
    fn the_first_waits_and_all_are_taken_in_their_order() {
        let mut bench = Bench::new();
        for (at, sequence) in [(0, 65_534), (20, 65_536), (21, 65_535), (22, 65_535), (40, 65_537)] {
            bench.put(at, sequence);
        }
        assert_eq!(bench.take(39), Err(Next::Nothing));
        let taken: Vec<_> = (0..5).map(|n| bench.take(40 + 20 * n)).collect();
        assert_eq!(taken, [Ok(254), Ok(255), Ok(0), Ok(1), Err(Next::Nothing)]);
        assert_eq!(bench.jitter.late(), 0);
        bench.put(200, 65_536);
        assert_eq!((bench.take(201), bench.jitter.late()), (Err(Next::Nothing), 1));
    }

    #[test]
    fn a_packet_is_lost_when_a_later_one_is_there_and_awaited_otherwise() {
        let mut bench = Bench::new();
        bench.put(0, 10);
        assert_eq!(bench.take(40), Ok(10));
        assert_eq!(bench.take(60), Err(Next::Nothing), "it may still come");
        bench.put(70, 11);
        assert_eq!(bench.take(80), Ok(11), "and so the delay has grown");
        bench.put(90, 13);
        assert_eq!(bench.take(100), Err(Next::Lost));
        assert_eq!(bench.jitter.following(), Some(&[13][..]));
        assert_eq!(bench.take(120), Ok(13));
        assert_eq!(bench.jitter.following(), None);
    }

    #[test]
    fn the_overtaken_first_packet_is_still_the_first() {
        let mut bench = Bench::new();
        bench.put(0, 11);
        bench.put(5, 10);
        assert_eq!([bench.take(40), bench.take(60)], [Ok(10), Ok(11)]);
    }

    #[test]
    fn a_pause_of_the_sender_is_told() {
        let mut bench = Bench::new();
        bench.put(0, 1);
        assert_eq!(bench.take(40), Ok(1));
        bench.jitter.put(bench.start + ms(300), 1, 2, 160 + 160 + 2_000, &[2]);
        assert_eq!(bench.jitter.take(bench.start + ms(340)), Next::Packet { pause: 2_000 });
        // A clock that goes back is none.
        bench.jitter.put(bench.start + ms(320), 1, 3, 7, &[3]);
        assert_eq!(bench.jitter.take(bench.start + ms(360)), Next::Packet { pause: 0 });
    }

    #[test]
    fn a_stray_from_far_away_changes_nothing_but_a_source_that_goes_on_elsewhere_is_followed() {
        let mut bench = Bench::new();
        bench.put(0, 1);
        bench.put(10, 30_000);
        bench.put(20, 2);
        assert_eq!([bench.take(40), bench.take(60), bench.take(80)], [Ok(1), Ok(2), Err(Next::Nothing)]);
        bench.put(100, 20_000);
        bench.put(120, 20_001);
        let due = 120 + bench.jitter.delay().as_millis() as u64;
        assert_eq!([bench.take(due - 1), bench.take(due)], [Err(Next::Nothing), Ok((20_001_u16 & 0xff) as u8)]);
        // Another source begins anew at once.
        bench.jitter.put(bench.start + ms(300), 2, 5, 0, &[99]);
        assert_eq!(bench.take(300 + due), Ok(99));
    }

    #[test]
    fn too_many_that_wait_push_out_the_oldest() {
        let mut bench = Bench::new();
        for number in 0..200 {
            bench.put(u64::from(number), number);
        }
        let taken: Vec<_> = std::iter::from_fn(|| bench.take(1_000).ok()).collect();
        // And of those, what would be heard later than need be.
        assert!(taken.len() < 15 && taken.ends_with(&[198, 199]), "{taken:?}");
    }

    #[test]
    fn the_first_packet_of_the_next_talk_waits_as_packets_were_late() {
        for (jitter_ms, least, most) in [(0, 10, 25), (30, 30, 50), (100, 100, 125), (900, 200, 200)] {
            let mut bench = Bench::new();
            for number in 0..400 {
                let late = u64::from(number % 10) * jitter_ms / 9;
                bench.put(u64::from(number) * 20 + late, number);
                let _ = bench.take(u64::from(number) * 20 + late);
            }
            let delay = bench.jitter.delay().as_millis();
            assert!((least..=most).contains(&delay), "{jitter_ms}: {delay}");
        }
    }

    #[test]
    fn what_waits_for_too_long_is_told_once() {
        let mut bench = Bench::new();
        for number in 0..10 {
            bench.put(u64::from(number) * 20, number);
            let _ = bench.take(u64::from(number) * 20 + 60);
        }
        let spare = bench.jitter.spare().as_millis();
        assert!((55..=65).contains(&spare), "{spare}");
        assert_eq!(bench.jitter.spare(), Duration::ZERO);
    }
}
