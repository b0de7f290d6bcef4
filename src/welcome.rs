//! What a new user reads at the first start: what to type into a phone, and what to try.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use sip::Transport;
use sip_net::Addresses;
use store::Login;

use crate::settings::Settings;
use crate::website;

/// An address of documentation (RFC 5737); asking for the way there sends nothing.
const SOMEWHERE: &str = "192.0.2.1:9";

/// The text after the first start on an empty database.
#[must_use]
pub fn first_start(
    settings: &Settings,
    listening: &Addresses,
    web: &api::Addresses,
    domain: &str,
    logins: &[Login],
) -> String {
    let server = server_address(settings, &listening.udp);
    let rtp = &settings.rtp;
    let mut text = String::from("\nTwo extensions are ready. Type this into two phones:\n");
    for login in logins {
        let _ = write!(
            text,
            "\n  Server address (SIP server, registrar, domain)   {server}\n  User name (user ID, authentication ID)         \
             {}\n  Password                                         {}\n",
            login.username, login.password
        );
    }
    text.push_str(&in_a_browser(settings, web, logins));
    text.push_str("\nAccount lines for baresip (~/.baresip/accounts), one per phone:\n\n");
    for login in logins {
        let _ = writeln!(
            text,
            "  <sip:{user}@{server};transport=udp>;auth_user={user};auth_pass={password};audio_codecs=PCMU,PCMA",
            user = login.username,
            password = login.password
        );
    }
    let others: Vec<String> = Transport::ALL[1..].iter().filter_map(|transport| other(*transport, listening)).collect();
    if !others.is_empty() {
        let _ = write!(text, "\nPhones may also come over {}.", others.join(", "));
    }
    if !(listening.tls.is_empty() && listening.wss.is_empty() && web.https.is_empty())
        && settings.tls.certificate.as_os_str().is_empty()
    {
        text.push_str(
            "\nThe certificate is signed by itself: a phone must be told to accept it, and a browser opens the address with \
             https:// once.",
        );
    }
    let sip = Transport::ALL.iter().flat_map(|transport| doors(*transport, listening));
    let https = web.https.iter().map(|address| format!("TCP {} on {}", address.port(), address.ip()));
    let ports: Vec<String> = sip.chain(https).collect();
    let _ = write!(
        text,
        "\nThen dial *43 from either: it beeps and sends back what it hears. From one phone dial the other's number to\n\
         call it. Without a phone, `yakyak selftest` dials *43 and says what it heard. The calls stand in `yakyak cdr list`.\n\n\
         Firewall: open {}, and UDP {}-{} for media.\nThe tenant's name is demo, its domain {domain}; requests that name \
         only this machine's address belong to it.\nThe passwords are not shown again; `yakyak extension password \
         --tenant demo NUMBER` makes a new one.\n",
        ports.join(", "),
        rtp.port_range_start,
        rtp.port_range_end,
    );
    text
}

/// The way for whoever has no phone at hand; nothing when no page is served.
fn in_a_browser(settings: &Settings, web: &api::Addresses, logins: &[Login]) -> String {
    let pages = website::phone_pages(settings, web);
    let (Some(first), Some(login)) = (pages.first(), logins.first()) else { return String::new() };
    let mut text = format!(
        "\nOr without any phone: open {first} in a browser, log in as {} with the password\n{}, and dial *43.",
        login.username, login.password
    );
    if let Some(second) = pages.get(1) {
        let _ = write!(text, " From another machine: {second}");
    }
    text.push('\n');
    text
}

/// One more way to reach us, with its port.
fn other(transport: Transport, listening: &Addresses) -> Option<String> {
    let port = listening.of(transport).first()?.port();
    Some(format!("{transport} (port {port})"))
}

/// What a firewall must let through for a transport.
fn doors(transport: Transport, listening: &Addresses) -> impl Iterator<Item = String> {
    let protocol = if transport == Transport::Udp { "UDP" } else { "TCP" };
    listening.of(transport).iter().map(move |address| format!("{protocol} {} on {}", address.port(), address.ip()))
}

/// What a phone should be told to talk to.
fn server_address(settings: &Settings, listening: &[SocketAddr]) -> String {
    let preferred = listening.iter().find(|address| address.is_ipv4()).or(listening.first());
    let Some(preferred) = preferred.copied() else { return String::from("this machine") };
    let ip = settings.sip.advertised_address.unwrap_or_else(|| {
        if preferred.ip().is_unspecified() { facing_the_world().unwrap_or(preferred.ip()) } else { preferred.ip() }
    });
    if preferred.port() == 5060 && ip.is_ipv4() {
        ip.to_string()
    } else {
        SocketAddr::new(ip, preferred.port()).to_string()
    }
}

/// The address of the interface that the default route uses.
pub(crate) fn facing_the_world() -> Option<IpAddr> {
    let route = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect(SOMEWHERE).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    route().or(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}
