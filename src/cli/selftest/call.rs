//! One call to the echo test, from the offer to the goodbye.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, anyhow};
use media::probe::{Heard, Probe};
use media::profile::SrtpPolicy;

use super::audio::{Line, Way, listen, probe};
use super::phone::{Phone, random};

/// How the audio of a call is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RTP in clear.
    Plain,
    /// SRTP with keys in the description (RFC 4568).
    Sdes,
    /// As a browser does it: ICE and DTLS-SRTP.
    WebRtc,
}

impl Kind {
    /// What people read.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain RTP",
            Self::Sdes => "SRTP (SDES)",
            Self::WebRtc => "WebRTC",
        }
    }

    /// What programs read.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sdes => "sdes",
            Self::WebRtc => "webrtc",
        }
    }
}

/// Where calls go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The server.
    pub(super) server: SocketAddr,
    /// Our address that faces it.
    pub(super) facing: IpAddr,
    /// What is dialled.
    pub(super) number: String,
    /// Whether audio may leave this machine.
    pub(super) may_leave: bool,
}

/// What a call was like.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    /// Its Call-ID, by which its record and its trace are found.
    pub(super) id: String,
    /// What was heard, or why nothing was.
    pub(super) outcome: Result<Measured, String>,
}

/// What was measured of a call that came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// From the first INVITE until audio could flow.
    pub(super) set_up: Duration,
    pub(super) heard: Heard,
}

/// A Call-ID that is found again in records: only letters, digits and a dash.
pub(super) fn new_id() -> Result<String> {
    let digits: String = random()?.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("selftest-{digits}"))
}

/// Calls, listens and hangs up. A call that does not come about, or breaks, is a finding and no fault of this program.
pub(super) async fn place(phone: &mut Phone, target: &Target, kind: Kind) -> Result<Call> {
    let id = new_id()?;
    let outcome = match kind {
        Kind::Plain => keyed(phone, target, &id, SrtpPolicy::Off).await,
        Kind::Sdes => keyed(phone, target, &id, SrtpPolicy::Require).await,
        #[cfg(feature = "selftest-webrtc")]
        Kind::WebRtc => super::webrtc::place(phone, target, &id).await,
        #[cfg(not(feature = "selftest-webrtc"))]
        Kind::WebRtc => Err(anyhow!("this program is built without a browser's media")),
    };
    let goodbye = phone.hang_up().await;
    let outcome = outcome.and_then(|measured| goodbye.map(|()| measured));
    Ok(Call { kind, id, outcome: outcome.map_err(|error| format!("{error:#}")) })
}

async fn keyed(phone: &mut Phone, target: &Target, id: &str, srtp: SrtpPolicy) -> Result<Measured> {
    let mut line = Line::open(target.facing, srtp, target.may_leave).await?;
    let offer = line.offer()?;
    let answered = phone.call(&target.number, id, offer).await?;
    let (mut talk, payload_type) = line.answered(&answered.body).await?;
    let heard = converse(phone, &mut talk, probe(payload_type)?).await?;
    Ok(Measured { set_up: answered.after, heard })
}

/// Speaks and listens while the phone goes on answering what the server asks.
pub(super) async fn converse(phone: &mut Phone, way: &mut impl Way, probe: Probe) -> Result<Heard> {
    tokio::select! {
        heard = listen(way, probe) => heard,
        ended = phone.until_hung_up() => {
            ended?;
            Err(anyhow!("the server has ended the call in the middle of it"))
        }
    }
}
