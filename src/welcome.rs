//! What a new user reads at the first start: what to type into a phone, and what to try.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use store::Login;

use crate::settings::Settings;

/// An address of documentation (RFC 5737); asking for the way there sends nothing.
const SOMEWHERE: &str = "192.0.2.1:9";

/// The text after the first start on an empty database.
#[must_use]
pub fn first_start(settings: &Settings, listening: &[SocketAddr], domain: &str, logins: &[Login]) -> String {
    let server = server_address(settings, listening);
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
    text.push_str("\nAccount lines for baresip (~/.baresip/accounts), one per phone:\n\n");
    for login in logins {
        let _ = writeln!(
            text,
            "  <sip:{user}@{server};transport=udp>;auth_user={user};auth_pass={password};audio_codecs=PCMU,PCMA",
            user = login.username,
            password = login.password
        );
    }
    let ports: Vec<String> =
        listening.iter().map(|address| format!("UDP {} on {}", address.port(), address.ip())).collect();
    let _ = write!(
        text,
        "\nThen dial *43 from either: it beeps and sends back what it hears. From one phone dial the other's number to\n\
         call it. The calls stand in `yakyak cdr list`.\n\nFirewall: open {}, and UDP {}-{} for media.\nThe tenant's \
         name is demo, its domain {domain}; requests that name only this machine's address belong to it.\nThe passwords \
         are not shown again; `yakyak extension password --tenant demo NUMBER` makes a new one.\n",
        ports.join(", "),
        rtp.port_range_start,
        rtp.port_range_end,
    );
    text
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
fn facing_the_world() -> Option<IpAddr> {
    let route = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect(SOMEWHERE).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    route().or(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}
