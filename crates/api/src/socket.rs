//! Listening sockets that do not accept yet.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::limits::{BACKLOG, MAX_SOCKETS};

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {} {address}: {source}", if *secure { "HTTPS" } else { "HTTP" })]
pub struct BindError {
    /// Whether HTTPS should have been there.
    pub secure: bool,
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Where it is listened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP.
    pub http: Vec<SocketAddr>,
    /// HTTPS.
    pub https: Vec<SocketAddr>,
}

/// Bound sockets that do not accept yet.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(crate) bound: Vec<Bound>,
}

impl Sockets {
    /// Where they are bound, in the order asked for; a port 0 has become the real one.
    pub fn addresses(&self) -> Addresses {
        let of = |secure| self.bound.iter().filter(move |bound| bound.secure == secure).map(|bound| bound.address);
        Addresses { http: of(false).collect(), https: of(true).collect() }
    }
}

/// Binds everything, or nothing.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(addresses: &Addresses) -> Result<Sockets, BindError> {
    let http = addresses.http.iter().map(|address| (false, *address));
    let https = addresses.https.iter().map(|address| (true, *address));
    let mut bound = Vec::new();
    for (secure, address) in http.chain(https) {
        let one = if bound.len() < MAX_SOCKETS {
            Bound::bind(secure, address)
        } else {
            Err(io::Error::new(io::ErrorKind::QuotaExceeded, format!("more than {MAX_SOCKETS} sockets")))
        };
        bound.push(one.map_err(|source| BindError { secure, address, source })?);
    }
    Ok(Sockets { bound })
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) secure: bool,
    pub(crate) address: SocketAddr,
    pub(crate) listener: TcpListener,
}

impl Bound {
    fn bind(secure: bool, address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        // A restart must not wait for the connections of the process before it to be forgotten.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() {
            // So that 0.0.0.0 and [::] may stand side by side on one port.
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = TcpListener::from(socket);
        Ok(Self { secure, address: listener.local_addr()?, listener })
    }
}
