//! Bad weather before the real binary: phones on every transport behind a proxy that loses, repeats, delays and mixes up what
//! passes, and calls with hold, a pressed key and a transfer.
//!
//! The phones are those of the simulated office, on real sockets. Their datagrams pass through the simulated network on their way in
//! and out; the bytes of streams are delayed by it and come in order. `YAKYAK_SOAK=1` makes a thousand calls.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::Transport;
use testkit::{Datagram, Hold, Law, Network, Phone, PhoneSetup, Reaction, SIP_PORT, Stage, Voice, Weather};

use crate::server::{Login, PATIENCE, Server};
use crate::wire::Wire;

/// Longest a step of a call may take in this weather: several repetitions of a lost message.
const STEP: Duration = Duration::from_secs(32);

/// The way from one phone to the server.
enum Door {
    Datagrams(UdpSocket),
    Stream(Box<Wire>),
}

/// One phone and its sockets.
struct Line {
    phone: Phone,
    door: Door,
    /// By RTP or RTCP port.
    media: BTreeMap<u16, UdpSocket>,
}

impl Line {
    fn new(server: &Server, login: &Login, transport: Transport, ip: Ipv4Addr, voice: u16) -> Self {
        if transport.is_web() {
            server.is_no_browser(&login.username);
        }
        let registrar = server.address(transport, false);
        // The port is another one than Via and Contact name: to the server the phone is behind NAT.
        let (door, address) = match transport {
            Transport::Udp => {
                let socket = bind(SocketAddr::new(ip.into(), 0));
                let address = socket.local_addr().unwrap();
                (Door::Datagrams(socket), address)
            }
            stream => (Door::Stream(Box::new(Wire::connect(stream, registrar))), SocketAddr::new(ip.into(), SIP_PORT)),
        };
        let mut phone = Phone::new(
            PhoneSetup {
                name: login.username.clone(),
                tenant: "demo".to_owned(),
                extension: login.username.clone(),
                domain: "demo.internal".to_owned(),
                password: login.password.clone(),
                registrar,
                transport,
                address,
                claims: ip.into(),
                laws: vec![Law::Mu, Law::A],
                voice: Voice(voice),
                expires: 3_600,
                refreshes: false,
            },
            u64::from(voice),
        );
        phone.manner.reaction = Reaction::Answers;
        phone.manner.after = Duration::from_millis(300);
        Self { phone, door, media: BTreeMap::new() }
    }

    /// What has come from the server goes into the network.
    fn receive(&mut self, now: Instant, network: &mut Network) {
        let (own, registrar) = (self.phone.setup.address, self.phone.setup.registrar);
        let mut buffer = [0; 65_536];
        match &mut self.door {
            Door::Datagrams(socket) => {
                while let Some((length, from)) = read(socket, &mut buffer) {
                    network.send(now, from, own, Bytes::copy_from_slice(&buffer[..length]));
                }
            }
            Door::Stream(wire) => {
                while let Some(message) = wire.try_receive(Duration::from_millis(1)) {
                    network.send_stream(now, registrar, own, message.into());
                }
            }
        }
        for (port, socket) in &self.media {
            while let Some((length, from)) = read(socket, &mut buffer) {
                let to = SocketAddr::new(own.ip(), *port);
                network.send(now, from, to, Bytes::copy_from_slice(&buffer[..length]));
            }
        }
    }

    /// What the phone wants to say goes into the network.
    fn say(&mut self, now: Instant, network: &mut Network) {
        if self.phone.poll_timeout().is_some_and(|at| at <= now) {
            self.phone.handle_timeout(now);
        }
        while let Some(Datagram { from, to, bytes }) = self.phone.poll_datagram() {
            let signalling = from == self.phone.setup.address;
            if !signalling {
                self.media.entry(from.port()).or_insert_with(|| bind(from));
            }
            match &self.door {
                Door::Stream(_) if signalling => network.send_stream(now, from, to, bytes),
                Door::Stream(_) | Door::Datagrams(_) => network.send(now, from, to, bytes),
            }
        }
    }

