//! What browsers are served, as the settings want it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use api::{Limits, PhoneConfig, Server, Sockets};
use sip_net::{Addresses, Certificate};

use crate::exit::Refusal;
use crate::settings::Settings;
use crate::sockets::served;
use crate::welcome::facing_the_world;

/// Binds every HTTP and HTTPS address that the settings name.
///
/// # Errors
/// An address cannot be had: one line with the key.
pub fn bind(settings: &Settings) -> Result<Sockets, Refusal> {
    let wanted = &settings.api;
    let addresses = api::Addresses { http: served(&wanted.listen_address), https: served(&wanted.tls_listen_address) };
    api::bind(&addresses).map_err(|error| {
        let key = if error.secure { "tls_listen_address" } else { "listen_address" };
        Refusal::new(format!(
            "[api] {key}: {error}; stop what uses it, or listen elsewhere with YAKYAK_API__{}",
            key.to_ascii_uppercase()
        ))
    })
}

/// Starts serving, within the runtime of the caller. `sip` is where phones are served.
///
/// # Errors
/// A socket or the certificate cannot be used.
pub fn start(
    settings: &Settings,
    sockets: Sockets,
    certificate: Option<&Arc<Certificate>>,
    sip: &Addresses,
) -> Result<Server> {
    let tls = certificate.map(|certificate| sip_net::server_config(Arc::clone(certificate))).transpose()?;
    let port = |addresses: &[SocketAddr]| addresses.first().map(SocketAddr::port);
    let phone = PhoneConfig {
        ws: port(&sip.ws),
        wss: port(&sip.wss),
        https: port(&sockets.addresses().https),
        address: settings.sip.advertised_address.or_else(facing_the_world),
    };
    Server::start(sockets, tls, api::router(&phone), Limits::default())
        .context("the pages for browsers cannot be served")
}

/// Where a browser finds the page with a phone in it: on this machine over HTTP, elsewhere over HTTPS.
#[must_use]
pub fn phone_pages(settings: &Settings, listening: &api::Addresses) -> Vec<String> {
    let here = || IpAddr::V4(Ipv4Addr::LOCALHOST);
    let elsewhere = || settings.sip.advertised_address.or_else(facing_the_world).unwrap_or_else(here);
    let http = preferred(&listening.http).map(|address| format!("http://{}/phone", reached_at(address, here)));
    let https = preferred(&listening.https).map(|address| format!("https://{}/phone", reached_at(address, elsewhere)));
    http.into_iter().chain(https).collect()
}

/// One of several addresses: people would rather type an IPv4 address.
fn preferred(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

/// An address that can be typed, in place of one that stands for all.
fn reached_at(listening: SocketAddr, known: impl Fn() -> IpAddr) -> SocketAddr {
    if listening.ip().is_unspecified() { SocketAddr::new(known(), listening.port()) } else { listening }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(advertised: &str, http: &[&str], https: &[&str]) -> Vec<String> {
        let advertised = ("YAKYAK_SIP__ADVERTISED_ADDRESS".to_owned(), advertised.to_owned());
        let settings = Settings::from_sources(None, vec![advertised]).unwrap();
        let read = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        phone_pages(&settings, &api::Addresses { http: read(http), https: read(https) })
    }

    #[test]
    fn the_page_has_an_address_that_can_be_typed() {
        assert_eq!(
            pages("198.51.100.7", &["127.0.0.1:8080"], &["0.0.0.0:8443", "[::]:8443"]),
            ["http://127.0.0.1:8080/phone", "https://198.51.100.7:8443/phone"]
        );
        assert_eq!(
            pages("198.51.100.7", &["[::1]:80", "0.0.0.0:8080"], &["[2001:db8::1]:443"]),
            ["http://127.0.0.1:8080/phone", "https://[2001:db8::1]:443/phone"]
        );
        assert!(pages("", &[], &[]).is_empty());
    }
}
