//! One connection: TLS where it has it, then HTTP/1.1 until it ends.

use std::io;
use std::pin::pin;
use std::time::Instant;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::trace;

use crate::limits::{HEAD_BYTES, Limits};

/// What every connection of a socket is given.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    /// Becomes true when everything is to end. Whoever holds one is waited for.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Serves it until it ends, its time is over, or everything is to stop.
pub(crate) async fn serve(stream: TcpStream, terms: Terms) {
    let began = Instant::now();
    let _ = stream.set_nodelay(true);
    let outcome = match &terms.tls {
        None => speak(stream, &terms).await,
        Some(acceptor) => match timeout(terms.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, &terms).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake came")),
        },
    };
    if let Err(error) = outcome {
        trace!(%error, lasted_ms = began.elapsed().as_millis(), "a connection for pages ended early");
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, terms: &Terms) -> io::Result<()> {
    let limits = &terms.limits;
    let mut stop = terms.stop.clone();
    let service = TowerToHyperService::new(terms.router.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return done.map_err(io::Error::other),
        () = sleep(limits.lifetime) => {}
        // Whoever could say stop is gone: that is a stop as well.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    match timeout(limits.goodbye, connection).await {
        Ok(done) => done.map_err(io::Error::other),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the last answer was not taken")),
    }
}
