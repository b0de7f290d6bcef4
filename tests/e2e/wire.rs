//! A SIP client of the tests' own, over any transport: bytes on the wire, and a small phone on top of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use sip::Transport;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage, WebSocket, client};

use crate::server::{Login, PATIENCE, Server};

/// How long one read may wait before the deadline is looked at.
const TICK: Duration = Duration::from_millis(20);

/// One way to a server.
pub(crate) struct Wire {
    pub(crate) transport: Transport,
    pub(crate) server: SocketAddr,
    pub(crate) local: SocketAddr,
    socket: Socket,
    /// What has come on a stream and is not yet a whole message.
    received: Vec<u8>,
    closed: bool,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Ws(Box<WebSocket<TcpStream>>),
    Wss(Box<WebSocket<StreamOwned<ClientConnection, TcpStream>>>),
}

impl Wire {
    /// Opens one to an address.
    pub(crate) fn connect(transport: Transport, server: SocketAddr) -> Self {
        let any: SocketAddr = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
        let (socket, local) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(any).unwrap();
                socket.connect(server).unwrap();
                socket.set_read_timeout(Some(TICK)).unwrap();
                let local = socket.local_addr().unwrap();
                (Socket::Udp(socket), local)
            }
            Transport::Tcp => {
                let (stream, local) = tcp(server);
                (Socket::Tcp(stream), local)
            }
            Transport::Tls => {
                let (stream, local) = tcp(server);
                (Socket::Tls(Box::new(tls(stream))), local)
            }
            Transport::Ws => {
                let (stream, local) = tcp(server);
                let request = upgrade(&format!("ws://{server}/"));
                (Socket::Ws(Box::new(client::client(request, stream).unwrap().0)), local)
            }
            Transport::Wss => {
                let (stream, local) = tcp(server);
                let request = upgrade(&format!("wss://{server}/ws"));
                (Socket::Wss(Box::new(client::client(request, tls(stream)).unwrap().0)), local)
            }
        };
        let mut wire = Self { transport, server, local, socket, received: Vec::new(), closed: false };
        // Blocking until here, so that the openings complete.
        if let Some(stream) = wire.stream() {
            stream.set_read_timeout(Some(TICK)).unwrap();
        }
        wire
    }

    /// Opens one to a server's own address for the transport.
    pub(crate) fn to(server: &Server, transport: Transport, v6: bool) -> Self {
        Self::connect(transport, server.address(transport, v6))
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: impl AsRef<[u8]>) {
        let bytes = message.as_ref();
        match &mut self.socket {
            Socket::Udp(socket) => {
                socket.send(bytes).unwrap();
            }
            Socket::Tcp(stream) => stream.write_all(bytes).unwrap(),
            Socket::Tls(stream) => {
                stream.write_all(bytes).unwrap();
                stream.flush().unwrap();
            }
            Socket::Ws(socket) => socket.send(frame(bytes)).unwrap(),
            Socket::Wss(socket) => socket.send(frame(bytes)).unwrap(),
        }
    }

    /// Sends one message a byte at a time, where the transport is a stream of bytes.
    pub(crate) fn send_byte_by_byte(&mut self, message: impl AsRef<[u8]>) {
        match self.transport {
            Transport::Tcp | Transport::Tls => {
                for byte in message.as_ref().chunks(1) {
                    self.send(byte);
                }
            }
            Transport::Udp | Transport::Ws | Transport::Wss => self.send(message),
        }
    }

    /// The next message; there must be one.
    pub(crate) fn receive(&mut self) -> String {
        self.try_receive(PATIENCE).unwrap_or_else(|| panic!("nothing came over {}", self.transport))
    }

    /// The next message, if one comes in time.
    pub(crate) fn try_receive(&mut self, within: Duration) -> Option<String> {
        let until = Instant::now() + within;
        loop {
            if let Some(message) = self.take_message() {
                return Some(message);
            }
            if self.closed || Instant::now() > until {
                return None;
            }
            self.read();
        }
    }

    /// Bytes that have come on a stream and are no message, such as a lone CRLF.
    pub(crate) fn receive_bytes(&mut self, length: usize) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        while self.received.len() < length {
            assert!(Instant::now() < until && !self.closed, "{length} bytes never came over {}", self.transport);
            self.read();
        }
        self.received.drain(..length).collect()
    }

    /// Whether the server closes the connection in time. Messages that come before are lost.
    pub(crate) fn closes(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.closed && Instant::now() < until {
            self.read();
        }
        self.closed
    }

    /// The certificate that the server shows.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let connection = match &self.socket {
            Socket::Tls(stream) => &stream.conn,
            Socket::Wss(socket) => &socket.get_ref().conn,
            Socket::Udp(_) | Socket::Tcp(_) | Socket::Ws(_) => panic!("{} has no certificate", self.transport),
        };
        connection.peer_certificates().unwrap()[0].to_vec()
    }

    fn stream(&mut self) -> Option<&TcpStream> {
        match &self.socket {
            Socket::Udp(_) => None,
            Socket::Tcp(stream) => Some(stream),
            Socket::Tls(stream) => Some(&stream.sock),
            Socket::Ws(socket) => Some(socket.get_ref()),
            Socket::Wss(socket) => Some(&socket.get_ref().sock),
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 65_536];
        let read = match &mut self.socket {
            Socket::Udp(socket) => match socket.recv(&mut buffer) {
                // An empty datagram is none.
                Ok(0) => return,
                read => read,
            },
            Socket::Tcp(stream) => stream.read(&mut buffer),
            Socket::Tls(stream) => stream.read(&mut buffer),
            Socket::Ws(socket) => ws_read(socket.read(), &mut buffer),
            Socket::Wss(socket) => ws_read(socket.read(), &mut buffer),
        };
        match read {
            Ok(0) => self.closed = true,
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => self.closed = true,
        }
    }

    /// Everything on a datagram or in a frame; on a stream what Content-Length says.
    fn take_message(&mut self) -> Option<String> {
        let head = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        if head == 4 {
            return None;
        }
        let text = String::from_utf8_lossy(&self.received[..head]).into_owned();
        let body: usize = header(&text, "Content-Length").map_or(0, |length| length.parse().unwrap());
        if self.received.len() < head + body {
            return None;
        }
        let bytes: Vec<u8> = self.received.drain(..head + body).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn tcp(server: SocketAddr) -> (TcpStream, SocketAddr) {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = stream.local_addr().unwrap();
    (stream, local)
}

/// TLS that takes any certificate.
fn tls(stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
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

fn upgrade(url: &str) -> client::ClientRequestBuilder {
    client::ClientRequestBuilder::new(url.parse().unwrap()).with_sub_protocol("sip")
}

fn frame(bytes: &[u8]) -> WsMessage {
    match std::str::from_utf8(bytes) {
        Ok(text) => WsMessage::text(text),
        Err(_) => WsMessage::binary(bytes.to_vec()),
    }
}

fn ws_read(read: Result<WsMessage, WsError>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match read {
        Ok(WsMessage::Text(_) | WsMessage::Binary(_)) => {
            let bytes = read.unwrap().into_data();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
        Ok(WsMessage::Close(_)) => Ok(0),
        Ok(_) => Err(ErrorKind::WouldBlock.into()),
        Err(WsError::Io(error)) => Err(error),
        Err(_) => Ok(0),
    }
}

/// The first value of a header, by its full name.
pub(crate) fn header(message: &str, name: &str) -> Option<String> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Every line of a header, as `Name: value` lines.
pub(crate) fn headers(message: &str, name: &str) -> String {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head
        .lines()
        .skip(1)
        .filter(|line| line.split_once(':').is_some_and(|(found, _)| found.trim().eq_ignore_ascii_case(name)));
    lines.map(|line| format!("{line}\r\n")).collect()
}

/// The status code of an answer.
pub(crate) fn status(message: &str) -> u16 {
    let Some(rest) = message.strip_prefix("SIP/2.0 ") else { panic!("not an answer: {message}") };
    rest[..3].parse().unwrap()
}

/// A phone over one wire.
pub(crate) struct Phone {
    pub(crate) wire: Wire,
    pub(crate) login: Login,
    /// What stands behind the Contact's address.
    pub(crate) contact_params: String,
    tag: String,
    registration: String,
    sequence: u32,
}

impl Phone {
    /// A phone for an extension of the demo tenant.
    pub(crate) fn new(server: &Server, transport: Transport, v6: bool, number: &str) -> Self {
        if transport.is_web() {
            server.is_no_browser(number);
        }
        let wire = Wire::to(server, transport, v6);
        let tag = format!("t{}", wire.local.port());
        let registration = format!("registration-{}-{number}", wire.local.port());
        let login = server.login(number);
        Self { wire, login, contact_params: String::new(), tag, registration, sequence: 0 }
    }

    /// Registers, and returns the last answer.
    pub(crate) fn register(&mut self) -> String {
        self.register_with("")
    }

    /// The same with further header lines.
    pub(crate) fn register_with(&mut self, lines: &str) -> String {
        let domain = self.domain();
        let to = format!("<sip:{}@{domain}>", self.login.username);
        let extra = format!("Contact: {}{}\r\nExpires: 600\r\n{lines}", self.contact(), self.contact_params);
        let call_id = self.registration.clone();
        self.transact("REGISTER", &format!("sip:{domain}"), &to, &call_id, &extra)
    }

    /// Sends a request outside of a dialog, with the password when it is asked for, and returns its final answer. Provisional
    /// answers are passed over.
    pub(crate) fn transact(&mut self, method: &str, uri: &str, to: &str, call_id: &str, extra: &str) -> String {
        self.send_request(method, uri, to, call_id, extra, "");
        let answer = self.final_answer();
        if !matches!(status(&answer), 401 | 407) {
            return answer;
        }
        let authorization = self.authorization(&answer, method, uri);
        self.send_request(method, uri, to, call_id, &format!("{authorization}{extra}"), "");
        self.final_answer()
    }

    /// Sends a request; it gets the next number of this phone.
    pub(crate) fn send_request(&mut self, method: &str, uri: &str, to: &str, call_id: &str, extra: &str, body: &str) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.send_numbered(method, sequence, uri, to, call_id, extra, body);
    }

    #[expect(clippy::too_many_arguments, reason = "the lines of a message")]
    pub(crate) fn send_numbered(
        &mut self,
        method: &str,
        sequence: u32,
        uri: &str,
        to: &str,
        call_id: &str,
        extra: &str,
        body: &str,
    ) {
        let (host, domain) = (self.host(), self.domain());
        let message = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {host};branch=z9hG4bK{tag}{method}{sequence};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} \
             {method}\r\n{extra}Content-Length: {length}\r\n\r\n{body}",
            transport = self.wire.transport,
            tag = self.tag,
            user = self.login.username,
            length = body.len(),
        );
        self.wire.send(message);
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, request: &str, code: u16, extra: &str, body: &str) {
        let to = header(request, "To").unwrap();
        let to = if to.contains("tag=") || code == 100 { to } else { format!("{to};tag={}", self.tag) };
        let copied: String =
            ["Via", "Record-Route", "From", "Call-ID", "CSeq"].map(|name| headers(request, name)).concat();
        let contact = self.contact();
        let message = format!(
            "SIP/2.0 {code} Answer\r\n{copied}To: {to}\r\nContact: {contact}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.wire.send(message);
    }

    /// The next message that begins so; what comes before is passed over.
    pub(crate) fn wait_for(&mut self, beginning: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "{beginning:?} never came over {}", self.wire.transport);
            let message = self.wire.receive();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }

    /// The next answer of 200 or more.
    pub(crate) fn final_answer(&mut self) -> String {
        loop {
            let answer = self.wait_for("SIP/2.0 ");
            if status(&answer) >= 200 {
                return answer;
            }
        }
    }

    /// The Authorization line that answers a challenge.
    pub(crate) fn authorization(&self, challenge: &str, method: &str, uri: &str) -> String {
        let (asked, name) = match status(challenge) {
            401 => (header(challenge, "WWW-Authenticate").unwrap(), "Authorization"),
            _ => (header(challenge, "Proxy-Authenticate").unwrap(), "Proxy-Authorization"),
        };
        let word = |name: &str| {
            let rest = asked.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {asked}"));
            rest.split('"').next().unwrap().to_owned()
        };
        let (realm, nonce, user) = (word("realm"), word("nonce"), &self.login.username);
        let md5 = |text: String| -> String { Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
        let one = md5(format!("{user}:{realm}:{}", self.login.password));
        let two = md5(format!("{method}:{uri}"));
        let response = md5(format!("{one}:{nonce}:00000001:c0ffee:auth:{two}"));
        format!(
            "{name}: Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",response=\"{response}\",\
             algorithm=MD5,qop=auth,nc=00000001,cnonce=\"c0ffee\"\r\n"
        )
    }

    /// The address that stands for the server in URIs.
    pub(crate) fn domain(&self) -> String {
        self.wire.server.to_string()
    }

    /// This phone's Contact.
    pub(crate) fn contact(&self) -> String {
        let (user, host) = (&self.login.username, self.host());
        match self.wire.transport {
            Transport::Udp => format!("<sip:{user}@{host}>"),
            other => format!("<sip:{user}@{host};transport={}>", other.uri_param()),
        }
    }

    /// What stands for this phone in Via and Contact. A browser does not know its address (RFC 7118 §5).
    pub(crate) fn host(&self) -> String {
        match self.wire.transport {
            Transport::Ws | Transport::Wss => format!("b{}.invalid", self.wire.local.port()),
            Transport::Udp | Transport::Tcp | Transport::Tls => self.wire.local.to_string(),
        }
    }
}
