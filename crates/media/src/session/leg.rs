//! One leg of a session: its plan, its sources, its two streams.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::DropReason;
use super::digits::Tones;
use super::ear::Ear;
use super::keys::Keys;
use super::playback::{Player, Samples};
use super::random::Random;
use super::reporting::Reporting;
use super::reports::Reports;
use super::rewrite::Rewriter;
use super::secure::Protection;
use super::source::{Judgement, Source};
use super::statistics::Inbound;
use super::voice::Voice;
use crate::command::{Channel, DirectionStats, LegStats};
use crate::dtls::Identity;
use crate::dtmf;
use crate::plan::{LegPlan, Security};
use crate::rtp::HEADER;

/// Whose audio the leg hears.
#[derive(Debug)]
pub(super) enum Role {
    /// The other leg's.
    Relay,
    /// Its own.
    Echo,
    /// Ours.
    Playback(Player),
}

/// Whether the leg should be heard, and was.
#[derive(Clone, Copy, Debug)]
enum Watch {
    /// It need not send.
    Off,
    /// `check_at` is moved only when it is reached, so that a packet costs nothing but a time stamp.
    On { heard_at: Instant, check_at: Instant },
    /// Silence was told; a packet begins a new watch.
    Reported,
}

#[derive(Debug)]
pub(super) struct LegState {
    pub(super) plan: Option<LegPlan>,
    pub(super) role: Role,
    pub(super) protection: Protection,
    pub(super) rtp: Source,
    pub(super) rtcp: Source,
    pub(super) inbound: Inbound,
    pub(super) outbound: Rewriter,
    pub(super) events: dtmf::Reader,
    pub(super) keys: Keys,
    /// Hears the leg where somebody needs what it says as samples.
    pub(super) ear: Option<Box<Ear>>,
    /// Says to it what others said in another codec.
    pub(super) voice: Option<Box<Voice>>,
    pub(super) tones: Tones,
    /// Samples per second of the room it is in.
    pub(super) room_hz: Option<u32>,
    pub(super) reports: Reports,
    pub(super) reporting: Reporting,
    /// The last address its description named.
    announced: Option<SocketAddr>,
    watch: Watch,
    sent_packets: u64,
    sent_bytes: u64,
    strangers: u64,
    dropped: u64,
}

impl LegState {
    pub(super) fn new(random: &mut Random) -> Self {
        LegState {
            plan: None,
            role: Role::Relay,
            protection: Protection::default(),
            rtp: Source::default(),
            rtcp: Source::default(),
            inbound: Inbound::default(),
            outbound: Rewriter::new(random),
            events: dtmf::Reader::default(),
            keys: Keys::default(),
            ear: None,
            voice: None,
            tones: Tones::default(),
            room_hz: None,
            reports: Reports::default(),
            reporting: Reporting::new(random),
            announced: None,
            watch: Watch::Off,
            sent_packets: 0,
            sent_bytes: 0,
            strangers: 0,
            dropped: 0,
        }
    }

    pub(super) fn apply(
        &mut self,
        now: Instant,
        mut plan: LegPlan,
        silence_after: Duration,
        identity: Option<&Identity>,
    ) {
        self.protection.apply(now, &plan, identity);
        // Old-style hold names no address; the leg is still who it was before and may play music.
        if let (None, Some(before)) = (plan.remote_rtp, &self.plan) {
            for ip in &before.sources {
                if !plan.sources.contains(ip) {
                    plan.sources.push(*ip);
                }
            }
        }
        if plan.remote_rtp.is_some() && plan.remote_rtp != self.announced {
            self.rtp.release(now);
            self.rtcp.release(now);
            self.announced = plan.remote_rtp;
        }
        self.rtp.restrict(&plan.sources);
        self.rtcp.restrict(&plan.sources);
        // A leg that holds us may keep silent.
        self.watch = match (plan.send && plan.receive, now.checked_add(silence_after)) {
            (true, Some(check_at)) => Watch::On { heard_at: now, check_at },
            (true, None) | (false, _) => Watch::Off,
        };
        self.plan = Some(plan);
    }

    /// A good packet came from the leg.
    pub(super) fn heard(&mut self, now: Instant, silence_after: Duration) {
        self.reporting.begin(now);
        self.watch = match (self.watch, now.checked_add(silence_after)) {
            (Watch::On { check_at, .. }, _) | (Watch::Reported, Some(check_at)) => {
                Watch::On { heard_at: now, check_at }
            }
            (Watch::Reported, None) | (Watch::Off, _) => Watch::Off,
        };
    }

    /// How long the leg has been silent, told once.
    pub(super) fn check_silence(&mut self, now: Instant, silence_after: Duration) -> Option<Duration> {
        let Watch::On { heard_at, check_at } = self.watch else {
            return None;
        };
        if now < check_at {
            return None;
        }
        let silence = now.saturating_duration_since(heard_at);
        if silence >= silence_after {
            self.watch = Watch::Reported;
            return Some(silence);
        }
        self.watch = match heard_at.checked_add(silence_after) {
            Some(check_at) => Watch::On { heard_at, check_at },
            None => Watch::Off,
        };
        None
    }

    pub(super) fn play(&mut self, now: Instant, samples: Samples) {
        self.reporting.begin(now);
        self.role = Role::Playback(Player::new(now, samples));
    }

