//! World: phones, a network, one shard and one media worker on one clock.
//!
//! ```no_run
//! use testkit::{Weather, World};
//!
//! let mut world = World::office(7, Weather::CALM, &["1001", "1002"]);
//! world.phone("1002").answers_after(2_000);
//! world.phone("1001").dials("1002");
//! world.seconds(5);
//! assert_eq!(world.hearing("1001"), ["1002"]);
//! world.phone("1001").hangs_up();
//! world.finish();
//! ```

mod handset;
mod oracle;
pub mod post;
mod skills;
mod stream;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{
    DtmfMode, Extension, JournalEntry, RegistrationChange, Subscription, SubscriptionChange, SubscriptionId,
    TenantStatus,
};
use sip::framing::Decoder;
use sip::{EndpointConfig, Transport};
use switch::{Input, Output, SessionTerms, Shard, ShardConfig};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::network::{Datagram, Network, Weather};
use crate::phone::audio::Voice;
use crate::phone::{Phone, PhoneSetup};
use crate::tenant::TenantBuilder;
use crate::worker::Worker;

pub use handset::{Handset, Verb};
pub use view::TONE;

/// Where the switch is.
pub const SWITCH: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

/// Its SIP port.
pub const SIP_PORT: u16 = 5_060;

/// Its first RTP port.
const FIRST_RTP_PORT: u16 = 30_000;

/// Steps at one instant after which the clock must have moved.
const STEPS_PER_INSTANT: u32 = 1_000_000;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Everything random grows from this.
    pub seed: u64,
    /// The weather everywhere.
    pub weather: Weather,
    /// Pairs of RTP ports the worker has; each call takes two.
    pub port_pairs: u16,
    /// How long a leg may be silent.
    pub silence_after: Duration,
    /// How often phones behind NAT are asked whether they are there; zero: never.
    pub qualify_every: Duration,
    /// Session timers of the switch.
    pub session: SessionTerms,
}

impl WorldConfig {
    /// Enough ports for a few hundred calls, and twenty seconds of patience with silence.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> WorldConfig {
        let (silence_after, qualify_every) = (Duration::from_secs(20), Duration::ZERO);
        let session = SessionTerms::default();
        WorldConfig { seed, weather, port_pairs: 600, silence_after, qualify_every, session }
    }
}

/// Who may want to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Shard,
    Worker,
    Phone(usize),
}

/// A simulated installation.
pub struct World {
    /// Virtual time.
    pub clock: Clock,
    /// The network between all hosts.
    pub network: Network,
    /// What left the switch for hosts that are no phones.
    pub elsewhere: Vec<Datagram>,
    /// Everything the switch has written down, in order.
    pub journal: Vec<JournalEntry>,
    /// Every change of the durable bindings, in order.
    pub bindings: Vec<RegistrationChange>,
    /// What the store keeps for phones that are away.
    pub post: post::Post,
    /// The durable subscriptions as they are.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    config: WorldConfig,
    shard: Shard,
    worker: Worker,
    tenants: BTreeMap<String, TenantBuilder>,
    phones: Vec<Phone>,
    names: BTreeMap<String, usize>,
    hosts: BTreeMap<IpAddr, usize>,
    breaches: Vec<String>,
    due: BTreeMap<Actor, Instant>,
    deadlines: BTreeSet<(Instant, Actor)>,
    /// What the switch has of each connection that phones have opened, and where they cut what they send.
    connections: BTreeMap<SocketAddr, Decoder>,
    cuts: Dice,
    /// Phones without a connection.
    offline: BTreeSet<usize>,
    is_draining: bool,
}

