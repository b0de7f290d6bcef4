//! Signalling between phones and the switch, over datagrams and streams: what the doors do in the real program.

use std::time::Instant;

use sip::framing::{Frame, PONG};
use sip::{Flow, Message, Transmit, Transport};
use switch::Input;

use super::{SIP_PORT, SWITCH, World};
use crate::network::Datagram;

/// Which stream of the seed decides where the bytes of a stream are cut.
pub(super) const CUT_STREAM: u64 = 1 << 41;

/// Most pieces a message is cut into.
const MOST_PIECES: u64 = 4;

impl World {
    /// Something for the SIP port of the switch.
    pub(super) fn receive(&mut self, now: Instant, datagram: &Datagram) {
        let flow = self.flow_of(datagram);
        if !matches!(flow.transport, Transport::Tcp | Transport::Tls) {
            // As the door does: what cannot be parsed goes no further.
            if let Ok(message) = Message::parse_datagram(datagram.bytes.clone()) {
                self.shard.handle(now, Input::Sip { flow, message });
            }
            return;
        }
        let Some(decoder) = self.connections.get_mut(&flow.remote) else { return };
        decoder.push(&datagram.bytes);
        loop {
            let Some(decoder) = self.connections.get_mut(&flow.remote) else { return };
            match decoder.next_frame() {
                Ok(Some(Frame::Message(message))) => self.shard.handle(now, Input::Sip { flow, message }),
                Ok(Some(Frame::Ping)) => {
                    self.network.send_stream(now, flow.local, flow.remote, PONG.into());
                }
                Ok(Some(Frame::Unreadable(error))) => panic!("seed {}: a phone sends {error}", self.seed()),
                Ok(Some(Frame::Last(_))) | Err(_) => panic!("seed {}: a phone sends no SIP", self.seed()),
                Ok(None) => return,
            }
        }
    }

    /// Something that a phone sends.
    pub(super) fn carry(&mut self, now: Instant, place: usize, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let setup = &self.phones[place].setup;
        if from != setup.address || !setup.transport.is_reliable() {
            return self.network.send(now, from, to, bytes);
        }
        if self.offline.contains(&place) {
            return;
        }
        self.connections.entry(from).or_default();
        let whole = matches!(setup.transport, Transport::Ws | Transport::Wss);
        self.send_in_pieces(now, (from, to), bytes, whole);
    }

    /// Something that the switch sends.
    pub(super) fn transmit(&mut self, now: Instant, transmit: Transmit) {
        let Flow { transport, local, remote } = transmit.flow;
        if !transport.is_reliable() {
            self.network.send(now, local, remote, transmit.bytes);
        } else if self.connections.contains_key(&remote) {
            let whole = matches!(transport, Transport::Ws | Transport::Wss);
            self.send_in_pieces(now, (local, remote), transmit.bytes, whole);
        } else {
            // Nobody can connect to a phone.
            self.shard.handle(now, Input::SipFailed { flow: transmit.flow });
        }
    }

    fn send_in_pieces(
        &mut self,
        now: Instant,
        (from, to): (std::net::SocketAddr, std::net::SocketAddr),
        mut bytes: bytes::Bytes,
        whole: bool,
    ) {
        let pieces = if whole { 0 } else { self.cuts.below(MOST_PIECES) };
        for _ in 0..pieces {
            let length = usize::try_from(self.cuts.below(bytes.len() as u64)).unwrap_or_default();
            self.network.send_stream(now, from, to, bytes.split_to(length));
        }
        self.network.send_stream(now, from, to, bytes);
    }

    /// The connection of a phone breaks, and both sides see it.
    pub(super) fn cut_connection(&mut self, place: usize) {
        let setup = &self.phones[place].setup;
        assert!(setup.transport.is_reliable(), "{} has no connection", setup.name);
        let flow = Flow { transport: setup.transport, local: setup.registrar, remote: setup.address };
        self.network.cut_stream(flow.local, flow.remote);
        self.offline.insert(place);
        self.phones[place].disconnected(self.clock.now());
        if self.connections.remove(&flow.remote).is_some() {
            self.tell(Input::FlowClosed { flow });
        }
    }

    /// The phone has a connection again.
    pub(super) fn connected(&mut self, place: usize) {
        self.offline.remove(&place);
    }

    fn flow_of(&self, datagram: &Datagram) -> Flow {
        let phone = self.hosts.get(&datagram.from.ip()).map(|place| &self.phones[*place].setup);
        let transport =
            phone.filter(|setup| setup.address == datagram.from).map_or(Transport::Udp, |setup| setup.transport);
        debug_assert_eq!((datagram.to.ip(), datagram.to.port()), (SWITCH, SIP_PORT));
        Flow { transport, local: datagram.to, remote: datagram.from }
    }
}