    /// Whether a playback came to its end.
    pub(super) fn advance_playback(&mut self, now: Instant) -> bool {
        let Role::Playback(player) = &mut self.role else {
            return false;
        };
        player.advance(now);
        let ended = player.is_over();
        if ended {
            self.role = Role::Relay;
        }
        ended
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let watch = match self.watch {
            Watch::On { check_at, .. } => Some(check_at),
            Watch::Off | Watch::Reported => None,
        };
        let playback = match &self.role {
            Role::Playback(player) => Some(player.next_at()),
            Role::Relay | Role::Echo => None,
        };
        let reports = self.reporting.poll_timeout();
        [watch, playback, reports, self.events.poll_timeout(), self.protection.poll_timeout(), self.keys.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A datagram of the handshake, a press, or a frame of the playback, when one is due and may be sent.
    pub(super) fn poll_packet(&mut self, out: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let to = self.destination(Channel::Rtp);
        // Before there is anybody to shake hands with, nothing is taken out of the queue: it will be wanted.
        if let Some(to) = to
            && let Some(len) = self.protection.poll_datagram(out)
        {
            return Some((to, len));
        }
        let plan = self.plan.as_ref()?;
        let may_send = plan.send && plan.codec.is_known();
        let to_whom = to.filter(|_| plan.send);
        if let Some(to) = to_whom
            && let Some(len) = self.keys.packet(&mut self.outbound, plan, out)
        {
            let len = self.protection.seal_rtp(out, len).ok()?;
            self.sent(len);
            return Some((to, len));
        }
        let player = match &mut self.role {
            Role::Playback(player) => player,
            Role::Relay => return self.said(to.filter(|_| may_send && !self.keys.is_busy())?, out),
            Role::Echo => return None,
        };
        let (Some(to), true, false) = (to, may_send, self.keys.is_busy()) else {
            player.skip(plan);
            return None;
        };
        let len = player.packet(&mut self.outbound, plan, out)?;
        let len = self.protection.seal_rtp(out, len).ok()?;
        self.sent(len);
        Some((to, len))
    }

    /// A packet of what was said to the leg in its codec.
    fn said(&mut self, to: SocketAddr, out: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let (Some(voice), Some(plan)) = (&mut self.voice, &self.plan) else { return None };
        let len = voice.packet(&mut self.outbound, plan, out)?;
        let len = self.protection.seal_rtp(out, len).ok()?;
        self.sent(len);
        Some((to, len))
    }

    /// Where its packets go: to whoever is heard, before that to where its description says.
    pub(super) fn destination(&self, channel: Channel) -> Option<SocketAddr> {
        let plan = self.plan.as_ref()?;
        if plan.ice.is_some() {
            return self.protection.selected();
        }
        let (source, announced) = match channel {
            Channel::Rtcp if plan.mux => (&self.rtp, plan.remote_rtp),
            Channel::Rtp => (&self.rtp, plan.remote_rtp),
            Channel::Rtcp => (&self.rtcp, plan.remote_rtcp),
        };
        source.address().or(announced)
    }

    /// What becomes of a packet from some address.
    pub(super) fn judge(&self, now: Instant, channel: Channel, from: SocketAddr) -> Judgement {
        match (self.protection.believes(from), &self.plan) {
            (Some(true), _) => Judgement::Known,
            (Some(false), _) | (None, None) => Judgement::Stranger,
            (None, Some(plan)) => match channel {
                Channel::Rtcp if !plan.mux => self.rtcp.judge(now, from, &plan.sources),
                Channel::Rtp | Channel::Rtcp => self.rtp.judge(now, from, &plan.sources),
            },
        }
    }

    /// Whether a handshake may come from an address: the peer's, and where one was latched, that one.
    pub(super) fn may_shake(&self, now: Instant, from: SocketAddr) -> bool {
        matches!(self.judge(now, Channel::Rtp, from), Judgement::Known | Judgement::Latched)
    }

    /// A handshake is answered where it came from: behind NAT the description names another address.
    pub(super) fn shaken_from(&mut self, now: Instant, from: SocketAddr) {
        if self.judge(now, Channel::Rtp, from) == Judgement::Latched {
            self.rtp.accept(now, from);
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent_packets += 1;
        self.sent_bytes += bytes as u64;
    }

    pub(super) fn sent_packets(&self) -> u64 {
        self.sent_packets
    }

    /// Without their headers.
    pub(super) fn sent_payload_bytes(&self) -> u64 {
        self.sent_bytes.saturating_sub(self.sent_packets * HEADER as u64)
    }

    pub(super) fn dropped(&mut self, reason: DropReason) {
        match reason {
            DropReason::Stranger => self.strangers += 1,
            DropReason::NoLeg
            | DropReason::NoPlan
            | DropReason::Malformed
            | DropReason::OtherSource
            | DropReason::PayloadType
            | DropReason::Direction
            | DropReason::NoDestination
            | DropReason::Forged
            | DropReason::Replayed
            | DropReason::NoKeys => self.dropped += 1,
        }
    }

    pub(super) fn stats(&self) -> LegStats {
        let reported = self.reports.reported;
        let lost = reported.map_or(0, |r| u64::try_from(r.lost).unwrap_or(0));
        LegStats {
            received: self.inbound.stats(),
            sent: DirectionStats {
                packets: self.sent_packets,
                bytes: self.sent_bytes,
                expected: self.sent_packets,
                lost,
                late: 0,
                jitter_us: reported.map_or(0, |r| r.jitter_us),
            },
            dropped_strangers: self.strangers,
            dropped: self.dropped,
            codec: self.plan.as_ref().map_or("", |plan| plan.codec_name),
            encryption: match self.plan.as_ref().map(|plan| &plan.security) {
                Some(Security::Sdes { .. }) => "SDES",
                Some(Security::Dtls { .. }) => "DTLS",
                Some(Security::Plain) | None => "",
            },
            rtcp_in: self.reports.packets_in,
            rtcp_out: self.reports.packets_out,
            rtt_us: self.reports.rtt_us,
            reported,
        }
    }
}