impl World {
    /// A switch without tenants.
    #[must_use]
    pub fn new(config: WorldConfig) -> World {
        let clock = Clock::new();
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&config.seed.to_le_bytes());
        let endpoint = EndpointConfig::new(secret, "YakYak");
        let shard = ShardConfig::new(endpoint, (clock.now(), clock.wall()), secret);
        let shard = Shard::new(ShardConfig { qualify_every: config.qualify_every, session: config.session, ..shard });
        World {
            network: Network::new(config.seed, config.weather.clone()),
            cuts: Dice::new(config.seed, stream::CUT_STREAM),
            worker: Worker::new(config.seed, FIRST_RTP_PORT, config.port_pairs, config.silence_after),
            clock,
            elsewhere: Vec::new(),
            journal: Vec::new(),
            bindings: Vec::new(),
            post: post::Post::default(),
            subscriptions: BTreeMap::new(),
            config,
            shard,
            tenants: BTreeMap::new(),
            phones: Vec::new(),
            names: BTreeMap::new(),
            hosts: BTreeMap::new(),
            breaches: Vec::new(),
            due: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            connections: BTreeMap::new(),
            offline: BTreeSet::new(),
            is_draining: false,
        }
    }

    /// One tenant, `alpha`, with these extensions and a registered phone for each, named like its number.
    #[must_use]
    pub fn office(seed: u64, weather: Weather, numbers: &[&str]) -> World {
        World::office_of(seed, weather, TenantBuilder::new("alpha").with_extensions(numbers), numbers)
    }

    /// The same, in which keys travel in INFO.
    #[must_use]
    pub fn office_by_info(seed: u64, weather: Weather, numbers: &[&str]) -> World {
        let tenant = TenantBuilder::new("alpha").with_extensions(numbers);
        let by_info = |extension: &mut Extension| extension.audio.dtmf = DtmfMode::Info;
        let tenant = numbers.iter().fold(tenant, |tenant, number| tenant.with_settings(number, by_info));
        World::office_of(seed, weather, tenant, numbers)
    }

    fn office_of(seed: u64, weather: Weather, tenant: TenantBuilder, numbers: &[&str]) -> World {
        let mut world = World::new(WorldConfig::new(seed, weather));
        world.add_tenant(tenant);
        for number in numbers {
            world.plug_in("alpha", number, number, |setup| setup);
        }
        world.register_all();
        world
    }

    /// Adds a tenant, or replaces it by its next revision.
    pub fn add_tenant(&mut self, tenant: TenantBuilder) {
        self.shard.handle(self.clock.now(), Input::Snapshot(tenant.snapshot()));
        self.tenants.insert(tenant.slug().to_owned(), tenant);
        self.settle_shard();
    }

    /// Takes a tenant away.
    pub fn remove_tenant(&mut self, slug: &str) {
        if let Some(tenant) = self.tenants.get(slug).cloned() {
            self.tenants.insert(slug.to_owned(), tenant.with_status(TenantStatus::Deleted));
            self.tell(Input::TenantGone(self.tenant(slug).id()));
        }
    }

    /// A tenant as it was added.
    #[must_use]
    pub fn tenant(&self, slug: &str) -> TenantBuilder {
        self.tenants.get(slug).unwrap_or_else(|| panic!("no tenant {slug}")).clone()
    }

    /// Plugs in a phone for an extension, under a name. It is not registered yet.
    pub fn plug_in(&mut self, slug: &str, extension: &str, name: &str, change: impl FnOnce(PhoneSetup) -> PhoneSetup) {
        let place = self.phones.len();
        let number = u16::try_from(place).expect("fewer phones than voices");
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([10, 1 + high, low / 100, low % 100 + 1], SIP_PORT));
        let tenant = self.tenant(slug);
        let setup = change(PhoneSetup {
            name: name.to_owned(),
            tenant: slug.to_owned(),
            extension: extension.to_owned(),
            domain: tenant.domain(),
            password: tenant.password(extension),
            registrar: SocketAddr::new(SWITCH, SIP_PORT),
            transport: Transport::Udp,
            address,
            claims: address.ip(),
            laws: vec![crate::Law::Mu, crate::Law::A],
            voice: Voice(number),
            expires: 3_600,
            refreshes: false,
        });
        self.hosts.insert(setup.address.ip(), place);
        assert!(self.names.insert(name.to_owned(), place).is_none(), "two phones named {name}");
        self.phones.push(Phone::new(setup, self.config.seed));
    }

    /// Registers every phone, one after another, and waits until all are.
    pub fn register_all(&mut self) {
        let names: Vec<String> = self.names.keys().cloned().collect();
        for name in &names {
            self.phone(name).registers();
            self.run_for(Duration::from_millis(20));
        }
        let done = self.run_until(Duration::from_secs(60), |world| {
            world.phones.iter().all(|phone| phone.is_gone() || phone.registration.until.is_some())
        });
        let codes: Vec<_> = self.phones.iter().map(|phone| (&phone.setup.name, phone.registration.code)).collect();
        assert!(done, "seed {}: not everybody is registered: {codes:?}", self.config.seed);
    }

    /// Sends a datagram from any address, a phone's included.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Bytes>) {
        self.network.send(self.clock.now(), from, to, bytes.into());
    }

    /// Tells the shard something that no phone can.
    pub fn tell(&mut self, input: Input) {
        self.is_draining |= matches!(input, Input::Drain | Input::HangUp);
        self.shard.handle(self.clock.now(), input);
        self.settle_shard();
    }

    /// The switch takes no new calls from now on.
    pub fn drain(&mut self) {
        self.tell(Input::Drain);
    }

    /// The switch ends every call: it stops.
    pub fn hang_up(&mut self) {
        self.tell(Input::HangUp);
    }

    /// Lets the next step of a call panic.
    pub fn break_call(&mut self, call: domain::CallId) {
        self.shard.inject_panic(call);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// Lets whole seconds pass.
    pub fn seconds(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    /// Lets time pass until something is so, at most for `limit`; tells whether it is.
    pub fn run_until(&mut self, limit: Duration, holds: impl Fn(&World) -> bool) -> bool {
        let end = self.clock.now() + limit;
        loop {
            if holds(self) {
                return true;
            }
            let next = [self.network.poll_timeout(), self.deadlines.first().map(|(at, _)| *at)];
            match next.into_iter().flatten().min() {
                Some(next) if next <= end => {
                    self.clock.advance_to(next);
                    self.instant();
                }
                Some(_) | None => {
                    self.clock.advance_to(end);
                    return holds(self);
                }
            }
        }
    }

    /// Does everything that is due at this instant.
    fn instant(&mut self) {
        let now = self.clock.now();
        for _ in 0..STEPS_PER_INSTANT {
            if let Some(datagram) = self.network.poll_datagram(now) {
                self.deliver(now, &datagram);
                continue;
            }
            let Some((at, actor)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) else { return };
            self.deadlines.remove(&(at, actor));
            self.due.remove(&actor);
            match actor {
                Actor::Shard => {
                    self.shard.handle_timeout(now);
                    self.settle_shard();
                }
                Actor::Worker => {
                    self.worker.handle_timeout(now);
                    self.settle_shard();
                }
                Actor::Phone(place) => {
                    self.phones[place].handle_timeout(now);
                    self.settle_phone(place);
                }
            }
        }
        panic!("seed {}: the clock stands still at {:?}", self.config.seed, self.clock.elapsed());
    }

    fn deliver(&mut self, now: Instant, datagram: &Datagram) {
        if datagram.to.ip() != SWITCH {
            match self.hosts.get(&datagram.to.ip()).copied() {
                Some(place) => {
                    self.watch(place, datagram);
                    self.phones[place].handle_datagram(now, datagram);
                    self.settle_phone(place);
                }
                None => self.elsewhere.push(datagram.clone()),
            }
        } else if datagram.to.port() == SIP_PORT {
            self.receive(now, datagram);
            self.settle_shard();
        } else {
            self.worker.handle_datagram(now, datagram);
            self.settle_shard();
        }
    }

    /// Carries away what shard and worker have left, until neither has anything to say to the other.
    fn settle_shard(&mut self) {
        let now = self.clock.now();
        loop {
            if let Some(output) = self.shard.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.transmit(now, transmit),
                    Output::Media(command) => self.worker.handle_command(now, command),
                    Output::Journal(entry) => self.journal.push(entry),
                    Output::Registration(change) => self.bindings.push(change),
                    Output::Message(message) => {
                        if let Some(kept) = self.post.keep(*message) {
                            self.shard.handle(now, kept);
                        }
                    }
                    Output::FetchMessages { tenant, extension, after } => {
                        let messages = self.post.fetch(tenant, extension, after);
                        self.shard.handle(now, messages);
                    }
                    Output::MessageDelivered { id, .. } => self.post.deliver(id),
                    Output::Subscription(SubscriptionChange::Put(kept)) => {
                        self.subscriptions.insert(kept.id, *kept);
                    }
                    Output::Subscription(SubscriptionChange::Removed { id, .. }) => {
                        self.subscriptions.remove(&id);
                    }
                    // The shard drops what comes from whom it has banned; there is no door before it here.
                    Output::Guard(_) => {}
                    Output::Leg { .. } => {}
                }
            } else if let Some(datagram) = self.worker.poll_datagram() {
                self.network.send(now, datagram.from, datagram.to, datagram.bytes);
            } else if let Some(fact) = self.worker.poll_fact() {
                self.shard.handle(now, Input::Media(fact));
            } else {
                break;
            }
        }
        let (shard, worker) = (self.shard.poll_timeout(), self.worker.poll_timeout());
        self.wake(Actor::Shard, shard);
        self.wake(Actor::Worker, worker);
    }

    fn settle_phone(&mut self, place: usize) {
        let now = self.clock.now();
        while let Some(datagram) = self.phones[place].poll_datagram() {
            self.carry(now, place, datagram);
        }
        let due = self.phones[place].poll_timeout();
        self.wake(Actor::Phone(place), due);
    }

    fn wake(&mut self, actor: Actor, due: Option<Instant>) {
        let old = match due {
            Some(due) => self.due.insert(actor, due),
            None => self.due.remove(&actor),
        };
        if old == due {
            return;
        }
        if let Some(old) = old {
            self.deadlines.remove(&(old, actor));
        }
        self.deadlines.extend(due.map(|due| (due, actor)));
    }
}
