//! SIP sockets as the settings want them: where they listen, what they show, and what they tell the switchboard.
//! The certificate is that of HTTPS too.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sip_net::{Addresses, Certificate, CertificateError, Event, Sockets, StreamConfig, Transports};
use switch::Input;

use crate::exit::Refusal;
use crate::settings::Settings;
use crate::switchboard::Mailbox;
use crate::trace::Recorder;
use crate::welcome;

/// How often the files of the certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Binds every SIP address that the settings name.
///
/// # Errors
/// An address cannot be had: one line with the key.
pub fn bind(settings: &Settings) -> Result<Sockets, Refusal> {
    let sip = &settings.sip;
    let addresses = Addresses {
        udp: served(&sip.udp),
        tcp: served(&sip.tcp),
        tls: served(&sip.tls),
        ws: served(&sip.ws),
        wss: served(&sip.wss),
    };
    Sockets::bind_several(&addresses, sip.udp_sockets).map_err(|error| {
        let key = error.transport.as_str().to_ascii_lowercase();
        Refusal::new(format!(
            "[sip] {key}: {error}; stop what uses it, or listen elsewhere with YAKYAK_SIP__{}",
            error.transport
        ))
    })
}

/// A machine without IPv6 does without its wildcard address, which the defaults name.
pub(crate) fn served(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let has_v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let wildcard = |address: &SocketAddr| address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    addresses.iter().copied().filter(|address| has_v6 || addresses.len() == 1 || !wildcard(address)).collect()
}

/// The certificate for what is listened on with TLS, whatever is spoken inside; `None` when nothing is.
///
/// # Errors
/// It cannot be read or made: one line with the key.
pub fn certificate(settings: &Settings, listening: &[SocketAddr]) -> Result<Option<Arc<Certificate>>, Refusal> {
    if listening.is_empty() {
        return Ok(None);
    }
    let tls = &settings.tls;
    if !tls.certificate.as_os_str().is_empty() {
        let opened = Certificate::open(&tls.certificate, &tls.private_key);
        return opened.map(Some).map_err(|error| {
            let key = if error.is_key { "private_key" } else { "certificate" };
            Refusal::new(format!("[tls] {key}: {error}; name a PEM file that this user can read"))
        });
    }
    let directory = settings.server.data_dir.join("tls");
    let made = Certificate::self_signed(&directory, &names(settings, listening));
    made.map(Some).map_err(|error: CertificateError| {
        Refusal::new(format!(
            "[tls] certificate: {error}; remove {} so that a new one is made, or name files of your own",
            directory.display()
        ))
    })
}

/// What a certificate of our own making is good for: the names and addresses that phones may have been told.
fn names(settings: &Settings, listening: &[SocketAddr]) -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let mut names: Vec<String> = Vec::new();
    if !host.is_empty() && plain(host) {
        names.push(host.to_owned());
    }
    names.push("localhost".to_owned());
    let bound = listening.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    let addresses = settings.sip.advertised_address.into_iter().chain(welcome::facing_the_world()).chain(bound);
    for address in addresses {
        let name = address.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads the certificate again whenever its files change, for as long as the program runs.
pub async fn follow_certificate(certificate: Arc<Certificate>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        match certificate.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => tracing::info!(file = %certificate.path().display(), "new connections get the new certificate"),
            Err(error) => {
                let key = if error.is_key { "private_key" } else { "certificate" };
                tracing::error!(%error, "[tls] {key} has changed and cannot be used; the old certificate stays");
            }
        }
    }
}

/// Starts receiving into the mailbox.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    settings: &Settings,
    (sockets, certificate): (Sockets, Option<Arc<Certificate>>),
    mailbox: Mailbox,
    recorder: Recorder,
) -> Result<Transports> {
    let sip = &settings.sip;
    let config = StreamConfig {
        max_connections: sip.max_connections,
        max_connections_per_address: sip.max_connections_per_address,
        idle_time: Duration::from_secs(sip.connection_idle_s),
        certificate,
        ..StreamConfig::default()
    };
    let guard = mailbox.front().guard().clone();
    let sink = move |event| match event {
        Event::Received(received) => {
            recorder.received(received.at, &received.flow, received.message.bytes());
            mailbox.offer_sip(Input::Sip { flow: received.flow, message: received.message })
        }
        Event::Failed(flow) => {
            mailbox.post(Input::SipFailed { flow });
            true
        }
        Event::Closed(flow) => {
            mailbox.post(Input::FlowClosed { flow });
            true
        }
    };
    Transports::start(sockets, config, &guard, Arc::new(sink)).context("the SIP transports cannot start")
}