    /// What has come out of the network on its way to the server.
    fn send(&mut self, datagram: &Datagram) {
        let Datagram { from, to, bytes } = datagram;
        match &mut self.door {
            Door::Stream(wire) if *from == self.phone.setup.address => wire.send(bytes),
            Door::Datagrams(socket) if *from == self.phone.setup.address => {
                let _ = socket.send_to(bytes, to);
            }
            Door::Stream(_) | Door::Datagrams(_) => {
                if let Some(socket) = self.media.get(&from.port()) {
                    let _ = socket.send_to(bytes, to);
                }
            }
        }
    }

    fn stage(&self) -> Stage {
        self.phone.last_talk().map_or(Stage::Over, |talk| talk.stage)
    }

    fn hears(&self, voice: u16) -> bool {
        let now = Instant::now();
        let recent = |last: Instant| now.saturating_duration_since(last) < Duration::from_secs(2);
        let sounds = self.phone.open_talks().flat_map(|talk| talk.ear.heard());
        sounds.into_iter().any(|(sound, heard)| sound == testkit::Sound::Voice(Voice(voice)) && recent(heard.last))
    }
}

fn bind(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket.set_nonblocking(true).unwrap();
    socket
}

fn read(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Ok(got) => Some(got),
        // An ICMP error of an earlier datagram: the port of a call that is over.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

/// Three phones: who calls, who is called, and to whom the call is sent on.
struct Desk {
    lines: Vec<Line>,
    network: Network,
}

const CALLER: usize = 0;
const CALLEE: usize = 1;
const TARGET: usize = 2;

impl Desk {
    fn pump(&mut self) {
        let now = Instant::now();
        for line in &mut self.lines {
            line.receive(now, &mut self.network);
            line.say(now, &mut self.network);
        }
        while let Some(datagram) = self.network.poll_datagram(now) {
            let at = |ip: IpAddr| self.lines.iter().position(|line| line.phone.setup.address.ip() == ip);
            if let Some(place) = at(datagram.to.ip()) {
                self.lines[place].phone.handle_datagram(now, &datagram);
            } else if let Some(place) = at(datagram.from.ip()) {
                self.lines[place].send(&datagram);
            }
        }
        if self.lines.iter().all(|line| matches!(line.door, Door::Datagrams(_))) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets time pass until something holds; false when it never does.
    fn until(&mut self, limit: Duration, holds: impl Fn(&[Line]) -> bool) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            self.pump();
            if holds(&self.lines) {
                return true;
            }
        }
        false
    }

    fn phone(&mut self, place: usize) -> &mut Phone {
        &mut self.lines[place].phone
    }

    fn number(&self, place: usize) -> String {
        self.lines[place].phone.setup.extension.clone()
    }

    fn register(&mut self) {
        let now = Instant::now();
        for place in [CALLER, CALLEE, TARGET] {
            self.phone(place).register(now, 3_600);
        }
        let done = self.until(PATIENCE, |lines| lines.iter().all(|line| line.phone.registration.until.is_some()));
        let lines = self.lines.iter();
        let seen: Vec<_> = lines
            .map(|line| (line.phone.setup.transport, line.phone.registration.code, &line.phone.complaints))
            .collect();
        assert!(done, "not everybody is registered: {seen:?}");
    }

    /// One call from the first ring to the last goodbye; the step that failed otherwise.
    fn call(&mut self, voices: [u16; 3]) -> Result<(), &'static str> {
        let check = |step: &'static str, done: bool| if done { Ok(()) } else { Err(step) };
        let (callee, target) = (self.number(CALLEE), self.number(TARGET));
        self.phone(CALLER).dial(Instant::now(), &callee);
        let talk = |lines: &[Line]| lines[CALLER].stage() == Stage::Talking && lines[CALLEE].stage() == Stage::Talking;
        check("answer", self.until(STEP, talk))?;
        let hear = |lines: &[Line]| lines[CALLER].hears(voices[CALLEE]) && lines[CALLEE].hears(voices[CALLER]);
        check("audio", self.until(STEP, hear))?;
        self.phone(CALLER).hold(Instant::now(), Hold::SendOnly);
        let held = |lines: &[Line]| lines[CALLEE].phone.last_talk().is_some_and(|talk| talk.is_held());
        check("hold", self.until(STEP, held))?;
        let changed = |count: usize| {
            move |lines: &[Line]| {
                let changes = lines[CALLER].phone.last_talk().map_or(&[][..], |talk| &talk.changes);
                changes.iter().filter(|code| **code == 200).count() >= count
            }
        };
        check("hold, answered", self.until(STEP, changed(1)))?;
        self.phone(CALLER).resume(Instant::now());
        check("resume", self.until(STEP, changed(2)))?;
        self.phone(CALLER).press('5');
        let pressed = |lines: &[Line]| lines[CALLEE].phone.last_talk().is_some_and(|talk| talk.keys == "5");
        check("key", self.until(STEP, pressed))?;
        self.phone(CALLER).transfer(Instant::now(), &target);
        let moved = |lines: &[Line]| {
            lines[CALLER].stage() == Stage::Over
                && lines[CALLEE].hears(voices[TARGET])
                && lines[TARGET].hears(voices[CALLEE])
        };
        check("transfer", self.until(STEP, moved))?;
        let last = self.lines[TARGET].phone.talks.len() - 1;
        self.phone(TARGET).hang_up(Instant::now(), last);
        let over = |lines: &[Line]| lines.iter().all(|line| line.phone.is_quiet());
        check("goodbye", self.until(STEP, over))
    }

    /// Whatever a failed call has left is ended, so that the next one begins with idle phones.
    fn clear(&mut self) {
        for place in [CALLER, CALLEE, TARGET] {
            for call in 0..self.lines[place].phone.talks.len() {
                self.phone(place).hang_up(Instant::now(), call);
            }
        }
        self.until(STEP, |lines| lines.iter().all(|line| line.phone.is_quiet()));
    }
}

