//! The audio of a call as a browser carries it: ICE, DTLS-SRTP and one port for everything, by the `webrtc` crate, which shares no
//! code with the server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use media::probe::PACKET_BYTES;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_PCMU, MediaEngine};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::shared::marshal::{Marshal as _, Unmarshal as _};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    Registry, SettingEngineBuilder, register_default_interceptors,
};

use super::audio::{Way, probe};
use super::call::{Measured, Target, converse};
use super::phone::{Phone, random};

/// How long ICE and the handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Packets that wait to be heard; further ones are lost.
const PACKETS: usize = 500;
/// Payload type of PCMU (RFC 3551, 6).
const PCMU: u8 = 0;

/// One call to the target.
pub(super) async fn place(phone: &mut Phone, target: &Target, id: &str) -> Result<Measured> {
    let mut browser = Browser::open(target.facing).await?;
    let measured = talk(&mut browser, phone, target, id).await;
    let _ = browser.connection.close().await;
    measured
}

async fn talk(browser: &mut Browser, phone: &mut Phone, target: &Target, id: &str) -> Result<Measured> {
    let offer = browser.offer().await?;
    let began = Instant::now();
    let answered = phone.call(&target.number, id, offer).await?;
    browser.answered(&answered.body).await?;
    tokio::select! {
        connected = browser.connected() => connected?,
        ended = phone.until_hung_up() => {
            ended?;
            return Err(anyhow!("the server has ended the call before there was audio"));
        }
    }
    let set_up = began.elapsed();
    let heard = converse(phone, browser, probe(PCMU)?).await?;
    Ok(Measured { set_up, heard })
}

/// What the connection tells of itself.
struct Ear {
    gathered: watch::Sender<bool>,
    state: watch::Sender<RTCPeerConnectionState>,
    packets: mpsc::Sender<Bytes>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Ear {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered.send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let packets = self.packets.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && let Ok(bytes) = packet.marshal()
                {
                    // What nobody listens to in time is lost, as on any way.
                    let _ = packets.try_send(bytes.freeze());
                }
            }
        });
    }
}

/// A connection with one audio track.
struct Browser {
    connection: Box<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    gathered: watch::Receiver<bool>,
    state: watch::Receiver<RTCPeerConnectionState>,
    packets: mpsc::Receiver<Bytes>,
}

impl Browser {
    async fn open(facing: IpAddr) -> Result<Self> {
        let (gathered_sender, gathered) = watch::channel(false);
        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let (packets_sender, packets) = mpsc::channel(PACKETS);
        let ear = Ear { gathered: gathered_sender, state: state_sender, packets: packets_sender };
        let codec = RTCRtpCodec { mime_type: MIME_TYPE_PCMU.to_owned(), clock_rate: 8_000, ..RTCRtpCodec::default() };
        let mut engine = MediaEngine::default();
        let parameters = RTCRtpCodecParameters { rtp_codec: codec.clone(), payload_type: PCMU };
        engine.register_codec(parameters, RtpCodecKind::Audio)?;
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        let settings = SettingEngineBuilder::new().with_include_loopback_candidate(true).build();
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(Arc::new(ear))
            .with_udp_addrs(vec![SocketAddr::new(facing, 0)])
            .build()
            .await
            .context("the browser's media cannot be made")?;
        let [a, b, c, d, ..] = random()?;
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..RTCRtpCodingParameters::default() };
        let encoding =
            RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..RTCRtpEncodingParameters::default() };
        let name = || "selftest".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
        Ok(Self { connection: Box::new(connection), track, ssrc, gathered, state, packets })
    }

    /// The offer with every candidate.
    async fn offer(&mut self) -> Result<Bytes> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        let gathered = tokio::time::timeout(PATIENCE, self.gathered.wait_for(|gathered| *gathered)).await;
        gathered.context("the browser's media finds no address")??;
        let description = self.connection.local_description().await.context("there is no offer")?;
        Ok(Bytes::from(description.sdp))
    }

    async fn answered(&self, body: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(body).context("the answer is no text")?;
        let answer = RTCSessionDescription::answer(text.to_owned()).context("the answer cannot be read")?;
        self.connection.set_remote_description(answer).await.context("the answer is no good")
    }

    /// Waits until ICE and the handshake are done.
    async fn connected(&self) -> Result<()> {
        let over = |state: &RTCPeerConnectionState| {
            matches!(
                state,
                RTCPeerConnectionState::Connected | RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
            )
        };
        let mut watched = self.state.clone();
        if let Ok(gone) = tokio::time::timeout(PATIENCE, watched.wait_for(over)).await {
            gone.context("the browser's media is closed")?;
        }
        let state = *self.state.borrow();
        match state {
            RTCPeerConnectionState::Connected => Ok(()),
            other => Err(anyhow!("ICE and the DTLS handshake do not come about: the connection is {other}")),
        }
    }
}

impl Way for Browser {
    async fn send(&mut self, buffer: &mut [u8], length: usize) -> Result<()> {
        let mut bytes = Bytes::copy_from_slice(buffer.get(..length.min(PACKET_BYTES)).unwrap_or_default());
        let mut packet = rtp::Packet::unmarshal(&mut bytes)?;
        packet.header.ssrc = self.ssrc;
        self.track.write_rtp(packet).await.context("the browser's media is closed")
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(packet) = self.packets.recv().await else {
            // Nothing will come any more; the call goes on to its end.
            return std::future::pending().await;
        };
        let length = packet.len().min(buffer.len());
        buffer[..length].copy_from_slice(&packet[..length]);
        Ok(length)
    }
}
