//! A house with transports and nothing behind them, and clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use sip::{Flow, Transmit, Transport};
use sip_net::{Addresses, Certificate, Event, Received, Sockets, StreamConfig, Transports};

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const STREAMS: [Transport; 4] = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

pub(crate) struct House {
    pub(crate) transports: Transports,
    pub(crate) addresses: Addresses,
    events: Receiver<Event>,
}

impl House {
    /// One on 127.0.0.1 and on [::1], with the usual limits.
    pub(crate) fn open() -> Self {
        Self::with(StreamConfig::default())
    }

    pub(crate) fn with(config: StreamConfig) -> Self {
        Self::at(&["127.0.0.1:0", "[::1]:0"], config)
    }

    pub(crate) fn at(addresses: &[&str], config: StreamConfig) -> Self {
        let all: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let listen = Addresses { udp: all.clone(), tcp: all.clone(), tls: all.clone(), ws: all.clone(), wss: all };
        let sockets = Sockets::bind(&listen).unwrap();
        let (sender, events) = channel();
        let config = StreamConfig { certificate: config.certificate.or_else(|| Some(certificate())), ..config };
        let sink = move |event| sender.send(event).is_ok();
        let transports = Transports::start(sockets, config, &sip_net::Guard::open(), Arc::new(sink)).unwrap();
        Self { addresses: transports.addresses(), transports, events }
    }

    pub(crate) fn address(&self, transport: Transport, v6: bool) -> SocketAddr {
        let addresses = self.addresses.of(transport);
        *addresses.iter().find(|address| address.is_ipv6() == v6).unwrap()
    }

    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    pub(crate) fn received(&self) -> Received {
        match self.event() {
            Event::Received(received) => received,
            other => panic!("{other:?} instead of a message"),
        }
    }

    pub(crate) fn closed(&self) -> Flow {
        match self.event() {
            Event::Closed(flow) => flow,
            other => panic!("{other:?} instead of an end"),
        }
    }

    pub(crate) fn nothing_for(&self, time: Duration) {
        match self.events.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("{other:?} instead of silence"),
        }
    }

    pub(crate) fn send(&self, flow: Flow, message: impl Into<Bytes>) {
        self.transports.send(Transmit { flow, bytes: message.into() });
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Transports) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(&self.transports) {
            assert!(Instant::now() < until, "never so: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.transports.close();
    }
}

/// One certificate for all tests that do not care.
pub(crate) fn certificate() -> Arc<Certificate> {
    static MADE: OnceLock<Arc<Certificate>> = OnceLock::new();
    let make = || Certificate::self_signed(tempfile::tempdir().unwrap().path(), &["localhost".to_owned()]).unwrap();
    Arc::clone(MADE.get_or_init(make))
}

/// A message that begins something.
pub(crate) fn options(call_id: &str, via_params: &str) -> String {
    format!(
        "OPTIONS sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5999;branch=z9hG4bK{call_id}{via_params}\r\nFrom: \
         <sip:a@example>;tag=1\r\nTo: <sip:pbx.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 4\r\n\r\nbody"
    )
}

pub(crate) fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn tls(address: SocketAddr) -> Tls {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp(address));
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream
}

#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Exactly these bytes come next.
pub(crate) fn reads(stream: &mut impl Read, expected: &[u8]) {
    let mut buffer = vec![0; expected.len()];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer), String::from_utf8_lossy(expected));
}

/// The peer hangs up; what comes before is passed over.
pub(crate) fn hangs_up(stream: &mut impl Read) {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the connection stands")
            }
            Err(_) => return,
        }
    }
}

/// Everything at once, also inside TLS.
pub(crate) fn write(stream: &mut impl Write, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).unwrap();
    stream.flush().unwrap();
}
