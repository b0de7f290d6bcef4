//! Descriptions into bytes.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;

use super::{Connection, Description, Direction, Host, Kind, Media, Secure};

impl Description {
    /// The description as it goes on the wire. Control characters in any text of it are left out, so no value can
    /// start a line of its own.
    pub fn render(&self) -> Bytes {
        let mut out = String::with_capacity(512);
        out.push_str("v=0\r\n");
        if let Some(origin) = &self.origin {
            line(
                &mut out,
                format_args!("o={} {} {} {}", origin.username, origin.id, origin.version, network(&origin.address)),
            );
        }
        out.push_str("s=-\r\n");
        connection(&mut out, self.connection.as_ref());
        out.push_str("t=0 0\r\n");
        if !self.bundle.is_empty() {
            line(&mut out, format_args!("a=group:BUNDLE {}", self.bundle.join(" ")));
        }
        if self.ice_lite {
            line(&mut out, format_args!("a=ice-lite"));
        }
        secure(&mut out, &self.secure);
        direction(&mut out, self.direction);
        for media in &self.media {
            section(&mut out, media);
        }
        Bytes::from(out)
    }
}

fn section(out: &mut String, media: &Media) {
    let kind = match &media.kind {
        Kind::Audio => "audio",
        Kind::Other(name) => name,
    };
    let formats = media.formats.join(" ");
    line(out, format_args!("m={kind} {} {} {formats}", media.port, media.protocol));
    connection(out, media.connection.as_ref());
    transport(out, media);
    for map in &media.rtpmaps {
        let base = format_args!("a=rtpmap:{} {}/{}", map.payload_type, map.encoding, map.clock_hz);
        if map.channels > 1 {
            line(out, format_args!("{base}/{}", map.channels));
        } else {
            line(out, base);
        }
    }
    for (payload_type, value) in &media.fmtps {
        line(out, format_args!("a=fmtp:{payload_type} {value}"));
    }
    if let Some(ptime) = media.ptime_ms {
        line(out, format_args!("a=ptime:{ptime}"));
    }
    if let Some(maxptime) = media.maxptime_ms {
        line(out, format_args!("a=maxptime:{maxptime}"));
    }
    if let Some(port) = media.rtcp {
        line(out, format_args!("a=rtcp:{port}"));
    }
    if let Some(msid) = &media.msid {
        line(out, format_args!("a=msid:{msid}"));
    }
    direction(out, media.direction);
}

/// How a stream is carried and secured.
fn transport(out: &mut String, media: &Media) {
    for candidate in &media.candidates {
        line(out, format_args!("a=candidate:{candidate}"));
    }
    if media.end_of_candidates {
        line(out, format_args!("a=end-of-candidates"));
    }
    secure(out, &media.secure);
    if let Some(mid) = &media.mid {
        line(out, format_args!("a=mid:{mid}"));
    }
    if media.rtcp_mux {
        line(out, format_args!("a=rtcp-mux"));
    }
    for crypto in &media.cryptos {
        line(out, format_args!("a=crypto:{}", crypto.render()));
    }
}

fn secure(out: &mut String, secure: &Secure) {
    for (name, value) in secure.lines() {
        line(out, format_args!("a={name}:{value}"));
    }
}

fn connection(out: &mut String, connection: Option<&Connection>) {
    if let Some(connection) = connection {
        line(out, format_args!("c={}", network(&connection.host)));
    }
}

fn direction(out: &mut String, direction: Option<Direction>) {
    let name = match direction {
        None => return,
        Some(Direction::SendReceive) => "sendrecv",
        Some(Direction::SendOnly) => "sendonly",
        Some(Direction::ReceiveOnly) => "recvonly",
        Some(Direction::Inactive) => "inactive",
    };
    line(out, format_args!("a={name}"));
}

fn network(host: &Host) -> String {
    match host {
        Host::Ip(IpAddr::V4(ip)) => format!("IN IP4 {ip}"),
        Host::Ip(IpAddr::V6(ip)) => format!("IN IP6 {ip}"),
        Host::Name(name) => format!("IN IP4 {name}"),
    }
}

fn line(out: &mut String, content: std::fmt::Arguments<'_>) {
    let start = out.len();
    // Writing to a String cannot fail.
    let _ = out.write_fmt(content);
    if out[start..].contains(char::is_control) {
        let clean: String = out[start..].chars().filter(|c| !c.is_control()).collect();
        out.truncate(start);
        out.push_str(&clean);
    }
    out.push_str("\r\n");
}