/// The transports of a desk: over all desks each stands in each place.
fn transports(desk: usize) -> [Transport; 3] {
    let pick = |offset: usize| Transport::ALL[(desk + offset) % Transport::ALL.len()];
    [pick(0), pick(desk / 5 + 1), pick(desk / 5 * 2 + 2)]
}

#[test]
fn nearly_every_call_comes_about_in_a_storm() {
    let soak = std::env::var_os("YAKYAK_SOAK").is_some();
    let (desks, calls) = if soak { (40, 25) } else { (10, 4) };
    // The phones are gone at the end, and nobody shall be asked whether they are there.
    let server = Server::start_with(&[("YAKYAK_SIP__QUALIFY_EVERY_S", "0")]);
    let logins: Vec<Login> =
        (0..desks * 3).map(|place| server.create_extension("demo", &(20_000 + place).to_string())).collect();
    let failed: Vec<(usize, [Transport; 3], &str)> = std::thread::scope(|scope| {
        let run = |desk: usize| {
            let (server, logins) = (&server, &logins);
            scope.spawn(move || {
                let voices = [0, 1, 2].map(|place| u16::try_from(desk * 3 + place).unwrap());
                let lines = [CALLER, CALLEE, TARGET].map(|place| {
                    let ip = Ipv4Addr::new(127, 77, u8::try_from(desk).unwrap(), u8::try_from(place + 1).unwrap());
                    Line::new(server, &logins[desk * 3 + place], transports(desk)[place], ip, voices[place])
                });
                let mut desk_at_work = Desk { lines: lines.into(), network: Network::new(desk as u64, Weather::STORM) };
                desk_at_work.register();
                let mut failed = Vec::new();
                for _ in 0..calls {
                    if let Err(step) = desk_at_work.call(voices) {
                        failed.push((desk, transports(desk), step));
                        desk_at_work.clear();
                    }
                }
                failed
            })
        };
        let desks: Vec<_> = (0..desks).map(run).collect();
        desks.into_iter().flat_map(|desk| desk.join().expect("a desk that does not panic")).collect()
    });
    let made = desks * calls;
    let good = made - failed.len();
    // 99 of 100; of the few calls of a short run one may fail.
    assert!(good * 100 >= made * 99 || failed.len() <= 1, "{good} of {made}: {failed:?}");
    let records = server.closed_records(made);
    assert_eq!(records.len(), made, "one record for each call");
    let until = Instant::now() + PATIENCE + PATIENCE;
    loop {
        let status = server.json(&["status"]);
        let count = |key: &str| status[key].as_u64().unwrap_or_else(|| panic!("{key} in {status}"));
        let left = ["calls", "media_sessions", "sip_transactions", "sip_dialogs"].map(count);
        if left == [0; 4] {
            break;
        }
        assert!(Instant::now() < until, "something is left: {status}");
        std::thread::sleep(Duration::from_millis(500));
    }
}
