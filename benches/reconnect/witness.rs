//! A phone on UDP that registers anew ten times a second, and notes how long each time takes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::phones::{PASSWORD, header, hex, number, quoted};

const EVERY: Duration = Duration::from_millis(100);
/// After which a request is sent again, and after which it has failed.
const RESEND: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(10);

pub(crate) struct Witness {
    seen: Arc<Mutex<Figures>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// The phone of the extension with this index.
    pub(crate) fn start(server: SocketAddr, domain: String, index: usize) -> Self {
        let (seen, over) = (Arc::<Mutex<Figures>>::default(), Arc::new(AtomicBool::new(false)));
        let (noted, ends) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(RESEND)).unwrap();
            let mut sequence = 0;
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                let mut resent = 0;
                let registered = register(&socket, &domain, &number(index), &mut sequence, &mut resent);
                {
                    let mut seen = noted.lock().unwrap();
                    seen.begun += 1;
                    seen.resent += resent;
                    match registered {
                        true => seen.completed += 1,
                        false => seen.failed += 1,
                    }
                    seen.delays.push(began.elapsed());
                }
                std::thread::sleep(EVERY.saturating_sub(began.elapsed()));
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    /// What it has noted since the last time.
    pub(crate) fn take(&self) -> Figures {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Both rounds of a REGISTER.
fn register(socket: &UdpSocket, domain: &str, user: &str, sequence: &mut u32, resent: &mut u64) -> bool {
    let local = socket.local_addr().unwrap();
    let mut credentials = String::new();
    for _ in 0..2 {
        *sequence += 1;
        let request = format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKwitness{sequence}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag=witness\r\nTo: <sip:{user}@{domain}>\r\n\
             Call-ID: witness-{port}\r\nCSeq: {sequence} REGISTER\r\nContact: <sip:{user}@{local}>\r\nExpires: 3600\r\n\
             {credentials}Content-Length: 0\r\n\r\n",
            port = local.port(),
        );
        let Some(answer) = answer(socket, &request, &format!("{sequence} REGISTER"), resent) else { return false };
        match answer.get(8..11) {
            Some("200") => return true,
            Some("401") => credentials = authorization(&answer, user, domain),
            _ => return false,
        }
    }
    false
}

/// Sends a request until its answer is there.
fn answer(socket: &UdpSocket, request: &str, sequence: &str, resent: &mut u64) -> Option<String> {
    let began = Instant::now();
    let mut buffer = [0; 65_535];
    socket.send(request.as_bytes()).ok()?;
    while began.elapsed() < GIVE_UP {
        let Ok(length) = socket.recv(&mut buffer) else {
            *resent += 1;
            socket.send(request.as_bytes()).ok()?;
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..length]);
        if text.starts_with("SIP/2.0 ") && header(&text, "CSeq") == Some(sequence) {
            return Some(text.into_owned());
        }
    }
    None
}

/// The header that answers the challenge of a REGISTER (RFC 2617 with qop=auth).
pub(crate) fn authorization(response: &str, user: &str, domain: &str) -> String {
    let challenge = header(response, "WWW-Authenticate").unwrap_or_default();
    let (realm, nonce) = (quoted(challenge, "realm"), quoted(challenge, "nonce"));
    let (one, two) = (hex(&format!("{user}:{realm}:{PASSWORD}")), hex(&format!("REGISTER:sip:{domain}")));
    let answer = hex(&format!("{one}:{nonce}:00000001:bench:auth:{two}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:{domain}\", \
         response=\"{answer}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"bench\"\r\n"
    )
}
