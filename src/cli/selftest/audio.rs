//! The audio of a call in plain RTP, or in SRTP with the keys of the descriptions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use media::probe::{Heard, PACKET_BYTES, Probe, ProbeConfig};
use media::profile::{Profile, Secret, SrtpPolicy};
use media::srtp::{MasterKey, Opener, Sealer};
use media::{Codec, LegPlan, MediaAddress, Negotiation, Security, plan};
use tokio::net::UdpSocket;

use super::phone::random;

/// Room for a packet and what encryption adds.
const BUFFER: usize = 2_048;
/// How often a pair of ports is looked for.
const TRIES: usize = 100;

/// A way by which RTP goes and comes.
pub(super) trait Way {
    /// Sends the packet in the first bytes of a buffer.
    async fn send(&mut self, buffer: &mut [u8], length: usize) -> Result<()>;
    /// The next packet, in clear. Nothing is lost when it is not waited for to the end.
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// Lets a probe speak and listen until it has heard enough.
pub(super) async fn listen(way: &mut impl Way, mut probe: Probe) -> Result<Heard> {
    let (mut out, mut buffer) = ([0; PACKET_BYTES], [0; BUFFER]);
    while let Some(due) = probe.poll_timeout() {
        tokio::select! {
            length = way.receive(&mut buffer) => {
                probe.receive(Instant::now(), buffer.get(..length?).unwrap_or_default());
            }
            () = tokio::time::sleep_until(due.into()) => {
                if let Some(length) = probe.poll_packet(Instant::now(), &mut out) {
                    let mut packet = [0; BUFFER];
                    packet[..length].copy_from_slice(&out[..length]);
                    way.send(&mut packet, length).await?;
                }
            }
        }
    }
    Ok(probe.heard())
}

/// A probe that begins now, with random numbers of its own.
pub(super) fn probe(payload_type: u8) -> Result<Probe> {
    let [a, b, c, d, e, f, g, h, i, j, ..] = random()?;
    let config = ProbeConfig {
        codec: Codec::Pcmu,
        payload_type,
        ssrc: u32::from_be_bytes([a, b, c, d]),
        sequence: u16::from_be_bytes([e, f]),
        timestamp: u32::from_be_bytes([g, h, i, j]),
    };
    Probe::new(Instant::now(), config).context("there is no such codec")
}

/// Two ports and what is agreed about them.
pub(super) struct Line {
    rtp: UdpSocket,
    /// Takes the reports, so that nobody is told that the port is closed.
    _rtcp: UdpSocket,
    address: MediaAddress,
    negotiation: Negotiation,
    /// Whether audio may go elsewhere than to this machine.
    may_leave: bool,
}

impl Line {
    /// Ports that face the server.
    pub(super) async fn open(ip: IpAddr, srtp: SrtpPolicy, may_leave: bool) -> Result<Self> {
        let (rtp, rtcp, port) = pair(ip).await?;
        let profile = Profile { srtp, events: false, secret: Secret(random()?), ..Profile::plain(None) };
        let address = MediaAddress { ip, rtp_port: port, shared_port: 0 };
        Ok(Self { rtp, _rtcp: rtcp, address, negotiation: Negotiation::new(1, profile), may_leave })
    }

    /// The offer of an INVITE.
    pub(super) fn offer(&mut self) -> Result<Bytes> {
        Ok(plan::propose_only(&mut self.negotiation, self.address, Codec::Pcmu)?)
    }

    /// The answer, from which follows where audio goes and with which keys.
    pub(super) async fn answered(mut self, body: &[u8]) -> Result<(Talk, u8)> {
        self.negotiation.remote_answer(body).map_err(|refusal| anyhow!("the answer is no good: {refusal}"))?;
        let (_, plan) = plan::terminate(&mut self.negotiation, self.address)?;
        let leg: LegPlan = plan.legs.into_iter().next().context("nothing is agreed")?;
        let mut remote = leg.remote_rtp.filter(|_| leg.send && leg.receive).context("the answer wants no audio")?;
        if !self.may_leave && !remote.ip().is_loopback() {
            // A server that shows the world another address hears on this machine all the same.
            remote.set_ip(self.address.ip);
        }
        self.rtp.connect(remote).await.with_context(|| format!("there is no way to {remote}"))?;
        let keys = match leg.security {
            Security::Plain => None,
            Security::Sdes { send, receive } => Some(Keys::new(&send, &receive)),
            Security::Dtls { .. } => return Err(anyhow!("the answer wants a handshake that nobody offered")),
        };
        Ok((Talk { line: self, keys }, leg.payload_type))
    }
}

/// An even port and the one above it.
async fn pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket, u16)> {
    for _ in 0..TRIES {
        let rtp = UdpSocket::bind((ip, 0)).await.with_context(|| format!("no UDP port on {ip}"))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = UdpSocket::bind((ip, port + 1)).await
        {
            return Ok((rtp, rtcp, port));
        }
    }
    Err(anyhow!("no pair of UDP ports is free on {ip}"))
}

struct Keys {
    sealer: Sealer,
    opener: Opener,
}

impl Keys {
    fn new(send: &MasterKey, receive: &MasterKey) -> Self {
        Self { sealer: Sealer::new(send), opener: Opener::new(receive) }
    }
}

/// A line on which both sides are known.
pub(super) struct Talk {
    line: Line,
    keys: Option<Keys>,
}

impl Way for Talk {
    async fn send(&mut self, buffer: &mut [u8], length: usize) -> Result<()> {
        let length = match &mut self.keys {
            Some(keys) => keys.sealer.seal_rtp(buffer, length)?,
            None => length,
        };
        // A port that is closed shows in what is heard, or not.
        let _ = self.line.rtp.send(&buffer[..length]).await;
        Ok(())
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let Ok(length) = self.line.rtp.recv(buffer).await else {
                // The other port is closed: what was sent there came back as an error. There may be more to hear.
                tokio::task::yield_now().await;
                continue;
            };
            match &mut self.keys {
                None => return Ok(length),
                // What is forged, or in clear where it should not be, is not heard.
                Some(keys) => match keys.opener.open_rtp(buffer, length) {
                    Ok(length) => return Ok(length),
                    Err(_) => continue,
                },
            }
        }
    }
}

/// The address of this machine that faces the server.
pub(super) fn facing(server: SocketAddr) -> Result<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(server).with_context(|| format!("there is no way to {server}"))?;
    Ok(socket.local_addr()?.ip())
}
