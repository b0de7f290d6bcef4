//! Accepting connections, and ending all of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::warn;

use crate::connection::{self, Terms};
use crate::guests::Guests;
use crate::limits::{ACCEPT_REST, Limits};
use crate::socket::{Addresses, Sockets};

/// Serves pages until it is stopped.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Starts accepting, on the runtime that this is called in. `tls` is what HTTPS shows; without it HTTPS sockets hang up.
    ///
    /// # Errors
    /// The runtime does not take a socket.
    pub fn start(sockets: Sockets, tls: Option<Arc<ServerConfig>>, router: Router, limits: Limits) -> io::Result<Self> {
        let addresses = sockets.addresses();
        let (stop, stopped) = watch::channel(false);
        let tls = tls.map(TlsAcceptor::from);
        let guests = Guests::new(limits.connections, limits.connections_per_address);
        for bound in sockets.bound {
            if bound.secure && tls.is_none() {
                warn!(address = %bound.address, "no certificate for HTTPS: nothing is served there");
                continue;
            }
            let listener = TcpListener::from_std(bound.listener)?;
            let tls = tls.clone().filter(|_| bound.secure);
            let terms = Terms { router: router.clone(), tls, limits, stop: stopped.clone() };
            tokio::spawn(accept(listener, bound.address, guests.clone(), terms));
        }
        Ok(Self { addresses, stop })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Accepts nobody any more, and waits until the answers under way are sent, but no longer than `patience`.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        // Each connection holds a receiver, so this is the moment when the last one has ended.
        let _ = tokio::time::timeout(patience, self.stop.closed()).await;
    }
}

/// Accepts until everything is to stop.
async fn accept(listener: TcpListener, address: SocketAddr, guests: Guests, terms: Terms) {
    let mut stop = terms.stop.clone();
    let mut warned = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                warned = false;
                welcome(stream, remote, &guests, &terms);
            }
            // A connection that was gone again before we came costs nothing; without descriptors others must end first.
            Err(error) if is_about_one_peer(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!(%address, %error, "cannot accept connections for pages at the moment");
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    // The port is free before the receivers in `terms` say that this has ended.
    drop(listener);
}

fn welcome(stream: TcpStream, remote: SocketAddr, guests: &Guests, terms: &Terms) {
    let Some(guest) = guests.admit(remote.ip()) else { return };
    let terms = terms.clone();
    tokio::spawn(async move {
        connection::serve(stream, terms).await;
        drop(guest);
    });
}

fn is_about_one_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
